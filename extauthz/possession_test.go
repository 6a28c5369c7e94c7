package extauthz_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// holder is a client with a DPoP key of its own.
type holder struct {
	key    *jwttest.Key
	proofs int
}

func newHolder() *holder { return &holder{key: jwttest.NewKey("ES256", "")} }

// proof is a good one for a POST of the resource with this token, after
// changes; each has an id of its own.
func (h *holder) proof(token string, changes map[string]any) string {
	h.proofs++
	return h.key.SignProof(jwttest.Proof{
		Method: "POST", URL: resourceURI, Token: token, ID: fmt.Sprint(h.proofs), At: testTime,
	}, changes)
}

// TestDPoP is RFC 9449 at the door: each row is a way to present a
// token, and the answer it deserves under each mode.
func TestDPoP(t *testing.T) {
	h, thief := newHolder(), newHolder()
	bound := map[string]any{"cnf": map[string]any{"jkt": h.key.Thumbprint()}}
	present := func(scheme, token string, proofs ...string) clientRequest {
		a := clientRequest{headers: [][2]string{{"authorization", scheme + " " + token}}}
		for _, proof := range proofs {
			a.headers = append(a.headers, [2]string{"dpop", proof})
		}
		return a
	}
	for _, row := range []struct {
		intent                  string
		ask                     func(d *testService) clientRequest
		off, optional, required string
	}{
		{"an unbound token as bearer", func(d *testService) clientRequest { return present("Bearer", d.token()) }, "allowed", "allowed", "binding_unproven"},
		{"an unbound token as DPoP", func(d *testService) clientRequest { c := d.token(); return present("DPoP", c, h.proof(c, nil)) }, "no_credentials", "binding_unproven", "binding_unproven"},
		{"a bound token as bearer", func(d *testService) clientRequest { return present("Bearer", d.token(bound)) }, "binding_unproven", "binding_unproven", "binding_unproven"},
		{"a bound token as bearer, with a proof", func(d *testService) clientRequest { c := d.token(bound); return present("Bearer", c, h.proof(c, nil)) }, "binding_unproven", "binding_unproven", "binding_unproven"},
		{"a bound token with its proof", func(d *testService) clientRequest { c := d.token(bound); return present("dpop", c, h.proof(c, nil)) }, "no_credentials", "allowed", "allowed"},
		{"a bound token without a proof", func(d *testService) clientRequest { return present("DPoP", d.token(bound)) }, "no_credentials", "dpop_proof_invalid", "dpop_proof_invalid"},
		{"two proofs", func(d *testService) clientRequest {
			c := d.token(bound)
			return present("DPoP", c, h.proof(c, nil), h.proof(c, nil))
		}, "no_credentials", "dpop_proof_invalid", "dpop_proof_invalid"},
		{"a thief's proof", func(d *testService) clientRequest {
			c := d.token(bound)
			return present("DPoP", c, thief.proof(c, nil))
		}, "no_credentials", "dpop_proof_invalid", "dpop_proof_invalid"},
		{"the proof of another token", func(d *testService) clientRequest { return present("DPoP", d.token(bound), h.proof("x", nil)) }, "no_credentials", "dpop_proof_invalid", "dpop_proof_invalid"},
		{"for another method", func(d *testService) clientRequest {
			c := d.token(bound)
			return present("DPoP", c, h.proof(c, map[string]any{"htm": "GET"}))
		}, "no_credentials", "dpop_proof_invalid", "dpop_proof_invalid"},
		{"for another resource of the host", func(d *testService) clientRequest {
			c := d.token(bound)
			return present("DPoP", c, h.proof(c, map[string]any{"htu": "https://mcp.example.com/other"}))
		}, "no_credentials", "dpop_proof_invalid", "dpop_proof_invalid"},
		{"for the URL that a mesh shows", func(d *testService) clientRequest {
			c := d.token(bound)
			return present("DPoP", c, h.proof(c, map[string]any{"htu": "https://weather.ns.svc:8443/mcp"}))
		}, "no_credentials", "allowed", "allowed"},
		{"a forwarded host has no say", func(d *testService) clientRequest {
			c := d.token(bound)
			a := present("DPoP", c, h.proof(c, map[string]any{"htu": "https://evil.example.com/mcp"}))
			a.headers = append(a.headers, [2]string{"x-forwarded-host", "evil.example.com"}, [2]string{"x-forwarded-proto", "https"})
			return a
		}, "no_credentials", "dpop_proof_invalid", "dpop_proof_invalid"},
		{"from another time", func(d *testService) clientRequest {
			c := d.token(bound)
			return present("DPoP", c, h.proof(c, map[string]any{"iat": testTime.Add(-6 * time.Minute).Unix()}))
		}, "no_credentials", "dpop_proof_invalid", "dpop_proof_invalid"},
		{"an audience mismatch comes after the proof", func(d *testService) clientRequest {
			c := d.token(bound, map[string]any{"aud": "x"})
			return present("DPoP", c, h.proof(c, nil))
		}, "no_credentials", "audience_mismatch", "audience_mismatch"},
	} {
		t.Run(row.intent, func(t *testing.T) {
			for mode, want := range map[string]string{"off": row.off, "optional": row.optional, "required": row.required} {
				d := startService(t, dpop(mode), remember)
				if got := readResponse(t, d.check(t, row.ask(d).apart())); got.reason != want {
					t.Errorf("%s: got %s, want %s", mode, got.reason, want)
				}
				// Again, with the token remembered and a fresh proof.
				if got := readResponse(t, d.check(t, row.ask(d).joined())); got.reason != want {
					t.Errorf("%s, again: got %s, want %s", mode, got.reason, want)
				}
			}
		})
	}
}

// TestAReplayedProof: a proof is spent by its first use, except that Envoy may
// ask twice about one and the same request.
func TestAReplayedProof(t *testing.T) {
	h := newHolder()
	d := startService(t, dpop("required"), remember)
	compact := d.token(map[string]any{"cnf": map[string]any{"jkt": h.key.Thumbprint()}})
	question := clientRequest{headers: [][2]string{{"authorization", "DPoP " + compact}, {"dpop", h.proof(compact, nil)}}}
	from := func(stream, peer string) *authv3.CheckRequest {
		request := question.joined()
		request.GetAttributes().GetRequest().GetHttp().Id = stream
		request.GetAttributes().Source = &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
			SocketAddress: &corev3.SocketAddress{Address: peer, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 4711}},
		}}}
		return request
	}
	for i, row := range []struct{ stream, peer, want string }{
		{"1", "192.0.2.1", "allowed"},
		{"1", "192.0.2.1", "allowed"}, // Envoy's own retry
		{"2", "192.0.2.1", "dpop_proof_invalid"},
		{"1", "192.0.2.2", "dpop_proof_invalid"},
		{"", "192.0.2.1", "dpop_proof_invalid"},
	} {
		if got := readResponse(t, d.check(t, from(row.stream, row.peer))); got.reason != row.want {
			t.Errorf("%d: got %s, want %s", i, got.reason, row.want)
		}
	}
}

// TestAProofAfterARestart is RFC 9449, section 9: what the process before this
// one accepted is not taken again, and its client is let in once it has
// answered with the nonce that it was given.
func TestAProofAfterARestart(t *testing.T) {
	h := newHolder()
	bound := map[string]any{"cnf": map[string]any{"jkt": h.key.Thumbprint()}}
	before := startService(t, dpop("required"), remember)
	sharedKey := func(p *plan) { p.proofs.NonceKeys = [][]byte{[]byte("a key that all replicas share, of 32 bytes")} }
	just := func(p *plan) { p.since = testTime.Add(-time.Second) }
	for name, changes := range map[string][]func(*plan){
		"a secret of the process": {just},
		"a shared key":            {just, sharedKey},
		"always":                  {func(p *plan) { p.proofs.NonceAlways = true }},
	} {
		t.Run(name, func(t *testing.T) {
			after := startService(t, append(changes, dpop("required"), remember, func(p *plan) { p.keys = jwttest.JWKS(before.key) })...)
			compact := before.token(bound)
			used := clientRequest{headers: [][2]string{{"authorization", "DPoP " + compact}, {"dpop", h.proof(compact, nil)}}}
			if got := readResponse(t, before.check(t, used.joined())); got.reason != "allowed" {
				t.Fatalf("before: %s", got.reason)
			}
			response := after.check(t, used.joined())
			want := wireAnswer{
				"dpop_nonce_required", 401,
				`DPoP resource_metadata="` + metadataURL + `", algs="ES256 EdDSA", error="use_dpop_nonce", error_description="` + reason.DPoPNonceRequired.Description() + `"`,
				`{"error":"use_dpop_nonce","error_description":"` + reason.DPoPNonceRequired.Description() + `"}`,
			}
			if got := readResponse(t, response); got != want {
				t.Fatalf("got  %+v\nwant %+v", got, want)
			}
			nonces := deniedHeader(response.GetDeniedResponse(), "dpop-nonce")
			if len(nonces) != 1 || !regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`).MatchString(nonces[0]) {
				t.Fatalf("nonces %q", nonces)
			}
			answer := used
			answer.headers = [][2]string{used.headers[0], {"dpop", h.proof(compact, map[string]any{"nonce": nonces[0]})}}
			for _, want := range []string{"allowed", "dpop_proof_invalid"} {
				response := after.check(t, answer.joined())
				if got := readResponse(t, response); got.reason != want {
					t.Errorf("the answer: %s, want %s", got.reason, want)
				}
				if nonces := deniedHeader(response.GetDeniedResponse(), "dpop-nonce"); len(nonces) > 0 {
					t.Errorf("%s came with a nonce", want)
				}
			}
		})
	}
}

// TestAProofFromAhead: clocks differ by clock_skew, and not by the five minutes
// for which a proof is fresh.
func TestAProofFromAhead(t *testing.T) {
	h := newHolder()
	d := startService(t, dpop("required"), func(p *plan) { p.proofs.ClockSkew = 10 * time.Second })
	compact := d.token(map[string]any{"cnf": map[string]any{"jkt": h.key.Thumbprint()}})
	for ahead, want := range map[time.Duration]string{
		10 * time.Second: "allowed", 11 * time.Second: "dpop_proof_invalid", 4 * time.Minute: "dpop_proof_invalid",
		-5 * time.Minute: "allowed", -5*time.Minute - time.Second: "dpop_proof_invalid",
	} {
		proof := h.proof(compact, map[string]any{"iat": testTime.Add(ahead).Unix()})
		question := clientRequest{headers: [][2]string{{"authorization", "DPoP " + compact}, {"dpop", proof}}}
		if got := readResponse(t, d.check(t, question.joined())); got.reason != want {
			t.Errorf("%v: %s, want %s", ahead, got.reason, want)
		}
	}
}

// TestARefusedTokenSpendsNoProof: what fails before the proof leaves it good.
func TestARefusedTokenSpendsNoProof(t *testing.T) {
	h := newHolder()
	now := testTime.Add(2 * time.Hour)
	d := startService(t, dpop("required"), func(p *plan) { p.verifier.Now = func() time.Time { return now } })
	compact := d.token(map[string]any{"cnf": map[string]any{"jkt": h.key.Thumbprint()}})
	proof := h.proof(compact, map[string]any{"iat": now.Unix()})
	question := clientRequest{headers: [][2]string{{"authorization", "DPoP " + compact}, {"dpop", proof}}}
	if got := readResponse(t, d.check(t, question.joined())); got.reason != "token_expired" {
		t.Fatalf("got %s", got.reason)
	}
	now = testTime.Add(time.Hour)
	proof = h.proof(compact, map[string]any{"iat": now.Unix(), "jti": "1"})
	question.headers[1][1] = proof
	if got := readResponse(t, d.check(t, question.joined())); got.reason != "allowed" {
		t.Errorf("got %s", got.reason)
	}
}

// TestCertificateBoundTokens is X-3: the certificate is the connection's, or
// the one that Envoy wrote into x-forwarded-client-cert, as configured.
func TestCertificateBoundTokens(t *testing.T) {
	certificate, err := os.ReadFile("testdata/client.pem")
	if err != nil {
		t.Fatal(err)
	}
	sum := certificateDigest(t, certificate)
	hash := fmt.Sprintf("Hash=%x", sum)
	bound := map[string]any{"cnf": map[string]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(sum)}}
	other := map[string]any{"cnf": map[string]any{"x5t#S256": strings.Repeat("A", 43)}}
	for _, row := range []struct {
		intent, where string
		claims        map[string]any
		source, xfcc  string
		want          string
	}{
		{"the connection's", "source", bound, string(certificate), "", "allowed"},
		{"source is the default", "", bound, string(certificate), "", "allowed"},
		{"another's token", "source", other, string(certificate), "", "binding_unproven"},
		{"no certificate", "source", bound, "", "", "binding_unproven"},
		{"a header proves nothing where it is not read", "source", bound, "", hash, "binding_unproven"},
		{"the header", "xfcc", bound, "", "By=spiffe://x;" + hash + `;Subject="CN=a,b;c"`, "allowed"},
		{"the connection proves nothing where the header counts", "xfcc", bound, string(certificate), "", "binding_unproven"},
		{"two elements: one of them is the client's own", "xfcc", bound, "", hash + "," + hash, "binding_unproven"},
		{"two hashes", "xfcc", bound, "", hash + ";" + hash, "binding_unproven"},
		{"no hash", "xfcc", bound, "", "By=x", "binding_unproven"},
		{"an unbound token needs none", "source", nil, "", "", "allowed"},
	} {
		t.Run(row.intent, func(t *testing.T) {
			d := startService(t, remember, func(p *plan) { p.resources[0].ClientCertificate = row.where })
			question := bearer(d.token(row.claims))
			if row.xfcc != "" {
				question.headers = append(question.headers, [2]string{"x-forwarded-client-cert", row.xfcc})
			}
			for range 2 { // the second time the token is remembered, the proof is not
				request := question.joined()
				request.GetAttributes().Source = &authv3.AttributeContext_Peer{Certificate: strings.ReplaceAll(url.QueryEscape(row.source), "+", "%20")}
				if got := readResponse(t, d.check(t, request)); got.reason != row.want {
					t.Errorf("got %s, want %s", got.reason, row.want)
				}
			}
		})
	}
}

func certificateDigest(t *testing.T, text []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatal("no certificate")
	}
	sum := sha256.Sum256(block.Bytes)
	return sum[:]
}

// TestAPolicySeesTheBinding so that a team may demand one.
func TestAPolicySeesTheBinding(t *testing.T) {
	h := newHolder()
	d := startService(t, append(useTempFolder(t, team(`require.bound if input.token.binding == "dpop"`)), dpop("optional"))...)
	if got := readResponse(t, d.check(t, bearer(d.token()).joined())); got.reason != "policy_denied" {
		t.Errorf("unbound: %s", got.reason)
	}
	compact := d.token(map[string]any{"cnf": map[string]any{"jkt": h.key.Thumbprint()}})
	question := clientRequest{headers: [][2]string{{"authorization", "DPoP " + compact}, {"dpop", h.proof(compact, nil)}}}
	if got := readResponse(t, d.check(t, question.joined())); got.reason != "allowed" {
		t.Errorf("bound: %s", got.reason)
	}
}

// TestIssuedBefore voids what is older, what has no time of issue, and
// nothing else.
func TestIssuedBefore(t *testing.T) {
	d := startService(t, func(p *plan) {
		p.revocations = fmt.Sprintf(`{"serial": 1, "issued_before": [{"issuer": %q, "time": %d}]}`, issuerURL, testTime.Add(-time.Minute).Unix())
	})
	for intent, row := range map[string]struct {
		iat  any
		want string
	}{
		"older":       {testTime.Add(-time.Minute - time.Second).Unix(), "token_revoked"},
		"as old":      {testTime.Add(-time.Minute).Unix(), "allowed"},
		"without iat": {nil, "token_revoked"},
		"and younger": {testTime.Unix(), "allowed"},
	} {
		if got := readResponse(t, d.check(t, bearer(d.token(map[string]any{"iat": row.iat})).joined())); got.reason != row.want {
			t.Errorf("%s: got %s, want %s", intent, got.reason, row.want)
		}
	}
}

// TestRevocation: each selector, on a token that is remembered already, within
// a second of the change.
func TestRevocation(t *testing.T) {
	for intent, entry := range map[string]map[string]any{
		"jti": {"jti": "id-1"}, "sub": {"sub": "alice"}, "client_id": {"client_id": "app"}, "kid": {"kid": "key-1"},
	} {
		t.Run(intent, func(t *testing.T) {
			d := startService(t, remember, func(p *plan) { p.revocations = `{"serial": 1, "revoked": []}` })
			good := bearer(d.token())
			for range 2 {
				if got := readResponse(t, d.check(t, good.joined())); got.reason != "allowed" {
					t.Fatalf("before: %s", got.reason)
				}
			}
			entry["issuer"] = issuerURL
			list, err := json.Marshal(map[string]any{"serial": 2, "revoked": []any{entry}})
			if err != nil {
				t.Fatal(err)
			}
			changed := time.Now()
			if err := os.WriteFile(d.revocationFile, list, 0o600); err != nil {
				t.Fatal(err)
			}
			got := readResponse(t, d.check(t, good.joined()))
			for got.reason == "allowed" && time.Since(changed) < 10*time.Second {
				got = readResponse(t, d.check(t, good.joined()))
			}
			if got.reason != "token_revoked" {
				t.Errorf("after %v: %s", time.Since(changed), got.reason)
			}
			t.Logf("in force after %v", time.Since(changed))
		})
	}
}

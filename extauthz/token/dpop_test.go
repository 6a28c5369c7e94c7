package token

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
)

// a proof with one defect is refused, for that defect, and is not spent.
func TestEachProofDefectAlone(t *testing.T) {
	rows := proofDefects()
	if len(rows) != proofDefectCount {
		t.Errorf("%d rows, want %d", len(rows), proofDefectCount)
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			x, b := newExchange(row.change), binderAt(newClock())
			p := x.present()
			binding, refusal := b.Verify(t.Context(), x.confirmation, p, x.mode, x.rules)
			if refusal == nil {
				t.Fatalf("accepted as %q", binding)
			}
			if refusal.Reason != reason.DPoPProofInvalid {
				t.Errorf("refused as %v, want dpop_proof_invalid", refusal.Reason)
			}
			if !strings.Contains(refusal.Detail, row.detail) {
				t.Errorf("detail %q, want one of %q", refusal.Detail, row.detail)
			}
			for _, proof := range p.Proofs {
				if leak := leaked(refusal.Detail, proof); leak != "" {
					t.Errorf("detail %q repeats %q of the proof", refusal.Detail, leak)
				}
			}
			if len(b.replays.seen) != 0 {
				t.Error("remembered, though it was refused")
			}
		})
	}
}

// What is just within each bound is accepted.
func TestProofAccepted(t *testing.T) {
	rows := map[string]twist{
		"as drafted":                          func(*exchange) {},
		"typ in capitals":                     proofHeader("typ", "DPoP+JWT"),
		"typ as a whole media type":           proofHeader("typ", "application/dpop+jwt"),
		"jwk with kid, alg, use and key_ops":  twists(inJWK("kid", "k"), inJWK("alg", "ES256"), inJWK("use", "sig"), inJWK("key_ops", []string{"verify"}), inJWK("ext", true)),
		"jwk is what counts, not kid":         proofHeader("kid", "rs"),
		"a nonce that is not required":        proofClaim("nonce", "x"),
		"a nonce that is no string":           proofClaim("nonce", 1),
		"other claims are not read":           twists(proofClaim("exp", 1), proofClaim("iss", "x"), proofClaim("cnf", "x")),
		"jti of 256 bytes":                    proofClaim("jti", strings.Repeat("x", 256)),
		"jti of one byte":                     proofClaim("jti", "\x00"),
		"iat exactly 5 minutes ago":           proofClaim("iat", testTime.Add(-proofWindow).Unix()),
		"iat ahead by exactly the clock skew": proofClaim("iat", testTime.Add(skew).Unix()),
		"iat with a fraction":                 issuedAt(fmt.Sprintf("%d.5", testTime.Unix())),
		"another URL of this request":         proofClaim("htu", "http://mcp.ns.svc:8080/mcp"),
		"htu in another spelling":             proofClaim("htu", "HTTPS://MCP.Example.com:443/%6dcp"),
		"query and fragment are not compared": proofClaim("htu", targetURL+"?x=../y#z"),
		"a method that is not registered":     twists(proofClaim("htm", "M-SEARCH"), presented(func(p *Presentation) { p.Method = "M-SEARCH" })),
		"dpop: required":                      func(x *exchange) { x.mode = DPoPRequired },
	}
	for name, change := range rows {
		t.Run(name, func(t *testing.T) {
			binding, refusal := newExchange(change).prove(t, binderAt(newClock()))
			if binding != bindingDPoP {
				t.Errorf("%+v", refusal)
			}
		})
	}
}

// Every algorithm that tokens may have, a proof may have.
func TestEveryProofAlgorithm(t *testing.T) {
	keys := map[string]string{
		"RS256": "rs", "RS384": "rs", "RS512": "rs", "PS256": "rs", "PS384": "rs", "PS512": "rs",
		"ES256": "es", "ES384": "es384", "ES512": "es512", "EdDSA": "ed", "Ed25519": "ed",
	}
	for _, alg := range DefaultAlgorithms() {
		t.Run(alg, func(t *testing.T) {
			binding, refusal := newExchange(boundTo(newWorld().keys[keys[alg]], alg)).prove(t, binderAt(newClock()))
			if binding != bindingDPoP {
				t.Errorf("%+v", refusal)
			}
		})
	}
}

// A flood of proofs is bounded like one of tokens, and costs no proof its jti.
func TestProofsWaitTheirTurn(t *testing.T) {
	b := NewPossessionVerifier(PossessionOptions{Now: newClock().read, InFlight: 1, Since: longAgo})
	x := newExchange()
	busy, ok := b.limiter.acquire(t.Context(), x.presentation.Issuer, work{"ES256", 1})
	if !ok {
		t.Fatal("no turn")
	}
	if b.InFlight() != 1 {
		t.Errorf("%d in flight", b.InFlight())
	}
	p := x.present()
	if _, refusal := b.Verify(context.Background(), x.confirmation, p, x.mode, x.rules); refusal == nil || refusal.Reason != reason.Overloaded {
		t.Fatalf("%+v, want overloaded", refusal)
	}
	for _, row := range proofDefects() { // what is wrong without a signature needs no turn
		_, refusal := newExchange(row.change).prove(t, b)
		if late := strings.HasSuffix(row.detail, "does not verify"); (refusal.Reason == reason.Overloaded) != late {
			t.Errorf("%s: %v", row.name, refusal.Reason)
		}
	}
	busy.release()
	if _, refusal := b.Verify(t.Context(), x.confirmation, p, x.mode, x.rules); refusal != nil {
		t.Errorf("afterwards: %+v", refusal)
	}
	if b.InFlight() != 0 {
		t.Errorf("%d in flight at the end", b.InFlight())
	}
}

// TestAFailedProofCools the slot of its token's issuer, as a failed token does,
// and so does one that comes again: its signature was verified for nothing too.
func TestAFailedProofCools(t *testing.T) {
	of := func(issuer string) twist {
		return presented(func(p *Presentation) { p.Issuer = issuer })
	}
	good := newExchange(of(usualID))
	proof := good.present()
	forged := newExchange(of(usualID), func(x *exchange) {
		x.raw = func(header, payload []byte) string { return newWorld().forger.SignRaw(header, payload) }
	})
	for _, row := range []struct {
		intent string
		sent   []Presentation
		rests  int64
	}{
		{"a good proof", []Presentation{proof}, 0},
		{"a forged one", []Presentation{forged.present()}, 1},
		{"one that comes again", []Presentation{proof, proof}, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := NewPossessionVerifier(PossessionOptions{Now: newClock().read, InFlight: 4, Since: longAgo})
			b.algorithms["ES256"] = (&paced{takes: time.Millisecond}).of(b.algorithms["ES256"])
			for _, p := range row.sent {
				_, _ = b.Verify(t.Context(), good.confirmation, p, good.mode, good.rules) // other tests say what it answers
			}
			time.Sleep(cooldownFactor*maxGrowth*time.Millisecond - 1)
			if got := b.limiter.queueOf(usualID).cooling.Load(); got != row.rests {
				t.Errorf("%s: %d slots rest, not %d", row.intent, got, row.rests)
			}
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			b.limiter.isEmpty(t)
		})
	}
}

// The examples of RFC 9449: the proof and token of section 7.1, the proof for a
// token endpoint of section 4.1, the thumbprint of section 6.1.
const (
	rfcHeader = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19."
	rfcProof4 = rfcHeader + "eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
	rfcProof7 = rfcHeader + "eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
	rfcToken  = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
	rfcJKT    = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
	rfcIssued = 1562262618
)

func TestExamplesOfRFC9449(t *testing.T) {
	rows := []struct {
		name, proof, method, url, detail string
		at                               int64
	}{
		{"section 7.1", rfcProof7, "GET", "https://resource.example.org/protectedresource", "", rfcIssued},
		{"section 7.1, five minutes on", rfcProof7, "GET", "https://resource.example.org/protectedresource", "", rfcIssued + 300},
		{"section 7.1, a second later", rfcProof7, "GET", "https://resource.example.org/protectedresource", "iat", rfcIssued + 301},
		{"section 7.1, as a POST", rfcProof7, "POST", "https://resource.example.org/protectedresource", "htm", rfcIssued},
		{"section 4.1 is for a token endpoint", rfcProof4, "POST", "https://server.example.com/token", "ath: absent", rfcIssued},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			b := NewPossessionVerifier(PossessionOptions{Now: func() time.Time { return time.Unix(row.at, 0) }, Since: longAgo})
			_, refusal := b.Verify(t.Context(), readConfirmation(cnf("jkt", rfcJKT)), Presentation{
				Scheme: SchemeDPoP, Compact: rfcToken, Proofs: []string{row.proof}, Method: row.method, URLs: []string{row.url},
			}, DPoPRequired, ProofRules{})
			if (refusal == nil) != (row.detail == "") || refusal != nil && !strings.Contains(refusal.Detail, row.detail) {
				t.Errorf("%+v, want one of %q", refusal, row.detail)
			}
		})
	}
	// The signature of section 4.1 is good all the same.
	proof, _ := readProof(rfcProof4)
	b := binderAt(newClock())
	algorithm, key, flaw := b.proofKey(dpopProof{header: header{alg: "ES256"}, jwk: proof.jwk}, rfcJKT)
	if flaw != "" {
		t.Fatal(flaw)
	}
	if err := algorithm.verifier.Verify([]byte(proof.input), proof.signature, key.Public); err != nil {
		t.Error(err)
	}
}

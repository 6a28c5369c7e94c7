package envoy_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jwt"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/internal/assertion"
	"github.com/doorward/doorward/internal/handle"
	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// issue makes the server weather get an assertion and a handle.
func issue(t *testing.T, state *extauthz.State, baggage bool) (*handle.Sealer, *assertion.Signer) {
	t.Helper()
	sealer, err := handle.New(handle.Options{Keys: [][]byte{bytes.Repeat([]byte{1}, handle.KeyBytes)}, Lifetime: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := assertion.New(assertion.Options{
		Issuer: "https://doorward.example.com", Audience: "https://weather.internal", Lifetime: time.Minute,
		Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	})
	if err != nil {
		t.Fatal(err)
	}
	state.Handles, state.HandleResources, state.HandleBaggage = sealer, map[string]bool{"weather": true}, baggage
	state.Assertions = map[string]*assertion.Signer{"weather": signer}
	return sealer, signer
}

// TestAServerVerifiesItsAssertion as docs/assertion.md shows it for Go, behind a real
// Envoy, whatever the client writes under the two names.
func TestAServerVerifiesItsAssertion(t *testing.T) {
	testenv.RequireEnvoy(t)
	key := jwttest.NewKey("ES256", "key-1")
	for _, baggage := range []bool{false, true} {
		state := standard(key).state(t)
		sealer, signer := issue(t, state, baggage)
		behind := startUpstream(t)
		h := startEnvironment(t, behind.address, func(b *testenv.Bootstrap) {
			if baggage { // what docs/assertion.md changes in envoy.yaml
				b.Authz.DecoderHeaderMutationRules.AllowExpression.Regex = "^(authorization|dpop|baggage|x[^a-z0-9].+)$"
			}
		})
		h.activate(t, state)
		secret := key.Sign(claims())
		ask := bearer(secret)
		for _, header := range [][2]string{
			{"x-mcp-auth-assertion", "forged"},
			{"X-MCP-Auth-Assertion", secret},
			{"x-mcp-auth-handle", "forged"},
			{"x-mcp-auth-handle", strings.Repeat("A", 30<<10)},
			{"x.mcp.auth.handle", "forged"},
			{"x-mcp~auth-assertion", "forged"},
			{"baggage", "a=1,x-mcp-auth-handle=forged"},
			{"Baggage", "%78-mcp-auth-handle=forged, b=2"},
		} {
			ask = ask.with(header[0], header[1])
		}
		for name, send := range map[string]func(*testing.T, clientRequest) reply{"HTTP/1.1": h.send, "HTTP/2": h.sendHTTP2} {
			got, seen := send(t, ask), behind.take()
			if got.status != 200 || len(seen) != 1 {
				t.Fatalf("%s: %v, and %d requests arrived", name, got, len(seen))
			}
			verifyAsServer(t, seen[0], signer)
			handles, members := seen[0].values("x-mcp-auth-handle"), strings.Join(seen[0].values("baggage"), ",")
			if baggage {
				rest, found := strings.CutPrefix(members, "a=1,b=2,x-mcp-auth-handle=")
				if !found || len(handles) != 0 {
					t.Errorf("%s: baggage %q, handles %q", name, members, handles)
				}
				handles = []string{rest}
			}
			if len(handles) != 1 {
				t.Fatalf("%s: handles %q", name, handles)
			}
			if content, err := sealer.Open(handles[0], "weather", testTime); err != nil || content.Token != secret {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// verifyAsServer does what the page shows: typ, signature, iss, aud, and exp.
func verifyAsServer(t *testing.T, seen arrived, signer *assertion.Signer) {
	t.Helper()
	values := seen.values("x-mcp-auth-assertion")
	if len(values) != 1 {
		t.Fatalf("assertions %q", values)
	}
	keys, err := jwk.Parse(assertion.KeySet(signer))
	if err != nil {
		t.Fatal(err)
	}
	verified, err := jwt.ParseString(values[0], jwt.WithKeySet(keys),
		jwt.WithIssuer("https://doorward.example.com"), jwt.WithAudience("https://weather.internal"),
		jwt.WithClock(jwt.ClockFunc(func() time.Time { return testTime })))
	if err != nil || verified.Subject() != "alice" {
		t.Errorf("%v: %v", verified, err)
	}
}

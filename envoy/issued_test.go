package envoy_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"slices"
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
		var configuration []byte
		if baggage {
			configuration = allowBaggage(t)
		}
		h := startEnvironmentOf(t, configuration, behind.address)
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

// allowBaggage is the shipped file with its comment about baggage in the place of the
// line above it.
func allowBaggage(t *testing.T) []byte {
	t.Helper()
	const start = "allow_expression: "
	lines := strings.Split(string(uncomment(t, "# "+start)), "\n")
	shipped := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), start) })
	without := slices.Delete(lines, shipped, shipped+1)
	return []byte(strings.Join(without, "\n"))
}

// TestBaggageThroughEnvoy as envoy.yaml has it, and with its comment about carry: baggage.
func TestBaggageThroughEnvoy(t *testing.T) {
	testenv.RequireEnvoy(t)
	key := jwttest.NewKey("ES256", "key-1")
	const sent = "a=1;p=q, x-mcp-auth-handle=forged,b=%20"
	for _, c := range []struct {
		name            string
		carries, allows bool
		status          int
		want            string // what the server gets; of a handle, its name alone
	}{
		{"carry: header", false, false, 200, sent},
		{"carry: header, and the comment", false, true, 200, sent},
		{"carry: baggage", true, true, 200, "a=1;p=q,b=%20,x-mcp-auth-handle="},
		{"carry: baggage without the comment", true, false, 500, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			state := standard(key).state(t)
			sealer, _ := issue(t, state, c.carries)
			var configuration []byte
			if c.allows {
				configuration = allowBaggage(t)
			}
			behind := startUpstream(t)
			h := startEnvironmentOf(t, configuration, behind.address)
			h.activate(t, state)
			secret := key.Sign(claims())
			for range 2 { // the second answer is one to a known token
				got, seen := h.send(t, bearer(secret).with("baggage", sent)), behind.take()
				if got.status != c.status || len(seen) > 1 {
					t.Fatalf("%d, and %d requests arrived", got.status, len(seen))
				}
				if c.status != 200 {
					continue
				}
				members, text := strings.Join(seen[0].values("baggage"), ","), ""
				if c.carries {
					if at := strings.LastIndexByte(members, '=') + 1; at > 0 {
						members, text = members[:at], members[at:]
					}
				} else {
					text = strings.Join(seen[0].values("x-mcp-auth-handle"), ",")
				}
				if members != c.want {
					t.Errorf("baggage %q, want %q", members, c.want)
				}
				if content, err := sealer.Open(text, "weather", testTime); err != nil || content.Token != secret {
					t.Errorf("handle %q: %v", text, err)
				}
			}
		})
	}
}

package token

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// clock shows one time until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: testTime} }

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}

// binderAt is a verifier with room for a few proofs, which started long ago.
func binderAt(c *clock) *PossessionVerifier {
	return NewPossessionVerifier(PossessionOptions{Now: c.read, InFlight: 2, Waiting: 100, Since: longAgo})
}

// longAgo is before the window after a start.
var longAgo = time.Unix(0, 0)

// exchange is one request with a DPoP-bound token in the making: whole and
// good, until a test twists it.
type exchange struct {
	key          *jwttest.Key
	header       map[string]any // of the proof
	claims       map[string]any // of the proof
	confirmation Confirmation
	presentation Presentation
	mode         DPoPMode
	rules        ProofRules
	raw          func(header, payload []byte) string // instead of key.SignRaw
	after        func(proof string) []string         // what is sent of the proof
}

// twist changes an exchange, mostly for the worse.
type twist func(*exchange)

const (
	accessToken = "the.access.token"
	targetURL   = "https://mcp.example.com/mcp"
)

func newExchange(twists ...twist) *exchange {
	key := newWorld().keys["es"]
	x := &exchange{
		key:          key,
		header:       map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": publicJWK(key)},
		claims:       map[string]any{"jti": "p-1", "htm": "POST", "htu": targetURL, "iat": testTime.Unix(), "ath": hashOf(accessToken)},
		confirmation: Confirmation{Present: true, Thumbprint: thumbprintOf(key)},
		presentation: Presentation{
			Scheme: SchemeDPoP, Compact: accessToken, Method: "POST",
			URLs: []string{"http://mcp.ns.svc:8080/mcp", targetURL},
		},
		mode:  DPoPOptional,
		rules: ProofRules{ClockSkew: skew},
		after: func(proof string) []string { return []string{proof} },
	}
	for _, change := range twists {
		change(x)
	}
	return x
}

// proof is what the client of x signed.
func (x *exchange) proof() string {
	if x.raw == nil {
		x.raw = x.key.SignRaw
	}
	return x.raw(jsonOf(x.header), jsonOf(x.claims))
}

func (x *exchange) present() Presentation {
	p := x.presentation
	if p.Proofs == nil {
		p.Proofs = x.after(x.proof())
	}
	return p
}

// prove gives one of a binding and a refusal.
func (x *exchange) prove(t *testing.T, b *PossessionVerifier) (string, *Refusal) {
	t.Helper()
	binding, refusal := b.Verify(t.Context(), x.confirmation, x.present(), x.mode, x.rules)
	if (binding == "") == (refusal == nil) {
		t.Fatalf("binding %q and refusal %v: want exactly one", binding, refusal)
	}
	return binding, refusal
}

// publicJWK is the bare key, as clients put it in a proof.
func publicJWK(key *jwttest.Key) map[string]any {
	jwk := key.JWK()
	for _, name := range []string{"kid", "alg", "use"} {
		delete(jwk, name)
	}
	return jwk
}

// thumbprintOf is RFC 7638 by hand: the required members alone, sorted.
func thumbprintOf(key *jwttest.Key) string { return hashOf(string(jsonOf(publicJWK(key)))) }

func hashOf(text string) string {
	digest := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(digest[:])
}

func jsonOf(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return text
}

func proofHeader(name string, value any) twist {
	return func(x *exchange) { set(x.header, name, value) }
}

func proofClaim(name string, value any) twist {
	return func(x *exchange) { set(x.claims, name, value) }
}

// issuedAt writes an iat that Go's own numbers cannot hold.
func issuedAt(text string) twist { return proofClaim("iat", json.RawMessage(text)) }

// inJWK changes a member of the key in the header alone.
func inJWK(name string, value any) twist {
	return func(x *exchange) {
		jwk, ok := x.header["jwk"].(map[string]any)
		if !ok {
			panic("the header has no jwk")
		}
		set(jwk, name, value)
	}
}

// boundTo makes it an exchange of another key throughout.
func boundTo(key *jwttest.Key, alg string) twist {
	return func(x *exchange) {
		own := *key
		own.Alg = alg
		x.key, x.header["jwk"], x.header["alg"] = &own, publicJWK(key), alg
		x.confirmation.Thumbprint = thumbprintOf(key)
	}
}

func presented(change func(*Presentation)) twist {
	return func(x *exchange) { change(&x.presentation) }
}

// proofSent replaces the header by what became of it on the way.
func proofSent(change func(proof string) []string) twist {
	return func(x *exchange) { x.after = change }
}

// proofHeaderText and proofPayload sign these bytes.
func proofHeaderText(change func(header string) string) twist {
	return func(x *exchange) {
		x.raw = func(header, payload []byte) string { return x.key.SignRaw([]byte(change(string(header))), payload) }
	}
}

func proofPayload(change func(payload string) string) twist {
	return func(x *exchange) {
		x.raw = func(header, payload []byte) string { return x.key.SignRaw(header, []byte(change(string(payload)))) }
	}
}

func twists(list ...twist) twist {
	return func(x *exchange) {
		for _, change := range list {
			change(x)
		}
	}
}

package envoy_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"math"
	"sync"
	"testing"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/token"
)

// heavyKey is the largest RSA key that doorward takes, with the largest
// exponent: a signature under it takes a good part of a millisecond to find
// false, and the gate rests for fifteen times as long, so that two of them meet
// on any machine. Nobody has its private half.
type heavyKey struct{ modulus []byte }

const heavyBytes = 4096 / 8

func newHeavyKey() heavyKey {
	modulus := random(heavyBytes)
	modulus[0] |= 0x80            // all the bits there can be
	modulus[heavyBytes-1] |= 0x01 // no modulus is even
	return heavyKey{modulus}
}

func random(size int) []byte {
	bytes := make([]byte, size)
	rand.Read(bytes) // never fails (Go 1.24 and later)
	return bytes
}

func encode(bytes []byte) string { return base64.RawURLEncoding.EncodeToString(bytes) }

// encodeJSON takes strings and numbers alone, which always can be encoded.
func encodeJSON(value map[string]any) string {
	bytes, _ := json.Marshal(value)
	return encode(bytes)
}

// forge asks with a token that was never seen before, so that no memory of bad
// ones can answer.
func (k heavyKey) forge() clientRequest {
	signature := random(heavyBytes)
	signature[0] &= 0x7f // a number below the modulus
	input := encodeJSON(map[string]any{"alg": "RS256", "kid": "heavy", "typ": "at+jwt"}) + "." +
		encodeJSON(claims(map[string]any{"jti": rand.Text()}))
	return bearer(input + "." + encode(signature))
}

// narrowGate leaves room for one signature, by this key.
func (k heavyKey) narrowGate(t *testing.T, p *plan) {
	t.Helper()
	set, err := json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "kid": "heavy", "alg": "RS256",
		"n": encode(k.modulus), "e": encode([]byte{math.MaxInt32 >> 24, 0xff, 0xff, 0xff}),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	source := jwks.NewSource(jwks.Options{Issuer: issuerURL, Static: set}, jwks.Environment{})
	p.issuers = map[string]*token.Issuer{issuerURL: trust(source)}
	p.verifier.InFlight, p.verifier.Waiting = 1, 0
}

// floodUntil asks from many connections at once, until one of them gets this
// status.
func floodUntil(t *testing.T, h *environment, fresh func() clientRequest, status int) reply {
	t.Helper()
	ctx, enough := context.WithCancel(withPatience(t))
	defer enough()
	found := make(chan reply, 1)
	var clients sync.WaitGroup
	for range 16 {
		clients.Go(func() {
			for ctx.Err() == nil {
				got, err := h.exchange(ctx, fresh())
				if err == nil && got.status == status {
					select {
					case found <- got:
					default:
					}
					enough()
				}
			}
		})
	}
	clients.Wait()
	select {
	case got := <-found:
		return got
	default:
		t.Fatalf("a flood never led to %d", status)
		return reply{}
	}
}

package jwttest_test

import (
	"encoding/json"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// What mint makes with the standard library, jwx reads and verifies from the
// published JWK: so neither can be wrong alone.
func TestTokenVerifiesUnderItsJWK(t *testing.T) {
	rs := jwttest.NewKey("RS256", "rsa")
	ps := *rs
	ps.Alg = "PS512"
	keys := []*jwttest.Key{
		rs, &ps,
		jwttest.NewKey("ES256", "p256"), jwttest.NewKey("ES384", "p384"), jwttest.NewKey("ES512", "p521"),
		jwttest.NewKey("EdDSA", "ed"), jwttest.NewKey("HS256", "secret"),
	}
	for _, key := range keys {
		t.Run(key.Alg, func(t *testing.T) {
			public, err := jwk.ParseKey(marshal(t, key.JWK()))
			if err != nil {
				t.Fatal(err)
			}
			token := key.Sign(map[string]any{"sub": "alice"})
			payload, err := jws.Verify([]byte(token), jws.WithKey(jwa.SignatureAlgorithm(key.Alg), public))
			if err != nil || string(payload) != `{"sub":"alice"}` {
				t.Fatalf("payload %s, %v", payload, err)
			}
			message, err := jws.Parse([]byte(token))
			if err != nil {
				t.Fatal(err)
			}
			header := message.Signatures()[0].ProtectedHeaders()
			if header.KeyID() != key.ID || header.Type() != "at+jwt" || string(header.Algorithm()) != key.Alg {
				t.Errorf("header %+v", header)
			}
		})
	}
}

func TestJWKSHoldsEveryKey(t *testing.T) {
	set, err := jwk.Parse(jwttest.JWKS(jwttest.NewKey("ES256", "a"), jwttest.NewKey("Ed25519", "b")))
	if err != nil || set.Len() != 2 {
		t.Fatalf("%v, %v", set, err)
	}
	if _, found := set.LookupKeyID("b"); !found {
		t.Error("no key b")
	}
}

func TestUnknownAlgorithmPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	jwttest.NewKey("RS255", "")
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

package mint_test

import (
	"encoding/json"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/doorward/doorward/envoy/rig/mint"
)

// What mint makes with the standard library, jwx reads and verifies from the
// published JWK: so neither can be wrong alone.
func TestTokenVerifiesUnderItsJWK(t *testing.T) {
	rs := mint.NewKey("RS256", "rsa")
	ps := *rs
	ps.Alg = "PS512"
	keys := []*mint.Key{
		rs, &ps,
		mint.NewKey("ES256", "p256"), mint.NewKey("ES384", "p384"), mint.NewKey("ES512", "p521"),
		mint.NewKey("EdDSA", "ed"), mint.NewKey("HS256", "secret"),
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
	set, err := jwk.Parse(mint.JWKS(mint.NewKey("ES256", "a"), mint.NewKey("Ed25519", "b")))
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
	mint.NewKey("RS255", "")
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

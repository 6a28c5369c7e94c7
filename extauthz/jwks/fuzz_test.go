package jwks

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"testing"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/strictjson"
)

var fuzzed = slices.Concat(rsaAlgorithms, p256Algorithms, p384Algorithms, p521Algorithms, ed25519Algorithms)

// FuzzParse: no panic; every key that comes out fits an algorithm, bears the
// thumbprint of its material and survives a round through its canonical JWK;
// the order of elements has no say in what a Lookup finds.
func FuzzParse(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte(`{"keys":[{}]}`))
	f.Add([]byte(`{"keys":[7,null,"a",[],{"kty":"oct","k":"AA"}]}`))
	f.Add(setOf(ed25519JWK("a"), ecJWK("a", elliptic.P256()), rsaJWK("a", 2048, 3)))
	f.Add(setOf(ed25519JWKOf("a", "1"), ed25519JWKOf("a", "2")))
	f.Add(setOf(ed25519JWK("a"), ed25519JWK("b"), ed25519JWK("c"), ed25519JWK("d"), ed25519JWK("e"), ed25519JWKOf("f", "a")))
	f.Add(setOf(changes{"alg": "Ed25519"}.of(ed25519JWK("a")), changes{"kid": nil}.of(ed25519JWK("b"))))
	f.Add(setOf(ecJWK("c", elliptic.P384()), ecJWK("d", elliptic.P521()), changes{"e": b64(make([]byte, 40))}.of(rsaJWK("e", 2048, 3))))
	f.Add(setOf(changes{"x": b64(bytes.Repeat([]byte{0xff}, 32))}.of(ecJWK("c", elliptic.P256()))))
	f.Fuzz(func(t *testing.T, doc []byte) {
		set, _, err := Parse(doc)
		if err != nil {
			if set != nil {
				t.Fatal("a set beside an error")
			}
			return
		}
		for _, k := range set.keys {
			checkKey(t, k)
		}
		reversed, _, err := Parse(reverse(t, doc))
		if err != nil {
			t.Fatalf("reversed: %v", err)
		}
		ids := []*string{nil, name("unknown")}
		for _, k := range set.keys {
			ids = append(ids, name(k.ID))
		}
		for _, id := range ids {
			for _, alg := range append(fuzzed, "none", "HS256") {
				sameAnswer(t, set, reversed, id, alg)
			}
		}
	})
}

func checkKey(t *testing.T, k *Key) {
	t.Helper()
	if !slices.ContainsFunc(fuzzed, k.Fits) || k.Fits("none") || k.Fits("HS256") {
		t.Errorf("%s fits nothing, or what it must not", k.ID)
	}
	canonical := canonicalJWK(t, k)
	sum := sha256.Sum256(canonical)
	if b64(sum[:]) != k.Thumbprint {
		t.Errorf("thumbprint %s of %s", k.Thumbprint, canonical)
	}
	again, skipped, err := Parse(rawSetOf(string(canonical)))
	if err != nil || again.Len() != 1 || again.keys[0].Thumbprint != k.Thumbprint {
		t.Errorf("%s does not come back: %v, %v", canonical, skipped, err)
	}
}

// canonicalJWK writes what RFC 7638, section 3.2, hashes, from the key alone.
func canonicalJWK(t *testing.T, k *Key) []byte {
	t.Helper()
	switch p := k.Public.(type) {
	case *rsa.PublicKey:
		return fmt.Appendf(nil, `{"e":"%s","kty":"RSA","n":"%s"}`, b64(big.NewInt(int64(p.E)).Bytes()), b64(p.N.Bytes()))
	case *ecdsa.PublicKey:
		x, y := coordinates(p)
		return fmt.Appendf(nil, `{"crv":"%s","kty":"EC","x":"%s","y":"%s"}`, p.Curve.Params().Name, x, y)
	case ed25519.PublicKey:
		return fmt.Appendf(nil, `{"crv":"Ed25519","kty":"OKP","x":"%s"}`, b64(p))
	}
	t.Fatalf("a key of type %T", k.Public)
	return nil
}

func reverse(t *testing.T, doc []byte) []byte {
	t.Helper()
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	found, err := strictjson.ReadMembers(doc, "keys")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(found.Get("keys"), &set.Keys); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(set.Keys)
	elements := make([]string, len(set.Keys))
	for i, k := range set.Keys {
		elements[i] = string(k)
	}
	return rawSetOf(elements...)
}

func sameAnswer(t *testing.T, a, b *Set, id *string, alg string) {
	t.Helper()
	keysA, whyA := a.Lookup(id, alg)
	keysB, whyB := b.Lookup(id, alg)
	same := slices.EqualFunc(keysA, keysB, func(a, b *Key) bool { return a.identity() == b.identity() })
	if whyA != whyB || !same {
		t.Errorf("%s: %s with %d keys, and %s with %d in reverse, or others", alg, whyA, len(keysA), whyB, len(keysB))
	}
	if got := materials(keysA); whyA == reason.Allowed && got != len(keysA) || len(keysA) > maxCandidates {
		t.Errorf("%s: %d keys, and %d materials", alg, len(keysA), got)
	}
	want := fitting(a, alg)
	if want > 4 {
		want = 0
	}
	if id == nil && len(keysA) != want {
		t.Errorf("%s without kid: %d keys, want %d", alg, len(keysA), want)
	}
}

// fitting is how many different keys of a set fit an algorithm.
func fitting(s *Set, alg string) int {
	var keys []*Key
	for _, k := range s.keys {
		if k.Fits(alg) {
			keys = append(keys, k)
		}
	}
	return materials(keys)
}

func materials(keys []*Key) int {
	different := map[string]bool{}
	for _, k := range keys {
		different[k.Thumbprint] = true
	}
	return len(different)
}

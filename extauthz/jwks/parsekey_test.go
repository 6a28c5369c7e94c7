package jwks

import (
	"crypto/elliptic"
	"encoding/json"
	"testing"
)

// A key alone is judged as it would be in a set: every element of a set that
// holds nothing else is used or refused by the same words.
func TestParseKeyIsAsStrictAsParse(t *testing.T) {
	ec, rsa := ecJWK("k", elliptic.P256()), rsaJWK("k", 2048, 65537)
	rows := []struct {
		intent string
		jwk    member
		taken  bool
	}{
		{"EC", ec, true},
		{"RSA", rsa, true},
		{"Ed25519", ed25519JWK("k"), true},
		{"no kid", changes{"kid": nil}.of(ec), true},
		{"alg of its own", changes{"alg": "ES256"}.of(ec), true},
		{"private", changes{"d": ec["x"]}.of(ec), false},
		{"symmetric", member{"kty": "oct", "k": "c2VjcmV0"}, false},
		{"for encryption", changes{"use": "enc"}.of(rsa), false},
		{"key_ops without verify", changes{"key_ops": []string{"sign"}}.of(ec), false},
		{"alg of another curve", changes{"alg": "ES384"}.of(ec), false},
		{"a short modulus", rsaJWK("k", 1024, 65537), false},
		{"a small exponent", rsaJWK("k", 2048, 1), false},
		{"a long modulus", rsaJWK("k", 4097, 65537), false},
		{"off its curve", changes{"y": ec["x"]}.of(ec), false},
		{"a key set", member{"keys": []member{ec}}, false},
		{"nothing", member{}, false},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			doc, err := json.Marshal(row.jwk)
			if err != nil {
				t.Fatal(err)
			}
			key, err := ParseKey(doc)
			if (err == nil) != row.taken || (key != nil) != row.taken {
				t.Fatalf("key %v, error %v", key, err)
			}
			set, skipped, parseErr := Parse(rawSetOf(string(doc)))
			switch {
			case parseErr != nil || set.Len()+len(skipped) != 1:
				t.Fatalf("in a set: %d keys, %v, %v", set.Len(), skipped, parseErr)
			case row.taken && (set.Len() != 1 || set.keys[0].identity() != key.identity()):
				t.Errorf("another key than in a set")
			case !row.taken && skipped[0].Why != err.Error():
				t.Errorf("refused as %q, in a set as %q", err, skipped[0].Why)
			}
		})
	}
}

// TestParseKeyIsStricterWithExponents: what an issuer may publish, a client may
// not bring.
func TestParseKeyIsStricterWithExponents(t *testing.T) {
	for _, exponent := range []int64{3, 17, 65537, 65539, 1<<31 - 1} {
		doc, err := json.Marshal(rsaJWK("k", 4096, exponent))
		if err != nil {
			t.Fatal(err)
		}
		if key, err := ParseKey(doc); (key != nil) != (exponent == 65537) || (err == nil) != (exponent == 65537) {
			t.Errorf("%d: key %v, error %v", exponent, key, err)
		}
		if set := mustParse(t, rawSetOf(string(doc))); set.Len() != 1 {
			t.Errorf("%d: not taken in a set", exponent)
		}
	}
}

func TestParseKeyRefusesDocuments(t *testing.T) {
	doc, err := json.Marshal(ed25519JWK("k"))
	if err != nil {
		t.Fatal(err)
	}
	for intent, text := range map[string]string{
		"nothing":         "",
		"null":            "null",
		"an array":        "[" + string(doc) + "]",
		"a string":        `"` + string(doc[1:len(doc)-1]) + `"`,
		"something after": string(doc) + "x",
		"two keys":        string(doc) + string(doc),
		"a member twice":  `{"kty":"OKP",` + string(doc[1:]),
		"not UTF-8":       "{\"x5u\":\"\xff\"," + string(doc[1:]),
		"cut short":       string(doc[:len(doc)-1]),
	} {
		if key, err := ParseKey([]byte(text)); err == nil || key != nil {
			t.Errorf("%s: taken", intent)
		}
	}
}

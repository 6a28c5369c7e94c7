package jwks

import (
	"bytes"
	"crypto/elliptic"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/doorward/doorward/extauthz/reason"
)

func mustParse(t *testing.T, doc []byte) *Set {
	t.Helper()
	set, skipped, err := Parse(doc)
	if err != nil || len(skipped) > 0 {
		t.Fatalf("Parse: skipped %v, error %v", skipped, err)
	}
	return set
}

func TestParseTakes(t *testing.T) {
	rows := []struct {
		intent string
		jwk    member
		fits   []string
	}{
		{"an RSA key without alg serves every RSA algorithm", rsaJWK("k", 2048, 65537), rsaAlgorithms},
		{"an exponent of 3 is small and sound", rsaJWK("k", 2048, 3), rsaAlgorithms},
		{"an exponent of 31 bits is the longest", rsaJWK("k", 2048, 1<<31-1), rsaAlgorithms},
		{"a modulus of 4096 bits is the longest", rsaJWK("k", 4096, 65537), rsaAlgorithms},
		{"and zeros in front are no part of it", changes{"n": b64(append([]byte{0, 0}, rsaModulus("k", 4096)...))}.of(rsaJWK("k", 4096, 3)), rsaAlgorithms},
		{"alg binds a key to that algorithm (J-5)", changes{"alg": "PS384"}.of(rsaJWK("k", 2048, 65537)), []string{"PS384"}},
		{"P-256 is ES256", ecJWK("k", elliptic.P256()), []string{"ES256"}},
		{"P-384 is ES384", ecJWK("k", elliptic.P384()), []string{"ES384"}},
		{"P-521 is ES512", ecJWK("k", elliptic.P521()), []string{"ES512"}},
		{"Ed25519 goes by both names", ed25519JWK("k"), []string{"EdDSA", "Ed25519"}},
		{"alg EdDSA is the family", changes{"alg": "EdDSA"}.of(ed25519JWK("k")), []string{"EdDSA", "Ed25519"}},
		{"alg Ed25519 is the family (RFC 9864)", changes{"alg": "Ed25519"}.of(ed25519JWK("k")), []string{"EdDSA", "Ed25519"}},
		{"use sig", changes{"use": "sig"}.of(ed25519JWK("k")), []string{"EdDSA", "Ed25519"}},
		{"key_ops with verify among others", changes{"key_ops": []string{"sign", "verify"}}.of(ed25519JWK("k")), []string{"EdDSA", "Ed25519"}},
		{"broken certificates are not looked at", changes{"x5c": []string{"bad"}, "x5u": 7, "x5t": false}.of(ed25519JWK("k")), []string{"EdDSA", "Ed25519"}},
		{"a key of names in other case is not private", changes{"D": "x", "K": "x"}.of(ed25519JWK("k")), []string{"EdDSA", "Ed25519"}},
		{"no kid", changes{"kid": nil}.of(ed25519JWK("k")), []string{"EdDSA", "Ed25519"}},
	}
	every := slices.Concat(rsaAlgorithms, []string{"ES256", "ES384", "ES512", "EdDSA", "Ed25519", "HS256", "none", "", "rs256"})
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			set := mustParse(t, setOf(row.jwk))
			if set.Len() != 1 {
				t.Fatalf("%d keys", set.Len())
			}
			var fits []string
			for _, alg := range every {
				if set.keys[0].Fits(alg) {
					fits = append(fits, alg)
				}
			}
			if diff := cmp.Diff(row.fits, fits, cmpopts.SortSlices(strings.Compare)); diff != "" {
				t.Errorf("algorithms (-want +got):\n%s", diff)
			}
		})
	}
}

// TestParseSkips holds every rule that refuses one key, each beside a good key
// that must survive it.
func TestParseSkips(t *testing.T) {
	encode := func(jwk member) string {
		raw, err := json.Marshal(jwk)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	ed, ec, rsa := ed25519JWK("k"), ecJWK("k", elliptic.P256()), rsaJWK("k", 2048, 65537)
	rows := []struct{ intent, element, why string }{
		{"not an object", `7`, "not a JSON object"},
		{"null", `null`, "not a JSON object"},
		{"no members", `{}`, "kty is not supported"},
		{"a member twice", strings.Replace(encode(ed), `{`, `{"x":"AAAA",`, 1), "a member name occurs twice"},
		{"a member twice, once escaped", strings.Replace(encode(ed), `{`, `{"\u0078":"AAAA",`, 1), "a member name occurs twice"},
		{"an ignored member twice", strings.Replace(encode(ed), `{`, `{"z":1,"z":2,`, 1), "a member name occurs twice"},
		{"kid is a number", encode(changes{"kid": 7}.of(ed)), "kid is not a string"},
		{"kid is null", strings.Replace(encode(ed), `"kid":"k"`, `"kid":null`, 1), "kid is not a string"},
		{"kid without end", encode(changes{"kid": strings.Repeat("k", maxKeyID+1)}.of(ed)), "kid is longer than 1024 bytes"},
		{"kty in another case", encode(changes{"kty": nil, "KTY": "OKP"}.of(ed)), "kty is not supported"},
		{"kty unknown", encode(changes{"kty": "AKP"}.of(ed)), "kty is not supported"},
		{"symmetric", `{"kty":"oct","k":"c2VjcmV0","kid":"k"}`, "a private or symmetric key"},
		{"symmetric without k", `{"kty":"oct","kid":"k"}`, "kty is not supported"},
		{"private OKP", encode(changes{"d": ed["x"]}.of(ed)), "a private or symmetric key"},
		{"private EC", encode(changes{"d": ec["x"]}.of(ec)), "a private or symmetric key"},
		{"private RSA by a prime alone", encode(changes{"p": "AQ"}.of(rsa)), "a private or symmetric key"},
		{"for encryption", encode(changes{"use": "enc"}.of(rsa)), "use is not sig"},
		{"use is empty", encode(changes{"use": ""}.of(rsa)), "use is not sig"},
		{"use is an array", encode(changes{"use": []string{"sig"}}.of(rsa)), "use is not a string"},
		{"key_ops without verify", encode(changes{"key_ops": []string{"encrypt"}}.of(rsa)), "key_ops lacks verify"},
		{"key_ops empty", encode(changes{"key_ops": []string{}}.of(rsa)), "key_ops lacks verify"},
		{"key_ops is a string", encode(changes{"key_ops": "verify"}.of(rsa)), "key_ops is not an array of strings"},
		{"alg for encryption", encode(changes{"alg": "RSA-OAEP"}.of(rsa)), "alg is not a signature algorithm of this type and curve"},
		{"alg HMAC on a public key", encode(changes{"alg": "HS256"}.of(rsa)), "alg is not a signature algorithm of this type and curve"},
		{"alg none", encode(changes{"alg": "none"}.of(rsa)), "alg is not a signature algorithm of this type and curve"},
		{"alg is empty", encode(changes{"alg": ""}.of(rsa)), "alg is not a signature algorithm of this type and curve"},
		{"alg of another type", encode(changes{"alg": "ES256"}.of(rsa)), "alg is not a signature algorithm of this type and curve"},
		{"alg of another curve", encode(changes{"alg": "ES384"}.of(ec)), "alg is not a signature algorithm of this type and curve"},
		{"alg is a number", encode(changes{"alg": 256}.of(ec)), "alg is not a string"},
		{"RSA of 2047 bits", encode(rsaJWK("k", 2047, 65537)), "RSA modulus of 2047 bits, not of 2048 to 4096"},
		{"RSA of 1024 bits", encode(rsaJWK("k", 1024, 65537)), "RSA modulus of 1024 bits, not of 2048 to 4096"},
		{"RSA of 24 bits, padded with zeros", `{"kty":"RSA","e":"AQAB","n":"` + b64(append(make([]byte, 300), 0xff, 0xff, 0xff)) + `"}`, "RSA modulus of 24 bits, not of 2048 to 4096"},
		{"RSA of 4097 bits", encode(rsaJWK("k", 4097, 65537)), "RSA modulus of 4097 bits, not of 2048 to 4096"},
		{"RSA of 16384 bits", encode(rsaJWK("k", 16384, 65537)), "RSA modulus of 16384 bits, not of 2048 to 4096"},
		{"RSA modulus 0", encode(changes{"n": "AA"}.of(rsa)), "RSA modulus of 0 bits, not of 2048 to 4096"},
		{"RSA even modulus", encode(changes{"n": b64(append([]byte{0x80}, make([]byte, 255)...))}.of(rsa)), "RSA modulus is even"},
		{"RSA exponent 1", encode(rsaJWK("k", 2048, 1)), "RSA exponent is 1 or even"},
		{"RSA exponent 0", encode(changes{"e": "AA"}.of(rsa)), "RSA exponent is 1 or even"},
		{"RSA exponent 2", encode(rsaJWK("k", 2048, 2)), "RSA exponent is 1 or even"},
		{"RSA exponent 65536", encode(rsaJWK("k", 2048, 65536)), "RSA exponent is 1 or even"},
		{"RSA exponent of 32 bits", encode(rsaJWK("k", 2048, 1<<31+1)), "RSA exponent of 32 bits, not of 2 to 31"},
		{"RSA exponent of 48 bits", encode(rsaJWK("k", 2048, 1<<47+1)), "RSA exponent of 48 bits, not of 2 to 31"},
		{"RSA exponent that an int would cut to 65537", encode(changes{"e": b64([]byte{1, 0, 0, 0, 0, 0, 1, 0, 1})}.of(rsa)), "RSA exponent of 65 bits, not of 2 to 31"},
		{"RSA without n", encode(changes{"n": nil}.of(rsa)), ""},
		{"RSA without e", encode(changes{"e": nil}.of(rsa)), ""},
		{"RSA n is a number", encode(changes{"n": 7}.of(rsa)), ""},
		{"RSA n is no base64", encode(changes{"n": "!!!"}.of(rsa)), ""},
		{"EC point off its curve", encode(changes{"y": ec["x"]}.of(ec)), "the EC point is not on its curve"},
		{"EC point of another curve", encode(changes{"crv": "P-384"}.of(ec)), "the key material is not valid"},
		{"EC point at infinity", encode(changes{"x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))}.of(ec)), "the EC point is not on its curve"},
		{"EC curve not supported", encode(changes{"crv": "secp256k1"}.of(ec)), ""},
		{"EC without y", encode(changes{"y": nil}.of(ec)), ""},
		{"Ed25519 too short", encode(changes{"x": b64(make([]byte, 31))}.of(ed)), ""},
		{"Ed25519 too long", encode(changes{"x": b64(make([]byte, 33))}.of(ed)), ""},
		{"X25519 is for key agreement", encode(changes{"crv": "X25519"}.of(ed)), "crv is not supported"},
		{"Ed448", encode(changes{"crv": "Ed448", "x": b64(make([]byte, 57))}.of(ed)), ""},
	}
	good := encode(ed25519JWK("good"))
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			set, skipped, err := Parse(rawSetOf(row.element, good))
			if err != nil {
				t.Fatal(err)
			}
			if _, why := set.Lookup(name("good"), "EdDSA"); why != reason.Allowed || set.Len() != 1 {
				t.Errorf("%d keys, the good one is %s", set.Len(), why)
			}
			if len(skipped) != 1 || skipped[0].Index != 0 || skipped[0].Why == "" {
				t.Fatalf("skipped: %v", skipped)
			}
			if row.why != "" && skipped[0].Why != row.why {
				t.Errorf("why: %q, want %q", skipped[0].Why, row.why)
			}
		})
	}
}

func TestParseRefusesDocuments(t *testing.T) {
	many := make([]member, maxKeys+1)
	for i := range many {
		many[i] = member{"kty": "oct"}
	}
	rows := []struct {
		intent string
		doc    []byte
	}{
		{"empty", nil},
		{"HTML", []byte("<html>")},
		{"an array", []byte(`[]`)},
		{"null", []byte(`null`)},
		{"a lone JWK", []byte(`{"kty":"OKP"}`)},
		{"keys is an object", []byte(`{"keys":{}}`)},
		{"keys is null", []byte(`{"keys":null}`)},
		{"keys in another case", []byte(`{"Keys":[]}`)},
		{"keys twice", []byte(`{"keys":[],"keys":[]}`)},
		{"cut off", []byte(`{"keys":[]`)},
		{"a second value after it", []byte(`{"keys":[]}{}`)},
		{"a comma too many", []byte(`{"keys":[],}`)},
		{"not UTF-8", []byte("{\"keys\":[],\"a\":\"\xff\"}")},
		{"257 keys", setOf(many...)},
		{"over 1 MiB", append(setOf(ed25519JWK("k")), bytes.Repeat([]byte(" "), maxDocument)...)},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			if set, _, err := Parse(row.doc); err == nil || set != nil {
				t.Errorf("set %v, error %v", set, err)
			}
		})
	}
	if _, skipped, err := Parse(setOf(many[:maxKeys]...)); err != nil || len(skipped) != maxKeys {
		t.Errorf("256 keys: %d skipped, error %v", len(skipped), err)
	}
	exact := setOf(ed25519JWK("k"))
	exact = append(exact, bytes.Repeat([]byte(" "), maxDocument-len(exact))...)
	if set, _, err := Parse(exact); err != nil || set.Len() != 1 {
		t.Errorf("exactly 1 MiB: %v", err)
	}
	if set, skipped, err := Parse([]byte(`{"keys":[]}`)); err != nil || set.Len() != 0 || skipped != nil {
		t.Errorf("no keys: %v, %v", skipped, err)
	}
}

func TestParseSameKeyID(t *testing.T) {
	rsaKey, ecKey := rsaJWK("k", 2048, 65537), ecJWK("k", elliptic.P256())
	rows := []struct {
		intent  string
		jwks    []member
		usable  int
		skipped int
	}{
		{"two types may share an id", []member{rsaKey, ecKey}, 2, 0},
		{"the same JWK again collapses", []member{ecKey, ecKey, ecKey}, 1, 0},
		{"use makes no other key", []member{ecKey, changes{"use": "sig"}.of(ecKey)}, 1, 0},
		{"one key under two ids is two", []member{ecKey, changes{"kid": "other"}.of(ecKey)}, 2, 0},
		{"one key bound twice to algorithms", []member{changes{"alg": "RS256"}.of(rsaKey), changes{"alg": "PS256"}.of(rsaKey)}, 2, 0},
		{"two keys of an id for different algorithms", []member{changes{"alg": "RS256"}.of(rsaKey), changes{"alg": "PS256", "e": "Aw"}.of(rsaKey)}, 2, 0},
		{"two keys of an id for one algorithm: neither", []member{ed25519JWKOf("k", "a"), ed25519JWKOf("k", "b")}, 0, 2},
		{"the same where one is bound", []member{rsaKey, changes{"alg": "PS256", "e": "Aw"}.of(rsaKey)}, 0, 2},
		{"others are untouched by it", []member{ed25519JWKOf("k", "a"), ed25519JWKOf("k", "b"), ecKey, ed25519JWK("l")}, 2, 2},
		{"without ids there is no clash", []member{changes{"kid": nil}.of(ed25519JWK("a")), changes{"kid": nil}.of(ed25519JWK("b"))}, 2, 0},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			for range 2 {
				set, skipped, err := Parse(setOf(row.jwks...))
				if err != nil || set.Len() != row.usable || len(skipped) != row.skipped {
					t.Errorf("%d usable, skipped %v, error %v", set.Len(), skipped, err)
				}
				slices.Reverse(row.jwks)
			}
		})
	}
}

func TestLookup(t *testing.T) {
	set := mustParse(t, setOf(
		rsaJWK("both", 2048, 65537), ecJWK("both", elliptic.P256()),
		ed25519JWK("ed"), changes{"kid": nil}.of(ecJWK("unnamed", elliptic.P384())),
		changes{"alg": "RS256"}.of(rsaJWK("bound", 2048, 3)),
		// One key under two more names is still one to try.
		changes{"kid": "ed again"}.of(ed25519JWK("ed")), changes{"kid": nil}.of(ed25519JWK("ed")),
	))
	rows := []struct {
		intent string
		kid    *string
		alg    string
		want   reason.Reason
		keys   int
	}{
		{"the id and an algorithm that fits", name("ed"), "EdDSA", reason.Allowed, 1},
		{"the algorithm picks between two types of one id", name("both"), "ES256", reason.Allowed, 1},
		{"and the other one", name("both"), "PS512", reason.Allowed, 1},
		{"the id is there, the algorithm is not its", name("ed"), "RS256", reason.AlgorithmNotAllowed, 0},
		{"an algorithm fits the type, not the key", name("bound"), "RS384", reason.AlgorithmNotAllowed, 0},
		{"HMAC never fits", name("both"), "HS256", reason.AlgorithmNotAllowed, 0},
		{"an unknown id", name("unknown"), "EdDSA", reason.KeyUnknown, 0},
		{"an id in another case", name("ED"), "EdDSA", reason.KeyUnknown, 0},
		{"an empty id is an unknown id", name(""), "ES384", reason.KeyUnknown, 0},
		{"no id, one key fits", nil, "ES384", reason.Allowed, 1},
		{"no id, one named key fits", nil, "Ed25519", reason.Allowed, 1},
		{"no id, two keys fit", nil, "RS256", reason.Allowed, 2},
		{"no id, one of the two is bound to another algorithm", nil, "RS512", reason.Allowed, 1},
		{"no id, none fits", nil, "ES512", reason.KeyUnknown, 0},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			keys, why := set.Lookup(row.kid, row.alg)
			if why != row.want || len(keys) != row.keys {
				t.Fatalf("%d keys, %s, want %d, %s", len(keys), why, row.keys, row.want)
			}
			for _, key := range keys {
				if !key.Fits(row.alg) {
					t.Errorf("%q does not fit", key.ID)
				}
			}
		})
	}
	if _, why := (*Set)(nil).Lookup(name("ed"), "EdDSA"); why != reason.KeyUnknown {
		t.Errorf("no set: %s", why)
	}
}

// TestLookupWithoutID tries four keys, whatever they are called, and not five.
func TestLookupWithoutID(t *testing.T) {
	jwks := []member{ecJWK("other", elliptic.P256())}
	for n, row := range []struct {
		why       reason.Reason
		keys      int
		crowded   string
		intention string
	}{
		{reason.KeyUnknown, 0, "", "none fits"},
		{reason.Allowed, 1, "", "one"},
		{reason.Allowed, 2, "", "two"},
		{reason.Allowed, 3, "", "three"},
		{reason.Allowed, 4, "", "the most"},
		{reason.KeyUnknown, 0, "Ed25519 EdDSA", "one more"},
		{reason.KeyUnknown, 0, "Ed25519 EdDSA", "two more"},
	} {
		set := mustParse(t, setOf(jwks...))
		keys, why := set.Lookup(nil, "EdDSA")
		if why != row.why || len(keys) != row.keys || set.crowdedAlgorithms() != row.crowded {
			t.Errorf("%s: %d keys, %s; crowded: %q", row.intention, len(keys), why, set.crowdedAlgorithms())
		}
		if _, why := set.Lookup(name(""), "EdDSA"); why != reason.KeyUnknown {
			t.Errorf("%s: an empty id is no missing one: %s", row.intention, why)
		}
		key := ed25519JWK(fmt.Sprint(n))
		if n%2 == 1 {
			key = changes{"kid": nil}.of(key)
		}
		jwks = append(jwks, key)
	}
}

// TestThumbprint uses the examples of RFC 7638, section 3.1, and RFC 8037,
// appendix A.3.
func TestThumbprint(t *testing.T) {
	const n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
	rows := []struct{ intent, jwk, want string }{
		{"RFC 7638", `{"kty":"RSA","n":"` + n + `","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
		{"the same exponent, written with zeros", `{"kty":"RSA","n":"` + n + `","e":"AAAAAQAB"}`, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
		{"RFC 8037", `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"},
	}
	for _, row := range rows {
		set := mustParse(t, rawSetOf(row.jwk))
		if got := set.keys[0].Thumbprint; got != row.want {
			t.Errorf("%s: %s, want %s", row.intent, got, row.want)
		}
	}
}

func TestSkippedSaysNothingOfTheMaterial(t *testing.T) {
	const secret = "c2VjcmV0LW1hdGVyaWFs"
	_, skipped, err := Parse(rawSetOf(
		`{"kty":"EC","crv":"`+secret+`","x":"AA","y":"AA"}`,
		`{"kty":"RSA","n":{"a":"`+secret+`"},"e":"AQAB"}`,
		`{"kty":"oct","k":"`+secret+`"}`,
	))
	if err != nil || len(skipped) != 3 {
		t.Fatal(skipped, err)
	}
	if strings.Contains(fmt.Sprint(skipped), secret) {
		t.Errorf("quoted: %v", skipped)
	}
}

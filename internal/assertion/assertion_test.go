package assertion_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/doorward/doorward/internal/assertion"
)

var now = time.Date(2026, 11, 26, 10, 0, 0, 500_000_000, time.UTC)

// randomness is the same in each call.
type randomness byte

func (r randomness) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r)
	}
	return len(p), nil
}

func options(key []byte) assertion.Options {
	return assertion.Options{
		Issuer: "https://doorward.example", Audience: "https://mcp.example.com/mcp", Lifetime: time.Minute,
		Key: key, Random: randomness(7),
	}
}

func claims() assertion.Claims {
	return assertion.Claims{
		Issuer: "https://as.example.com", Subject: "alice", Client: "inspector", Scopes: []string{"mcp:read", "mcp:write"},
		Actor: map[string]any{"sub": "agent", "act": map[string]any{"sub": "first"}}, Expiry: now.Add(time.Hour),
	}
}

// privatePEM is the PKCS #8 form, publicPEM the SubjectPublicKeyInfo of the same key.
func privatePEM(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func publicPEM(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// agreementPEM is a key that agrees on secrets and signs nothing.
func agreementPEM(t testing.TB) []byte {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func ec(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func edKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newSigner(t testing.TB, o assertion.Options) *assertion.Signer {
	t.Helper()
	s, err := assertion.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// verify returns header and payload of what the set verifies.
func verify(t testing.TB, compact string, set []byte, alg string) (header, payload map[string]any) {
	t.Helper()
	keys, err := jwk.Parse(set)
	if err != nil {
		t.Fatal(err)
	}
	message, err := jws.ParseString(compact)
	if err != nil {
		t.Fatal(err)
	}
	protected, err := message.Signatures()[0].ProtectedHeaders().AsMap(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	key, found := keys.LookupKeyID(protected["kid"].(string))
	if !found {
		t.Fatalf("no key %v in %s", protected["kid"], set)
	}
	text, err := jws.Verify([]byte(compact), jws.WithKey(jwa.SignatureAlgorithm(alg), key))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &payload); err != nil {
		t.Fatal(err)
	}
	return protected, payload
}

// TestEachKindOfKey signs what its own JWK Set verifies, and the set holds nothing
// private.
func TestEachKindOfKey(t *testing.T) {
	sec1, err := x509.MarshalECPrivateKey(ec(t, elliptic.P256()))
	if err != nil {
		t.Fatal(err)
	}
	withParameters := append(
		pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 1, 1}}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})...)
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey(t, 2048))})
	for _, row := range []struct {
		alg  string
		text []byte
	}{
		{"RS256", privatePEM(t, rsaKey(t, 2048))},
		{"RS256", pkcs1},
		{"ES256", privatePEM(t, ec(t, elliptic.P256()))},
		{"ES256", withParameters},
		{"ES384", privatePEM(t, ec(t, elliptic.P384()))},
		{"ES512", privatePEM(t, ec(t, elliptic.P521()))},
		{"EdDSA", privatePEM(t, edKey(t))},
	} {
		signer := newSigner(t, options(row.text))
		compact, expires, err := signer.Sign(claims(), "", now)
		if err != nil || !expires.Equal(time.Unix(now.Unix()+60, 0)) {
			t.Fatalf("%s: %v, %v", row.alg, expires, err)
		}
		set := assertion.KeySet(signer)
		header, payload := verify(t, compact, set, row.alg)
		keys, err := jwk.Parse(set)
		if err != nil {
			t.Fatal(err)
		}
		key, _ := keys.Key(0)
		sum, err := key.Thumbprint(crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		kid := header["kid"].(string)
		if want := encode(sum); kid != want || key.KeyID() != want {
			t.Errorf("%s: kid %s, in the set %s, thumbprint %s", row.alg, kid, key.KeyID(), want)
		}
		if header["typ"] != "mcp-auth+jwt" || header["alg"].(jwa.SignatureAlgorithm).String() != row.alg || len(header) != 3 {
			t.Errorf("%s: header %v", row.alg, header)
		}
		want := map[string]any{
			"iss": "https://doorward.example", "aud": "https://mcp.example.com/mcp", "sub": "alice",
			"sub_id":    map[string]any{"format": "iss_sub", "iss": "https://as.example.com", "sub": "alice"},
			"client_id": "inspector", "scope": "mcp:read mcp:write",
			"act": map[string]any{"sub": "agent", "act": map[string]any{"sub": "first"}},
			"iat": float64(now.Unix()), "exp": float64(now.Unix() + 60), "jti": "BwcHBwcHBwcHBwcHBwcHBw",
		}
		if diff := cmp.Diff(want, payload); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.alg, diff)
		}
		holdsNoPrivateMember(t, set)
	}
}

func encode(sum []byte) string { return base64.RawURLEncoding.EncodeToString(sum) }

// holdsNoPrivateMember checks every member of every key (RFC 7518, section 6).
func holdsNoPrivateMember(t *testing.T, set []byte) {
	t.Helper()
	var read struct{ Keys []map[string]any }
	if err := json.Unmarshal(set, &read); err != nil || len(read.Keys) == 0 {
		t.Fatalf("%v: %s", err, set)
	}
	public := "kty crv x y n e alg use kid"
	for _, key := range read.Keys {
		for name := range key {
			if !strings.Contains(" "+public+" ", " "+name+" ") {
				t.Errorf("the set publishes %s", name)
			}
		}
		if key["use"] != "sig" || key["alg"] == nil || key["kid"] == nil {
			t.Errorf("incomplete: %v", key)
		}
	}
}

// TestAnAssertionEndsWithItsToken at the latest, and what the token lacks is left out.
func TestAnAssertionEndsWithItsToken(t *testing.T) {
	signer := newSigner(t, options(privatePEM(t, edKey(t))))
	ends := now.Add(10 * time.Second)
	compact, expires, err := signer.Sign(assertion.Claims{Issuer: "https://as.example.com", Expiry: ends}, "https://as2.example.com", now)
	if err != nil {
		t.Fatal(err)
	}
	_, payload := verify(t, compact, assertion.KeySet(signer), "EdDSA")
	want := map[string]any{
		"iss": "https://doorward.example", "aud": "https://as2.example.com", "iat": float64(now.Unix()),
		"exp": float64(ends.Unix()), "jti": "BwcHBwcHBwcHBwcHBwcHBw",
	}
	if diff := cmp.Diff(want, payload); diff != "" || expires.After(ends) {
		t.Errorf("expires %v (-want +got):\n%s", expires, diff)
	}
}

// TestKeySetHasEachKeyOnce over all signers, with the keys of a rotation: the one that
// comes next and the one before, private or public.
func TestKeySetHasEachKeyOnce(t *testing.T) {
	current, next, before := edKey(t), ec(t, elliptic.P256()), rsaKey(t, 2048)
	one := options(privatePEM(t, current))
	one.Publish = [][]byte{privatePEM(t, next), publicPEM(t, before)}
	two := options(privatePEM(t, next))
	two.Publish = [][]byte{publicPEM(t, current), publicPEM(t, next)}
	first, second := newSigner(t, one), newSigner(t, two)
	set := assertion.KeySet(first, second)
	holdsNoPrivateMember(t, set)
	keys, err := jwk.Parse(set)
	if err != nil || keys.Len() != 3 {
		t.Fatalf("%d keys, %v: %s", keys.Len(), err, set)
	}
	for signer, alg := range map[*assertion.Signer]string{first: "EdDSA", second: "ES256"} {
		compact, _, err := signer.Sign(claims(), "", now)
		if err != nil {
			t.Fatal(err)
		}
		verify(t, compact, set, alg)
	}
	if got := string(assertion.KeySet()); got != `{"keys":[]}` {
		t.Errorf("without a signer: %s", got)
	}
}

// TestKeysThatAreRefused with a sentence that holds no part of the file.
func TestKeysThatAreRefused(t *testing.T) {
	small := rsaKey(t, 1024)
	good := privatePEM(t, edKey(t))
	for _, row := range []struct {
		name, want string
		text       []byte
	}{
		{"empty", "no PEM block", nil},
		{"text", "no PEM block", []byte("secret")},
		{"two keys", "more than one", append(bytes.Clone(good), good...)},
		{"short RSA", "2048 bits", privatePEM(t, small)},
		{"P-224", "EC on P-256", privatePEM(t, ec(t, elliptic.P224()))},
		{"X25519", "Ed25519", agreementPEM(t)},
		{"public", "is public", publicPEM(t, edKey(t))},
		{"damaged", "no key that can be read", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("secret")})},
		{"encrypted", "no key that can be read", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("secret")})},
	} {
		if _, err := assertion.New(options(row.text)); err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", row.name, err)
		}
		if row.name == "public" {
			continue
		}
		o := options(good)
		o.Publish = [][]byte{good, row.text}
		_, err := assertion.New(o)
		var at *assertion.PublishError
		if !errors.As(err, &at) || at.Index != 1 || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s among the published ones: %v", row.name, err)
		}
	}
}

// TestOptionsThatAreRefused are those without which an assertion says nothing.
func TestOptionsThatAreRefused(t *testing.T) {
	key := privatePEM(t, edKey(t))
	for name, change := range map[string]func(*assertion.Options){
		"issuer":   func(o *assertion.Options) { o.Issuer = "" },
		"audience": func(o *assertion.Options) { o.Audience = "" },
		"lifetime": func(o *assertion.Options) { o.Lifetime = time.Millisecond },
	} {
		o := options(key)
		change(&o)
		if _, err := assertion.New(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWithoutRandomness there is no assertion.
func TestWithoutRandomness(t *testing.T) {
	o := options(privatePEM(t, edKey(t)))
	o.Random = bytes.NewReader(nil)
	if compact, _, err := newSigner(t, o).Sign(claims(), "", now); err == nil || compact != "" {
		t.Errorf("%q, %v", compact, err)
	}
}

// TestEachAssertionHasAnIDOfItsOwn with the randomness of the system, which is the usual one.
func TestEachAssertionHasAnIDOfItsOwn(t *testing.T) {
	o := options(privatePEM(t, edKey(t)))
	o.Random = nil
	signer, ids := newSigner(t, o), map[any]bool{}
	for range 10 {
		compact, _, err := signer.Sign(claims(), "", now)
		if err != nil {
			t.Fatal(err)
		}
		_, payload := verify(t, compact, assertion.KeySet(signer), "EdDSA")
		ids[payload["jti"]] = true
	}
	if len(ids) != 10 {
		t.Errorf("10 assertions have the ids %v", ids)
	}
}

// TestASubjectWithoutIssuerHasNoPair, and what cannot be written is not signed.
func TestASubjectWithoutIssuerHasNoPair(t *testing.T) {
	signer := newSigner(t, options(privatePEM(t, edKey(t))))
	for _, change := range []func(*assertion.Claims){
		func(c *assertion.Claims) { c.Issuer = "" },
		func(c *assertion.Claims) { c.Subject = "" },
	} {
		c := claims()
		change(&c)
		compact, _, err := signer.Sign(c, "", now)
		if err != nil {
			t.Fatal(err)
		}
		if _, payload := verify(t, compact, assertion.KeySet(signer), "EdDSA"); payload["sub_id"] != nil {
			t.Errorf("%+v: %v", c, payload)
		}
	}
	c := claims()
	c.Actor = map[string]any{"sub": func() {}}
	if compact, expires, err := signer.Sign(c, "", now); err == nil || compact != "" || !expires.IsZero() {
		t.Errorf("%q, %v, %v", compact, expires, err)
	}
}

// TestSignerKeepsNoClaims of another token: signers are shared.
func TestSignerKeepsNoClaims(t *testing.T) {
	signer := newSigner(t, options(privatePEM(t, edKey(t))))
	set := assertion.KeySet(signer)
	done := make(chan string)
	for _, name := range []string{"alice", "bob", "carol"} {
		go func() {
			c := claims()
			c.Subject = name
			compact, _, _ := signer.Sign(c, "", now)
			done <- compact
		}()
	}
	seen := map[any]bool{}
	for range 3 {
		_, payload := verify(t, <-done, set, "EdDSA")
		seen[payload["sub"]] = true
	}
	if len(seen) != 3 {
		t.Errorf("subjects %v", seen)
	}
}

func BenchmarkSign(b *testing.B) {
	for name, key := range map[string]crypto.Signer{"RS256": rsaKey(b, 2048), "ES256": ec(b, elliptic.P256()), "EdDSA": edKey(b)} {
		signer := newSigner(b, options(privatePEM(b, key)))
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, _, err := signer.Sign(claims(), "", now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

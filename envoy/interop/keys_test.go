package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// privateJWK is a signing key with its private half (RFC 7518, section 6), for
// an authorization server that is handed its keys by a file.
type privateJWK map[string]string

func newRSA(kid string) (privateJWK, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	number := func(n *big.Int) string { return base64url(n.Bytes()) }
	return privateJWK{
		"kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid,
		"n": number(key.N), "e": number(big.NewInt(int64(key.E))), "d": number(key.D),
		"p": number(key.Primes[0]), "q": number(key.Primes[1]),
		"dp": number(key.Precomputed.Dp), "dq": number(key.Precomputed.Dq), "qi": number(key.Precomputed.Qinv),
	}, nil
}

func newEC(kid string) (privateJWK, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	point, err := key.PublicKey.Bytes() // 0x04, then x and y at full length
	if err != nil {
		return nil, err
	}
	secret, err := key.Bytes()
	if err != nil {
		return nil, err
	}
	return privateJWK{
		"kty": "EC", "alg": "ES256", "use": "sig", "kid": kid, "crv": "P-256",
		"x": base64url(point[1:33]), "y": base64url(point[33:]), "d": base64url(secret),
	}, nil
}

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// writeJWKS writes a set; the first key is the one that signs.
func writeJWKS(file string, keys ...privateJWK) error {
	text, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

func number(t *testing.T, text string) *big.Int {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return new(big.Int).SetBytes(b)
}

func TestTheRSAKeyIsWhole(t *testing.T) {
	jwk, err := newRSA("first")
	if err != nil {
		t.Fatal(err)
	}
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: number(t, jwk["n"]), E: int(number(t, jwk["e"]).Int64())},
		D:         number(t, jwk["d"]), Primes: []*big.Int{number(t, jwk["p"]), number(t, jwk["q"])},
	}
	if err := key.Validate(); err != nil {
		t.Error(err)
	}
	key.Precompute()
	for name, want := range map[string]*big.Int{"dp": key.Precomputed.Dp, "dq": key.Precomputed.Dq, "qi": key.Precomputed.Qinv} {
		if number(t, jwk[name]).Cmp(want) != 0 {
			t.Errorf("%s is another number", name)
		}
	}
}

func TestTheECKeyIsWhole(t *testing.T) {
	jwk, err := newEC("second")
	if err != nil {
		t.Fatal(err)
	}
	secret := number(t, jwk["d"]).FillBytes(make([]byte, 32))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), secret)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if x, y := base64url(point[1:33]), base64url(point[33:]); x != jwk["x"] || y != jwk["y"] {
		t.Error("the public half is that of another key")
	}
}

// TestTheFileIsPrivate: it holds keys that sign.
func TestTheFileIsPrivate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "jwks.json")
	if err := writeJWKS(file, privateJWK{"kid": "b"}, privateJWK{"kid": "a"}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil || string(text) != `{"keys":[{"kid":"b"},{"kid":"a"}]}` {
		t.Errorf("%s, %v", text, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestAStrangerDiffersByItsKeyAlone(t *testing.T) {
	good := jwttest.NewKey("ES256", "known").SignAs(map[string]any{"alg": "ES256", "kid": "known", "typ": "JWT"}, map[string]any{"aud": []string{"a", "b"}})
	token, err := stranger(good)
	if err != nil {
		t.Fatal(err)
	}
	looks, err := describe(token)
	if err != nil || looks != `typ JWT, alg ES256, aud ["a","b"]` {
		t.Errorf("%s, %v", looks, err)
	}
	if err := differentKeys(token, good); err != nil {
		t.Error(err)
	}
	if differentKeys(good, good) == nil {
		t.Error("a rotation that was none is not seen")
	}
	if strings.Split(token, ".")[1] != strings.Split(good, ".")[1] {
		t.Error("the claims are others")
	}
}

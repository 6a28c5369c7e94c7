package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

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

package jwks

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
)

// member is one JWK, to be written as JSON.
type member = map[string]any

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// ed25519JWK is the same key for the same name, every time.
func ed25519JWK(kid string) member { return ed25519JWKOf(kid, kid) }

func ed25519JWKOf(kid, seed string) member {
	digest := sha256.Sum256([]byte(seed))
	public := ed25519.NewKeyFromSeed(digest[:]).Public().(ed25519.PublicKey)
	return member{"kty": "OKP", "crv": "Ed25519", "x": b64(public), "kid": kid}
}

func ecJWK(kid string, curve elliptic.Curve) member {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	x, y := coordinates(&key.PublicKey)
	return member{"kty": "EC", "crv": curve.Params().Name, "kid": kid, "x": x, "y": y}
}

// coordinates are those of RFC 7518, section 6.2.1, at full length.
func coordinates(public *ecdsa.PublicKey) (x, y string) {
	point, err := public.Bytes()
	if err != nil {
		panic(err)
	}
	half := (len(point) - 1) / 2
	return b64(point[1 : 1+half]), b64(point[1+half:])
}

// rsaJWK has a modulus of the wanted size that nobody can factor into anything
// useful: to be taken or refused, not to verify with.
func rsaJWK(kid string, bits int, exponent int64) member {
	return member{"kty": "RSA", "kid": kid, "n": b64(rsaModulus(kid, bits)), "e": b64(big.NewInt(exponent).Bytes())}
}

func rsaModulus(kid string, bits int) []byte {
	modulus := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	modulus.SetBit(modulus, 0, 1)
	digest := sha256.Sum256([]byte(kid))
	modulus.Or(modulus, new(big.Int).Lsh(new(big.Int).SetBytes(digest[:]), 8))
	return modulus.Bytes()
}

// with is a JWK with members changed; nil takes one out.
func (with changes) of(jwk member) member {
	changed := maps.Clone(jwk)
	for name, value := range with {
		changed[name] = value
		if value == nil {
			delete(changed, name)
		}
	}
	return changed
}

type changes map[string]any

func setOf(jwks ...member) []byte {
	if jwks == nil {
		jwks = []member{}
	}
	doc, err := json.Marshal(member{"keys": jwks})
	if err != nil {
		panic(err)
	}
	return doc
}

// rawSetOf is a set of elements as they are written.
func rawSetOf(elements ...string) []byte {
	doc := []byte(`{"keys":[`)
	for i, e := range elements {
		if i > 0 {
			doc = append(doc, ',')
		}
		doc = append(doc, e...)
	}
	return append(doc, `]}`...)
}

func name(kid string) *string { return &kid }

// Package jwttest makes keys and signed tokens for tests and the demo. It answers
// one question: what would an authorization server with this key send?
//
// It signs with the standard library alone, so that what doorward accepts was
// not made by the library that doorward verifies with. It is no part of the
// production binary: every fault panics, and nothing is checked on the way, so
// that a test can write any token it likes.
package jwttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // crypto.SHA256.New
	_ "crypto/sha512" // crypto.SHA384.New, crypto.SHA512.New
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
)

// Key is one signing key. The fields may be changed in a copy: a copy with
// another Alg signs with that algorithm (RS256 as PS256, say), a copy with
// another ID puts that kid in the header.
type Key struct {
	ID  string // kid; left out of headers and of the JWK when empty
	Alg string // JWS algorithm (RFC 7518, section 3.1; RFC 8037; RFC 9864)

	secret any // *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey or []byte
}

// NewKey makes a fresh key for alg: RS*, PS* (2048 bits, which takes a while),
// ES*, EdDSA, Ed25519 or HS*. It panics on any other.
func NewKey(alg, kid string) *Key {
	return &Key{ID: kid, Alg: alg, secret: newSecret(alg)}
}

func newSecret(alg string) any {
	switch alg {
	case "RS256", "RS384", "RS512", "PS256", "PS384", "PS512":
		return must(rsa.GenerateKey(rand.Reader, 2048))
	case "ES256":
		return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	case "ES384":
		return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	case "ES512":
		return must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	case "EdDSA", "Ed25519":
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return must(private, err)
	case "HS256", "HS384", "HS512":
		secret := make([]byte, 64)
		rand.Read(secret) // never fails (Go 1.24 and later)
		return secret
	}
	panic("jwttest: no such algorithm: " + alg)
}

// Public is the public half: *rsa.PublicKey, *ecdsa.PublicKey or
// ed25519.PublicKey; nil for HS*.
func (k *Key) Public() crypto.PublicKey {
	if signer, ok := k.secret.(crypto.Signer); ok {
		return signer.Public()
	}
	return nil
}

// JWK is the public key as a JSON Web Key (RFC 7517) with kid, alg and use. The
// map is the caller's own. For HS* it holds the secret, as some servers publish
// by mistake.
func (k *Key) JWK() map[string]any {
	jwk := map[string]any{"alg": k.Alg, "use": "sig"}
	if k.ID != "" {
		jwk["kid"] = k.ID
	}
	switch secret := k.secret.(type) {
	case *rsa.PrivateKey:
		jwk["kty"] = "RSA"
		jwk["n"] = encode(secret.N.Bytes())
		jwk["e"] = encode(big.NewInt(int64(secret.E)).Bytes())
	case *ecdsa.PrivateKey:
		point := must(secret.PublicKey.Bytes()) // 0x04, then x and y at full length
		half := len(point) / 2
		jwk["kty"] = "EC"
		jwk["crv"] = secret.Params().Name
		jwk["x"] = encode(point[1 : 1+half])
		jwk["y"] = encode(point[1+half:])
	case ed25519.PrivateKey:
		jwk["kty"] = "OKP"
		jwk["crv"] = "Ed25519"
		jwk["x"] = encode(secret.Public().(ed25519.PublicKey))
	case []byte:
		jwk["kty"] = "oct"
		jwk["k"] = encode(secret)
	}
	return jwk
}

// JWKS is a JWK Set document (RFC 7517, section 5) of the keys' public halves.
func JWKS(keys ...*Key) []byte {
	set := make([]map[string]any, len(keys))
	for i, k := range keys {
		set[i] = k.JWK()
	}
	return must(json.Marshal(map[string]any{"keys": set}))
}

// Sign makes an access token: a compact JWS over the claims, with the header
// members alg, kid and typ "at+jwt" (RFC 9068, section 2.1).
func (k *Key) Sign(claims map[string]any) string {
	header := map[string]any{"alg": k.Alg, "typ": "at+jwt"}
	if k.ID != "" {
		header["kid"] = k.ID
	}
	return k.SignAs(header, claims)
}

// SignAs makes a compact JWS with exactly this header. Whatever alg the
// header has, the signature is made with the key's own Alg.
func (k *Key) SignAs(header, claims map[string]any) string {
	return k.SignRaw(must(json.Marshal(header)), must(json.Marshal(claims)))
}

// SignRaw makes a compact JWS of header and payload, byte for byte.
func (k *Key) SignRaw(header, payload []byte) string {
	input := encode(header) + "." + encode(payload)
	return input + "." + encode(k.Signature([]byte(input)))
}

// Signature signs any bytes with the key's Alg, in the form JWS wants it
// (RFC 7518, section 3: ECDSA as r and s at full length).
func (k *Key) Signature(input []byte) []byte {
	switch secret := k.secret.(type) {
	case *rsa.PrivateKey:
		digest := k.digest(input)
		if k.Alg[0] == 'P' {
			options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
			return must(rsa.SignPSS(rand.Reader, secret, k.hash(), digest, options))
		}
		return must(rsa.SignPKCS1v15(rand.Reader, secret, k.hash(), digest))
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, secret, k.digest(input))
		size := (secret.Params().BitSize + 7) / 8
		signature := make([]byte, 2*size)
		must(r, err).FillBytes(signature[:size])
		s.FillBytes(signature[size:])
		return signature
	case ed25519.PrivateKey:
		return ed25519.Sign(secret, input)
	case []byte:
		mac := hmac.New(k.hash().New, secret)
		mac.Write(input)
		return mac.Sum(nil)
	}
	panic(fmt.Sprintf("jwttest: a key of type %T cannot sign", k.secret))
}

func (k *Key) digest(input []byte) []byte {
	h := k.hash().New()
	h.Write(input)
	return h.Sum(nil)
}

// hash is named by the last three characters of the algorithm's name.
func (k *Key) hash() crypto.Hash {
	switch k.Alg[len(k.Alg)-3:] {
	case "256":
		return crypto.SHA256
	case "384":
		return crypto.SHA384
	case "512":
		return crypto.SHA512
	}
	panic("jwttest: no hash in algorithm " + k.Alg)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func must[T any](value T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("jwttest: %v", err))
	}
	return value
}

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"os"
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

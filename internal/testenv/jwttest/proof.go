package jwttest

import (
	"crypto/sha256"
	"encoding/json"
	"time"
)

// Thumbprint is the JWK SHA-256 thumbprint of the key (RFC 7638), as cnf.jkt
// holds it (RFC 9449, section 6.1).
func (k *Key) Thumbprint() string {
	members := map[string]any{}
	for _, name := range []string{"crv", "e", "kty", "n", "x", "y"} { // RFC 7638, section 3.2
		if value, present := k.JWK()[name]; present {
			members[name] = value
		}
	}
	sum := sha256.Sum256(must(json.Marshal(members))) // maps are written in the order of their names
	return encode(sum[:])
}

// Proof has the claims of a DPoP proof (RFC 9449, section 4.2) for one request.
type Proof struct {
	Method, URL string // htm and htu
	Token       string // the compact access token, of which ath is the hash
	ID          string // jti
	At          time.Time
}

// SignProof makes the compact proof, after changes to its claims.
func (k *Key) SignProof(p Proof, changes map[string]any) string {
	sum := sha256.Sum256([]byte(p.Token))
	claims := map[string]any{"htm": p.Method, "htu": p.URL, "jti": p.ID, "iat": p.At.Unix(), "ath": encode(sum[:])}
	for name, value := range changes {
		claims[name] = value
	}
	jwk := k.JWK()
	delete(jwk, "use")
	return k.SignAs(map[string]any{"typ": "dpop+jwt", "alg": k.Alg, "jwk": jwk}, claims)
}

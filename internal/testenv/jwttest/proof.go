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

// Proof is a DPoP proof (RFC 9449, section 4.2) for one request with token,
// after changes.
func (k *Key) Proof(method, url, token, id string, at time.Time, changes map[string]any) string {
	sum := sha256.Sum256([]byte(token))
	claims := map[string]any{"htm": method, "htu": url, "jti": id, "iat": at.Unix(), "ath": encode(sum[:])}
	for name, value := range changes {
		claims[name] = value
	}
	jwk := k.JWK()
	delete(jwk, "use")
	return k.SignAs(map[string]any{"typ": "dpop+jwt", "alg": k.Alg, "jwk": jwk}, claims)
}

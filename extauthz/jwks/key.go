package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"sync/atomic"
)

// The signature algorithms a key may serve, by type and curve (RFC 7518,
// section 3.1; RFC 8037, section 3.1; RFC 9864, section 2.2). HMAC and "none"
// are not in these lists, so no key fits them.
var (
	rsaAlgorithms     = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	p256Algorithms    = []string{"ES256"}
	p384Algorithms    = []string{"ES384"}
	p521Algorithms    = []string{"ES512"}
	ed25519Algorithms = []string{"EdDSA", "Ed25519"}
)

// Key is one public key of an issuer. It is the same object as long as the issuer
// publishes the same JWK, over any number of refreshes, so a cache may hold it
// and call [Key.Withdrawn] at every hit. Keys come from [Parse] and a [Source];
// the zero Key fits no algorithm.
type Key struct {
	// ID is the JWK's "kid" (RFC 7517, section 4.5), "" where it is absent.
	ID string
	// Algorithm is the JWK's "alg" (RFC 7517, section 4.4), "" where it is
	// absent: the key then serves every algorithm that its type and curve fit.
	Algorithm string
	// Issuer is the JWK's "issuer", which Microsoft Entra writes into key sets that
	// several issuers share: the key verifies tokens of that `iss` alone, with the
	// tenant in the place of "{tenantid}". "": the member is absent.
	Issuer string
	// Thumbprint is the SHA-256 thumbprint (RFC 7638) in base64url.
	Thumbprint string
	// Public is an *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey.
	Public crypto.PublicKey

	withdrawn atomic.Bool
}

// Withdrawn reports whether the issuer no longer vouches for this key: it left the
// set, the set is older than MaxStale, or the issuer left the configuration. A
// withdrawn key stays withdrawn: a JWK that returns is a new Key.
func (k *Key) Withdrawn() bool { return k.withdrawn.Load() }

// Fits reports whether a signature under alg may be verified with this key (RFC
// 8725, section 3.1): type and curve must fit, and a key with an Algorithm serves
// that one alone. Names are case-sensitive.
func (k *Key) Fits(alg string) bool {
	if k.Algorithm != "" && family(k.Algorithm) != family(alg) {
		return false
	}
	for _, name := range algorithmsOf(k.Public) {
		if name == alg {
			return true
		}
	}
	return false
}

// family returns one name for both names of one algorithm: RFC 9864 names it
// "Ed25519", and RFC 8037 "EdDSA" on that curve.
func family(alg string) string {
	if alg == "Ed25519" {
		return "EdDSA"
	}
	return alg
}

// algorithmsOf returns nil for a type or curve that is not supported.
func algorithmsOf(public crypto.PublicKey) []string {
	switch p := public.(type) {
	case *rsa.PublicKey:
		return rsaAlgorithms
	case *ecdsa.PublicKey:
		switch p.Curve.Params().Name {
		case "P-256":
			return p256Algorithms
		case "P-384":
			return p384Algorithms
		case "P-521":
			return p521Algorithms
		}
	case ed25519.PublicKey:
		return ed25519Algorithms
	}
	return nil
}

// identity is what makes two JWKs the same key. It has no "use": all keys of a set
// have the same one.
type identity struct{ id, algorithm, issuer, thumbprint string }

func (k *Key) identity() identity { return identity{k.ID, k.Algorithm, k.Issuer, k.Thumbprint} }

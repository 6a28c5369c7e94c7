package token

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"slices"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/reason"
)

// DefaultAlgorithms are the JWS algorithms that can be verified, and that an
// issuer may use unless its configuration lists fewer (RFC 7518, section 3.1; RFC
// 8037, section 3.1; RFC 9864, section 2.2). Symmetric algorithms and "none" are
// not supported: keys here are public. The slice is the caller's own.
func DefaultAlgorithms() []string {
	return []string{
		"RS256", "RS384", "RS512",
		"PS256", "PS384", "PS512",
		"ES256", "ES384", "ES512",
		"EdDSA", "Ed25519",
	}
}

const curveEd25519 = "Ed25519"

// algorithm verifies the signatures of one JWS algorithm.
type algorithm struct {
	curve    string // the curve of its keys (RFC 7518, section 3.4); "" for RSA
	verifier jws.Verifier
}

// newAlgorithms has one entry for each of [DefaultAlgorithms] and no other.
func newAlgorithms() map[string]algorithm {
	curves := map[string]string{
		"ES256": "P-256", "ES384": "P-384", "ES512": "P-521",
		"EdDSA": curveEd25519, "Ed25519": curveEd25519,
	}
	algorithms := map[string]algorithm{}
	for _, name := range DefaultAlgorithms() {
		jwxName := name
		if name == "Ed25519" { // EdDSA by its fully specified name, unknown to jwx v2
			jwxName = "EdDSA"
		}
		verifier, err := jws.NewVerifier(jwa.SignatureAlgorithm(jwxName))
		if err != nil {
			panic("token: jwx has no verifier: " + err.Error())
		}
		algorithms[name] = algorithm{curve: curves[name], verifier: verifier}
	}
	return algorithms
}

// signatureSize returns the length in bytes of each signature by this key, or -1
// for a key that is not of this algorithm. Package jwks returns no such key, but
// jwx would accept an ES256 signature of any curve.
func (a algorithm) signatureSize(public crypto.PublicKey) int {
	switch key := public.(type) {
	case *rsa.PublicKey:
		if a.curve == "" {
			return key.Size() // RFC 8017, section 8.2.2, step 1
		}
	case *ecdsa.PublicKey:
		if a.curve == key.Params().Name {
			return 2 * ((key.Params().BitSize + 7) / 8) // RFC 7518, section 3.4
		}
	case ed25519.PublicKey:
		if a.curve == curveEd25519 {
			return ed25519.SignatureSize // RFC 8032, section 5.1.6
		}
	}
	return -1
}

// refusesAlgorithm checks that alg is on the issuer's list and is not another
// algorithm than that of the key which kid names. It reads the current set
// without waiting, and finds no key where there is no set. A nil issuer refuses
// nothing.
func (i *Issuer) refusesAlgorithm(h header) flaw {
	if i == nil {
		return ""
	}
	if !slices.Contains(i.Algorithms, h.alg) {
		return "alg: not on the issuer's list"
	}
	if _, why := i.Keys.Set().Lookup(h.kid, h.alg); why == reason.AlgorithmNotAllowed {
		return "alg: not the algorithm of the key that kid names"
	}
	return ""
}

// signatureCheck is a signature and the keys that may have made it: the one that
// kid names, or without kid each that fits alg.
type signatureCheck struct {
	jws       compactJWS
	algorithm algorithm
	keys      []*jwks.Key
	issuer    *Issuer
}

// signer returns the key that the signature verifies under, or the refusal. A
// signature that failed before under the same keys is not verified again.
func (v *Verifier) signer(ctx context.Context, compact string, t signatureCheck) (*jwks.Key, *Refusal) {
	digest := sha256.Sum256([]byte(compact))
	if v.badSignatures.known(digest, t.keys) {
		refusal := t.issuer.refuse(reason.SignatureInvalid, "signature: did not verify before")
		refusal.Remembered = true
		return nil, refusal
	}
	key, why, flaw := v.findSigner(ctx, t)
	if why == reason.Allowed {
		return key, nil
	}
	if why == reason.SignatureInvalid {
		v.badSignatures.remember(digest, t.keys)
	}
	return nil, t.issuer.refuse(why, flaw)
}

// findSigner verifies a signature (RFC 7515, section 5.2, step 8) once the limiter
// admits it. A failed one requests a refresh of the keys, in case the issuer
// reused the kid for a new key: once, whatever the number of keys.
func (v *Verifier) findSigner(ctx context.Context, t signatureCheck) (signer *jwks.Key, _ reason.Reason, _ flaw) {
	fit := 0
	for _, key := range t.keys {
		if t.fits(key) {
			fit++
		}
	}
	if fit == 0 {
		t.issuer.Keys.RequestRefresh()
		return nil, reason.SignatureInvalid, "signature: not of the length that key and alg demand"
	}
	entered, verified := v.limiter.verify(ctx, t.issuer.ID, work{t.jws.header.alg, fit}, func() bool {
		signer = t.verify()
		return signer != nil
	})
	switch {
	case !entered:
		return nil, reason.Overloaded, "signatures: too many at once"
	case !verified:
		t.issuer.Keys.RequestRefresh()
		return nil, reason.SignatureInvalid, "signature: does not verify"
	}
	return signer, reason.Allowed, ""
}

// fits reports whether the signature has the length of this key's signatures.
func (t signatureCheck) fits(key *jwks.Key) bool {
	return len(t.jws.signature) == t.algorithm.signatureSize(key.Public)
}

func (t signatureCheck) verify() *jwks.Key {
	for _, key := range t.keys {
		if t.fits(key) && t.algorithm.verifier.Verify([]byte(t.jws.input), t.jws.signature, key.Public) == nil {
			return key
		}
	}
	return nil
}

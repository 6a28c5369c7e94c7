package jwks

import (
	"crypto/rsa"
	"errors"
)

// proofExponent is the only RSA exponent that is accepted of a client's key. Every
// library makes it; a verification with a larger one costs more.
const proofExponent = 65537

// ParseKey reads a single public JWK (RFC 7517, section 4) that is not in a set,
// such as the jwk in the header of a DPoP proof. Compare its Thumbprint with a
// trusted one before using it: no issuer vouches for the key.
//
// It refuses what [Parse] skips: private members, a use or key_ops for something
// else, a weak or unsupported key, a duplicate name. Besides, an RSA exponent must
// be 65537. The error's text is fixed words and at most a size, and quotes nothing
// of the document.
func ParseKey(doc []byte) (*Key, error) {
	key, _, err := parseKey(doc, useSignature)
	if err != nil {
		return nil, err
	}
	if public, ok := key.Public.(*rsa.PublicKey); ok && public.E != proofExponent {
		return nil, errors.New("RSA exponent is not 65537")
	}
	return key, nil
}

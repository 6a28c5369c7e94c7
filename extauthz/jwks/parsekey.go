package jwks

import (
	"crypto/rsa"
	"errors"
)

// proofExponent is the only RSA exponent of a key that came with a request. It
// is what every library makes; a larger one would only cost us more.
const proofExponent = 65537

// ParseKey reads a single public JWK (RFC 7517, section 4) that did not come
// in a set, such as the jwk in the header of a DPoP proof. What makes an
// element of a set unusable makes it unusable too: private members, a use or
// key_ops for something else, a weak or unsupported key, a name that stands
// twice. Beyond that, an RSA exponent must be 65537. The error's text is fixed
// words and at most a size, and quotes nothing of the document.
//
// Nobody vouches for such a key by publishing it: the caller compares its
// Thumbprint with one that it trusts.
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

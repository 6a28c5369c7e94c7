package jwks

// ParseKey reads a single public JWK (RFC 7517, section 4) that did not come
// in a set, such as the jwk in the header of a DPoP proof. What makes an
// element of a set unusable makes it unusable too: private members, a use or
// key_ops for something else, a weak or unsupported key, a name that stands
// twice. The error's text is fixed words and quotes nothing of the document.
//
// Nobody vouches for such a key by publishing it: the caller compares its
// Thumbprint with one that it trusts.
func ParseKey(doc []byte) (*Key, error) {
	key, _, err := parseKey(doc)
	if err != nil {
		return nil, err
	}
	return key, nil
}

package token

import "strings"

// header is what is read of a JOSE header (RFC 7515, section 4.1). All else is
// ignored, jku, jwk, x5u and x5c above all: a token does not bring its own key.
type header struct {
	alg string
	kid *string // nil: absent
	typ *string // nil: absent; otherwise as [mediaType] gives it
}

// readHeader finds what makes a token malformed. A wrong-typed typ does not: it
// names no access token, and the profile says so.
func readHeader(members map[string]any) (header, flaw) {
	var h header
	alg, ok := members["alg"].(string)
	if !ok {
		return h, "alg: absent or not a string"
	}
	h.alg = alg
	if value, present := members["kid"]; present {
		kid, ok := value.(string)
		if !ok {
			return h, "kid: not a string"
		}
		h.kid = &kid
	}
	if value, present := members["typ"]; present {
		typ := mediaType(value)
		h.typ = &typ
	}
	// No extension is understood here, and an empty or wrong-typed crit is
	// forbidden by itself (RFC 7515, section 4.1.11).
	if _, present := members["crit"]; present {
		return h, "crit: present"
	}
	// Without crit, b64 false would be ignored by some and honoured by others
	// (RFC 7797, section 6).
	if value, present := members["b64"]; present && value != true {
		return h, "b64: not true"
	}
	return h, ""
}

// noKey says what was not found where no key of the issuer's is allowed.
func (h header) keyNotFound() flaw {
	if h.kid == nil {
		return "kid: absent, and none of the issuer's keys fits alg, or more than four do"
	}
	return "kid and alg: no usable key in the issuer's set"
}

// mediaType is a typ in lower case without "application/", which may be left
// out (RFC 7515, section 4.1.9). What is no string becomes "", a type that no
// profile accepts.
func mediaType(typ any) string {
	text, _ := typ.(string)
	return strings.TrimPrefix(strings.ToLower(text), "application/")
}

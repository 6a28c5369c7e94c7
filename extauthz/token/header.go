package token

import (
	"strings"

	"github.com/doorward/doorward/internal/strictjson"
)

// headerNames are the header parameters that [readHeader] reads.
var headerNames = []string{"alg", "kid", "typ", "crit", "b64"}

// header is what is read of a JOSE header (RFC 7515, section 4.1). All else is
// ignored, in particular jku, jwk, x5u and x5c: a token cannot name its own key.
type header struct {
	alg string
	kid *string // nil: absent
	typ *string // nil: absent; otherwise as [mediaType] returns it
}

// readHeader finds what makes a token malformed. A typ of a wrong type does not:
// it is not that of an access token, and the profile refuses it.
func readHeader(members strictjson.Members) (header, flaw) {
	var h header
	alg, ok := members.Get("alg").Text()
	if !ok {
		return h, "alg: absent or not a string"
	}
	h.alg = alg
	if member := members.Get("kid"); member.Present() {
		kid, ok := member.Text()
		if !ok {
			return h, "kid: not a string"
		}
		h.kid = &kid
	}
	if member := members.Get("typ"); member.Present() {
		typ := mediaType(member)
		h.typ = &typ
	}
	// No extension is supported, and an empty crit or one of a wrong type is
	// forbidden in any case (RFC 7515, section 4.1.11).
	if members.Get("crit").Present() {
		return h, "crit: present"
	}
	// Without crit, b64 false would be ignored by some and honoured by others
	// (RFC 7797, section 6).
	if member := members.Get("b64"); member.Present() && !member.Is('t') {
		return h, "b64: not true"
	}
	return h, ""
}

// keyNotFound describes the key that the issuer's set does not have.
func (h header) keyNotFound() flaw {
	if h.kid == nil {
		return "kid: absent, and none of the issuer's keys fits alg, or more than four do"
	}
	return "kid and alg: no usable key in the issuer's set"
}

// mediaType returns a typ in lower case without "application/", which may be left
// out (RFC 7515, section 4.1.9), and "" for a value that is not a string, which
// no profile accepts.
func mediaType(typ strictjson.Member) string {
	text, _ := typ.Text()
	return strings.TrimPrefix(strings.ToLower(text), "application/")
}

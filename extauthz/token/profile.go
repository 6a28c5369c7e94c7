package token

import (
	"strings"

	"github.com/doorward/doorward/internal/strictjson"
)

// Profile is the set of rules that an issuer's access tokens keep, which other
// kinds of token break.
type Profile uint8

// The profiles. The names are those of the configuration.
const (
	// Standard is for servers in common use: typ may be "JWT" or absent, and claims
	// that only other kinds of token have are refused.
	Standard Profile = iota
	// RFC9068 is the JWT profile for access tokens: typ must be "at+jwt", and every
	// claim that section 2.2 of the RFC requires must be present.
	RFC9068
)

// String is the name in the configuration and in a policy's input.
func (p Profile) String() string {
	if p == Standard {
		return "standard"
	}
	return "rfc9068"
}

// rejectOtherType finds what shows that a token is not an access token (RFC 8725,
// sections 3.11 and 3.12). Every profile but Standard counts as the strict one.
func (p Profile) rejectOtherType(h header, payload strictjson.Members) flaw {
	if !p.acceptsType(h.typ) {
		return "typ: not the type of an access token"
	}
	if p != Standard {
		return ""
	}
	return hasClaimsOfOtherKind(payload)
}

// acceptsType accepts the types of access tokens alone, so that id_token,
// logout+jwt, dpop+jwt, secevent+jwt, oauth-id-jag+jwt and types of the future are
// refused without a list.
func (p Profile) acceptsType(typ *string) bool {
	switch {
	case typ == nil:
		return p == Standard
	case *typ == "at+jwt":
		return true
	case *typ == "jwt":
		return p == Standard
	}
	return false
}

// hasClaimsOfOtherKind finds claims that an access token does not have: those of
// ID tokens (OpenID Connect Core, sections 2 and 3.3.2.11) and of security events
// (RFC 8417, section 2.2), and the types of Amazon Cognito (token_use) and of
// Keycloak (typ in the payload).
func hasClaimsOfOtherKind(payload strictjson.Members) flaw {
	for _, name := range []string{"nonce", "at_hash", "c_hash", "s_hash", "events"} {
		if payload.Get(name).Present() {
			return flaw(name + ": a claim of another kind of token")
		}
	}
	if use, _ := payload.Get("token_use").Text(); strings.EqualFold(use, "id") {
		return "token_use: that of an ID token"
	}
	if member := payload.Get("typ"); member.Present() {
		switch typ, isText := member.Text(); {
		case !isText:
			return "typ in the payload: not a string"
		case isOtherPayloadType(typ):
			return "typ in the payload: another kind of token"
		}
	}
	return ""
}

func isOtherPayloadType(typ string) bool {
	for _, other := range []string{"ID", "Refresh", "Offline", "Logout"} {
		if strings.EqualFold(typ, other) {
			return true
		}
	}
	return false
}

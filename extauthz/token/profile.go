package token

import (
	"slices"
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
// sections 3.11 and 3.12). Every profile but Standard counts as the strict one. A
// nil issuer has the rules of the zero Issuer: a token that even those take for
// another kind is one in any case.
func (i *Issuer) rejectOtherType(jws compactJWS, marked bool) flaw {
	var rules Issuer
	if i != nil {
		rules.Profile, rules.Accepts = i.Profile, i.Accepts
	}
	if !rules.Profile.acceptsType(jws.header.typ) {
		return "typ: not the type of an access token"
	}
	if rules.Profile != Standard {
		return ""
	}
	return hasClaimsOfOtherKind(jws.payload.Members, rules.Accepts, marked)
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
// Keycloak (typ in the payload). A claim that the issuer's access tokens carry
// too (accepted) is none, in a token that is marked as an access token.
func hasClaimsOfOtherKind(payload strictjson.Members, accepted []string, marked bool) flaw {
	for _, name := range []string{"nonce", "at_hash", "c_hash", "s_hash", "events"} {
		if !payload.Get(name).Present() {
			continue
		}
		if !slices.Contains(accepted, name) || name == "events" {
			return flaw(name + ": a claim of another kind of token")
		}
		if !marked {
			return flaw(name + ": accepted in a token that is marked as an access token, and this one is not")
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

package token

import (
	"strings"
	"time"

	"github.com/doorward/doorward/internal/strictjson"
)

// claimNames are the claims that are read before the signature is verified.
var claimNames = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf", "scope", "scp",
	"client_id", "azp", "cid", "appid", // see clientNames
	"nonce", "at_hash", "c_hash", "s_hash", "events", "token_use", "typ", // see hasClaimsOfOtherKind
}

// clientNames are the claims that name the client, in this order: RFC 9068,
// section 2.2, OpenID Connect Core, Okta and Entra ID.
var clientNames = []string{"client_id", "azp", "cid", "appid"}

// checkClaims checks that the claims are present which every profile or this one
// requires, and the type of each claim that is read. It compares no value.
// The claims it returns have dates alone: [Claims.fill] adds the others once
// the signature is verified.
func checkClaims(payload strictjson.Members, profile Profile) (*Claims, flaw) {
	r := claimReader{members: payload}
	r.require("iss", "aud", "exp")
	if profile != Standard {
		r.require("sub", "client_id", "iat", "jti") // RFC 9068, section 2.2
	}
	if r.checkStrings("aud") == 0 { // RFC 7519, section 4.1.3
		r.fail("aud", "empty")
	}
	r.check("cnf", '{', "not an object")
	for _, name := range []string{"iss", "sub", "client_id", "azp", "cid", "appid", "jti", "scope"} {
		r.check(name, '"', "not a string")
	}
	r.checkStrings("scp")
	claims := &Claims{Profile: profile, Expiry: r.date("exp"), NotBefore: r.date("nbf"), IssuedAt: r.date("iat")}
	if r.flaw != "" {
		return nil, r.flaw
	}
	return claims, ""
}

// fill reads the other claims, whose types were checked.
func (c *Claims) fill(all map[string]any) {
	text := func(name string) string {
		value, _ := all[name].(string)
		return value
	}
	c.All = all
	c.Issuer, c.Subject, c.ID = text("iss"), text("sub"), text("jti")
	for _, name := range clientNames {
		if _, present := all[name]; present {
			c.Client = text(name)
			break
		}
	}
	// A space alone parts scopes (RFC 6749, section 3.3), so that an array member
	// with a space in it is one scope that no resource asks for.
	scope, present := all["scope"]
	if !present {
		scope = all["scp"]
	}
	if joined, isText := scope.(string); isText {
		c.Scopes = strings.FieldsFunc(joined, func(c rune) bool { return c == ' ' })
	} else if !present {
		c.Scopes = stringList(scope)
	}
}

// checkNotBefore compares nbf (RFC 7519, section 4.1.5) and iat with the latest
// time that the clock may show.
func (c *Claims) checkNotBefore(latest time.Time) flaw {
	if c.NotBefore.After(latest) {
		return "nbf: in the future"
	}
	if c.IssuedAt.After(latest) {
		return "iat: in the future"
	}
	return ""
}

// stringList returns a claim that is a string or an array of strings; nil for
// every other value.
func stringList(claim any) []string {
	if text, isText := claim.(string); isText {
		return []string{text}
	}
	array, isArray := claim.([]any)
	if !isArray {
		return nil
	}
	list := make([]string, len(array))
	for i := range array {
		var isText bool
		if list[i], isText = array[i].(string); !isText {
			return nil
		}
	}
	return list
}

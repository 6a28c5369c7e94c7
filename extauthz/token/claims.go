package token

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/strictjson"
)

// claimNames are the claims that are read before the signature is verified.
var claimNames = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf", "scope", "scp",
	"client_id", "azp", "cid", "appid", // see clientNames
	"nonce", "at_hash", "c_hash", "s_hash", "events", "token_use", "typ", // see hasClaimsOfOtherKind
	"tid", // see Issuer.matchTenant
}

// clientNames are the claims that name the client, in this order: RFC 9068,
// section 2.2, OpenID Connect Core, Okta and Entra ID.
var clientNames = []string{"client_id", "azp", "cid", "appid"}

// demand is what a token must say beside what its issuer's rules demand.
type demand struct {
	audience bool // there must be an aud
	id       bool // a jti must be a string: something revokes by it
}

// checkClaims checks that the claims are present which every profile or this one
// requires, and the type of each claim that is read. It compares no value.
// The claims it returns have dates alone: [Claims.fill] adds the others once
// the signature is verified.
func (i *Issuer) checkClaims(payload strictjson.Members, needs demand) (*Claims, flaw) {
	r := claimReader{members: payload}
	if i.TrustDomain == "" { // a JWT-SVID names its issuer by sub
		r.require("iss")
	}
	if needs.audience {
		r.require("aud")
	}
	r.require("exp")
	if i.Profile != Standard {
		r.require("sub", "client_id", "iat", "jti") // RFC 9068, section 2.2
	}
	if r.checkStrings("aud") == 0 && payload.Get("aud").Present() { // RFC 7519, section 4.1.3
		r.fail("aud", "empty")
	}
	r.check("cnf", '{', "not an object")
	for _, name := range []string{"iss", "sub", "client_id", "azp", "cid", "appid"} {
		r.check(name, '"', "not a string")
	}
	if needs.id || i.Profile != Standard {
		r.check("jti", '"', "not a string")
	}
	if i.ScopeClaims == nil {
		r.checkStrings(defaultScopeClaim(payload))
	}
	claims := &Claims{Profile: i.Profile, Expiry: r.date("exp"), NotBefore: r.date("nbf"), IssuedAt: r.date("iat")}
	if r.flaw != "" {
		return nil, r.flaw
	}
	return claims, ""
}

// defaultScopeClaim is the claim that scopes are read from where the issuer's
// rules name none: scope (RFC 8693, section 4.2), or else scp.
func defaultScopeClaim(payload strictjson.Members) string {
	if payload.Get("scope").Present() {
		return "scope"
	}
	return "scp"
}

// fill reads the other claims, whose types were checked. A nil issuer has the
// rules of the zero Issuer.
func (c *Claims) fill(all map[string]any, issuer *Issuer) {
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
	id, hasID := all["jti"]
	_, isText := id.(string)
	c.noAudience, c.noID = all["aud"] == nil, hasID && !isText
	c.Scopes = issuer.scopes(all)
	if issuer != nil {
		c.IssuerID = issuer.ID
		c.Issuer = cmp.Or(c.Issuer, issuer.ID) // a JWT-SVID may have no iss
		c.Tenant, _ = issuer.MatchTenant(c.Issuer)
	}
}

// scopes are the scopes of the claims that the rules name, each once, or those of
// scope or else scp.
func (i *Issuer) scopes(all map[string]any) []string {
	if i == nil || i.ScopeClaims == nil {
		claim, present := all["scope"]
		if !present {
			claim = all["scp"]
		}
		return scopeList(claim)
	}
	var scopes []string
	for _, name := range i.ScopeClaims {
		for _, scope := range scopeList(claimAt(all, name)) {
			if !slices.Contains(scopes, scope) {
				scopes = append(scopes, scope)
			}
		}
	}
	return scopes
}

// scopeList returns the scopes of a claim, nil for one of another shape than text
// or an array of texts. A space alone parts scopes (RFC 6749, section 3.3), so
// that an array member with a space in it is one scope that no resource asks for.
func scopeList(claim any) []string {
	if joined, isText := claim.(string); isText {
		return strings.FieldsFunc(joined, func(c rune) bool { return c == ' ' })
	}
	return stringList(claim)
}

// claimAt returns the claim of this name, or else the member at the end of a path
// of names with dots between them; nil where there is none.
func claimAt(all map[string]any, path string) any {
	if claim, literal := all[path]; literal {
		return claim
	}
	var value any = all
	for name := range strings.SplitSeq(path, ".") {
		object, isObject := value.(map[string]any)
		if !isObject {
			return nil
		}
		value = object[name]
	}
	return value
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

package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// acceptedMarks are the claims of ID tokens that access tokens of some issuers
// carry too (OpenID Connect Core, sections 2 and 3.3.2.11).
var acceptedMarks = []string{"nonce", "at_hash", "c_hash", "s_hash"}

// claimsOfIDTokens are claims that ID tokens have too (OpenID Connect Core, sections
// 2 and 5.1; RFC 7519, section 4.1; logout; roles of several providers), so that
// they show no access token. Presets name some of them, where the ID tokens of one
// provider have none.
var claimsOfIDTokens = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "c_hash",
	"s_hash", "sid", "typ", "token_use", "cnf", "events", "roles", "permissions", "groups", "entitlements",
	"realm_access", "resource_access", "name", "given_name", "family_name", "middle_name", "nickname",
	"preferred_username", "profile", "picture", "website", "email", "email_verified", "gender", "birthdate", "zoneinfo",
	"locale", "phone_number", "phone_number_verified", "address", "updated_at",
	"tid", "oid", "upn", "ver",
}

// foreignAudience is an aud that no client_id_pattern may match: that of another
// service.
const foreignAudience = "https://other.example.com/mcp"

// checkTokenRules checks the keys that say how to read an issuer's tokens, each
// alone.
func (r *reader) checkTokenRules(at string, is issuer) {
	for _, list := range []struct {
		key    string
		values []string
	}{
		{"scope_claims", is.ScopeClaims},
		{"generic_audiences", is.GenericAudiences},
		{"access_token_claims", is.AccessTokenClaims},
		{"accepts", is.Accepts},
	} {
		r.unique(list.values, elements(join(at, list.key), len(list.values)))
	}
	for i, name := range is.Accepts {
		if name != "" && !slices.Contains(acceptedMarks, name) {
			r.problem(element(at+".accepts", i), fmt.Sprintf("is %q, which is no claim of an ID token "+
				"that can be accepted", name), meant(name, acceptedMarks, "the claims are "))
		}
	}
	for i, name := range is.AccessTokenClaims {
		if r.written(at+".access_token_claims") && slices.Contains(claimsOfIDTokens, name) {
			r.problem(element(at+".access_token_claims", i),
				fmt.Sprintf("is %q, which ID tokens have too, so that it shows no access token", name),
				"name a claim that this issuer's access tokens have and its ID tokens do not have")
		}
	}
	if is.Scopes == noScopes && len(is.ScopeClaims) > 0 {
		r.problem(r.writtenOf(at, "scope_claims", "scopes"), "does not fit: scope_claims says where scopes are, "+
			"and scopes: none that there are none",
			"remove one of them; scopes: claims replaces that of a preset")
	}
	r.checkClientIDPattern(at+".client_id_pattern", is)
}

// writtenOf returns the path of the first key that is written, or of the first.
func (r *reader) writtenOf(at string, keys ...string) string {
	for _, key := range keys {
		if r.written(join(at, key)) {
			return join(at, key)
		}
	}
	return join(at, keys[0])
}

// checkClientIDPattern checks a pattern, which must match the whole client id.
func (r *reader) checkClientIDPattern(path string, is issuer) {
	if is.ClientIDPattern == "" {
		return
	}
	_, err := regexp.Compile(is.ClientIDPattern)
	if err != nil {
		r.problem(path, "is no regular expression: "+strings.TrimPrefix(err.Error(), "error parsing regexp: "),
			"write one in the syntax of RE2, for the whole client id")
		return
	}
	whole := regexp.MustCompile(`^(?:` + is.ClientIDPattern + `)$`)
	switch {
	case !is.Dedicated:
		r.problem(path, "has no effect without dedicated", "write dedicated: true beside it, or remove it")
	case whole.MatchString(foreignAudience) || whole.MatchString(""):
		r.problem(path, "matches the audience of any service, or an empty one",
			"write the form of this issuer's client ids")
	}
}

// meant is the advice for a word that is not one of the known ones.
func meant(word string, known []string, list string) string {
	if nearest := Nearest(word, known); nearest != "" {
		return fmt.Sprintf("did you mean %s?", nearest)
	}
	return list + strings.Join(known, ", ")
}

// elements returns the paths of the elements of a list.
func elements(path string, n int) []string {
	paths := make([]string, n)
	for i := range paths {
		paths[i] = element(path, i)
	}
	return paths
}

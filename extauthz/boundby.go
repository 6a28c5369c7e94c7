package extauthz

import (
	"encoding/json"
	"regexp"
	"slices"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
)

// The ways in which a token shows that it was issued for a resource.
const (
	boundByAudience  = "aud"
	boundByClient    = "client"
	boundByDedicated = "dedicated"
)

// boundBy returns the way by which the policy has to judge whether a token was
// issued for res, "" for none. A token whose aud names any of our resources is
// judged by aud alone; so is every token that no other way applies to.
func (state *State) boundBy(res *resource.Resource, claims *token.Claims) string {
	issuer := state.Issuers[claims.IssuerID]
	if issuer == nil || !isTied(res, claims) {
		return ""
	}
	audience := claims.Audience()
	if issuer.SelfAssertedAudience { // the caller chose aud, so that it proves nothing alone
		if acceptsSubject(res, claims) && len(audience) > 0 {
			return boundByAudience
		}
		return ""
	}
	if !claims.Marked || slices.ContainsFunc(audience, state.Resources.Owns) {
		return boundByAudience
	}
	left := slices.DeleteFunc(slices.Clone(audience), func(aud string) bool {
		return slices.Contains(issuer.GenericAudiences, aud)
	})
	client, agree := clientOf(claims, left)
	switch {
	case !agree:
		return boundByAudience
	case client != "" && slices.Contains(res.Clients, client) && allAre(left, client, nil):
		return boundByClient
	case issuer.Dedicated && allAre(left, client, clientIDPattern(issuer)):
		return boundByDedicated
	}
	return boundByAudience
}

// isTied reports whether each placeholder of a pattern that is tied to a claim has
// the claim's value.
func isTied(res *resource.Resource, claims *token.Claims) bool {
	for placeholder, claim := range res.Parameters {
		if text, isText := claims.All[claim].(string); !isText || text != res.Values[placeholder] {
			return false
		}
	}
	return true
}

// acceptsSubject reports whether a token of an issuer whose callers choose aud is
// of a subject, and has the claims, that the resource accepts.
func acceptsSubject(res *resource.Resource, claims *token.Claims) bool {
	if len(res.Subjects) == 0 && len(res.Claims) == 0 {
		return false
	}
	if len(res.Subjects) > 0 && !res.MatchesSubject(claims.Subject) {
		return false
	}
	for name := range res.Claims {
		value, ok := claimText(claims.All[name])
		if !ok || !res.MatchesClaim(name, value) {
			return false
		}
	}
	return true
}

// claimText is a claim that is a string or a number, as it is written.
func claimText(claim any) (string, bool) {
	switch value := claim.(type) {
	case string:
		return value, true
	case json.Number:
		return value.String(), true
	}
	return "", false
}

// clientOf returns the client that a token was issued to, by the claims that name
// it, all of which must agree. Where there is none, it is the one aud there is:
// some servers write the client there alone.
func clientOf(claims *token.Claims, audience []string) (client string, agree bool) {
	for _, name := range []string{"client_id", "azp", "cid", "appid"} {
		text, present := claims.All[name].(string)
		switch {
		case !present:
		case client != "" && client != text:
			return "", false
		default:
			client = text
		}
	}
	if client == "" && len(audience) == 1 {
		client = audience[0]
	}
	return client, true
}

// allAre reports whether each aud value is the client, or matches pattern; nil
// matches nothing.
func allAre(audience []string, client string, pattern *regexp.Regexp) bool {
	return !slices.ContainsFunc(audience, func(aud string) bool {
		return (client == "" || aud != client) && (pattern == nil || !pattern.MatchString(aud))
	})
}

// clientIDPattern is nil where there is none, or where it is no expression.
func clientIDPattern(issuer *token.Issuer) *regexp.Regexp {
	if issuer.ClientIDPattern == "" {
		return nil
	}
	pattern, err := regexp.Compile(`\A(?:` + issuer.ClientIDPattern + `)\z`)
	if err != nil {
		return nil
	}
	return pattern
}

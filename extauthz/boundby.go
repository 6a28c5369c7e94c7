package extauthz

import (
	"encoding/json"
	"maps"
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

// An obstacle is why a token is not bound to a resource by its client or its
// issuer, for advice.
type obstacle uint8

const (
	noOther         obstacle = iota // the resource and the issuer know no other way than aud
	otherParameter                  // a claim has not the value that the URL has
	otherSubject                    // callers choose aud, and the resource does not accept this one
	namesResource                   // aud names one of our resources
	notMarked                       // nothing shows that it is an access token
	clientsDisagree                 // its claims name several clients
	foreignAudience                 // aud has a value that is no client
	clientNotListed                 // its client is not one of the resource's
)

// boundBy returns the way by which the policy has to check that a token was issued
// for res, "" for no way, and what prevents the others. A token whose aud
// names any of our resources is checked by aud alone; so is every token that no
// other way applies to.
func (state *State) boundBy(res *resource.Resource, claims *token.Claims) (way string, prevents obstacle) {
	issuer := state.Issuers[claims.IssuerID]
	if placeholder, _ := untied(res, claims); issuer == nil || placeholder != "" {
		return "", otherParameter
	}
	if issuer.SelfAssertedAudience { // the caller chose aud, so that it proves nothing alone
		if acceptsSubject(res, claims) {
			return boundByAudience, noOther
		}
		return "", otherSubject
	}
	if len(res.Clients) == 0 && !issuer.Dedicated {
		return boundByAudience, noOther
	}
	audience := claims.Audience()
	if slices.ContainsFunc(audience, state.Resources.Owns) {
		return boundByAudience, namesResource
	}
	if !claims.Marked {
		return boundByAudience, notMarked
	}
	return boundByOther(res, issuer, claims, audience)
}

// boundByOther looks for another way than aud.
func boundByOther(
	res *resource.Resource, issuer *token.Issuer, claims *token.Claims, audience []string,
) (way string, prevents obstacle) {
	named := clientsOf(claims)
	if len(named) > 1 {
		return boundByAudience, clientsDisagree
	}
	left := slices.DeleteFunc(slices.Clone(audience), func(aud string) bool {
		return slices.Contains(issuer.GenericAudiences, aud)
	})
	// Some servers name the client in aud alone.
	clients := slices.Compact(slices.Sorted(slices.Values(slices.Concat(named, left))))
	switch {
	case len(clients) == 1 && slices.Contains(res.Clients, clients[0]):
		return boundByClient, noOther
	case issuer.Dedicated && areClients(issuer, named, left):
		return boundByDedicated, noOther
	case len(clients) > 1, issuer.Dedicated:
		return boundByAudience, foreignAudience
	}
	return boundByAudience, clientNotListed
}

// areClients reports whether each aud value is the client that is named, or matches
// the issuer's pattern of clients.
func areClients(issuer *token.Issuer, named, audience []string) bool {
	others := slices.DeleteFunc(slices.Clone(audience), func(aud string) bool { return slices.Contains(named, aud) })
	if len(others) == 0 {
		return true
	}
	pattern := clientIDPattern(issuer)
	return pattern != nil && !slices.ContainsFunc(others, func(aud string) bool { return !pattern.MatchString(aud) })
}

// untied returns the first placeholder of a pattern that is tied to a claim and has
// not the claim's value; "" where there is none.
func untied(res *resource.Resource, claims *token.Claims) (placeholder, claim string) {
	for _, placeholder := range slices.Sorted(maps.Keys(res.Parameters)) {
		claim := res.Parameters[placeholder]
		if text, isText := claims.All[claim].(string); !isText || text != res.Values[placeholder] {
			return placeholder, claim
		}
	}
	return "", ""
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

// clientsOf lists the clients that the claims name: one, unless they disagree.
func clientsOf(claims *token.Claims) []string {
	var named []string
	for _, name := range []string{"client_id", "azp", "cid", "appid"} {
		if client, present := claims.All[name].(string); present && !slices.Contains(named, client) {
			named = append(named, client)
		}
	}
	return named
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

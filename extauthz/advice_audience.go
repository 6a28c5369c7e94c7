package extauthz

import (
	"slices"
	"strings"

	"github.com/doorward/doorward/internal/redact"
)

// audience compares a verified aud with the accepted values. The advice is never
// to trust a token that was issued for another resource.
func (a *denialAdvice) audience() {
	res, all := a.v.resource, a.v.claims.Audience()
	a.addFactList("audience", all)
	a.addFactList("accepted", slices.Concat([]string{res.URI}, res.Aliases, res.Audiences))
	in := func(match func(audience string) bool) bool { return slices.ContainsFunc(all, match) }
	switch {
	case a.v.prevents == otherParameter:
		a.parameter()
	case a.v.prevents == otherSubject:
		a.advise("callers of this issuer choose aud themselves, so that it proves nothing alone, and the resource's " +
			"subjects and claims do not accept this token: add the caller there if it should have access")
	case in(func(audience string) bool { return slices.Contains(res.Audiences, audience) }):
		a.furtherAudience()
	case in(func(audience string) bool { return sameButSlash(audience, res.URI) }):
		a.advise("aud differs from %s in its last slash alone: have client and authorization server use the "+
			"resource as it is configured", res.URI)
	case in(func(audience string) bool { return strings.EqualFold(audience, res.URI) }):
		a.advise("aud differs from %s in capital letters alone: have client and authorization server use the "+
			"resource as it is configured", res.URI)
	case in(func(audience string) bool { return a.state.Resources.Owns(audience) }):
		a.advise("the token is for another resource of this doorward: have the client ask for one with resource=%s "+
			"(RFC 8707)", res.URI)
	case in(func(audience string) bool {
		return audience != "" && strings.HasPrefix(res.URI, strings.TrimSuffix(audience, "/")+"/")
	}):
		a.advise("aud names a part of the resource's URL, and a token is for the whole: have the client ask with "+
			"resource=%s (RFC 8707)", res.URI)
	default:
		a.otherWay()
	}
}

// furtherAudience is about a token whose aud is one of the resource's audiences.
func (a *denialAdvice) furtherAudience() {
	if !a.v.claims.Marked {
		a.advise("aud names one of the resource's audiences, and nothing shows that the token is an access token: it " +
			"has no scope or scp, and roles are in ID tokens too. Have the client ask for a scope, set profile: " +
			"rfc9068 where the issuer's tokens are at+jwt, or write under access_token_claims a claim that its ID " +
			"tokens lack")
		return
	}
	a.advise("aud names one of the resource's audiences, but the token has no scope, scp or roles: have the client " +
		"ask for a scope, or set scopes: none where the issuer's access tokens carry none")
}

// otherWay is about a token that could be for the resource by its client or its
// issuer.
func (a *denialAdvice) otherWay() {
	res, issuer := a.v.resource, a.state.Issuers[a.v.claims.IssuerID]
	switch prevents := a.v.prevents; {
	case prevents == notMarked:
		a.advise("the resource accepts tokens by client or issuer, and nothing shows that this is an access token: " +
			"no typ of at+jwt, token_use of access or scope. Have the client send the access token, or write under " +
			"access_token_claims of the issuer a claim that its ID tokens lack")
	case prevents == clientsDisagree:
		a.addFactList("clients", clientsOf(a.v.claims))
		a.advise("client_id, azp, cid and appid name different clients, so that the token is for none of them: have " +
			"the authorization server write one client into all")
	case prevents == clientNotListed:
		a.addFactList("clients", res.Clients)
		a.advise("aud names no resource, and the client is not one of the resource's clients: add it there if it is "+
			"registered for this resource alone, or have the client ask with resource=%s (RFC 8707)", res.URI)
	case prevents == foreignAudience && issuer.Dedicated:
		a.advise("the issuer is dedicated to the resource, and aud has a value that is neither the token's client nor "+
			"matches client_id_pattern: have the client ask with resource=%s (RFC 8707)", res.URI)
	case res.ScopePrefix != "":
		a.advise("the token was issued for another audience: have the client ask for the scopes of the challenge, %s, "+
			"by which this authorization server chooses aud", strings.Join(res.AskedScopes(res.NeededScopes()), " "))
	default:
		a.advise("the token was issued for another audience: have the client ask for one with resource=%s (RFC "+
			"8707), and the authorization server write that into aud", res.URI)
	}
}

// parameter is about a placeholder that is tied to a claim with another value.
func (a *denialAdvice) parameter() {
	placeholder, claim := untied(a.v.resource, a.v.claims)
	value := a.v.resource.Values[placeholder]
	a.addFact("parameter", placeholder+"="+value)
	a.addFact("claim", redact.Name(claim))
	a.advise("the URL is that of %s=%s, and the claim that parameters ties to it has another value or none: have the "+
		"user log in there", placeholder, value)
}

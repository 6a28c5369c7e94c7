package extauthz

import (
	"slices"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
)

// trust returns the issuers that res trusts, for [token.Verifier.Verify]. An
// issuer of another resource is unknown here (AU-6).
func (state *State) trust(res *resource.Resource) func(iss, trustDomain string) (*token.Issuer, bool) {
	return func(iss, trustDomain string) (*token.Issuer, bool) {
		issuer := state.findIssuer(res, iss, trustDomain)
		return issuer, issuer != nil && mayLackAudience(res, issuer)
	}
}

// findIssuer returns the issuer that a token names, or nil.
func (state *State) findIssuer(res *resource.Resource, iss, trustDomain string) *token.Issuer {
	if trustDomain == "" && slices.Contains(res.Issuers, iss) {
		if issuer := state.Issuers[iss]; issuer != nil && issuer.Placeholder() == "" {
			return issuer
		}
	}
	for _, id := range res.Issuers {
		issuer := state.Issuers[id]
		if issuer == nil {
			continue
		}
		if trustDomain != "" {
			if issuer.TrustDomain == trustDomain {
				return issuer
			}
			continue
		}
		if tenant, ok := issuer.MatchTenant(iss); ok && tenant != "" && isTenantOf(res, issuer, tenant) {
			return issuer
		}
	}
	return nil
}

// issuerOf returns the issuer of claims that were verified before, if res trusts
// it, and whether its tokens may lack aud.
func (state *State) issuerOf(
	res *resource.Resource, claims *token.Claims,
) (issuer *token.Issuer, audienceOptional bool) {
	if !slices.Contains(res.Issuers, claims.IssuerID) {
		return nil, false
	}
	issuer = state.Issuers[claims.IssuerID]
	if issuer == nil || claims.Tenant != "" && !isTenantOf(res, issuer, claims.Tenant) {
		return nil, false
	}
	return issuer, mayLackAudience(res, issuer)
}

// isTenantOf reports whether a placeholder that is in the issuer's template and in
// the resource has one value in both.
func isTenantOf(res *resource.Resource, issuer *token.Issuer, tenant string) bool {
	value, shared := res.Values[issuer.Placeholder()]
	return !shared || value == tenant
}

// mayLackAudience reports whether something else than aud can show that a token
// was issued for res.
func mayLackAudience(res *resource.Resource, issuer *token.Issuer) bool {
	return len(res.Clients) > 0 || issuer.Dedicated
}

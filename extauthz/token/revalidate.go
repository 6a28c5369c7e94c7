package token

import (
	"slices"

	"github.com/doorward/doorward/extauthz/reason"
)

// Revalidate judges claims that [Verifier.Verify] gave for the same token before,
// without its signature. issuer is the one trusted now for the claims' issuer,
// or nil. False means that something the claims rest on has changed: the token
// must be verified anew. With true, the refusal is nil or says that the token's
// time is over.
func (v *Verifier) Revalidate(claims *Claims, issuer *Issuer) (bool, *Refusal) {
	switch {
	case issuer == nil || issuer.ID != claims.Issuer:
		return false, nil
	case issuer.Profile != claims.Profile || !slices.Contains(issuer.Algorithms, claims.Algorithm):
		return false, nil
	case claims.Size > v.maxBytes:
		return false, nil
	}
	// The very key that verified must be among those that the header still
	// allows: removal, staleness and one key too many for a missing kid hold at
	// once.
	if keys, _ := issuer.Keys.Set().Lookup(claims.HeaderKeyID, claims.Algorithm); !slices.Contains(keys, claims.Key) {
		return false, nil
	}
	return true, v.checkTime(claims, issuer)
}

// outOfTime compares the claims' dates with the clock (RFC 7519, sections 4.1.4
// to 4.1.6); nil where they hold.
func (v *Verifier) checkTime(claims *Claims, issuer *Issuer) *Refusal {
	now := v.now()
	if !now.Before(claims.Expiry.Add(v.skew)) {
		return issuer.refuse(reason.TokenExpired, "exp: passed")
	}
	if flaw := claims.checkNotBefore(now.Add(v.skew)); flaw != "" {
		return issuer.refuse(reason.TokenNotYetValid, flaw)
	}
	return nil
}

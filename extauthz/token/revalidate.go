package token

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
)

// Revalidate checks claims that [Verifier.Verify] returned for the same token
// before, without verifying the signature. issuer is the one that is trusted now
// for the claims' issuer, or nil; audienceOptional is as for [Verifier.Verify]. It returns
// false when a setting or key on which the claims depend has changed: verify the
// token again. With true, the refusal is nil or is that the token expired.
func (v *Verifier) Revalidate(claims *Claims, issuer *Issuer, audienceOptional bool) (bool, *Refusal) {
	switch {
	case issuer == nil || issuer != claims.issuer && v.digestOf(issuer) != claims.rules:
		return false, nil
	case claims.Size > v.maxBytes, v.readsID && claims.noID, !audienceOptional && claims.noAudience:
		return false, nil
	}
	// The key that verified must be among those that the header allows now, so
	// that the removal of a key, a stale set and one key too many for a missing
	// kid take effect at once.
	keys, _ := issuer.Keys.Set().Lookup(claims.HeaderKeyID, claims.Algorithm)
	if !slices.Contains(keys, claims.Key) {
		return false, nil
	}
	return true, v.checkTime(claims, issuer)
}

// AuthenticatedWithin reports whether the user was authenticated at most maxAge ago,
// clock skew included (RFC 9470, section 3). Without an auth_time that is a date of
// the past it is false.
func (v *Verifier) AuthenticatedWithin(claims *Claims, maxAge time.Duration) bool {
	number, isNumber := claims.All["auth_time"].(json.Number)
	if !isNumber {
		return false
	}
	at, ok := parseDate(number.String())
	now := v.now()
	return ok && !at.After(now.Add(v.skew)) && now.Before(at.Add(maxAge+v.skew))
}

// checkTime compares the claims' dates with the clock (RFC 7519, sections 4.1.4 to
// 4.1.6).
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

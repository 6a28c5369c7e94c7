package explain

import (
	"time"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/redact"
)

// tokenReport is what the person who asks is shown of his own token. A member
// that the token does not have, or has in another type, is left out.
type tokenReport struct {
	Verified  bool        `json:"verified"`
	Algorithm string      `json:"algorithm"`
	Type      string      `json:"type,omitempty"`   // typ of the header
	KeyID     string      `json:"key_id,omitempty"` // kid of the header
	Issuer    string      `json:"issuer,omitempty"`
	Subject   string      `json:"subject,omitempty"`
	Client    string      `json:"client_id,omitempty"`
	ID        string      `json:"token_id,omitempty"`
	Profile   string      `json:"profile,omitempty"`  // it was verified under; may be absent
	BoundBy   string      `json:"bound_by,omitempty"` // aud, client or dedicated; may be absent
	Binding   string      `json:"binding,omitempty"`  // none, dpop or mtls, once proven; may be absent
	Audience  []string    `json:"audience"`
	Scopes    []string    `json:"scopes"`
	Expires   *dateReport `json:"expires,omitempty"`
	NotBefore *dateReport `json:"not_before,omitempty"`
	IssuedAt  *dateReport `json:"issued_at,omitempty"`
}

type dateReport struct {
	At   string `json:"at"`   // RFC 3339, UTC
	Away string `json:"away"` // from now, for a person: "in 1h0m0s", "5m0s ago"
}

// tokenReport is nil for what is no token.
func (q *Request) tokenReport(e *extauthz.Explanation, now time.Time) *tokenReport {
	unverified, ok := token.ReadUnverified(q.token)
	if !ok {
		return nil
	}
	r := &tokenReport{
		Algorithm: redact.Text(unverified.Algorithm),
		Type:      redact.Text(unverified.Type),
		KeyID:     redact.ID(unverified.KeyID),
		Issuer:    redact.ID(unverified.Issuer),
		Subject:   redact.ID(unverified.Subject),
		Client:    redact.ID(unverified.Client),
		ID:        redact.ID(unverified.ID),
		BoundBy:   e.BoundBy,
		Binding:   e.Binding,
		Audience:  withoutTokens(unverified.Audience),
		Scopes:    withoutTokens(unverified.Scopes),
		Expires:   date(unverified.Expiry, now),
		NotBefore: date(unverified.NotBefore, now),
		IssuedAt:  date(unverified.IssuedAt, now),
	}
	if e.Claims != nil {
		r.Profile = e.Claims.Profile.String()
		r.Verified = q.keySet == nil
	}
	return r
}

// withoutTokens is never nil.
func withoutTokens(list []string) []string {
	clean := orEmptyList(list)
	for i := range clean {
		clean[i] = redact.ID(clean[i])
	}
	return clean
}

func date(at, now time.Time) *dateReport {
	if at.IsZero() {
		return nil
	}
	return &dateReport{at.UTC().Format(time.RFC3339), relativeTime(at, now)}
}

// relativeTime writes how far a date lies from now, at most the longest duration,
// some 292 years.
func relativeTime(at, now time.Time) string {
	switch gap := at.Sub(now).Round(time.Second); {
	case gap > 0:
		return "in " + gap.String()
	case gap < 0:
		return (-gap).String() + " ago"
	default:
		return "now"
	}
}

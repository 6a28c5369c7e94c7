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
	BoundBy   string      `json:"bound_by,omitempty"` // aud, client or dedicated: how it shows that it is for the resource; may be absent
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
func (q *Request) tokenReport(told *extauthz.Explanation, now time.Time) *tokenReport {
	said, ok := token.ReadUnverified(q.token)
	if !ok {
		return nil
	}
	r := &tokenReport{
		Algorithm: redact.Text(said.Algorithm),
		Type:      redact.Text(said.Type),
		KeyID:     redact.ID(said.KeyID),
		Issuer:    redact.ID(said.Issuer),
		Subject:   redact.ID(said.Subject),
		Client:    redact.ID(said.Client),
		ID:        redact.ID(said.ID),
		BoundBy:   told.BoundBy,
		Binding:   told.Binding,
		Audience:  withoutTokens(said.Audience),
		Scopes:    withoutTokens(said.Scopes),
		Expires:   date(said.Expiry, now),
		NotBefore: date(said.NotBefore, now),
		IssuedAt:  date(said.IssuedAt, now),
	}
	if told.Claims != nil {
		r.Profile = told.Claims.Profile.String()
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

// relativeTime tells how far a date lies from now. What is centuries off is cut at the
// longest duration there is, some 292 years.
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

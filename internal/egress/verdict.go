package egress

import (
	"crypto/sha256"
	"net/http"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/destination"
	"github.com/doorward/doorward/internal/policy"
)

// verdict is the one value that a Check ends in. The zero verdict denies.
type verdict struct {
	reason   reason.Reason
	observed bool // the request passes as it is, though reason refuses it

	resource string                   // name of the caller's; "" before it is known
	to       *destination.Destination // nil: none, or not known yet
	decision policy.Decision          // zero before the policy was asked
	access   string                   // the token for the destination, where one was obtained

	place    string            // where a token is in the request
	isUnread bool              // a part of the request could not be searched
	tokenFor []string          // names of the resources that it is for
	cause    string            // for the log alone; holds nothing of a token
	issuer   string            // of the configuration, of the handle's token
	claims   *token.Claims     // of it; nil before it was verified
	digest   [sha256.Size]byte // of it; zero without one
}

func refuse(why reason.Reason, cause string) *verdict { return &verdict{reason: why, cause: cause} }

// refuse is a verdict on the request of a known caller.
func (c *check) refuse(why reason.Reason, cause string) *verdict {
	return &verdict{reason: why, cause: cause, resource: c.caller.Resource.Name, to: c.to}
}

// pass lets a request to no destination through as it is.
func (c *check) pass() *verdict { return c.refuse(reason.Allowed, "") }

// refused makes a refusal of an allow.
func (v *verdict) refused(why reason.Reason, cause string) *verdict {
	v.reason, v.cause = why, cause
	return v
}

// user notes the token in the handle.
func (v *verdict) user(who *user) {
	v.claims, v.issuer, v.digest = who.claims, who.claims.IssuerID, who.digest
}

// destination is the name of the destination, "" for none.
func (v *verdict) destination() string {
	if v.to == nil {
		return ""
	}
	return v.to.Name
}

// passes reports a request that Envoy lets through.
func (v *verdict) passes() bool { return v.reason == reason.Allowed || v.observed }

// status is the HTTP status of the answer. A server is asked for no credentials: it
// gets no 401, for which a challenge would be needed.
func (v *verdict) status() int {
	switch status := v.reason.HTTPStatus(); {
	case v.passes():
		return http.StatusOK
	case status == http.StatusUnauthorized:
		return http.StatusForbidden
	default:
		return status
	}
}

package extauthz

import (
	"slices"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/checkwire"
	"github.com/doorward/doorward/internal/policy"
)

// verdict is the one value a Check ends in. The zero verdict denies.
type verdict struct {
	reason   reason.Reason
	resource *resource.Resource  // nil before one was found
	document resource.Document   // with reason Metadata
	issuer   string              // a configured issuer, "" before one was found
	claims   *token.Claims       // nil before the token was verified
	scheme   string              // under which a credential was refused; "" without a credential
	binding  string              // how the token is bound to its client
	nonce    string              // for the client's next DPoP proof, or ""
	boundBy  string              // the way by which the policy checks the audience; "" for no way
	prevents obstacle            // what prevents the ways after boundBy
	decision policy.Decision     // zero before a policy was asked
	stepUp   *resource.Operation // whose acr_values and max_age are not met; nil otherwise

	issued      issued // with reason Allowed, what the server gets in the place of the token
	usesBaggage bool   // a handle is carried in baggage, and the client's own is removed from it

	policyHeaders []string // every header the team's rules may set; shared
	cause         string   // for the log alone; holds nothing of the token
	withSubject   bool     // the subject goes into dynamic metadata

	encoded  []byte    // the answer, where it was made before; see verdictcache.go
	counters *counters // where the answer is counted, where that was looked up before
}

func refuse(why reason.Reason, cause string) *verdict { return &verdict{reason: why, cause: cause} }

// refuseToken refuses for what is wrong with a token that came under scheme.
// claims are nil where it was not verified.
func refuseToken(res *resource.Resource, scheme string, claims *token.Claims, why *token.Refusal) *verdict {
	return &verdict{
		reason: why.Reason, resource: res, issuer: why.Issuer, claims: claims, cause: why.Detail,
		scheme: scheme, nonce: why.Nonce,
	}
}

// name is the name of the resource that the answer is about, or "".
func (v *verdict) name() string {
	if v.resource == nil {
		return v.document.Name
	}
	return v.resource.Name
}

// removesCredentials reports whether the decision takes every credential off the request:
// the Authorization header always, a query token where the request has one. A
// decision that does not is no allow (PT-1).
func removesCredentials(d policy.Decision, in *request) bool {
	return slices.Contains(d.Strip.Headers, "authorization") &&
		(len(in.tokens) == 0 || slices.Contains(d.Strip.Query, checkwire.QueryToken))
}

// isBound reports whether the policy found the token to be for the resource.
func (v *verdict) isBound() bool {
	return v.claims != nil && v.decision.Outcome > policy.AudienceMismatch
}

// allowed reports the only reasons that let a request through.
func (v *verdict) allowed() bool {
	return v.reason == reason.Allowed || v.reason == reason.AllowedAnonymous
}

// status is the HTTP status of the answer.
func (v *verdict) status() int {
	if v.reason == reason.Metadata {
		return v.document.Status
	}
	return v.reason.HTTPStatus()
}

package extauthz

import (
	"context"
	"slices"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/policy"
)

// decide asks the policy and writes what it says into v. Whatever keeps it
// from saying anything is policy_error.
func (s *Server) decide(ctx context.Context, state *State, req *request, v *verdict) {
	start := time.Now()
	decision, err := state.Policy.Decide(ctx, policyInput(req, v))
	s.metrics.evaluation.WithLabelValues(v.resource.Name).Observe(time.Since(start).Seconds())
	if err != nil {
		v.reason, v.cause = reason.PolicyError, err.Error()
		return
	}
	v.decision = decision
	v.reason = outcomeReason(decision.Outcome)
}

func outcomeReason(outcome policy.Outcome) reason.Reason {
	switch outcome {
	case policy.Allowed:
		return reason.Allowed
	case policy.AudienceMismatch:
		return reason.AudienceMismatch
	case policy.Passthrough:
		return reason.Passthrough
	case policy.Denied:
		return reason.PolicyDenied
	case policy.InsufficientScope:
		return reason.InsufficientScope
	default:
		return reason.PolicyError
	}
}

// policyInput is the document a policy sees. Credentials are not in it.
func policyInput(req *request, v *verdict) policy.Input {
	res := v.resource
	return policy.Input{
		Request: policy.Request{
			ID:              req.id,
			Method:          req.method,
			Scheme:          req.scheme,
			Host:            req.authority,
			Path:            req.path,
			Query:           req.query.values(),
			Headers:         req.headers.withoutCredentials(),
			SourceAddress:   req.sourceAddress,
			SourcePrincipal: req.sourcePrincipal,
		},
		Resource: policy.Resource{
			Name:      res.Name,
			URI:       res.URI,
			Audiences: res.Audiences,
			Scopes:    res.Scopes,
			Labels:    res.Labels,
		},
		Claims: v.claims.All,
		Token: policy.Token{
			Issuer:  v.claims.Issuer,
			Client:  v.claims.Client,
			Scopes:  v.claims.Scopes,
			Profile: v.claims.Profile.String(),
			Binding: v.binding,
		},
	}
}

// withoutCredentials are the headers without those that carry a secret and
// without Envoy's pseudo headers, each as one value: both forms in which Envoy
// sends headers must give a policy the same document.
func (h headers) withoutCredentials() map[string][]string {
	secret := []string{"authorization", "proxy-authorization", "dpop", "cookie", queryToken}
	clean := make(map[string][]string, len(h))
	for name := range h {
		if !slices.Contains(secret, name) && (name == "" || name[0] != ':') {
			clean[name] = []string{h.joined(name)}
		}
	}
	return clean
}

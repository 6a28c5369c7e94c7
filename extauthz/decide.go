package extauthz

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/policy"
)

// decide asks the policy and writes what it says into v. Whatever keeps it
// from saying anything is policy_error.
func (s *Server) decide(ctx context.Context, state *State, req *request, v *verdict) {
	judge := state.Policy.For(v.resource.Name)
	v.policyHeaders = judge.HeaderNames()
	start := time.Now()
	decision, found, err := judge.Decide(ctx, policyInput(req, v, judge.Reads()))
	s.metrics.decided(v.resource.Name, found, time.Since(start))
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

// policyInput is the document a policy sees, as far as it reads the request.
// Credentials are not in it.
func policyInput(req *request, v *verdict, reads policy.Reads) policy.Input {
	res := v.resource
	return policy.Input{
		Request: policy.Request{
			ID:              req.id,
			Method:          req.method,
			Scheme:          req.scheme,
			Host:            req.authority,
			Path:            req.path,
			Query:           req.query.values(reads),
			Headers:         req.headers.plain(reads),
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

// plain are the headers that a policy reads, without Envoy's pseudo headers,
// each as one value: both forms in which Envoy sends headers must give a policy
// the same document. Package policy shows none that carries a credential.
func (h headers) plain(reads policy.Reads) map[string][]string {
	names := slices.Values(reads.Headers)
	switch {
	case reads.AllHeaders:
		names = maps.Keys(h)
	case len(reads.Headers) == 0:
		return nil
	}
	plain := map[string][]string{}
	for name := range names {
		if _, there := h[name]; there && !strings.HasPrefix(name, ":") {
			plain[name] = []string{h.joined(name)}
		}
	}
	return plain
}

package extauthz

import (
	"context"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/policy"
)

// decide returns the verdict of the policy, which may be cached.
func (s *Server) decide(
	ctx context.Context, state *numberedState, req *request, known *cachedToken, binding string,
) *verdict {
	res := req.target
	evaluator := state.Policy.For(res.Name)
	var room [256]byte
	key, cacheable := req.verdictKey(room[:0], state, binding, evaluator)
	if cacheable {
		if v := known.cachedVerdict(key); v != nil {
			s.metrics.decisions.hit.Inc()
			return v
		}
	}
	v := &verdict{resource: res, issuer: known.claims.IssuerID, claims: known.claims, binding: binding}
	v.policyHeaders, v.withSubject = evaluator.HeaderNames(), state.MetadataSubject
	if !s.evaluate(ctx, evaluator, req, v) || !cacheable {
		return v
	}
	v.encoded, v.counters = v.answer(req), s.metrics.countersFor(res.Name, v.reason, &v.decision)
	known.cacheVerdict(key, v)
	return v
}

// evaluate writes the decision of the policy into v. It is false, and the reason
// policy_error, where the policy could not decide.
func (s *Server) evaluate(ctx context.Context, evaluator *policy.Evaluator, req *request, v *verdict) bool {
	ctx, cancel := context.WithDeadline(ctx, req.until)
	defer cancel()
	start := time.Now()
	decision, found, err := evaluator.Decide(ctx, policyInput(req, v))
	s.metrics.countDecision(v.resource.Name, found, time.Since(start))
	if err != nil {
		v.reason, v.cause = reason.PolicyError, err.Error()
		return false
	}
	v.decision = decision
	v.reason = outcomeReason(decision.Outcome)
	if v.allowed() {
		req.steps.enter(stepStrip)
		if !removesCredentials(decision, req) {
			v.reason = reason.Passthrough
		}
	}
	return true
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

// policyInput is the document that a policy decides on. It reads the request
// through [policy.Request]; the token itself is not in it.
func policyInput(req *request, v *verdict) policy.Input {
	res := v.resource
	return policy.Input{
		Request: req,
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

package extauthz

import (
	"context"
	"slices"
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
	v.boundBy, v.prevents = state.boundBy(res, known.claims)
	if !s.evaluate(ctx, state, req, v) || !cacheable {
		return v
	}
	v.encoded, v.counters = v.answer(req), s.metrics.countersFor(res.Name, v.reason, &v.decision)
	known.cacheVerdict(key, v)
	return v
}

// evaluate writes the decision of the policy into v. It is false, and the reason
// policy_error, where the policy could not decide.
func (s *Server) evaluate(ctx context.Context, state *numberedState, req *request, v *verdict) bool {
	evaluator := state.Policy.For(v.resource.Name)
	ctx, cancel := context.WithDeadline(ctx, req.until)
	defer cancel()
	start := time.Now()
	decision, found, err := evaluator.Decide(ctx, state.policyInput(req, v))
	s.metrics.countDecision(v.resource.Name, found, time.Since(start))
	if err != nil {
		v.reason, v.cause = reason.PolicyError, err.Error()
		return false
	}
	v.decision = decision
	v.reason = outcomeReason(decision.Outcome)
	if v.isBound() {
		s.metrics.bound.WithLabelValues(v.resource.Name, v.boundBy).Inc()
	}
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
func (state *State) policyInput(req *request, v *verdict) policy.Input {
	res, issuer := v.resource, state.Issuers[v.claims.IssuerID]
	in := policy.Input{
		Request: req,
		Resource: policy.Resource{
			Name:      res.Name,
			URI:       res.URI,
			Audiences: res.Audiences,
			Scopes:    res.Scopes,
			Labels:    res.Labels,

			Aliases:    res.Aliases,
			Clients:    res.Clients,
			Parameters: res.Values,
			ScopesAny:  res.ScopesAny,
		},
		Claims: v.claims.All,
		Token: policy.Token{
			Issuer:  v.claims.Issuer,
			Client:  v.claims.Client,
			Scopes:  v.grantedScopes(),
			Profile: v.claims.Profile.String(),
			Binding: v.binding,
			Tenant:  v.claims.Tenant,
			BoundBy: v.boundBy,
			Marked:  v.claims.Marked,
		},
	}
	if issuer != nil {
		t := &in.Token
		t.NoScopes, t.Dedicated, t.SelfAsserted = issuer.NoScopes, issuer.Dedicated, issuer.SelfAssertedAudience
		t.GenericAudiences, t.ClientIDPattern = issuer.GenericAudiences, issuer.ClientIDPattern
		t.SubjectAccepted = acceptsSubject(res, v.claims)
	}
	return in
}

// grantedScopes are the scopes of a token by the names of the resource, and those
// that they include.
func (v *verdict) grantedScopes() []string {
	return v.resource.WithImplied(v.resource.HeldScopes(v.claims.Scopes))
}

// missingScopes are those that a challenge names and the token lacks. Where it has
// another alternative of the resource than the challenge names, that one is not
// missing.
func (v *verdict) missingScopes() []string {
	granted := v.grantedScopes()
	lacks := func(scope string) bool { return !slices.Contains(granted, scope) }
	needed := v.decision.Scopes
	has := func(alternative []string) bool { return !slices.ContainsFunc(alternative, lacks) }
	if slices.ContainsFunc(v.resource.ScopesAny, has) {
		needed = slices.DeleteFunc(slices.Clone(needed), func(scope string) bool {
			return slices.Contains(v.resource.ScopesAny[0], scope) && !slices.Contains(v.resource.Scopes, scope)
		})
	}
	return slices.DeleteFunc(slices.Clone(needed), func(scope string) bool { return !lacks(scope) })
}

package extauthz

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/mcp"
	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/internal/tracing"
)

// decide returns the verdict of the policy, which may be cached.
func (s *Server) decide(
	ctx context.Context, state *numberedState, req *request, known *cachedToken, binding string,
) *verdict {
	res := req.target
	evaluator := state.Policy.For(res.Name)
	req.readOperation(evaluator)
	var room [256]byte
	key, cacheable := req.verdictKey(room[:0], state, binding, evaluator)
	if cacheable {
		key, cacheable = req.appendOperationKey(key, state.State, known.claims)
	}
	if cacheable {
		if v := known.cachedVerdict(key, state.Verifier); v != nil {
			s.metrics.decisions.hit.Inc()
			req.remembered = tracing.RememberedAnswer
			return v
		}
	}
	v := &verdict{resource: res, issuer: known.claims.IssuerID, claims: known.claims, binding: binding}
	v.policyHeaders, v.withSubject = evaluator.HeaderNames(), state.MetadataSubject
	v.usesBaggage = state.HandleBaggage
	v.boundBy, v.prevents = state.boundBy(res, known.claims)
	decided := s.evaluate(ctx, state, req, v)
	if v.reason == reason.Allowed && state.issuesAny {
		s.issue(state, req, v, known)
	}
	if !decided || !cacheable || v.reason == reason.Internal {
		return v
	}
	v.counters = s.metrics.countersFor(v, &req.operation)
	if !v.isJSONRPC() { // that has the id of its request
		v.encoded = v.answer(req)
	}
	known.cacheVerdict(key, v)
	return v
}

// decideAnonymous returns the verdict on a request without a token for a resource
// some of whose operations need none: an allow, or what each request without a token
// gets.
func (s *Server) decideAnonymous(ctx context.Context, state *numberedState, req *request) *verdict {
	res := req.target
	refusal := &verdict{reason: reason.NoCredentials, resource: res}
	evaluator := state.Policy.For(res.Name)
	req.readOperation(evaluator)
	if !req.mayBeAnonymous() {
		refusal.cause = req.whyNotAnonymous()
		return refusal
	}
	req.steps.enter(stepDecide)
	v := &verdict{resource: res, policyHeaders: evaluator.HeaderNames(), usesBaggage: state.HandleBaggage}
	s.evaluate(ctx, state, req, v)
	if v.reason == reason.AllowedAnonymous {
		return v
	}
	refusal.cause = cmp.Or(v.cause, "the policy does not allow it without a token")
	return refusal
}

// evaluate writes the decision of the policy into v. It is false where the answer
// depends on more than what was decided: where the policy could not decide, or the
// operation has a fault.
func (s *Server) evaluate(ctx context.Context, state *numberedState, req *request, v *verdict) bool {
	decision, err := s.decideMembers(ctx, state, req, v)
	if err != nil {
		v.reason, v.cause = reason.PolicyError, err.Error()
	} else {
		v.decision = decision
		v.reason = outcomeReason(decision.Outcome)
	}
	if v.isBound() {
		s.metrics.bound.WithLabelValues(v.resource.Name, v.boundBy).Inc()
	}
	why, cause := req.operationFault()
	if v.allowed() {
		if why == reason.Allowed {
			req.steps.enter(stepStrip)
		}
		if !removesCredentials(decision, req) {
			v.reason = reason.Passthrough
		}
	}
	if v.allowed() && (v.reason == reason.AllowedAnonymous) != (v.claims == nil) {
		v.reason, v.cause = reason.PolicyError, "the policy confuses requests with and without a token"
	}
	if why != reason.Allowed && v.reason != reason.AudienceMismatch && v.reason != reason.Passthrough {
		v.reason, v.cause, v.decision = why, cause, policy.Decision{}
	}
	return err == nil
}

// decideMembers decides on each operation of the request. All must be allowed.
func (s *Server) decideMembers(
	ctx context.Context, state *numberedState, req *request, v *verdict,
) (all policy.Decision, err error) {
	evaluator := state.Policy.For(v.resource.Name)
	ctx, cancel := context.WithDeadline(ctx, req.until)
	defer cancel()
	for i, member := range req.operation.members() {
		in := state.policyInput(req, v, member)
		in.Fixed = state.fixed(v)
		start := time.Now()
		decision, found, err := evaluator.Decide(ctx, in)
		s.countDecision(ctx, v.resource.Name, found, start, err)
		if err != nil {
			return policy.Decision{}, err
		}
		if decision.Outcome == policy.InsufficientUserAuthentication && v.stepUp == nil {
			v.stepUp = demands(v.resource, member)
		}
		if i == 0 {
			all = decision
		} else if all, err = all.And(decision); err != nil {
			return policy.Decision{}, err
		}
	}
	return all, nil
}

// countDecision counts a decision that was asked for at start, and makes a span of the
// evaluation where there was one.
func (s *Server) countDecision(
	ctx context.Context, resource string, found policy.CacheResult, start time.Time, err error,
) {
	s.metrics.countDecision(resource, found, time.Since(start))
	if found != policy.Remembered {
		tracing.Record(ctx, tracing.Evaluation, start, err != nil)
	}
}

func outcomeReason(outcome policy.Outcome) reason.Reason {
	switch outcome {
	case policy.Allowed:
		return reason.Allowed
	case policy.AllowedAnonymous:
		return reason.AllowedAnonymous
	case policy.AudienceMismatch:
		return reason.AudienceMismatch
	case policy.Passthrough:
		return reason.Passthrough
	case policy.Denied:
		return reason.PolicyDenied
	case policy.InsufficientUserAuthentication:
		return reason.InsufficientUserAuthentication
	case policy.InsufficientScope:
		return reason.InsufficientScope
	default:
		return reason.PolicyError
	}
}

// policyInput is the document that a policy decides on for one operation of a
// request. It reads the request through [policy.Request]; the token itself is not in
// it.
func (state *State) policyInput(req *request, v *verdict, member mcp.Operation) policy.Input {
	res, needs := v.resource, demands(v.resource, member)
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

			Anonymous: v.claims == nil,
		},
	}
	if needs != nil {
		in.Resource.OperationScopes, in.Resource.ACRValues = needs.Scopes, needs.ACRValues
		in.Resource.MaxAge = needs.MaxAge
	}
	if read := &req.operation; read.isRead {
		in.MCP = policy.MCP{
			Method: member.Method, Name: member.Name, ProtocolVersion: read.ProtocolVersion,
			Source: read.Source.String(), Trusted: read.Trusted,
		}
	}
	if v.claims != nil {
		in.Claims, in.Token = v.claims.All, state.policyToken(v)
		in.Token.Recent = state.isRecent(v.claims, needs)
	}
	return in
}

// policyToken is what a policy sees of the token beside its claims.
func (state *State) policyToken(v *verdict) policy.Token {
	t := policy.Token{
		Issuer:  v.claims.Issuer,
		Client:  v.claims.Client,
		Scopes:  v.grantedScopes(),
		Profile: v.claims.Profile.String(),
		Binding: v.binding,
		Tenant:  v.claims.Tenant,
		BoundBy: v.boundBy,
		Marked:  v.claims.Marked,
		Trusted: true,
	}
	if issuer := state.Issuers[v.claims.IssuerID]; issuer != nil {
		t.NoScopes, t.Dedicated, t.SelfAsserted = issuer.NoScopes, issuer.Dedicated, issuer.SelfAssertedAudience
		t.GenericAudiences, t.ClientIDPattern = issuer.GenericAudiences, issuer.ClientIDPattern
		t.SubjectAccepted = acceptsSubject(v.resource, v.claims)
	}
	return t
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

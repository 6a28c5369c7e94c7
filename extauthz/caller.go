package extauthz

import (
	"context"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/checkgrpc"
	"github.com/doorward/doorward/internal/mcp"
	"github.com/doorward/doorward/internal/policy"
)

// Caller is the server of a resource that makes a request of its own, for one such
// request: [Server.Caller] returns it. With a token for the resource, call
// [Caller.Verify] first and then [Caller.Decide]; without one, Decide alone.
type Caller struct {
	Resource *resource.Resource // of a pattern, filled in by Verify

	server *Server
	state  *numberedState
	claims *token.Claims // nil: it has no token
}

// Caller returns the server of the resource with this name, or nil where the State
// in force has no such resource.
func (s *Server) Caller(name string) *Caller {
	state := s.state.Load()
	if state == nil {
		return nil
	}
	res := state.binds().names[name]
	if res == nil {
		return nil
	}
	return &Caller{Resource: res, server: s, state: state}
}

// Verify verifies a token that was issued for the caller's resource, as a Check does
// for a request to url, with one exception: it asks for no proof of possession. The
// refusal is nil where the token is valid now. Whether it is for the resource is for
// Decide.
func (c *Caller) Verify(ctx context.Context, url, compact string) (*token.Claims, *token.Refusal) {
	res := c.state.Resources.Named(url, "")
	if res == nil || res.Name != c.Resource.Name {
		return nil, &token.Refusal{Reason: reason.NoResource, Detail: "the caller's resource has no such URL"}
	}
	req := &request{target: res, until: c.state.deadline(ctx, time.Now())}
	known, refusal := c.server.verify(ctx, c.state, req, compact)
	if refusal != nil {
		return nil, refusal
	}
	if revoked(c.state.Revocations, known.claims) {
		return nil, &token.Refusal{Reason: reason.TokenRevoked, Issuer: known.claims.IssuerID}
	}
	c.Resource, c.claims = res, known.claims
	return known.claims, nil
}

// Decide returns the decision of the policy on a request to a destination, and its
// reason: Allowed, AudienceMismatch, Passthrough, PolicyDenied, InsufficientScope,
// InsufficientUserAuthentication, or PolicyError with the error. The decision sets no
// headers: those of the rules are for the server.
func (c *Caller) Decide(
	ctx context.Context, request policy.Request, to policy.Destination,
) (policy.Decision, reason.Reason, error) {
	start := time.Now()
	ctx, cancel := checkgrpc.WithDeadline(ctx, c.state.deadline(ctx, start))
	defer cancel()
	decision, found, err := c.state.Policy.For(c.Resource.Name).DecideEgress(ctx, c.input(request, to))
	c.server.countDecision(ctx, c.Resource.Name, found, start, err)
	if err != nil {
		return policy.Decision{}, reason.PolicyError, err
	}
	decision.Headers = nil
	withToken := c.claims != nil
	switch {
	case decision.Outcome == policy.Allowed && withToken, decision.Outcome == policy.AllowedAnonymous && !withToken:
		return decision, reason.Allowed, nil
	case decision.Outcome == policy.Allowed, decision.Outcome == policy.AllowedAnonymous:
		return policy.Decision{}, reason.PolicyError, nil
	}
	return decision, outcomeReason(decision.Outcome), nil
}

// noRequest is where a request that goes out has no value of its own.
var noRequest = &request{}

// input is the document that a policy decides on. What an operation needs is no part
// of it: the request is none of the operations of the resource.
func (c *Caller) input(request policy.Request, to policy.Destination) policy.Input {
	v := &verdict{resource: c.Resource, claims: c.claims}
	if c.claims != nil {
		v.boundBy, _ = c.state.boundBy(c.Resource, c.claims)
	}
	in := c.state.policyInput(noRequest, v, mcp.Operation{Response: true})
	in.Request, in.Destination = request, &to
	if c.Resource.Asked != "" { // a pattern without values has no URL to be known by
		in.Fixed = c.state.fixed(v)
	}
	return in
}

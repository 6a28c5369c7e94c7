package extauthz

import (
	"context"
	"errors"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
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
	for _, res := range state.Resources.All() {
		if res.Name == name {
			return &Caller{Resource: res, server: s, state: state}
		}
	}
	return nil
}

// Verify verifies a token that was issued for the caller's resource, as a Check does
// for a request to url, with one exception: it asks for no proof of possession. The
// refusal is nil where the token is valid now.
func (c *Caller) Verify(ctx context.Context, url, compact string) (*token.Claims, *token.Refusal) {
	return nil, &token.Refusal{Reason: reason.Internal}
}

// Decide returns the decision of the policy on a request to a destination, and its
// reason: Allowed, AudienceMismatch, Passthrough, PolicyDenied, InsufficientScope,
// InsufficientUserAuthentication, or PolicyError with the error.
func (c *Caller) Decide(
	ctx context.Context, request policy.Request, to policy.Destination,
) (policy.Decision, reason.Reason, error) {
	_ = c.claims
	return policy.Decision{}, reason.PolicyError, errors.New("extauthz: not decided")
}

// Bound is what a token is for.
type Bound struct {
	Resources []*resource.Resource // of the configuration, perhaps not all; empty: a foreign token
	Only      bool                 // it is for Resources[0] and names nothing else
}

// BoundTo returns the resources that a token with these unverified claims is for.
// Signature and dates do not count, so that no token of a resource is missed. With an
// error it is not known: the token must be treated as one of a resource.
func (s *Server) BoundTo(ctx context.Context, compact string, claims map[string]any) (Bound, error) {
	return Bound{}, errors.New("extauthz: not decided")
}

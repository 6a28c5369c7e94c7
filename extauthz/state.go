package extauthz

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/revocation"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/assertion"
	"github.com/doorward/doorward/internal/checkgrpc"
	"github.com/doorward/doorward/internal/decisionlog"
	"github.com/doorward/doorward/internal/handle"
	"github.com/doorward/doorward/internal/policy"
)

// DefaultCheckTimeout bounds a Check where a [State] sets no CheckTimeout.
const DefaultCheckTimeout = 2 * time.Second

// State is everything that a Check decides by. [Server.Swap] activates it; a
// reload makes a new one, and a Check finishes with the one it started with.
// Resources, Verifier, Possession and Policy are required; what they point to,
// and the map of issuers, must not be changed after the Swap.
type State struct {
	Resources  *resource.Table           // from resource.NewTable
	Issuers    map[string]*token.Issuer  // by the exact `iss`; a token of any other issuer is refused
	Verifier   *token.Verifier           // from token.NewVerifier
	Possession *token.PossessionVerifier // one for the life of the process, since it remembers proofs
	Proofs     token.ProofRules          // zero: the defaults of package token
	Policy     *policy.Engine            // from policy.Compile

	Revocations *revocation.Source // nil: no token is revoked; with one, set ReadsID of the Verifier's Options
	Decisions   *decisionlog.Log   // nil: decisions are not logged

	// Assertions are what signs x-mcp-auth-assertion, by the name of the resource. A
	// resource that is not in it gets none.
	Assertions map[string]*assertion.Signer
	// Handles seals x-mcp-auth-handle for the resources that HandleResources names.
	// With HandleBaggage the handle is a member of baggage instead.
	Handles         *handle.Sealer
	HandleResources map[string]bool
	HandleBaggage   bool

	TokenCache      int64         // bytes that cached tokens may take; 0 turns the cache off
	CheckTimeout    time.Duration // bounds a Check that has no deadline or a longer one; 0: DefaultCheckTimeout
	MetadataSubject bool          // the subject goes into dynamic metadata
	// TrustClientAddress takes the client's address from x-envoy-external-address;
	// false: it is the peer's.
	TrustClientAddress bool
}

// states numbers the States of all Servers, which may share a cache of decisions.
var states atomic.Uint64

// numberedState is a State and its number. No two Swaps of a process have the same, so
// that a verdict or a decision that is kept names the State it was made under.
type numberedState struct {
	*State
	number          uint64
	readsOperations bool // for some resource
	issuesAny       bool // for some resource
	binds           func() bindings
}

// Swap activates state for every Check that starts from now on. A state that
// lacks a required part, or has a value out of range, is refused with an error
// that lists all such faults; the state before stays active.
func (s *Server) Swap(state *State) error {
	if s == nil || s.metrics == nil {
		return errors.New("extauthz: the Server was not made by New")
	}
	if err := state.validate(); err != nil {
		return err
	}
	own := *state
	if own.CheckTimeout == 0 {
		own.CheckTimeout = DefaultCheckTimeout
	}
	s.tokenCache.tokens.SetMaximum(uint64(own.TokenCache)) //nolint:gosec // validated: not negative
	s.state.Store(&numberedState{
		State: &own, number: states.Add(1), readsOperations: own.readsOperations(), issuesAny: own.issues(),
		binds: sync.OnceValue(own.bindings),
	})
	return nil
}

// fixed names what the State fixes of the input of a policy: nothing for a pattern,
// whose values are those of a request.
func (state *numberedState) fixed(v *verdict) policy.Fixed {
	if len(v.resource.Values) > 0 {
		return policy.Fixed{}
	}
	of := policy.Fixed{State: state.number, Resource: v.resource.Asked}
	if v.claims != nil {
		of.Issuer = v.claims.IssuerID
	}
	return of
}

// readsOperations reports whether the operations of requests for some resource are
// read.
func (state *State) readsOperations() bool {
	return slices.ContainsFunc(state.Resources.All(), state.readsOperation)
}

// readsOperation reports whether the operation of requests for a resource is read: its
// configuration or one of its rules needs it.
func (state *State) readsOperation(res *resource.Resource) bool {
	return res.ReadsOperation() || state.Policy.For(res.Name).ReadsOperation()
}

// State returns the active state, or nil before the first Swap. It must not be
// changed.
func (s *Server) State() *State {
	if now := s.state.Load(); now != nil {
		return now.State
	}
	return nil
}

// validate returns all faults of state, or nil.
func (state *State) validate() error {
	if state == nil {
		return errors.New("extauthz: State is nil")
	}
	var faults []error
	report := func(isFault bool, format string, args ...any) {
		if isFault {
			faults = append(faults, fmt.Errorf("extauthz: State."+format, args...))
		}
	}
	report(state.Resources == nil, "Resources is nil: set the result of resource.NewTable")
	report(state.Verifier == nil, "Verifier is nil: set the result of token.NewVerifier")
	report(state.Possession == nil, "Possession is nil: set the result of token.NewPossessionVerifier")
	report(state.Policy == nil, "Policy is nil: set the result of policy.Compile")
	report(state.TokenCache < 0, "TokenCache is %d: set the bytes to use, or 0", state.TokenCache)
	report(state.CheckTimeout < 0, "CheckTimeout is %v: set a positive duration, or 0", state.CheckTimeout)
	for _, id := range slices.Sorted(maps.Keys(state.Issuers)) {
		issuer := state.Issuers[id]
		report(issuer == nil, "Issuers[%q] is nil", id)
		report(issuer != nil && issuer.ID != id, "Issuers[%q] has another ID: use its exact iss as the key", id)
		report(issuer != nil && issuer.Keys == nil, "Issuers[%q].Keys is nil: set the result of jwks.NewSource", id)
	}
	return errors.Join(faults...)
}

// deadline returns when a Check must be answered. Only a step that may wait makes a
// context of it, because a timer costs more than most Checks.
func (state *State) deadline(ctx context.Context, start time.Time) time.Time {
	return checkgrpc.Deadline(ctx, start, state.CheckTimeout)
}

// find returns the resource of a request, or the refusal where there is no
// such resource. context_extensions may name the resource; the authority must
// then be one of that resource.
func (state *State) find(req *request) (*resource.Resource, *verdict) {
	if !req.hasResource {
		if res := state.Resources.Find(req.authority, req.path); res != nil {
			return res, nil
		}
		return nil, refuse(reason.NoResource, "")
	}
	res := state.Resources.Named(req.resource, req.authority)
	switch {
	case res == nil:
		return nil, refuse(reason.Misconfigured, "context_extensions names a resource that is not configured")
	case !res.At(req.authority) || resource.PathFault(req.path) != "":
		return nil, refuse(reason.NoResource, "the mesh named the resource, but authority or path are not fit for it")
	}
	return res, nil
}

// Document answers a request for metadata as [resource.Table.Document] does, with
// the body of a document that mirrors an issuer's. Where there is no copy of that
// one yet, the status is 503: a client that got a 404 would look elsewhere.
func (state *State) Document(method, authority, path string) resource.Document {
	document := state.Resources.Document(method, authority, path)
	if document.Mirrors == "" {
		return document
	}
	if issuer := state.Issuers[document.Mirrors]; issuer != nil {
		document.Body = issuer.Keys.Metadata()
	}
	if document.Body == nil {
		document.Status, document.Body = http.StatusServiceUnavailable, []byte(`{"error":"temporarily_unavailable"}`)
	}
	return document
}

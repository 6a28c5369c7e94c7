// Package extauthz answers Envoy's external-authorization call (ext_authz v3):
// may this request reach the MCP server behind, and if not, what does its
// client need to hear?
//
// One Check is a straight line: read, find, verify, decide, verdict, answer.
// read.go alone walks the request protobuf and answer.go alone writes the
// response. A Check ends in exactly one [reason.Reason]; it never ends in a
// gRPC error, because Envoy may be told to take those for an allow.
//
// The package knows nothing about configuration files or listeners; the
// command joins those.
package extauthz

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/revocation"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/decisionlog"
	"github.com/doorward/doorward/policy"
)

// State is everything a Check decides by. It is never changed after
// [Server.Swap] has seen it: a reload makes a new one, and a Check finishes
// with the one it started with.
type State struct {
	Resources  *resource.Table
	Issuers    map[string]*token.Issuer // by the exact `iss`
	Verifier   *token.Verifier
	Possession *token.PossessionVerifier // one for the life of the process: it remembers proofs
	Proofs     token.ProofRules
	Policy     *policy.Engine

	Revocations *revocation.Source // nil: none
	Decisions   *decisionlog.Log   // nil: decisions are not logged

	TokenCache      int64         // bytes that verified tokens may take; 0 remembers none
	CheckTimeout    time.Duration // bounds a Check that has no deadline or a longer one
	MetadataSubject bool          // the subject goes into dynamic metadata

	// TrustClientAddress takes the client's address from x-envoy-external-address;
	// false: it is the peer's.
	TrustClientAddress bool

	ReferenceDecoder bool // Checks are decoded by the generated code, for comparison
}

// Server answers Checks. Make it with [New]; before the first Swap it refuses
// every request.
type Server struct {
	state      atomic.Pointer[numberedState]
	states     atomic.Uint64
	tokenCache *tokenCache
	metrics    *Metrics
	log        *denialLog
}

// numberedState is a State and its number: no two have the same, so that a verdict
// which is kept says which one it was made under.
type numberedState struct {
	*State
	number uint64
}

// New makes a Server that writes one line per denial to log and counts in
// metrics.
func New(log *slog.Logger, metrics *Metrics) *Server {
	s := &Server{tokenCache: newTokenCache(), metrics: metrics, log: newDenialLog(log)}
	metrics.watch(s.tokenCache)
	return s
}

// Swap puts state in force for every Check that starts from now on.
func (s *Server) Swap(state *State) {
	if state == nil {
		s.state.Store(nil)
		return
	}
	s.tokenCache.tokens.SetMaximum(uint64(max(state.TokenCache, 0)))
	s.state.Store(&numberedState{state, s.states.Add(1)})
}

// State is the state in force, or nil before the first Swap.
func (s *Server) State() *State {
	if now := s.state.Load(); now != nil {
		return now.State
	}
	return nil
}

// Answer takes the bytes of a CheckRequest and gives those of the
// CheckResponse. Neither may be changed afterwards: parts of both may be
// remembered. The answer is never without a status; a failure of any kind is a
// refusal in it.
func (s *Server) Answer(ctx context.Context, wire []byte) []byte {
	return s.answerTo(ctx, incoming{wire: wire})
}

// Check is [Server.Answer] for a caller that has the message itself.
func (s *Server) Check(ctx context.Context, check *authv3.CheckRequest) *authv3.CheckResponse {
	answer := new(authv3.CheckResponse)
	if proto.Unmarshal(s.answerTo(ctx, incoming{said: describe(check)}), answer) != nil {
		return nil // cannot be: the bytes are ours
	}
	return answer
}

func (s *Server) answerTo(ctx context.Context, in incoming) (answer []byte) {
	start := time.Now()
	state := s.state.Load()
	defer func() {
		if fault := recover(); fault != nil {
			s.log.panicked(fault)
			s.metrics.countersFor("", reason.Internal, &policy.Decision{}).checks.Inc()
			answer = bareRefusal()
			state.panicked(start)
		}
	}()
	req, v := s.decodeAndCheck(ctx, state, in, start)
	answer = v.encoded
	if answer == nil {
		answer = v.answer(req)
	}
	s.metrics.observe(v, req, time.Since(start))
	s.log.write(state, req, v)
	state.decided(req, v, start)
	return answer
}

// decodeAndCheck reads what arrived and brings it to its verdict. Neither is ever nil.
func (s *Server) decodeAndCheck(ctx context.Context, state *numberedState, in incoming, start time.Time) (*request, *verdict) {
	if in.fault != "" {
		return &request{}, refuse(reason.Internal, in.fault)
	}
	said, ok := in.decode(state != nil && state.ReferenceDecoder)
	if !ok {
		return &request{}, refuse(reason.Internal, "the bytes are no CheckRequest")
	}
	req, ok := read(said)
	if !ok {
		return &request{}, refuse(reason.Internal, "the Check holds no HTTP request")
	}
	req.steps = in.steps
	if state == nil {
		return req, refuse(reason.Internal, "no configuration is in force yet")
	}
	req.until, req.trustsClientAddress = state.deadline(ctx, start), state.TrustClientAddress
	return req, s.check(ctx, state, req)
}

// deadline is until when a Check may work. It ends before the caller's own,
// since an answer at the deadline is none: to Envoy it is an error of the call,
// and under failure_mode_allow an allow. Only what may wait makes a context of
// it: most Checks wait for nothing, and a timer has its price.
func (state *State) deadline(ctx context.Context, start time.Time) time.Time {
	left := state.CheckTimeout
	if deadline, has := ctx.Deadline(); has {
		callers := deadline.Sub(start)
		left = min(callers-callers/10, left)
	}
	return start.Add(left)
}

// check is the straight line. The first reason that applies is the answer.
func (s *Server) check(ctx context.Context, state *numberedState, req *request) *verdict {
	req.steps.enter(StepFind)
	if state.Resources.IsMetadata(req.authority, req.path) {
		return &verdict{reason: reason.Metadata, document: state.Resources.Document(req.method, req.authority, req.path)}
	}
	res, refusal := state.find(req)
	if refusal != nil {
		return refusal
	}
	req.open()
	req.steps.enter(StepOrigin)
	if origin, present, more := req.headers.only("origin"); present && (more || !res.AllowsOrigin(origin, req.authority)) {
		return &verdict{reason: reason.OriginNotAllowed, resource: res}
	}
	req.steps.enter(StepCredential)
	presented, why := req.credential(res.TakesDPoP())
	if why != reason.Allowed {
		return &verdict{reason: why, resource: res, scheme: presented.scheme}
	}
	req.steps.enter(StepVerify)
	known, refused := s.verify(ctx, state, req, res, presented.token)
	if refused != nil {
		return refuseToken(res, presented.scheme, nil, refused)
	}
	req.steps.enter(StepPossession)
	binding, refused := s.checkPossession(ctx, state, req, res, presented, known.claims)
	if refused != nil {
		return refuseToken(res, presented.scheme, known.claims, refused)
	}
	req.steps.enter(StepDecide)
	return s.decide(ctx, state, req, res, known, binding)
}

// find is the resource a request is for, or the refusal where there is none.
// Where the mesh names one, its word picks the resource, but the authority must
// be one of that resource's.
func (state *State) find(req *request) (*resource.Resource, *verdict) {
	if !req.hasResource {
		if res := state.Resources.Find(req.authority, req.path); res != nil {
			return res, nil
		}
		return nil, refuse(reason.NoResource, "")
	}
	res := state.Resources.Named(req.resource)
	switch {
	case res == nil:
		return nil, refuse(reason.Misconfigured, "context_extensions names a resource that is not configured")
	case !res.At(req.authority) || resource.PathFault(req.path) != "":
		return nil, refuse(reason.NoResource, "the mesh named the resource, but authority or path are not fit for it")
	}
	return res, nil
}

// trustedIssuer finds an issuer by `iss`, among those trusted for res alone: another
// resource's issuer is as unknown here as a stranger (AU-6).
func (state *State) trustedIssuer(res *resource.Resource, iss string) *token.Issuer {
	if !slices.Contains(res.Issuers, iss) {
		return nil
	}
	return state.Issuers[iss]
}

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

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/revocation"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/policy"
)

// State is everything a Check decides by. It is never changed after
// [Server.Swap] has seen it: a reload makes a new one, and a Check finishes
// with the one it started with.
type State struct {
	Resources *resource.Table
	Issuers   map[string]*token.Issuer // by the exact `iss`
	Verifier  *token.Verifier
	Binder    *token.Binder // one for the life of the process: it remembers proofs
	Policy    *policy.Engine

	Revocations *revocation.Source // nil: none

	TokenCache      int64         // bytes that verified tokens may take; 0 remembers none
	CheckTimeout    time.Duration // bounds a Check that has no deadline or a longer one
	MetadataSubject bool          // the subject goes into dynamic metadata
}

// Server answers Checks. Make it with [New]; before the first Swap it refuses
// every request.
type Server struct {
	state    atomic.Pointer[State]
	admitted *admitted
	metrics  *Metrics
	journal  *journal
}

// New makes a Server that writes one line per denial to log and counts in
// metrics.
func New(log *slog.Logger, metrics *Metrics) *Server {
	s := &Server{admitted: newAdmitted(), metrics: metrics, journal: newJournal(log)}
	metrics.watch(s.admitted)
	return s
}

// Swap puts state in force for every Check that starts from now on.
func (s *Server) Swap(state *State) {
	if state != nil {
		s.admitted.tokens.SetMaximum(uint64(max(state.TokenCache, 0)))
	}
	s.state.Store(state)
}

// State is the state in force, or nil before the first Swap.
func (s *Server) State() *State { return s.state.Load() }

// Check answers one request. The answer is never nil and never without a
// status; a failure of any kind is a refusal in it.
func (s *Server) Check(ctx context.Context, check *authv3.CheckRequest) *authv3.CheckResponse {
	return s.answerTo(ctx, arrival{check: check})
}

func (s *Server) answerTo(ctx context.Context, in arrival) (response *authv3.CheckResponse) {
	defer func() {
		if fault := recover(); fault != nil {
			s.journal.panicked(fault)
			s.metrics.checks.WithLabelValues("", reason.Internal.String()).Inc()
			response = bareRefusal()
		}
	}()
	start := time.Now()
	state := s.state.Load()
	req, v := s.judge(ctx, state, in)
	response = v.answer(req, state != nil && state.MetadataSubject)
	s.metrics.observe(&v, req, time.Since(start))
	s.journal.write(&v, req.id)
	return response
}

// judge reads what arrived and brings it to its verdict. The request is never
// nil.
func (s *Server) judge(ctx context.Context, state *State, in arrival) (*request, verdict) {
	if in.fault != "" {
		return &request{}, refuse(reason.Internal, in.fault)
	}
	req, ok := read(in.check)
	if !ok {
		return &request{}, refuse(reason.Internal, "the Check holds no HTTP request")
	}
	if state == nil {
		return req, refuse(reason.Internal, "no configuration is in force yet")
	}
	ctx, cancel := context.WithTimeout(ctx, state.patience(ctx))
	defer cancel()
	v := s.check(ctx, state, req)
	if v.allowed() && !strips(v.decision, req) {
		v.reason = reason.Passthrough
	}
	return req, v
}

// patience is how long a Check may work. It ends before the caller's deadline,
// since an answer at the deadline is none: to Envoy it is an error of the call,
// and under failure_mode_allow an allow.
func (state *State) patience(ctx context.Context) time.Duration {
	deadline, has := ctx.Deadline()
	if !has {
		return state.CheckTimeout
	}
	left := time.Until(deadline)
	return min(left-left/10, state.CheckTimeout)
}

// check is the straight line. The first reason that applies is the answer.
func (s *Server) check(ctx context.Context, state *State, req *request) verdict {
	if resource.IsMetadataPath(req.path) {
		return verdict{reason: reason.Metadata, document: state.Resources.Document(req.method, req.authority, req.path)}
	}
	res, v := state.find(req)
	if res == nil {
		return v
	}
	v.resource = res
	if origins, present := req.headers["origin"]; present && (len(origins) > 1 || !res.AllowsOrigin(origins[0])) {
		v.reason = reason.OriginNotAllowed
		return v
	}
	presented, why := req.credential(res.TakesDPoP())
	if why != reason.Allowed {
		v.reason = why
		return v
	}
	claims, refusal := s.verify(ctx, state, res, presented.token)
	if refusal == nil {
		v.issuer, v.claims = claims.Issuer, claims
		refusal = s.stands(ctx, state, req, presented, &v)
	}
	if refusal != nil {
		v.reason, v.issuer, v.cause = refusal.Reason, refusal.Issuer, refusal.Detail
		return v
	}
	s.decide(ctx, state, req, &v)
	return v
}

// find is the resource a request is for. Where the mesh names one, its word
// picks the resource, but the authority must be one of that resource's.
func (state *State) find(req *request) (*resource.Resource, verdict) {
	if !req.hasResource {
		if res := state.Resources.Find(req.authority, req.path); res != nil {
			return res, verdict{}
		}
		return nil, refuse(reason.NoResource, "")
	}
	res := state.Resources.Named(req.resource)
	switch {
	case res == nil:
		return nil, refuse(reason.Misconfigured, "context_extensions names a resource that is not configured")
	case !res.At(req.authority) || !resource.SafePath(req.path):
		return nil, refuse(reason.NoResource, "the mesh named the resource, but authority or path are not fit for it")
	}
	return res, verdict{}
}

// trusted finds an issuer by `iss`, among those trusted for res alone: another
// resource's issuer is as unknown here as a stranger (AU-6).
func (state *State) trusted(res *resource.Resource) func(string) *token.Issuer {
	return func(iss string) *token.Issuer {
		if !slices.Contains(res.Issuers, iss) {
			return nil
		}
		return state.Issuers[iss]
	}
}

// Package extauthz answers Envoy's external authorization calls (ext_authz v3)
// for MCP servers: it verifies the access token of a request, evaluates the
// policy, and answers allow, or a refusal with the WWW-Authenticate challenge
// that an MCP client needs.
//
//	checks, err := extauthz.New(extauthz.Options{Log: log, Registry: registry})
//	...
//	err = checks.Swap(state) // and again at every reload
//	...
//	err = extauthz.NewGRPCServer(checks, 0).Serve(listener)
//
// Each Check ends in exactly one [reason.Reason] and never in a gRPC error,
// which Envoy takes for an allow under failure_mode_allow. The steps of a Check
// are: decode, find the resource, read the credential, verify the token, check
// possession, read the operation, evaluate the policy, encode the answer. request.go alone reads the
// decoded request and answer.go alone writes the response.
//
// A program without Envoy uses package httpauth.
package extauthz

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/checkgrpc"
	"github.com/doorward/doorward/internal/checkwire"
	"github.com/doorward/doorward/internal/tracing"
)

// Options are what a [Server] writes to. The zero Options are valid.
type Options struct {
	// Log gets one line per denial, with the reason and what to do about it.
	// Nil: nothing is logged.
	Log *slog.Logger
	// Registry exports the metrics of the Server. Nil: they are counted and not exported.
	Registry prometheus.Registerer
	// Tracer makes a span of each Check that is sampled. Nil: there are no spans.
	Tracer *tracing.Tracer
}

// Server answers Checks. Make it with [New] and activate a [State] with
// [Server.Swap]; before that, as the zero Server, it refuses every request with
// 503. It may be used by any number of goroutines.
type Server struct {
	state      atomic.Pointer[numberedState]
	tokenCache *tokenCache
	metrics    *metrics
	log        *denialLog
	headerList headerList
	tracer     *tracing.Tracer
}

// New makes a Server. It fails where options.Registry refuses the metrics, as
// for the second Server of one registry.
func New(options Options) (*Server, error) {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	cache := newTokenCache()
	own := prometheus.NewRegistry()
	s := &Server{tokenCache: cache, metrics: newMetrics(own), log: newDenialLog(options.Log), tracer: options.Tracer}
	s.metrics.registerCache(cache)
	if options.Registry != nil {
		if err := options.Registry.Register(own); err != nil {
			return nil, fmt.Errorf("extauthz: registering metrics: %w", err)
		}
	}
	return s, nil
}

// Answer answers the bytes of a CheckRequest with those of a CheckResponse.
// Neither may be changed afterwards: parts of both may be cached. The answer
// always has a status; a failure of any kind is a refusal.
func (s *Server) Answer(ctx context.Context, wire []byte) []byte {
	return s.answerTo(ctx, incoming{Incoming: checkgrpc.Incoming{Wire: wire}})
}

// Check is [Server.Answer] for a caller that has the message, not its bytes.
func (s *Server) Check(ctx context.Context, check *authv3.CheckRequest) *authv3.CheckResponse {
	answer := new(authv3.CheckResponse)
	if proto.Unmarshal(s.answerTo(ctx, incoming{attributes: checkwire.Describe(check)}), answer) != nil {
		return nil // cannot be: the bytes are ours
	}
	return answer
}

func (s *Server) answerTo(ctx context.Context, in incoming) (answer []byte) {
	if s == nil || s.metrics == nil { // not made by New
		return bareRefusal()
	}
	start := time.Now()
	state := s.state.Load()
	var span *tracing.Span
	defer func() {
		if fault := recover(); fault != nil {
			s.log.Panicked(fault)
			s.metrics.countersFor(&verdict{}, &operation{}).checks.Inc()
			answer = bareRefusal()
			state.logPanic(start)
			endSpan(span, &request{}, &verdict{})
		}
	}()
	ctx, span = s.tracer.Begin(ctx, start)
	req, v := s.decodeAndCheck(ctx, state, in, start)
	answer = v.encoded
	if answer == nil {
		answer = v.answer(req)
	}
	s.metrics.observe(v, req, time.Since(start))
	s.log.write(state, req, v)
	if in.attributes == nil && s.headerList.sees(req, v) {
		s.log.warnOfHeaderList(v)
	}
	state.logDecision(req, v, start)
	if span != nil {
		endSpan(span, req, v)
	}
	return answer
}

func endSpan(span *tracing.Span, req *request, v *verdict) {
	span.End(tracing.Outcome{
		Reason: v.reason.String(), Failed: v.status() == http.StatusServiceUnavailable,
		Direction: "inbound", Resource: v.name(), Issuer: v.issuer, Remembered: req.remembered,
	})
}

// decodeAndCheck decodes a Check and returns its request and verdict, neither of
// which is nil.
func (s *Server) decodeAndCheck(
	ctx context.Context, state *numberedState, in incoming, start time.Time,
) (*request, *verdict) {
	if in.Fault != "" {
		return &request{}, refuse(reason.Internal, in.Fault)
	}
	message, ok := in.decode()
	if !ok {
		return &request{}, refuse(reason.Internal, "the bytes are no CheckRequest")
	}
	req, ok := read(message)
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

// check takes the steps of a Check. The first reason that applies is the answer.
func (s *Server) check(ctx context.Context, state *numberedState, req *request) *verdict {
	req.steps.enter(stepFind)
	if state.Resources.IsMetadata(req.authority, req.path) {
		document := state.Document(req.method, req.authority, req.path)
		return &verdict{reason: reason.Metadata, document: document}
	}
	res, refusal := state.find(req)
	if refusal != nil {
		return refusal
	}
	req.target = res
	req.open()
	req.steps.enter(stepOrigin)
	origin, present, more := req.headers.Only("origin")
	if present && (more || !res.AllowsOrigin(origin, req.authority)) {
		return &verdict{reason: reason.OriginNotAllowed, resource: res}
	}
	if res.CORS {
		req.corsOrigin = origin
		if req.isPreflight() {
			return &verdict{reason: reason.Preflight, resource: res}
		}
	}
	req.steps.enter(stepCredential)
	presented, why := req.credential(res.TakesDPoP())
	if why == reason.NoCredentials && len(res.Anonymous) > 0 {
		return s.decideAnonymous(ctx, state, req)
	}
	if why != reason.Allowed {
		return &verdict{reason: why, resource: res, scheme: presented.scheme}
	}
	req.steps.enter(stepVerify)
	known, refused := s.verify(ctx, state, req, presented.token)
	if refused != nil {
		return refuseToken(res, presented.scheme, nil, refused)
	}
	req.steps.enter(stepPossession)
	binding, refused := s.checkPossession(ctx, state, req, presented, known.claims)
	if refused != nil {
		return refuseToken(res, presented.scheme, known.claims, refused)
	}
	req.steps.enter(stepDecide)
	return s.decide(ctx, state, req, known, binding)
}

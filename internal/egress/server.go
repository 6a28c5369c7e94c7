// Package egress answers Envoy's external authorization calls (ext_authz v3) about
// requests that MCP servers send out: a token that was issued for a resource does not
// leave its server, and a destination gets the token that is configured for it.
//
//	checks, err := egress.New(egress.Options{Inbound: inbound, Log: log, Registry: registry})
//	...
//	checks.Swap(state) // and again at every reload
//	...
//	err = checks.At("unix:///run/doorward/weather.sock").NewGRPCServer(0).Serve(listener)
//
// Whose server calls is known from the listener, and from the client certificate that
// Envoy verified, never from what the request says. The steps of a Check are: decode, find
// the caller and the destination, search the request for tokens, evaluate the policy, obtain
// the token for the destination, encode the answer. Each Check ends in one
// [reason.Reason] and never in a gRPC error, which Envoy takes for an allow under
// failure_mode_allow.
package egress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/checkgrpc"
	"github.com/doorward/doorward/internal/checkwire"
	"github.com/doorward/doorward/internal/denials"
	"github.com/doorward/doorward/internal/destination"
	"github.com/doorward/doorward/internal/tokensearch"
	"github.com/doorward/doorward/internal/tracing"
)

// Options are what a [Server] uses.
type Options struct {
	// Inbound knows the resources, verifies the tokens in handles and evaluates the
	// policy. Required.
	Inbound *extauthz.Server
	// Log gets one line for each refusal. Nil: nothing is logged.
	Log *slog.Logger
	// Registry exports the metrics. Nil: they are counted and not exported.
	Registry prometheus.Registerer
	// Tracer makes a span of each Check that is sampled. Nil: there are no spans.
	Tracer *tracing.Tracer
}

// Server answers Checks of requests that leave. Make it with [New] and activate a
// [State] with [Server.Swap]; before that it refuses every request with 503. It may be
// used by any number of goroutines.
type Server struct {
	inbound   *extauthz.Server
	state     atomic.Pointer[State]
	foreign   atomic.Pointer[foreign]
	log       *denials.Log
	metrics   *metrics
	endpoints endpoints
	tracer    *tracing.Tracer
}

// New makes a Server. It fails where the registry refuses the metrics.
func New(o Options) (*Server, error) {
	if o.Inbound == nil {
		return nil, errors.New("egress: Options.Inbound is nil")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{inbound: o.Inbound, log: denials.New(o.Log), metrics: newMetrics(), tracer: o.Tracer}
	if o.Registry != nil {
		if err := o.Registry.Register(s.metrics.registry); err != nil {
			return nil, fmt.Errorf("egress: registering metrics: %w", err)
		}
	}
	return s, nil
}

// Swap activates a state for each Check that starts from now on. A Check finishes with the
// state that it began with. The State of the inbound Server has to be in force before.
func (s *Server) Swap(state *State) {
	s.foreign.Store(newForeign(state, s.inbound.State()))
	s.state.Store(state)
}

// Listener answers the Checks that arrive at one address.
type Listener struct {
	server  *Server
	address string
}

// At returns what answers at an address, one of [State].Listeners. Where the state in force
// does not have it, each caller is unknown.
func (s *Server) At(address string) *Listener { return &Listener{server: s, address: address} }

// NewGRPCServer makes a gRPC server that answers the Checks of this listener; see
// [checkgrpc.NewServer].
func (l *Listener) NewGRPCServer(receiveBytes int, options ...grpc.ServerOption) *grpc.Server {
	return checkgrpc.NewServer(l.answer, receiveBytes, options...)
}

// Answer answers the bytes of a CheckRequest with those of a CheckResponse.
func (l *Listener) Answer(ctx context.Context, wire []byte) []byte {
	return l.answer(ctx, checkgrpc.Incoming{Wire: wire})
}

func (l *Listener) answer(ctx context.Context, in checkgrpc.Incoming) (answer []byte) {
	s, start := l.server, time.Now()
	state := s.state.Load()
	var span *tracing.Span
	defer func() {
		if fault := recover(); fault != nil {
			s.log.Panicked(fault)
			s.metrics.observe(&verdict{}, time.Since(start))
			answer = (&verdict{}).answer(&request{})
			state.logPanic(start)
			endSpan(span, &verdict{})
		}
	}()
	ctx, span = s.tracer.Begin(ctx, start)
	req, v := l.decodeAndCheck(ctx, state, in, start)
	answer = v.answer(req)
	s.metrics.observe(v, time.Since(start))
	s.write(req, v)
	state.logDecision(req, v, start)
	endSpan(span, v)
	return answer
}

func endSpan(span *tracing.Span, v *verdict) {
	span.End(tracing.Outcome{
		Reason: v.reason.String(), Failed: v.status() == http.StatusServiceUnavailable, Observed: v.observed,
		Direction: direction, Resource: v.resource, Issuer: v.issuer, Destination: v.destination(),
	})
}

func (l *Listener) decodeAndCheck(
	ctx context.Context, state *State, in checkgrpc.Incoming, start time.Time,
) (*request, *verdict) {
	if in.Fault != "" {
		return &request{}, refuse(reason.Internal, in.Fault)
	}
	attributes, ok := checkwire.Scan(in.Wire)
	if !ok {
		return &request{}, refuse(reason.Internal, "the bytes are no CheckRequest")
	}
	return l.check(ctx, state, attributes, start, nil)
}

// check checks a request. taken is nil for one that is not explained.
func (l *Listener) check(
	ctx context.Context, state *State, attributes *checkwire.Attributes, start time.Time, taken *steps,
) (*request, *verdict) {
	req, ok := read(attributes)
	if !ok {
		return &request{}, refuse(reason.Internal, "the Check holds no HTTP request")
	}
	if state == nil {
		return req, refuse(reason.Internal, "no configuration is in force yet")
	}
	ctx, cancel := checkgrpc.WithDeadline(ctx, checkgrpc.Deadline(ctx, start, state.CheckTimeout))
	defer cancel()
	c := &check{Server: l.server, state: state, req: req, steps: taken}
	return req, c.run(ctx, l.address)
}

// check is one Check. Its fields are what the steps have found so far.
type check struct {
	*Server
	state *State
	req   *request
	steps *steps // nil: they are not recorded

	caller *extauthz.Caller         // whose server calls
	to     *destination.Destination // nil: none is configured
	host   string                   // where the request goes: as the route names it, else its authority
}

// run takes the steps of a Check. The first reason that applies is the answer.
func (c *check) run(ctx context.Context, address string) *verdict {
	c.steps.enter(StepCaller)
	if refusal := c.findCaller(ctx, address); refusal != nil {
		return refusal
	}
	c.steps.enter(StepDestination)
	if refusal := c.findDestination(); refusal != nil {
		return refusal
	}
	c.steps.enter(StepSearch)
	if refusal := c.search(ctx); refusal != nil {
		return c.observed(refusal)
	}
	if c.to == nil {
		if !c.state.AllowUnknown {
			return c.observed(c.refuse(reason.NoDestination, ""))
		}
		return c.pass()
	}
	if c.to.Token == destination.Exchange {
		c.steps.enter(StepHandle)
	}
	user, refusal := c.openHandle(ctx) // nil where the destination takes none
	c.steps.enter(StepDecide)
	decided := c.decide(ctx, user)
	if decided.reason != reason.Allowed {
		return c.observed(decided)
	}
	if refusal != nil {
		c.steps.endIn(StepHandle)
		return refusal
	}
	c.steps.enter(StepObtain)
	return c.obtain(ctx, user, decided)
}

// observed is the answer in the place of a refusal: the refusal itself, or in observe mode
// a request that passes as it is, and that is logged and counted as refused.
func (c *check) observed(v *verdict) *verdict {
	switch v.reason {
	case reason.Passthrough, reason.NoDestination, reason.PolicyDenied, reason.InsufficientScope,
		reason.InsufficientUserAuthentication:
		v.observed = c.state.Observe
	default: // what cannot be checked does not pass
	}
	return v
}

// search refuses a request that holds a token of a resource.
func (c *check) search(ctx context.Context) *verdict {
	issuer, exempt, body := c.exemption()
	isForeign := c.foreignIn(c.state)
	for candidate, err := range tokensearch.FindOthers(c.req.parts(body), isForeign) {
		if refusal := c.examine(ctx, candidate, err); refusal != nil {
			return refusal
		}
	}
	if exempt == nil {
		return c.unread()
	}
	for candidate, err := range tokensearch.FindOthers(exempt, isForeign) {
		if err == nil && candidate.Claims["iss"] == issuer && !c.state.isAssertion(candidate) {
			continue
		}
		if refusal := c.examine(ctx, candidate, err); refusal != nil {
			return refusal
		}
	}
	return c.unread()
}

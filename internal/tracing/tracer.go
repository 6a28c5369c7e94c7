// Package tracing makes OpenTelemetry spans of Checks, and exports them by OTLP over gRPC.
//
//	tracer := tracing.New(tracing.Options{Log: log, Registry: registry, Version: version})
//	defer tracer.Close(ctx)
//	...
//	ctx, span := tracer.Begin(ctx, start)
//	tracing.Record(ctx, tracing.Evaluation, start, err != nil)
//	span.End(tracing.Outcome{Reason: "allowed", Resource: "weather"})
//
// It is configured by the environment variables of OpenTelemetry alone, and a [Tracer] is nil
// where none of them names a collector. A span holds names of the configuration and of
// closed lists: nothing that a client wrote. An export delays no Check, and what a
// collector does not take in time is lost and counted.
package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// scope names the instrumentation in each span.
const scope = "github.com/doorward/doorward"

// CheckName is the name of the span of a Check.
const CheckName = "doorward.check"

// The parts of a Check that have spans of their own, as children of the Check's.
const (
	Keys       = "doorward.keys.fetch"      // the Check waited for the keys of an issuer
	Evaluation = "doorward.policy.evaluate" // the rules were evaluated, not remembered
	Exchange   = "doorward.token.obtain"    // a token for a destination was asked for
)

// Tracer begins the spans of Checks. A nil Tracer begins none. It may be used by any
// number of goroutines.
type Tracer struct {
	sampler  sampler
	tracer   trace.Tracer
	provider *sdktrace.TracerProvider
}

// Begin begins the span of a Check that arrived at start. The context that it returns has
// the span for [Record]. The span is nil, and the context the same, where the Check is
// not sampled: what doorward itself asks does not continue its trace.
func (t *Tracer) Begin(ctx context.Context, start time.Time) (context.Context, *Span) {
	if t == nil {
		return ctx, nil
	}
	parent := parentOf(ctx)
	if !t.sampler.samples(parent) {
		return ctx, nil
	}
	if parent.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
	}
	ctx, span := t.tracer.Start(ctx, CheckName, trace.WithTimestamp(start), trace.WithSpanKind(trace.SpanKindServer))
	return ctx, &Span{span}
}

// Span is that of one Check. A nil Span does nothing.
type Span struct{ span trace.Span }

// Outcome is what a span says of a Check: names of the configuration and of closed lists
// alone. A text that is "" is left out.
type Outcome struct {
	Reason      string // of extauthz/reason
	Failed      bool   // doorward could not decide; a denial is no failure
	Direction   string // "inbound" or "egress"
	Resource    string // as metrics have it
	Issuer      string // as configured
	Destination string // as configured
	Remembered  Remembered
	Observed    bool // egress: the request passes, although it was to be refused
}

// Remembered is what was known before the Check. The zero value is for a Check without a
// token.
type Remembered uint8

// The values of Remembered.
const (
	RememberedNone   Remembered = iota + 1 // neither
	RememberedToken                        // that the token is verified
	RememberedAnswer                       // the answer
)

// String is the value of the attribute, "" for the zero value.
func (r Remembered) String() string {
	switch r {
	case RememberedNone:
		return "none"
	case RememberedToken:
		return "token"
	case RememberedAnswer:
		return "answer"
	}
	return ""
}

// End ends the span.
func (s *Span) End(o Outcome) {
	if s == nil {
		return
	}
	defer func() { _ = recover() }() // the answer is made, and a Check that panicked ends here too
	var attributes []attribute.KeyValue
	put := func(name, value string) {
		if value != "" {
			attributes = append(attributes, attribute.String("doorward."+name, value))
		}
	}
	put("reason", o.Reason)
	put("direction", o.Direction)
	put("resource", o.Resource)
	put("issuer", o.Issuer)
	put("destination", o.Destination)
	put("remembered", o.Remembered.String())
	if o.Observed {
		attributes = append(attributes, attribute.Bool("doorward.observed", true))
	}
	s.span.SetAttributes(attributes...)
	if o.Failed {
		s.span.SetStatus(codes.Error, o.Reason)
	}
	s.span.End()
}

// Record makes the span of a part of a Check that began at start and ends now, one of
// [Keys], [Evaluation] and [Exchange]. It does nothing where ctx has no span.
func Record(ctx context.Context, part string, start time.Time, failed bool) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return
	}
	kind := trace.SpanKindInternal
	if part != Evaluation {
		kind = trace.SpanKindClient
	}
	tracer := parent.TracerProvider().Tracer(scope)
	_, span := tracer.Start(ctx, part, trace.WithTimestamp(start), trace.WithSpanKind(kind))
	if failed {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// Close exports what waits, until ctx ends.
func (t *Tracer) Close(ctx context.Context) {
	if t != nil {
		_ = t.provider.Shutdown(ctx) // what it lost is counted and logged
	}
}

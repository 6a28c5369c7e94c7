package tracing

import (
	"context"
	"encoding/hex"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"
)

// parentOf returns the context that Envoy sends in the metadata of the call, not valid
// where there is none. The headers of the request that the Check is about are not read:
// they are the client's, who could have each of its requests sampled. Nor is tracestate,
// which may hold anything.
func parentOf(ctx context.Context) trace.SpanContext {
	values := metadata.ValueFromIncomingContext(ctx, "traceparent")
	if len(values) != 1 {
		return trace.SpanContext{}
	}
	return parseTraceparent(values[0])
}

// The parts of a traceparent (W3C Trace Context, section 3.2): 00-TRACE-SPAN-FLAGS.
const (
	traceFrom = 3
	spanFrom  = traceFrom + 32 + 1
	flagsFrom = spanFrom + 16 + 1
	length    = flagsFrom + 2
)

// parseTraceparent is propagation.TraceContext.Extract without its allocations. A later
// version may be longer.
func parseTraceparent(text string) trace.SpanContext {
	if len(text) < length || text[traceFrom-1] != '-' || text[spanFrom-1] != '-' || text[flagsFrom-1] != '-' {
		return trace.SpanContext{}
	}
	version, ok := hexByte(text[:traceFrom-1])
	isLonger := len(text) > length
	if !ok || version == 0xff || isLonger && (version == 0 || text[length] != '-') {
		return trace.SpanContext{}
	}
	flags, ok := hexByte(text[flagsFrom:length])
	traceID, err := trace.TraceIDFromHex(text[traceFrom : spanFrom-1])
	if err != nil || !ok || version == 0 && flags > 3 { // the two flags that are defined
		return trace.SpanContext{}
	}
	spanID, err := trace.SpanIDFromHex(text[spanFrom : flagsFrom-1])
	if err != nil {
		return trace.SpanContext{}
	}
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: traceID, SpanID: spanID, TraceFlags: trace.TraceFlags(flags) & trace.FlagsSampled, Remote: true,
	})
}

// hexByte reads two digits in lower case, as the standard has them.
func hexByte(text string) (byte, bool) {
	for _, c := range []byte(text) {
		if c >= 'A' && c <= 'F' {
			return 0, false
		}
	}
	var b [1]byte
	_, err := hex.Decode(b[:], []byte(text))
	return b[0], err == nil
}

package tracing

import (
	"context"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"
)

const (
	traceID = "0af7651916cd43dd8448eb211c80319c"
	spanID  = "b7ad6b7169203331"
	good    = "00-" + traceID + "-" + spanID + "-01"
)

// theirs is what the library of OpenTelemetry reads of a traceparent.
func theirs(text string) trace.SpanContext {
	carrier := propagation.MapCarrier{"traceparent": text}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
}

func agree(t *testing.T, text string) {
	t.Helper()
	if len(text) == length+1 && strings.HasPrefix(text, "00-") {
		text = text[:length] // the library takes a separator at the end, against the standard
	}
	want, got := theirs(text), parseTraceparent(text)
	same := want.TraceID() == got.TraceID() && want.SpanID() == got.SpanID() && want.IsSampled() == got.IsSampled()
	if want.IsValid() != got.IsValid() || want.IsValid() && !same {
		t.Errorf("%q: %v, the library has %v", text, got, want)
	}
}

// TestTraceparent: the parser reads what the library reads.
func TestTraceparent(t *testing.T) {
	if !parseTraceparent(good).IsSampled() {
		t.Error("the good one is not read")
	}
	for _, text := range []string{
		"", good, good[:54] + "0", good[:53] + "02", good[:53] + "03", good[:53] + "ff", good[:53] + "0A", good[:54],
		good + "-more", "01" + good[2:], "01" + good[2:] + "-more", "01" + good[2:] + "more", "ff" + good[2:], "0F" + good[2:], "zz" + good[2:],
		strings.ToUpper(good), strings.Replace(good, traceID, strings.Repeat("0", 32), 1),
		strings.Replace(good, spanID, strings.Repeat("0", 16), 1), strings.ReplaceAll(good, "-", "_"), " " + good, good + " ",
	} {
		agree(t, text)
	}
}

func FuzzTraceparent(f *testing.F) {
	f.Add(good)
	f.Add("01-" + good[3:] + "-more")
	f.Fuzz(agree)
}

// TestParentOf: one traceparent, among the metadata of the call.
func TestParentOf(t *testing.T) {
	for want, md := range map[bool]metadata.MD{true: {"traceparent": {good}}, false: {"traceparent": {good, good}}} {
		if got := parentOf(metadata.NewIncomingContext(t.Context(), md)); got.IsValid() != want || got.TraceState().Len() > 0 {
			t.Errorf("%v: %v", md, got)
		}
	}
	if parseTraceparent(good + "-").IsValid() {
		t.Error("version 00 may be longer")
	}
	if parentOf(t.Context()).IsValid() {
		t.Error("without metadata there is a parent")
	}
}

// TestSamplers: each of the specification, with a parent that is sampled, one that is not
// and none.
func TestSamplers(t *testing.T) {
	sampled, not := parseTraceparent(good), parseTraceparent(good[:54]+"0")
	for _, row := range []struct {
		name, argument      string
		sampled, not, alone bool
	}{
		{"", "", true, false, true},
		{"parentbased_always_on", "", true, false, true},
		{"parentbased_always_off", "", true, false, false},
		{"always_on", "", true, true, true},
		{"always_off", "", false, false, false},
		{"parentbased_traceidratio", "0", true, false, false},
		{"parentbased_traceidratio", "1", true, false, true},
		{"parentbased_traceidratio", "", true, false, true},
		{"traceidratio", "0", false, false, false},
		{"traceidratio", "1", true, true, true},
	} {
		s, ok := newSampler(row.name, row.argument)
		if !ok {
			t.Errorf("%v is not supported", row)
			continue
		}
		for intent, decision := range map[string][2]bool{
			"sampled": {s.samples(sampled), row.sampled}, "not": {s.samples(not), row.not}, "none": {s.samples(trace.SpanContext{}), row.alone},
		} {
			if decision[0] != decision[1] {
				t.Errorf("%v: parent %s: %v", row, intent, decision[0])
			}
		}
	}
	for _, pair := range [][2]string{{"jaeger_remote", ""}, {"traceidratio", "1.5"}, {"traceidratio", "-1"}, {"parentbased_traceidratio", "x"}, {"traceidratio", "NaN"}} {
		if _, ok := newSampler(pair[0], pair[1]); ok {
			t.Errorf("%v is supported", pair)
		}
	}
	some, _ := newSampler("parentbased_traceidratio", "0.5")
	count := 0
	for range 10000 {
		if some.samples(trace.SpanContext{}) {
			count++
		}
	}
	if count < 4500 || count > 5500 {
		t.Errorf("a ratio of 0.5 samples %d of 10000", count)
	}
}

// TestOffIsNothing: a nil Tracer and a nil Span.
func TestOffIsNothing(t *testing.T) {
	var off *Tracer
	allocated := testing.AllocsPerRun(100, func() {
		ctx, span := off.Begin(t.Context(), start)
		Record(ctx, Keys, start, true)
		span.End(Outcome{Reason: "allowed"})
	})
	off.Close(t.Context())
	if allocated > 0 {
		t.Errorf("%v allocations", allocated)
	}
}

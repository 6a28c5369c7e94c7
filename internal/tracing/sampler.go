package tracing

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"strconv"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// sampler decides before a span is made. The SDK does so after it has made one that records
// nothing, which costs more than a tenth of a hot Check.
type sampler struct {
	byParent bool             // what the parent has decided holds
	root     sdktrace.Sampler // decides otherwise
}

func (s sampler) samples(parent trace.SpanContext) bool {
	id := parent.TraceID()
	if parent.IsValid() {
		if s.byParent {
			return parent.IsSampled()
		}
	} else {
		binary.LittleEndian.PutUint64(id[8:], rand.Uint64()) //nolint:gosec // which Checks are sampled is no secret
	}
	result := s.root.ShouldSample(sdktrace.SamplingParameters{ParentContext: context.Background(), TraceID: id})
	return result.Decision == sdktrace.RecordAndSample
}

// defaultSampler is that of OpenTelemetry, for its variable OTEL_TRACES_SAMPLER.
const defaultSampler = "parentbased_always_on"

// newSampler reads the values of OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG. It is
// false for a value that is not supported.
func newSampler(name, argument string) (sampler, bool) {
	switch name {
	case "", defaultSampler:
		return sampler{true, sdktrace.AlwaysSample()}, true
	case "always_on":
		return sampler{false, sdktrace.AlwaysSample()}, true
	case "always_off":
		return sampler{false, sdktrace.NeverSample()}, true
	case "parentbased_always_off":
		return sampler{true, sdktrace.NeverSample()}, true
	case "traceidratio", "parentbased_traceidratio":
		ratio, ok := 1.0, true
		if argument != "" {
			parsed, err := strconv.ParseFloat(argument, 64)
			if ok = err == nil && parsed >= 0 && parsed <= 1; ok {
				ratio = parsed
			}
		}
		return sampler{name != "traceidratio", sdktrace.TraceIDRatioBased(ratio)}, ok
	}
	return sampler{true, sdktrace.AlwaysSample()}, false
}

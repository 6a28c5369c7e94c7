package benchmarks_test

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/metadata"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/collector"
	"github.com/doorward/doorward/internal/tracing"
)

// traced makes the server of w another one that exports its spans to a collector of this
// process.
func (w *world) traced(b *testing.B, sampler, ratio string) {
	b.Helper()
	c, err := collector.Start()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Stop)
	b.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+c.Address)
	b.Setenv("OTEL_TRACES_SAMPLER", sampler)
	b.Setenv("OTEL_TRACES_SAMPLER_ARG", ratio)
	tracer := tracing.New(tracing.Options{Log: slog.New(slog.DiscardHandler), Registry: w.registry})
	b.Cleanup(func() { tracer.Close(context.Background()) })
	if w.server, err = extauthz.New(extauthz.Options{Registry: prometheus.NewRegistry(), Tracer: tracer}); err != nil {
		b.Fatal(err)
	}
	if err := w.server.Swap(w.state(b, remember, testenv.TeamPolicy)); err != nil {
		b.Fatal(err)
	}
	w.ask(b)
}

// BenchmarkTracedAnswer is a hot Check with traces on. The metric x-off is its time over that
// of one with traces off, the median of many pairs of rounds.
func BenchmarkTracedAnswer(b *testing.B) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"
	for _, row := range []struct{ intent, sampler, ratio, traceparent string }{
		{"EnvoySamplesNothing", "parentbased_always_on", "", parent + "0"},
		{"OnePercent", "parentbased_traceidratio", "0.01", ""},
		{"Everything", "parentbased_always_on", "", parent + "1"},
	} {
		b.Run(row.intent, func(b *testing.B) {
			off := newWorld(b, "RS256", 1, remember)
			off.ask(b)
			on := &world{registry: prometheus.NewRegistry(), key: off.key, tokens: off.tokens, checks: off.checks, wires: off.wires}
			on.traced(b, row.sampler, row.ratio)
			ctx := context.Background()
			if row.traceparent != "" {
				ctx = metadata.NewIncomingContext(ctx, metadata.Pairs("traceparent", row.traceparent))
			}
			wire := off.wires[0]
			b.ReportAllocs()
			for b.Loop() {
				on.server.Answer(ctx, slices.Clone(wire))
			}
			b.StopTimer()
			b.ReportMetric(timesOff(on.server, off.server, ctx, wire), "x-off")
		})
	}
}

// timesOff compares two servers in rounds long enough to hold Checks that are sampled.
func timesOff(on, off *extauthz.Server, ctx context.Context, wire []byte) float64 { //nolint:revive // of both
	const rounds, checks = 100, 1000
	var ratios []float64
	for range rounds {
		var times [2]time.Duration
		for i, server := range []*extauthz.Server{on, off} {
			began := time.Now()
			for range checks {
				server.Answer(ctx, slices.Clone(wire))
			}
			times[i] = time.Since(began)
		}
		ratios = append(ratios, float64(times[0])/float64(times[1]))
	}
	slices.Sort(ratios)
	return ratios[rounds/2]
}

package tracing

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/doorward/doorward/internal/redact"
)

// logInterval is the least time between two lines about the collector.
const logInterval = time.Minute

// exporter counts what a collector takes, and logs when that begins and ends. One
// goroutine exports.
type exporter struct {
	sdktrace.SpanExporter
	log            *slog.Logger
	exported, lost prometheus.Counter
	now            func() time.Time

	queue   int64        // how many spans may wait
	waiting atomic.Int64 // ended and neither exported nor lost

	failing bool      // as it was logged last
	logged  time.Time // when that was
}

func newExporter(otlp sdktrace.SpanExporter, o Options, queue int) *exporter {
	spans := promauto.With(o.Registry).NewCounterVec(prometheus.CounterOpts{
		Name: "doorward_spans_total",
		Help: "Spans of sampled Checks: exported, or lost because the collector did not take them in time.",
	}, []string{"result"})
	return &exporter{
		SpanExporter: otlp, log: o.Log, now: time.Now, queue: int64(queue),
		exported: spans.WithLabelValues("exported"), lost: spans.WithLabelValues("lost"),
	}
}

// ExportSpans implements sdktrace.SpanExporter. An error ends here.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	e.waiting.Add(-int64(len(spans)))
	if err != nil {
		e.lost.Add(float64(len(spans)))
	} else {
		e.exported.Add(float64(len(spans)))
	}
	e.report(err)
	return nil
}

// report logs a change: the first failure, and the first success after one.
func (e *exporter) report(err error) {
	now := e.now()
	if e.failing == (err != nil) || !e.logged.IsZero() && now.Sub(e.logged) < logInterval {
		return
	}
	e.failing, e.logged = err != nil, now
	if err == nil {
		e.log.Info("traces are exported again")
		return
	}
	e.log.Warn("traces are lost: the collector does not take them", slog.String("problem", shorten(err.Error())),
		slog.String("advice", "look at the collector, and at the variables OTEL_EXPORTER_OTLP_*; requests are "+
			"answered all the same"))
}

// maxProblem is how much of an error is logged, in bytes: a collector wrote it.
const maxProblem = 300

func shorten(text string) string {
	text = redact.Text(text[:min(len(text), 10*maxProblem)])
	return text[:min(len(text), maxProblem)]
}

// bounded drops and counts the spans for which there is no room: the SDK drops them
// without a sign.
type bounded struct {
	sdktrace.SpanProcessor
	to *exporter
}

// OnEnd implements sdktrace.SpanProcessor. It does not wait.
func (b *bounded) OnEnd(span sdktrace.ReadOnlySpan) {
	if b.to.waiting.Add(1) > b.to.queue {
		b.to.waiting.Add(-1)
		b.to.lost.Inc()
		return
	}
	b.SpanProcessor.OnEnd(span)
}

package tracing

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/doorward/doorward/internal/testenv/collector"
)

var start = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// otlp is an exporter that does what a test says.
type otlp func(context.Context, []sdktrace.ReadOnlySpan) error

func (f otlp) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	return f(ctx, spans)
}
func (otlp) Shutdown(context.Context) error { return nil }

func options() (Options, *bytes.Buffer) {
	var log bytes.Buffer
	return Options{Log: slog.New(slog.NewJSONHandler(&log, nil)), Registry: prometheus.NewRegistry(), Version: "1"}, &log
}

func always() sampler { s, _ := newSampler("always_on", ""); return s }

func count(t *testing.T, o Options, result string) float64 {
	t.Helper()
	registry, _ := o.Registry.(*prometheus.Registry)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if m.GetLabel()[0].GetValue() == result {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("no metric of %s", result)
	return 0
}

// TestACollectorThatHangs delays neither a Check nor an end: what has no room is lost, and
// counted.
func TestACollectorThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const queue, checks = 8, 100
		o, log := options()
		tracer := assemble(o, always(), otlp(func(ctx context.Context, _ []sdktrace.ReadOnlySpan) error {
			<-ctx.Done()
			return ctx.Err()
		}), queue)
		began := time.Now()
		for range checks {
			_, span := tracer.Begin(t.Context(), began)
			span.End(Outcome{Reason: "allowed"})
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("the Checks waited %v", took)
		}
		if lost := count(t, o, "lost"); lost != checks-queue {
			t.Errorf("%v are lost", lost)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if lost := count(t, o, "lost"); lost != checks || !strings.Contains(log.String(), "traces are lost") {
			t.Errorf("%v are lost after the export: %s", lost, log)
		}
		_, span := tracer.Begin(t.Context(), began)
		span.End(Outcome{Reason: "allowed"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		tracer.Close(ctx)
		if took := time.Since(began); took > time.Second {
			t.Errorf("the end waited %v", took)
		}
		time.Sleep(time.Minute) // until the last export has ended
	})
}

// TestStatesOfTheCollectorAreLogged once a change, and at most once a minute.
func TestStatesOfTheCollectorAreLogged(t *testing.T) {
	o, log := options()
	now := start
	e := newExporter(nil, o, 1)
	e.now = func() time.Time { return now }
	const secret = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImtleS0xIn0.eyJpc3MiOiJodHRwczovL2FzLmV4YW1wbGUuY29tIn0.c2lnbmF0dXJl"
	failure := errors.New("it said " + secret + strings.Repeat(" no", 1000))
	for _, row := range []struct {
		after time.Duration
		err   error
		lines int
	}{
		{0, nil, 0},
		{0, failure, 1},
		{time.Second, failure, 1},
		{time.Second, nil, 1},
		{time.Second, failure, 1},
		{time.Hour, failure, 1},
		{0, nil, 2},
		{0, failure, 2},
		{time.Minute, failure, 3},
		{time.Minute, nil, 4},
		{time.Hour, nil, 4},
	} {
		now = now.Add(row.after)
		e.report(row.err)
		if got := strings.Count(log.String(), "\n"); got != row.lines {
			t.Errorf("%v after %v: %d lines", row.err != nil, row.after, got)
		}
	}
	if strings.Contains(log.String(), secret) || log.Len() > 4000 {
		t.Errorf("what a collector says is logged: %s", log)
	}
}

// TestCollectors: one that takes the spans, one that refuses them, one that is not there
// and one that hangs.
func TestCollectors(t *testing.T) {
	for intent, row := range map[string]struct {
		answer func(context.Context) error
		absent bool
		result string
	}{
		"takes":   {nil, false, "exported"},
		"refuses": {func(context.Context) error { return status.Error(codes.PermissionDenied, "no") }, false, "lost"},
		"absent":  {nil, true, "lost"},
		"hangs":   {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, false, "lost"},
	} {
		t.Run(intent, func(t *testing.T) {
			c, err := collector.Start()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Stop()
			c.Answer = row.answer
			if row.absent {
				c.Stop()
			}
			t.Setenv(endpointVariable, "http://"+c.Address)
			t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "200")
			t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20secret-header")
			t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
			o, log := options()
			tracer := New(o)
			_, span := tracer.Begin(t.Context(), time.Now())
			span.End(Outcome{Reason: "allowed"})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			tracer.Close(ctx)
			if got := count(t, o, row.result); got != 1 {
				t.Errorf("%v %s: %s", got, row.result, log)
			}
			if strings.Contains(log.String(), "traces are lost") != (row.result == "lost") || strings.Contains(log.String(), "secret-header") {
				t.Errorf("logged: %s", log)
			}
			if got := len(c.Spans()); (got == 1) != (row.result == "exported") {
				t.Errorf("%d spans arrived", got)
			}
		})
	}
}

// TestTheEnvironment: what is on, what is off, and what is said of a variable that cannot
// be used, without its value.
func TestTheEnvironment(t *testing.T) {
	const at = "http://127.0.0.1:4317"
	for _, row := range []struct {
		variables map[string]string
		on        bool
		variable  string // that the log names, or what else it has
	}{
		{nil, false, ""},
		{map[string]string{samplerVariable: "always_on"}, false, ""},
		{map[string]string{endpointVariable: at}, true, ""},
		{map[string]string{tracesEndpoint: at}, true, ""},
		{map[string]string{endpointVariable: at, protocolVariable: "grpc", exporterVariable: "otlp"}, true, ""},
		{map[string]string{endpointVariable: at, disabledVariable: "true"}, false, ""},
		{map[string]string{endpointVariable: at, exporterVariable: "none"}, false, ""},
		{map[string]string{endpointVariable: at, exporterVariable: "zipkin"}, false, exporterVariable},
		{map[string]string{endpointVariable: at, protocolVariable: "http/protobuf"}, false, protocolVariable},
		{map[string]string{endpointVariable: at, protocolVariable: "http/json", tracesProtocol: "grpc"}, true, ""},
		{map[string]string{endpointVariable: at, tracesProtocol: "http/json"}, false, tracesProtocol},
		{map[string]string{endpointVariable: "secret-value:4317"}, false, endpointVariable},
		{map[string]string{endpointVariable: at, tracesEndpoint: "://secret-value"}, false, tracesEndpoint},
		{map[string]string{endpointVariable: "ftp://secret-value"}, false, endpointVariable},
		{map[string]string{endpointVariable: at, samplerVariable: "secret-value"}, false, samplerVariable},
		{map[string]string{endpointVariable: at, samplerVariable: "traceidratio", samplerArgument: "secret-value"}, false, samplerVariable},
		{map[string]string{endpointVariable: at, "OTEL_EXPORTER_OTLP_HEADERS": "secret-value"}, true, "a variable of OpenTelemetry cannot be read"},
		{map[string]string{endpointVariable: at, "OTEL_EXPORTER_OTLP_TIMEOUT": "secret-value"}, true, ""},
		{map[string]string{endpointVariable: at, "OTEL_EXPORTER_OTLP_CERTIFICATE": "/secret-value"}, true, ""},
		{map[string]string{endpointVariable: at, queueVariable: "secret-value", "OTEL_BSP_SCHEDULE_DELAY": "secret-value"}, true, ""},
		{map[string]string{endpointVariable: at, "OTEL_RESOURCE_ATTRIBUTES": "secret-value"}, true, ""},
	} {
		t.Run("", func(t *testing.T) {
			for name, value := range row.variables {
				t.Setenv(name, value)
			}
			o, log := options()
			tracer := New(o)
			tracer.Close(t.Context())
			if (tracer != nil) != row.on {
				t.Errorf("%v: on is %v: %s", row.variables, tracer != nil, log)
			}
			if strings.Contains(log.String(), "secret-value") || row.variable != "" && !strings.Contains(log.String(), row.variable) {
				t.Errorf("%v: logged: %s", row.variables, log)
			}
		})
	}
}

// TestCost: a Check that is not sampled.
func TestCost(t *testing.T) {
	o, _ := options()
	s, _ := newSampler("parentbased_traceidratio", "0")
	tracer := assemble(o, s, otlp(nil), 1)
	defer tracer.Close(t.Context())
	if got := testing.AllocsPerRun(100, func() { tracer.Begin(t.Context(), start) }); got > 0 {
		t.Errorf("%v allocations", got)
	}
}

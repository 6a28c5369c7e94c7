package tracing

import (
	"context"
	"log/slog"
	"net/url"
	"os"
	"strconv"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Options are what a [Tracer] uses beside the environment.
type Options struct {
	Log      *slog.Logger          // gets a line for each variable that cannot be used, and of the collector
	Registry prometheus.Registerer // gets the metric of what was exported and lost
	Version  string                // of doorward
}

// The variables that the SDK and its exporter do not read, or read in another way.
const (
	endpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT"
	tracesEndpoint   = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	protocolVariable = "OTEL_EXPORTER_OTLP_PROTOCOL"
	tracesProtocol   = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
	disabledVariable = "OTEL_SDK_DISABLED"
	exporterVariable = "OTEL_TRACES_EXPORTER"
	samplerVariable  = "OTEL_TRACES_SAMPLER"
	samplerArgument  = "OTEL_TRACES_SAMPLER_ARG"
	queueVariable    = "OTEL_BSP_MAX_QUEUE_SIZE"
)

// New makes a Tracer of the environment. It is nil where no variable names an endpoint, and
// where one cannot be used: that is logged, because Checks are answered without traces
// too.
func New(o Options) *Tracer {
	name, endpoint := first(tracesEndpoint, endpointVariable)
	if endpoint == "" || os.Getenv(disabledVariable) == "true" || os.Getenv(exporterVariable) == "none" {
		return nil
	}
	off := func(variable, advice string) *Tracer {
		o.Log.Error("no traces are exported", slog.String("variable", variable), slog.String("advice", advice))
		return nil
	}
	at, err := url.Parse(endpoint)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return off(name, "write a URL: http://HOST:4317, or https://HOST:4317 for TLS")
	}
	if name, protocol := first(tracesProtocol, protocolVariable); protocol != "" && protocol != "grpc" {
		return off(name, "write grpc, and the collector's port for gRPC into the endpoint: others are not supported")
	}
	if exporter := os.Getenv(exporterVariable); exporter != "" && exporter != "otlp" {
		return off(exporterVariable, "write otlp: others are not supported")
	}
	sampler, ok := newSampler(os.Getenv(samplerVariable), os.Getenv(samplerArgument))
	if !ok {
		return off(samplerVariable, "write a sampler of OpenTelemetry's specification, such as "+
			"parentbased_traceidratio, and a ratio from 0 to 1 into "+samplerArgument)
	}
	quiet(o.Log)
	otlp, err := otlptracegrpc.New(context.Background())
	if err != nil {
		return off(name, "correct the variables that begin with OTEL_EXPORTER_OTLP_")
	}
	o.Log.Info("exporting traces", slog.String("to", at.Scheme+"://"+at.Host))
	return assemble(o, sampler, otlp, queueSize())
}

// first returns the first of these variables that is set, with its value.
func first(names ...string) (name, value string) {
	for _, name = range names {
		if value = os.Getenv(name); value != "" {
			return name, value
		}
	}
	return name, ""
}

func queueSize() int {
	if size, err := strconv.Atoi(os.Getenv(queueVariable)); err == nil && size > 0 {
		return size
	}
	return sdktrace.DefaultMaxQueueSize
}

// assemble makes a Tracer that exports by otlp, and keeps at most queue spans.
func assemble(o Options, s sampler, otlp sdktrace.SpanExporter, queue int) *Tracer {
	out := newExporter(otlp, o, queue)
	// A detector whose variable is malformed adds nothing.
	about, _ := resource.New(context.Background(),
		resource.WithAttributes(attribute.String("service.name", "doorward"),
			attribute.String("service.version", o.Version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	batches := sdktrace.NewBatchSpanProcessor(out, sdktrace.WithMaxQueueSize(queue))
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sdktrace.AlwaysSample()), // of those that sampler chose
		sdktrace.WithResource(about),
		sdktrace.WithSpanProcessor(&bounded{batches, out}),
	)
	return &Tracer{sampler: s, tracer: provider.Tracer(scope), provider: provider}
}

// quiet has OpenTelemetry, which writes to stderr, log here: without the values of its
// variables, one of which holds the credentials for the collector.
func quiet(log *slog.Logger) {
	otel.SetLogger(logr.New(sink{log}))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {})) // the exporter logs its own
}

// sink logs the errors of the SDK, which are all about its variables.
type sink struct{ log *slog.Logger }

func (sink) Init(logr.RuntimeInfo)            {}
func (sink) Enabled(int) bool                 { return false }
func (sink) Info(int, string, ...any)         {}
func (s sink) WithValues(...any) logr.LogSink { return s }
func (s sink) WithName(string) logr.LogSink   { return s }

func (s sink) Error(_ error, message string, _ ...any) {
	s.log.Warn("a variable of OpenTelemetry cannot be read", slog.String("problem", message))
}

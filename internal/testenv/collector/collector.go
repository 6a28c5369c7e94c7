// Package collector receives traces by OTLP over gRPC, for tests:
//
//	c, err := collector.Start()
//	defer c.Stop()
//	... // OTEL_EXPORTER_OTLP_ENDPOINT is "http://" + c.Address
//	spans, err := c.Await(ctx, 3)
package collector

import (
	"context"
	"fmt"
	"net"
	"sync"

	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
)

// Collector is a running receiver.
type Collector struct {
	coltrace.UnimplementedTraceServiceServer
	Address string // host:port

	// Answer is called before the spans of an export are kept, and its error is the answer;
	// nil keeps each. Set it before the first export.
	Answer func(context.Context) error

	server  *grpc.Server
	mu      sync.Mutex
	spans   []Span
	arrived chan struct{} // closed and made anew with each export
}

// Span is one span with the service that it is of.
type Span struct {
	*tracev1.Span
	Service string
}

// Attribute returns the text of an attribute, "" where there is none.
func (s Span) Attribute(name string) string {
	for _, a := range s.GetAttributes() {
		if a.GetKey() == name {
			return a.GetValue().GetStringValue()
		}
	}
	return ""
}

// Start starts a collector on a free port of 127.0.0.1.
func Start() (*Collector, error) {
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &Collector{Address: listener.Addr().String(), server: grpc.NewServer(), arrived: make(chan struct{})}
	coltrace.RegisterTraceServiceServer(c.server, c)
	go func() { _ = c.server.Serve(listener) }()
	return c, nil
}

// Stop ends the collector at once.
func (c *Collector) Stop() { c.server.Stop() }

// Export implements the service of OTLP.
func (c *Collector) Export(
	ctx context.Context, request *coltrace.ExportTraceServiceRequest,
) (*coltrace.ExportTraceServiceResponse, error) {
	if c.Answer != nil {
		if err := c.Answer(ctx); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range request.GetResourceSpans() {
		service := ""
		for _, a := range of.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, scope := range of.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				c.spans = append(c.spans, Span{span, service})
			}
		}
	}
	close(c.arrived)
	c.arrived = make(chan struct{})
	return &coltrace.ExportTraceServiceResponse{}, nil
}

// Spans returns what has arrived.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Span(nil), c.spans...)
}

// Await returns the spans once there are so many.
func (c *Collector) Await(ctx context.Context, count int) ([]Span, error) {
	for {
		c.mu.Lock()
		spans, arrived := append([]Span(nil), c.spans...), c.arrived
		c.mu.Unlock()
		if len(spans) >= count {
			return spans, nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return nil, fmt.Errorf("%d spans of %d came: %w", len(spans), count, ctx.Err())
		}
	}
}

package extauthz_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/testenv/collector"
	"github.com/doorward/doorward/internal/tracing"
)

// startTraced is a service that exports the span of each Check. The function returns the
// spans so far; no Check is traced after it.
func startTraced(t *testing.T, edits ...func(*plan)) (*testService, func() []collector.Span) {
	t.Helper()
	c, err := collector.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+c.Address)
	tracer := tracing.New(tracing.Options{Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()})
	d := startService(t, edits...)
	traced, err := extauthz.New(extauthz.Options{Tracer: tracer})
	if err != nil {
		t.Fatal(err)
	}
	if err := traced.Swap(d.state); err != nil {
		t.Fatal(err)
	}
	d.server = traced
	return d, func() []collector.Span {
		tracer.Close(t.Context())
		return c.Spans()
	}
}

// TestNothingSecretIsInASpan is TK-11 for traces: each attribute, name, status and state of
// each span is of a closed list, wherever the tokens of a request are.
func TestNothingSecretIsInASpan(t *testing.T) {
	d, spans := startTraced(t, useTempFolder(t, team(`deny contains {"code": "no", "message": "said no"} if input.claims.sub == "bob"`))...)
	checks := 0
	for _, token := range []string{
		d.token(), d.token(), d.token(map[string]any{"exp": 1}), forger().Sign(claims()), d.token(map[string]any{"sub": "bob"}),
		d.token(map[string]any{"aud": "b", "email": "secret-claim", "iss": "https://secret.example.com"}), d.token()[:40], "secret-opaque",
	} {
		for _, where := range []func(*clientRequest){
			func(*clientRequest) {},
			func(r *clientRequest) { r.path = "/mcp?access_token=" + token },
			func(r *clientRequest) { r.path = "/mcp/" + token },
			func(r *clientRequest) { r.path = "/.well-known/oauth-protected-resource/" + token },
			func(r *clientRequest) { r.host = token },
			func(r *clientRequest) { r.method = token },
			func(r *clientRequest) {
				for _, name := range []string{"traceparent", "tracestate", "baggage", "cookie", "dpop", "x-request-id", "mcp-method", "origin", token} {
					r.headers = append(r.headers, [2]string{name, token})
				}
			},
		} {
			question := bearer(token)
			where(&question)
			ctx := metadata.NewIncomingContext(context.Background(), metadata.MD{
				"traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
				"tracestate":  {"vendor=" + token}, "baggage": {"vendor=" + token}, "x-request-id": {token},
			})
			d.server.Check(ctx, question.joined())
			checks++
		}
	}
	closed := map[string][]string{
		"doorward.direction":  {"inbound"},
		"doorward.resource":   {"weather"},
		"doorward.issuer":     {issuerURL},
		"doorward.remembered": {"answer", "token", "none"},
		"doorward.reason":     reasonNames(),
	}
	names := []string{tracing.CheckName, tracing.Evaluation, tracing.Keys}
	found, reasons := 0, map[string]bool{}
	for _, span := range spans() {
		if !slices.Contains(names, span.GetName()) || span.GetTraceState() != "" || len(span.GetEvents())+len(span.GetLinks()) > 0 {
			t.Errorf("%s", protojson.Format(span.Span))
		}
		if text := span.GetStatus().GetMessage(); text != "" && !slices.Contains(reasonNames(), text) {
			t.Errorf("status %q", text)
		}
		for _, a := range span.GetAttributes() {
			if value := a.GetValue().GetStringValue(); !slices.Contains(closed[a.GetKey()], value) {
				t.Errorf("%s is %q", a.GetKey(), value)
			}
		}
		if span.GetName() == tracing.CheckName {
			found++
			reasons[span.Attribute("doorward.reason")] = true
		}
		if text := fmt.Sprint(span.Span); strings.Contains(text, "eyJ") || strings.Contains(text, "secret") {
			t.Errorf("a secret: %s", text)
		}
	}
	if found != checks || len(reasons) < 7 {
		t.Errorf("%d spans of %d Checks, reasons %v", found, checks, reasons)
	}
}

func reasonNames() []string {
	var names []string
	for _, r := range reason.All() {
		names = append(names, r.String())
	}
	return names
}

// TestWhatASpanSays: the outcome, what was remembered, and the parts of a Check.
func TestWhatASpanSays(t *testing.T) {
	d, spans := startTraced(t, func(p *plan) { p.cache = 1 << 20 })
	token := d.token()
	for range 2 {
		d.server.Check(t.Context(), bearer(token).joined())
	}
	d.server.Check(t.Context(), bearer(d.token(map[string]any{"aud": "x"})).joined())
	d.server.Check(t.Context(), clientRequest{host: "nowhere"}.joined())
	d.server.Answer(t.Context(), []byte("no CheckRequest"))
	var got []string
	all := spans()
	for _, span := range all {
		if span.GetName() != tracing.CheckName {
			continue
		}
		parts := 0
		for _, child := range all {
			if string(child.GetParentSpanId()) == string(span.GetSpanId()) {
				parts++
			}
		}
		got = append(got, fmt.Sprint(span.Attribute("doorward.reason"), " ", span.Attribute("doorward.resource"), " ",
			span.Attribute("doorward.remembered"), " ", parts, " ", span.GetStatus().GetCode() == tracev1.Status_STATUS_CODE_ERROR))
	}
	want := []string{
		"allowed weather none 1 false", "allowed weather answer 0 false", "audience_mismatch weather none 1 false",
		"no_resource   0 false", "internal   0 true",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

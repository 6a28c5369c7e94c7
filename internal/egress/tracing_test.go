package egress_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/egress"
	"github.com/doorward/doorward/internal/testenv/collector"
	"github.com/doorward/doorward/internal/tracing"
)

// TestNothingSecretIsInASpan, whatever leaves: the attributes are of closed lists.
func TestNothingSecretIsInASpan(t *testing.T) {
	c, err := collector.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+c.Address)
	tracer := tracing.New(tracing.Options{Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()})
	w := start(t)
	if w.checks, err = egress.New(egress.Options{Inbound: w.inbound, Tracer: tracer}); err != nil {
		t.Fatal(err)
	}
	w.swap(t)
	w.clients[socket] = dial(t, w.checks.At(socket).NewGRPCServer(1<<20))
	count := 0
	hosts := []string{""}
	for _, spec := range specs() {
		hosts = append(hosts, spec.Host)
		for _, secret := range []string{"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJhIn0.c2lnbmF0dXJl", "secret-opaque"} {
			_, _ = w.clients[socket].Check(t.Context(), to(spec.Host, "authorization", "Bearer "+secret, "tracestate", secret, secret, secret).apart())
			count++
		}
	}
	tracer.Close(t.Context())
	var reasons []string
	for _, r := range reason.All() {
		reasons = append(reasons, r.String())
	}
	closed := map[string][]string{
		"doorward.direction": {"egress"}, "doorward.resource": {"weather"}, "doorward.issuer": {issuerURL, partnerURL},
		"doorward.destination": hosts, "doorward.reason": reasons,
	}
	for _, span := range c.Spans() {
		if span.GetName() == tracing.CheckName {
			count--
		}
		for _, a := range span.GetAttributes() {
			if !slices.Contains(closed[a.GetKey()], a.GetValue().GetStringValue()) {
				t.Errorf("%s is %v", a.GetKey(), a.GetValue())
			}
		}
		if text := fmt.Sprint(span.Span); strings.Contains(text, "secret") || strings.Contains(text, "eyJ") {
			t.Errorf("a secret: %s", text)
		}
	}
	if count != 0 {
		t.Errorf("%d Checks have no span", count)
	}
}

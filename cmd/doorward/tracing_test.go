package main

import (
	"context"
	"strings"
	"testing"
	"time"

	otlp "github.com/doorward/doorward/internal/testenv/collector"
)

// TestAStopWithACollectorThatHangs: Checks are answered, and the process ends in time.
func TestAStopWithACollectorThatHangs(t *testing.T) {
	c, err := otlp.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	asked := make(chan struct{}, 100)
	c.Answer = func(ctx context.Context) error {
		asked <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+c.Address)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
	f := newFolder(t)
	p := start(t, "--config", f.configure(t, ""))
	if got := verdict(t, p.dial(t, p.grpc, nil), goodToken(f.key)); got != "allowed" {
		t.Errorf("got %s", got)
	}
	<-asked // it hangs now
	if got := verdict(t, p.dial(t, p.grpc, nil), goodToken(f.key)); got != "allowed" {
		t.Errorf("while the collector hangs: %s", got)
	}
	if _, _, metrics := get(t, "http://"+p.http+"/metrics"); !strings.Contains(metrics, `doorward_spans_total{result="lost"}`) {
		t.Error("what is lost is not counted")
	}
	began := time.Now()
	p.stop()
	if code := p.wait(t); code != 0 || time.Since(began) > 15*time.Second {
		t.Errorf("exit %d after %v", code, time.Since(began))
	}
}

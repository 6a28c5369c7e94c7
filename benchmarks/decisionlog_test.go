//go:build unix

package benchmarks_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/doorward/doorward/benchmarks/traffic"
	"github.com/doorward/doorward/internal/decisionlog"
)

// BenchmarkDecisionLog is a hot Check, from bytes to bytes, without and with the decision log. The
// metric cpu-ns/op is the time of all threads, the log's own among them; a
// service's part of it, which is in the same process here, is not the log's.
func BenchmarkDecisionLog(b *testing.B) {
	service := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	defer service.Close()
	dead := httptest.NewServer(nil)
	dead.Close()
	for _, row := range []struct{ name, to string }{
		{"off", ""},
		{"file", decisionlog.FilePrefix + os.DevNull},
		{"service", service.URL},
		{"dead", dead.URL},
	} {
		b.Run(row.name, func(b *testing.B) {
			w := newWorld(b, "ES256", 1, remember)
			state := *w.server.State()
			if row.to != "" {
				state.Decisions = openLog(b, row.to)
			}
			if err := w.server.Swap(&state); err != nil {
				b.Fatal(err)
			}
			wires := [][]byte{w.wires[0], traffic.Encode(w.tokens[0], traffic.Raw, 1)} // no two of Envoy's are equal
			w.ask(b)
			b.ReportAllocs()
			began, n := cpu(b), 0
			for b.Loop() {
				w.answer(wires[n%2])
				n++
			}
			b.ReportMetric(float64(cpu(b)-began)/float64(n), "cpu-ns/op")
		})
	}
}

func openLog(t testing.TB, to string) *decisionlog.Log {
	t.Helper()
	log, err := decisionlog.New(decisionlog.Options{
		To: to, InsecureHTTPHosts: []string{"loopback"}, SampleAllows: 1, Buffer: 16 << 20, Labels: map[string]string{"id": "benchmark", "version": "dev"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		log.Close(ctx)
	})
	return log
}

// cpu is what the process has used so far.
func cpu(t testing.TB) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

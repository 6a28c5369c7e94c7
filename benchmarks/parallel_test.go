package benchmarks_test

import (
	"context"
	"testing"
)

// BenchmarkHotAnswerParallel is the same on every processor at once: what it
// takes longer with two than with one is what Checks cost each other (-cpu 1,2).
func BenchmarkHotAnswerParallel(b *testing.B) {
	w := newWorld(b, "RS256", 1, remember)
	w.ask(b)
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			w.server.Answer(context.Background(), append([]byte(nil), w.wires[0]...))
		}
	})
}

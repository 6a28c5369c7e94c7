package benchmarks_test

import (
	"runtime"
	"testing"
)

// What a Check may allocate: what it does, and a little room. Lower them when it
// does less. They are no times, so that they mean the same on every machine.
var limits = []limit{
	{"hot, bytes in to bytes out", remember, 6, 3 << 10},
	{"cold, bytes in to bytes out", forget, 135, 11 << 10},
}

type limit struct {
	intent      string
	cache       int64   // of tokens
	allocations float64 // of one Check
	bytes       float64 // in them
}

// TestLimits counts, and measures no time: a Check that becomes dearer is seen
// before anybody runs a benchmark.
func TestLimits(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates too; `make test` runs this without it as well")
	}
	const tokens, checks = 8, 200
	for _, limit := range limits {
		w := newWorld(t, "ES256", tokens, limit.cache)
		ask := func(n int) {
			for i := range n {
				w.answer(w.wires[i%tokens])
			}
		}
		ask(2 * tokens) // whatever is made once is made
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		ask(checks)
		runtime.ReadMemStats(&after)
		allocations, bytes := float64(after.Mallocs-before.Mallocs)/checks, float64(after.TotalAlloc-before.TotalAlloc)/checks
		t.Logf("%s: %.0f allocations, %.0f bytes", limit.intent, allocations, bytes)
		if allocations > limit.allocations || bytes > limit.bytes {
			t.Errorf("%s: %.0f allocations and %.0f bytes a Check; the limits are %.0f and %.0f", limit.intent, allocations, bytes, limit.allocations, limit.bytes)
		}
	}
}

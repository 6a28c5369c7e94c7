package benchmarks_test

import (
	"runtime"
	"testing"
)

// The limits of what a Check allocates: its present count, and a small margin. Lower
// them when a Check allocates less. They are counts, which are the same on every
// machine.
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

// TestLimits counts allocations and measures no time, so that every test run finds a
// Check that costs more.
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
		ask(2 * tokens) // everything that is made once exists now
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

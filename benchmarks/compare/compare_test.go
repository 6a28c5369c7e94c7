package main

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/doorward/doorward/benchmarks/gobench"
)

// TestMedianInterval holds the ranks against a table of the sign test: with 20
// values the interval is from the 6th to the 15th, with fewer than 6 there is
// none.
func TestMedianInterval(t *testing.T) {
	for n, want := range map[int]int{1: 0, 5: 0, 6: 1, 9: 2, 12: 3, 15: 4, 20: 6, 30: 10} {
		if got := rank(n); got != want {
			t.Errorf("rank(%d) is %d, not %d", n, got, want)
		}
	}
	values := make([]float64, 20)
	for i, at := range rand.Perm(20) {
		values[at] = float64(i + 1)
	}
	if got, want := medianInterval(values), (interval{6, 10.5, 15}); got != want {
		t.Errorf("the interval of 1 to 20 is %v, not %v", got, want)
	}
	if got := medianInterval(values[:5]); !math.IsInf(got.high, 1) || got.low != 0 {
		t.Errorf("five values have the interval %v", got)
	}
}

func TestVerdicts(t *testing.T) {
	for _, row := range []struct {
		intent  string
		time    interval
		base    []float64
		allocs  []float64
		verdict string
		failed  bool
	}{
		{"the same", interval{0.99, 1, 1.01}, []float64{4, 4, 4}, []float64{4, 4, 4}, "ok", false},
		{"slower for certain", interval{1.021, 1.05, 1.06}, []float64{4, 4, 4}, []float64{4, 4, 4}, "slower", true},
		{"slower for certain, by how much is unclear", interval{1.03, 1.2, 1.4}, []float64{4, 4, 4}, []float64{4, 4, 4}, "slower", true},
		{"at the limit", interval{1.02, 1.03, 1.05}, []float64{4, 4, 4}, []float64{4, 4, 4}, "ok", false},
		{"too wide", interval{0.98, 1, 1.03}, []float64{4, 4, 4}, []float64{4, 4, 4}, "undecided", false},
		{"one more allocation", interval{0.9, 0.9, 0.9}, []float64{4, 4, 4}, []float64{5, 5, 4}, "more allocations", true},
		{"as many as the base has at times", interval{0.99, 1, 1.01}, []float64{650, 652, 651}, []float64{652, 652, 652}, "ok", false},
		{"fewer allocations", interval{0.99, 1, 1.01}, []float64{4, 4, 4}, []float64{3, 3, 3}, "ok", false},
	} {
		c := comparison{"x", row.time, row.allocs, row.base}
		if c.verdict() != row.verdict || c.failed() != row.failed {
			t.Errorf("%s: %q, failed %v", row.intent, c.verdict(), c.failed())
		}
	}
}

func TestReport(t *testing.T) {
	base := map[string]gobench.Values{
		"Hot":  {"ns/op": {100, 110, 90, 100, 100, 100}, "allocs/op": {4, 4, 4, 4, 4, 4}},
		"Gone": {"ns/op": {1}},
	}
	changed := map[string]gobench.Values{
		"Hot": {"ns/op": {120, 132, 108, 120, 120, 120}, "allocs/op": {4, 4, 4, 4, 4, 4}},
		"New": {"ns/op": {1}},
	}
	both, only := compare(base, changed)
	var out strings.Builder
	if !report(&out, both, only) {
		t.Error("a fifth slower in every round, and the comparison did not fail")
	}
	for _, want := range []string{"1.200", "slower", "New (new)", "Gone (gone)"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

func TestNoBase(t *testing.T) {
	if _, err := run(context.Background(), options{}, new(strings.Builder)); err == nil || !strings.Contains(err.Error(), "BASE") {
		t.Errorf("no base gives %v", err)
	}
}

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/doorward/doorward/benchmarks/gobench"
)

// The bounds of a comparison.
const (
	slowest = 1.02 // the lower end of the ratio's interval may be this at most
	widest  = 0.04 // an interval that is wider than this decides nothing
)

// comparison is one benchmark at both commits.
type comparison struct {
	name               string
	time               interval  // of the change, over the base
	allocs, baseAllocs []float64 // of one operation, for each round
}

// verdict returns the printed verdict of one comparison.
func (c comparison) verdict() string {
	switch {
	case c.allocatesMore():
		return "more allocations"
	case c.time.low > slowest:
		return "slower"
	case c.time.high-c.time.low > widest:
		return "undecided"
	default:
		return "ok"
	}
}

// allocatesMore reports whether the change usually allocates more than the base ever
// did: a count that depends on the order of a map differs between rounds.
func (c comparison) allocatesMore() bool {
	return len(c.baseAllocs) > 0 && medianOf(c.allocs) > slices.Max(c.baseAllocs)
}

func (c comparison) failed() bool {
	verdict := c.verdict()
	return verdict == "slower" || verdict == "more allocations"
}

// compare pairs the rounds of both commits: round n of one ran directly before or
// after round n of the other. only lists the benchmarks of one commit alone.
func compare(base, changed map[string]gobench.Values) (both []comparison, only []string) {
	for _, name := range slices.Sorted(maps.Keys(changed)) {
		before, there := base[name]
		if !there {
			only = append(only, name+" (new)")
			continue
		}
		after := changed[name]
		both = append(both, comparison{
			name:       name,
			time:       medianInterval(ratios(after["ns/op"], before["ns/op"])),
			allocs:     after["allocs/op"],
			baseAllocs: before["allocs/op"],
		})
	}
	for _, name := range slices.Sorted(maps.Keys(base)) {
		if _, there := changed[name]; !there {
			only = append(only, name+" (gone)")
		}
	}
	return both, only
}

func ratios(numerators, denominators []float64) []float64 {
	quotients := make([]float64, min(len(numerators), len(denominators)))
	for i := range quotients {
		quotients[i] = numerators[i] / denominators[i]
	}
	return quotients
}

// medianOf returns 0 if nothing was measured.
func medianOf(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return median(slices.Sorted(slices.Values(values)))
}

// report prints a table, and returns whether a benchmark failed.
func report(out io.Writer, both []comparison, only []string) (failed bool) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "benchmark\ttime, change / base\t95 % interval\tallocations\tverdict")
	for _, c := range both {
		_, _ = fmt.Fprintf(table, "%s\t%.3f\t%.3f to %.3f\t%.0f -> %.0f\t%s\n",
			c.name, c.time.median, c.time.low, c.time.high, medianOf(c.baseAllocs), medianOf(c.allocs), c.verdict())
		failed = failed || c.failed()
	}
	_ = table.Flush()
	for _, name := range only {
		_, _ = fmt.Fprintln(out, "not compared:", name)
	}
	return failed
}

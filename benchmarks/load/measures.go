package main

import (
	"github.com/doorward/doorward/benchmarks/traffic"
)

// measure is a bound on speed, with a verdict on each of its findings.
type measure struct {
	what      string
	unit      string
	must, aim float64 // at most; 0 where there is no bound
	look      func(*results) []finding
}

// finding is one value of a measure.
type finding struct {
	of string
	summary
	reportOnly bool // without a verdict
}

// measures are in the order of the page.
var measures = []measure{
	{
		"CPU of a hot Check over the empty stock server's: doorward at the GC setting that it ships with, " +
			"the other at Go's",
		"×", 0.80, 0.60, cpuOver(doorward, empty),
	},
	{"the same, both at the GC setting that doorward ships with", "×", 1.0, 0.85, cpuOver(doorward, emptyShipped)},
	{"the same, both at Go's own GC setting", "×", 1.0, 0.85, cpuOver(doorwardPlain, empty)},
	{"CPU of a hot Check over the usual service's", "×", 0.10, 0.06, cpuOver(doorward, usual)},
	{"CPU of a hot Check with a decision log to a file over that without", "×", 1.3, 0, cpuOver(logFile, doorward)},
	{"the same, to a service that does not exist", "×", 1.3, 0, cpuOver(logDead, doorward)},
	{
		"CPU of a hot Check with two processors over that with one", "×", 1.15, 1.05,
		cpuOver(twoProcessors, oneProcessor),
	},
	{
		"CPU of a hot Check that decides by the metadata of Envoy's mcp filter", "×", 1.15, 0,
		cpuOver(byMetadata, doorward),
	},
	{"the same, by headers", "×", 1.1, 0, cpuOver(byHeaders, doorward)},
	{"the same, by a body of 1 KiB", "×", 1.8, 0, cpuOver(byBody, doorward)},
	{
		"hot Check in the process, bytes in to bytes out, without gRPC", "us", 5, 2.5,
		benchmarked(1e-3, "ns/op", "HotAnswer"),
	},
	{"the same", "allocations", 15, 6, benchmarked(1, "allocs/op", "HotAnswer")},
	{
		"cold Check in the process over the bare verification by the standard library", "×", 1.6, 1.3,
		benchmarked(1, "x-bare", "ColdCheck/RS256", "ColdCheck/ES256", "ColdCheck/EdDSA"),
	},
	{
		"p99.9 of good traffic at half of capacity, while something is wrong, over that before", "×", 1.5, 1.15,
		(*results).disturbed,
	},
	{"share of the garbage collector in doorward's CPU at saturation", "%", 5, 2, (*results).collected},
}

// cpuOver compares two services round by round, under each load. The verdict is
// on saturation: at a rate, most of the processor time is waking up for each
// request.
func cpuOver(a, b string) func(*results) []finding {
	return func(r *results) []finding {
		var found []finding
		for _, l := range r.plan.loads {
			ratios := over(r.checks.cost(a, l), r.checks.cost(b, l))
			if len(ratios) > 0 {
				found = append(found, finding{l.String(), summarize(ratios), l.rate > 0})
			}
		}
		return found
	}
}

// cost is the processor time of a Check in nanoseconds, by round.
func (all cells) cost(name string, l load) []float64 {
	var costs []float64
	for _, c := range all[name][l] {
		costs = append(costs, c.perCheck(c.cpu))
	}
	return costs
}

func benchmarked(factor float64, unit string, names ...string) func(*results) []finding {
	return func(r *results) []finding {
		var found []finding
		for _, name := range names {
			var values []float64
			for _, value := range r.process[name][unit] {
				values = append(values, value*factor)
			}
			if len(values) > 0 {
				found = append(found, finding{of: name, summary: summarize(values)})
			}
		}
		return found
	}
}

// disturbed returns the p99.9 during each scenario over the p99.9 before it.
func (r *results) disturbed() []finding {
	var found []finding
	for _, t := range r.plan.scenarios {
		var ratios []float64
		for _, result := range r.scenarios[t.title] {
			ratios = append(ratios, traffic.Ratio(result.During().P999, result.Before().P999))
		}
		if len(ratios) > 0 {
			found = append(found, finding{r.scenarios[t.title][0].Name(), summarize(ratios), t.onTop})
		}
	}
	return found
}

// collected returns the share of the garbage collector in all rounds together: a
// single round has few collections.
func (r *results) collected() []finding {
	var gc, cpu float64
	for _, c := range r.checks[doorward][r.plan.saturation()] {
		gc += c.gc.Seconds()
		cpu += c.cpu.Seconds()
	}
	if gc == 0 {
		return nil // no such metric
	}
	return []finding{{of: r.plan.saturation().String(), summary: summarize([]float64{100 * gc / cpu})}}
}

// verdict compares what was found with the bounds.
func (m measure) verdict(f finding) string {
	reached := f.median
	switch {
	case m.must == 0 || f.reportOnly:
		return ""
	case reached > m.must:
		return "**missed**"
	case m.aim == 0, reached > m.aim:
		return "kept"
	default:
		return "kept, and the aim"
	}
}

package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/doorward/doorward/benchmarks/chart"
	"github.com/doorward/doorward/benchmarks/disturbance"
)

// The pictures' measures, in pixels.
const (
	width  = 1000.0
	left   = 250.0
	right  = 960.0
	head   = 74.0
	barGap = 22.0
)

// drawCost is a bar for each service under each load.
func (r *results) drawCost() []byte {
	if r.checks == nil {
		return nil
	}
	var c chart.Canvas
	names, most := r.names(), 0.0
	for _, name := range names {
		for _, l := range r.plan.loads {
			most = max(most, spreadOf(r.checks.cost(name, l)).high)
		}
	}
	group := barGap*float64(len(r.plan.loads)) + 14
	height := head + group*float64(len(names)) + 12
	c.Rect("card", chart.Point{X: 0.5, Y: 0.5}, width-1, height-1)
	c.Text("head", chart.Point{X: 20, Y: 32}, "Processor time of one Check")
	c.Text("small", chart.Point{X: 20, Y: 52}, fmt.Sprintf("Microseconds of the whole service process, median of %d rounds; the whiskers are the lowest and the highest round.", r.plan.rounds))
	x := func(cost float64) float64 { return left + (right-left-160)*cost/most }
	for i, name := range names {
		top := head + group*float64(i)
		c.Text("title right", chart.Point{X: left - 12, Y: top + group/2}, name)
		for j, l := range r.plan.loads {
			y := top + barGap*float64(j)
			cost := spreadOf(r.checks.cost(name, l))
			if cost.rounds == 0 {
				continue // too fast for it
			}
			c.Rect("band", chart.Point{X: left, Y: y + 3}, x(cost.median)-left, barGap-6)
			c.Line("p50", chart.Point{X: x(cost.low), Y: y + barGap/2}, chart.Point{X: x(cost.high), Y: y + barGap/2})
			c.Text("small", chart.Point{X: x(cost.high) + 8, Y: y + barGap/2 + 4}, fmt.Sprintf("%s at %s", digits(cost.median/1000), l))
		}
	}
	return c.Document(width, height, "Processor time of one Check, by service and load")
}

// lines are the classes that tell services apart, in their order.
var lines = []string{"p50", "p99", "other", "ok", "failed", "late", "edge", "grid"}

// drawServices compares the services at a rate that each can do.
func (r *results) drawServices() []byte {
	names := []string{empty, usual, doorward}
	for _, c := range r.plan.contenders {
		if c.command != nil {
			names = append(names, c.name)
		}
	}
	return r.drawLatency("Latency of one Check over gRPC", names, r.plan.loads[0])
}

// drawLogs compares where the decision log goes, at the highest rate.
func (r *results) drawLogs() []byte {
	return r.drawLatency("Latency of one Check by where the decision log goes", []string{doorward, logFile, logDead}, r.plan.loads[len(r.plan.loads)-2])
}

// drawLatency is a curve for each service: which latency so many of its answers
// did not exceed, on an axis that gives each further nine as much room.
func (r *results) drawLatency(title string, names []string, rate load) []byte {
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return r.checks[name] == nil })
	if len(names) == 0 {
		return nil
	}
	const plotHeight, floor = 300.0, 3.5 // as far as 99.97 %
	var c chart.Canvas
	height := head + plotHeight + 90
	c.Rect("card", chart.Point{X: 0.5, Y: 0.5}, width-1, height-1)
	c.Text("head", chart.Point{X: 20, Y: 32}, title+", at "+rate.String())
	c.Text("small", chart.Point{X: 20, Y: 52}, "From when each was due; all rounds together. Read: so many of a hundred answers came within so many milliseconds.")
	const plotLeft, lowest, highest = 90.0, 1e5, 1e9 // nanoseconds
	x := func(percentile float64) float64 {
		return plotLeft + (right-plotLeft)*min(-math.Log10(1-percentile/100), floor)/floor
	}
	y := func(latency float64) float64 { return head + plotHeight*(1-chart.LogScale(latency, lowest, highest)) }
	for latency := lowest; latency <= highest; latency *= 10 {
		c.Line("grid", chart.Point{X: plotLeft, Y: y(latency)}, chart.Point{X: right, Y: y(latency)})
		c.Text("small right", chart.Point{X: plotLeft - 8, Y: y(latency) + 4}, digits(latency/1e6)+" ms")
	}
	for _, percentile := range []float64{0, 50, 90, 99, 99.9} {
		c.Line("grid", chart.Point{X: x(percentile), Y: head}, chart.Point{X: x(percentile), Y: head + plotHeight})
		c.Text("small middle", chart.Point{X: x(percentile), Y: head + plotHeight + 18}, fmt.Sprintf("%g %%", percentile))
	}
	for i, name := range names {
		h, _, _ := r.checks.merged(name, rate)
		var curve []chart.Point
		for nines := 0.0; nines <= floor; nines += 0.02 {
			percentile := 100 * (1 - math.Pow(10, -nines))
			curve = append(curve, chart.Point{X: x(percentile), Y: y(float64(h.ValueAtPercentile(percentile)))})
		}
		class := lines[i%len(lines)]
		c.Path("bare "+class, curve, false)
		at := chart.Point{X: plotLeft + 290*float64(i), Y: head + plotHeight + 50}
		c.Line(class, at, chart.Point{X: at.X + 24, Y: at.Y})
		c.Text("small", chart.Point{X: at.X + 32, Y: at.Y + 4}, name)
	}
	return c.Document(width, height, title)
}

// drawTroubles is a panel for each trouble: the round whose p99.9 was the median.
func (r *results) drawTroubles() []byte {
	if r.troubles == nil {
		return nil
	}
	var shown []*disturbance.Result
	for _, t := range r.plan.troubles {
		rounds := slices.Clone(r.troubles[t.title])
		if len(rounds) == 0 {
			continue
		}
		slices.SortFunc(rounds, func(a, b *disturbance.Result) int { return int(a.During().P999 - b.During().P999) })
		shown = append(shown, rounds[len(rounds)/2])
	}
	return disturbance.Draw(shown, "Requests on known keys, while something is wrong",
		fmt.Sprintf("Latency of one Check over gRPC at %.0f requests a second, half of the capacity, from when each was due; seconds from the start of the disturbance.", r.traffic),
		"Latency of requests on known keys during each disturbance")
}

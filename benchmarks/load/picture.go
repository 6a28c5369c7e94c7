package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/doorward/doorward/benchmarks/chart"
	"github.com/doorward/doorward/benchmarks/scenario"
)

// The pictures' measures, in pixels.
const (
	width = 1000.0
	left  = 250.0
	right = 960.0
	head  = 74.0
)

// bar is a service in words for the picture, and its cost in nanoseconds.
type bar struct {
	words string
	cost  summary
}

// drawCost draws three services at saturation, where the processor time is that of
// the work and not of waking up for each request. The page has the others.
func (r *results) drawCost() []byte {
	if r.checks == nil {
		return nil
	}
	full := r.plan.saturation()
	return drawBars([]bar{
		{"an empty server", summarize(r.checks.cost(empty, full))},
		{"one built with OPA as usual", summarize(r.checks.cost(usual, full))},
		{"doorward", summarize(r.checks.cost(doorward, full))},
	}, r.plan.rounds)
}

func drawBars(bars []bar, rounds int) []byte {
	var c chart.Canvas
	most := 0.0
	for _, b := range bars {
		most = max(most, b.cost.high)
	}
	const group = 44.0
	height := head + group*float64(len(bars)) + 12
	c.Rect("card", chart.Point{X: 0.5, Y: 0.5}, width-1, height-1)
	c.Text("head", chart.Point{X: 20, Y: 32}, "Processor time of one Check")
	c.Text("small", chart.Point{X: 20, Y: 52}, fmt.Sprintf("Microseconds of the whole service process at saturation, "+
		"median of %d rounds; the whiskers are the lowest and the highest.", rounds))
	x := func(cost float64) float64 { return left + (right-left-80)*cost/most }
	for i, b := range bars {
		y := head + group*float64(i)
		c.Text("title right", chart.Point{X: left - 12, Y: y + group/2 + 2}, b.words)
		c.Rect("band", chart.Point{X: left, Y: y + 6}, x(b.cost.median)-left, group-18)
		middle := y + group/2 - 3
		c.Line("p50", chart.Point{X: x(b.cost.low), Y: middle}, chart.Point{X: x(b.cost.high), Y: middle})
		c.Text("title", chart.Point{X: x(b.cost.high) + 10, Y: y + group/2 + 2}, digits(b.cost.median/1000))
	}
	return c.Document(width, height,
		"Processor time of one Check: an empty server, one built with OPA as usual, doorward")
}

// lines are the classes of the services, in their order.
var lines = []string{"p50", "p99", "other", "ok", "failed", "late", "edge", "grid"}

// drawServices compares the services at a rate that each of them can answer.
func (r *results) drawServices() []byte {
	names := []string{empty, usual, doorward}
	for _, c := range r.plan.targets {
		if c.command != nil {
			names = append(names, c.name)
		}
	}
	return r.drawLatency("Latency of one Check over gRPC", names, r.plan.loads[0])
}

// drawLogs compares the destinations of the decision log, at the highest rate.
func (r *results) drawLogs() []byte {
	return r.drawLatency("Latency of one Check by where the decision log goes",
		[]string{doorward, logFile, logDead}, r.plan.loads[len(r.plan.loads)-2])
}

// drawLatency draws a curve for each service: latency by percentile, on an axis that
// gives each further nine the same width.
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
	c.Text("small", chart.Point{X: 20, Y: 52}, "From when each was due; all rounds together. "+
		"Read: so many of a hundred answers came within so many milliseconds.")
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
		label := chart.Point{X: x(percentile), Y: head + plotHeight + 18}
		c.Text("small middle", label, fmt.Sprintf("%g %%", percentile))
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

// drawScenarios draws a panel for each of three scenarios, so that the picture fits
// a screen. A panel shows the round whose p99.9 is the median.
func (r *results) drawScenarios() []byte {
	if r.scenarios == nil {
		return nil
	}
	var shown []*scenario.Result
	for _, t := range r.plan.scenarios {
		rounds := slices.Clone(r.scenarios[t.title])
		if len(rounds) == 0 || !t.drawn {
			continue
		}
		slices.SortFunc(rounds, func(a, b *scenario.Result) int { return int(a.During().P999 - b.During().P999) })
		shown = append(shown, rounds[len(rounds)/2])
	}
	return scenario.Draw(shown, "Requests on known keys, while something is wrong",
		fmt.Sprintf("Latency of one Check over gRPC at %.0f requests a second, half of the capacity, "+
			"from when each was due; seconds from the start of the scenario.", r.traffic),
		"Latency of requests on known keys during each scenario")
}

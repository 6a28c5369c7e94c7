package main

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// The picture's measures, in pixels.
const (
	pageWidth   = 1000.0
	headHeight  = 122.0
	panelHeight = 282.0
	plotLeft    = 96.0
	plotRight   = 976.0
	plotTop     = 68.0 // from the panel's top
	plotHeight  = 150.0
	laneTop     = plotTop + plotHeight + 6
	laneHeight  = 16.0
	footHeight  = 8.0
)

// The latencies at the ends of the axis.
const (
	lowest  = 100 * time.Microsecond
	highest = time.Second
)

// draw makes the picture: one panel under the other.
func draw(results []*result) []byte {
	var c canvas
	height := headHeight + panelHeight*float64(len(results)) + footHeight
	c.rect("card", point{0.5, 0.5}, pageWidth-1, height-1)
	drawHead(&c)
	for i, r := range results {
		p := panel{result: r, canvas: &c, top: headHeight + panelHeight*float64(i)}
		p.draw()
	}
	return c.document(pageWidth, height, "Latency of requests on known keys during a rotation, an outage, a flood of unknown keys and a flood of forged tokens")
}

func drawHead(c *canvas) {
	c.text("head", point{20, 32}, "Requests on known keys, while something is wrong with the keys")
	c.text("small", point{20, 52}, fmt.Sprintf("Latency of one Check over gRPC at %d requests a second, from when each was due; the time is in seconds from the start of the disturbance.", goodRate))
	y := 78.0
	entry := func(x float64, text string, mark func(at point)) {
		mark(point{x, y - 4})
		c.text("small", point{x + 32, y}, text)
	}
	entry(20, "median", func(at point) { c.line("p50", at, point{at.x + 24, at.y}) })
	entry(130, "median to p99", func(at point) {
		c.rect("band", point{at.x, at.y - 5}, 24, 10)
		c.line("p99", point{at.x, at.y - 5}, point{at.x + 24, at.y - 5})
	})
	entry(280, "slowest", func(at point) { c.dot("max", point{at.x + 12, at.y}, 2) })
	entry(390, "slowest of the disturbing requests", func(at point) { c.dot("other", point{at.x + 12, at.y}, 3) })
	entry(650, "disturbance", func(at point) { c.rect("shade", point{at.x, at.y - 6}, 24, 12) })
	y = 98.0
	entry(20, "fetch of the keys", func(at point) { c.line("ok", point{at.x + 12, at.y - 6}, point{at.x + 12, at.y + 6}) })
	entry(190, "fetch that got no keys", func(at point) { c.line("failed", point{at.x + 12, at.y - 6}, point{at.x + 12, at.y + 6}) })
	entry(390, "how late the sender itself was (p99): the machine's own noise, part of every latency here", func(at point) { c.line("late", at, point{at.x + 24, at.y}) })
}

// panel draws one result.
type panel struct {
	*result
	canvas *canvas
	top    float64
}

func (p *panel) draw() {
	before, during := p.before(), p.during()
	p.canvas.text("title", point{20, p.top + 20}, p.title)
	p.canvas.text("small", point{20, p.top + 40}, fmt.Sprintf("before and during:  p50 %s, %s (×%.2f);  p99 %s, %s (×%.2f);  %d of %d good requests refused",
		short(before.p50), short(during.p50), ratio(during.p50, before.p50),
		short(before.p99), short(during.p99), ratio(during.p99, before.p99), p.refused(), len(p.good)))
	note := p.note
	if p.traffic != "" {
		note = fmt.Sprintf("%s: %d sent; answers: %s; %s", p.traffic, len(p.disturbing), tally(p.disturbing), p.note)
	}
	p.canvas.text("note", point{20, p.top + 58}, note)
	p.shade()
	p.axes()
	p.latencies()
	p.lane()
}

// x is where a time is. y is where a latency is, on a logarithmic scale that
// ends at the frame.
func (p *panel) x(at time.Duration) float64 {
	whole := p.windows.before + p.windows.during + p.windows.after
	return plotLeft + (plotRight-plotLeft)*float64(at+p.windows.before)/float64(whole)
}

func (p *panel) y(latency time.Duration) float64 {
	latency = min(max(latency, lowest), highest)
	share := math.Log(float64(latency)/float64(lowest)) / math.Log(float64(highest)/float64(lowest))
	return p.top + plotTop + plotHeight*(1-share)
}

func (p *panel) shade() {
	left, right := p.x(0), p.x(p.windows.during)
	top, bottom := p.top+plotTop, p.top+laneTop+laneHeight
	p.canvas.rect("shade", point{left, top}, right-left, bottom-top)
	for _, e := range p.events {
		p.canvas.line("edge", point{p.x(e.at), top}, point{p.x(e.at), bottom})
		p.canvas.text("small", point{p.x(e.at) + 6, top + 15}, e.label)
	}
}

func (p *panel) axes() {
	bottom := p.top + plotTop + plotHeight
	for latency := lowest; latency <= highest; latency *= 10 {
		p.canvas.line("grid", point{plotLeft, p.y(latency)}, point{plotRight, p.y(latency)})
		p.canvas.text("small right", point{plotLeft - 8, p.y(latency) + 4}, short(latency))
	}
	w := p.windows
	step := 5 * time.Second
	if w.before+w.during+w.after > 60*time.Second {
		step = 10 * time.Second
	} else if w.before+w.during+w.after < 10*time.Second {
		step = time.Second
	}
	under := p.top + laneTop + laneHeight
	for at := -(w.before / step) * step; at <= w.during+w.after; at += step {
		p.canvas.line("grid", point{p.x(at), under}, point{p.x(at), under + 4})
		p.canvas.text("small middle", point{p.x(at), under + 18}, seconds(at))
	}
	p.canvas.turned("small", point{30, p.top + plotTop + plotHeight/2}, "latency")
	p.canvas.rect("frame", point{plotLeft, p.top + plotTop}, plotRight-plotLeft, bottom-p.top-plotTop)
}

// latencies draws the good requests of each slice of time, and over them the
// slowest of the disturbing ones.
func (p *panel) latencies() {
	w := p.windows
	length := time.Second
	if w.before+w.during+w.after < 20*time.Second {
		length /= 4
	}
	var median, upper, late, area []point
	pieces := cut(p.good, -w.before, w.during+w.after, length)
	for _, piece := range pieces {
		median = append(median, point{p.x(piece.middle), p.y(piece.p50)})
		upper = append(upper, point{p.x(piece.middle), p.y(piece.p99)})
		late = append(late, point{p.x(piece.middle), p.y(piece.late)})
	}
	area = append(area, upper...)
	for i := len(median) - 1; i >= 0; i-- {
		area = append(area, median[i])
	}
	p.canvas.path("band", area, true)
	p.canvas.path("p99", upper, false)
	p.canvas.path("late", late, false)
	p.canvas.path("p50", median, false)
	for _, piece := range pieces {
		p.canvas.dot("max", point{p.x(piece.middle), p.y(piece.max)}, 2)
	}
	for _, piece := range cut(p.disturbing, 0, w.during, length) {
		p.canvas.dot("other", point{p.x(piece.middle), p.y(piece.max)}, 3)
	}
}

// lane is what the authorization server saw.
func (p *panel) lane() {
	top, bottom := p.top+laneTop, p.top+laneTop+laneHeight
	p.canvas.text("small right", point{plotLeft - 8, bottom - 4}, "fetches")
	for _, f := range p.fetches {
		class := "failed"
		if f.met == answers {
			class = "ok"
		}
		p.canvas.line(class, point{p.x(f.at), top + 1}, point{p.x(f.at), bottom})
	}
	count := p.fetchesIn(0, p.windows.during)
	word := "fetches"
	if count == 1 {
		word = "fetch"
	}
	p.canvas.text("title right", point{plotRight, p.top + 40}, fmt.Sprintf("%d %s in %s", count, word, short(p.windows.during)))
}

// seconds of the time axis, with a true minus.
func seconds(at time.Duration) string {
	return strings.Replace(fmt.Sprintf("%d s", at/time.Second), "-", "−", 1)
}

// short is a duration for people: three digits and a unit.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.3g s", d.Seconds())
	default:
		return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
	}
}

// ratio of two latencies; 0 where there is nothing to compare with.
func ratio(a, b time.Duration) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

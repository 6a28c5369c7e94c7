package scenario

import (
	"fmt"
	"strings"
	"time"

	"github.com/doorward/doorward/benchmarks/authority"
	"github.com/doorward/doorward/benchmarks/chart"
	"github.com/doorward/doorward/benchmarks/traffic"
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

// Draw returns the picture as SVG: a head of two lines, and a panel for each result.
// about describes it for screen readers.
func Draw(results []*Result, title, subtitle, about string) []byte {
	var c chart.Canvas
	height := headHeight + panelHeight*float64(len(results)) + footHeight
	c.Rect("card", chart.Point{X: 0.5, Y: 0.5}, pageWidth-1, height-1)
	drawHead(&c, title, subtitle)
	for i, r := range results {
		p := panel{Result: r, canvas: &c, top: headHeight + panelHeight*float64(i)}
		p.draw()
	}
	return c.Document(pageWidth, height, about)
}

func drawHead(c *chart.Canvas, title, subtitle string) {
	c.Text("head", chart.Point{X: 20, Y: 32}, title)
	c.Text("small", chart.Point{X: 20, Y: 52}, subtitle)
	y := 78.0
	entry := func(x float64, text string, mark func(at chart.Point)) {
		mark(chart.Point{X: x, Y: y - 4})
		c.Text("small", chart.Point{X: x + 32, Y: y}, text)
	}
	entry(20, "median", func(at chart.Point) { c.Line("p50", at, chart.Point{X: at.X + 24, Y: at.Y}) })
	entry(130, "median to p99", func(at chart.Point) {
		c.Rect("band", chart.Point{X: at.X, Y: at.Y - 5}, 24, 10)
		c.Line("p99", chart.Point{X: at.X, Y: at.Y - 5}, chart.Point{X: at.X + 24, Y: at.Y - 5})
	})
	entry(280, "slowest", func(at chart.Point) { c.Dot("max", chart.Point{X: at.X + 12, Y: at.Y}, 2) })
	entry(390, "slowest of the disturbing requests", func(at chart.Point) {
		c.Dot("other", chart.Point{X: at.X + 12, Y: at.Y}, 3)
	})
	entry(650, "disturbance", func(at chart.Point) { c.Rect("shade", chart.Point{X: at.X, Y: at.Y - 6}, 24, 12) })
	y = 98.0
	entry(20, "fetch of the keys", func(at chart.Point) {
		c.Line("ok", chart.Point{X: at.X + 12, Y: at.Y - 6}, chart.Point{X: at.X + 12, Y: at.Y + 6})
	})
	entry(190, "fetch that got no keys", func(at chart.Point) {
		c.Line("failed", chart.Point{X: at.X + 12, Y: at.Y - 6}, chart.Point{X: at.X + 12, Y: at.Y + 6})
	})
	const late = "how late the sender itself was (p99): the machine's own noise, part of every latency here"
	entry(390, late, func(at chart.Point) { c.Line("late", at, chart.Point{X: at.X + 24, Y: at.Y}) })
}

// panel draws one result.
type panel struct {
	*Result
	canvas *chart.Canvas
	top    float64
}

func (p *panel) draw() {
	before, during := p.Before(), p.During()
	p.canvas.Text("title", chart.Point{X: 20, Y: p.top + 20}, p.Title)
	p.canvas.Text("small", chart.Point{X: 20, Y: p.top + 40}, fmt.Sprintf(
		"before and during:  p50 %s, %s (×%.2f);  p99 %s, %s (×%.2f);  %d of %d good requests refused",
		traffic.Short(before.P50), traffic.Short(during.P50), traffic.Ratio(during.P50, before.P50),
		traffic.Short(before.P99), traffic.Short(during.P99), traffic.Ratio(during.P99, before.P99),
		p.Refused(), len(p.Sent)))
	note := p.Note
	if p.Traffic != "" {
		note = fmt.Sprintf("%s: %d sent; answers: %s", p.Traffic, len(p.Disturbing), traffic.Tally(p.Disturbing))
		if p.Note != "" {
			note += "; " + p.Note
		}
	}
	p.canvas.Text("note", chart.Point{X: 20, Y: p.top + 58}, note)
	p.shade()
	p.axes()
	p.latencies()
	p.lane()
}

// x returns the position of a time, y that of a latency on a logarithmic scale that
// ends at the frame.
func (p *panel) x(at time.Duration) float64 {
	whole := p.Windows.Before + p.Windows.During + p.Windows.After
	return plotLeft + (plotRight-plotLeft)*float64(at+p.Windows.Before)/float64(whole)
}

func (p *panel) y(latency time.Duration) float64 {
	share := chart.LogScale(float64(latency), float64(lowest), float64(highest))
	return p.top + plotTop + plotHeight*(1-share)
}

func (p *panel) shade() {
	left, right := p.x(0), p.x(p.Windows.During)
	top, bottom := p.top+plotTop, p.top+laneTop+laneHeight
	p.canvas.Rect("shade", chart.Point{X: left, Y: top}, right-left, bottom-top)
	for _, e := range p.Events {
		p.canvas.Line("edge", chart.Point{X: p.x(e.At), Y: top}, chart.Point{X: p.x(e.At), Y: bottom})
		p.canvas.Text("small", chart.Point{X: p.x(e.At) + 6, Y: top + 15}, e.Label)
	}
}

func (p *panel) axes() {
	bottom := p.top + plotTop + plotHeight
	for latency := lowest; latency <= highest; latency *= 10 {
		p.canvas.Line("grid", chart.Point{X: plotLeft, Y: p.y(latency)}, chart.Point{X: plotRight, Y: p.y(latency)})
		p.canvas.Text("small right", chart.Point{X: plotLeft - 8, Y: p.y(latency) + 4}, traffic.Short(latency))
	}
	w := p.Windows
	step := 5 * time.Second
	if w.Before+w.During+w.After > 60*time.Second {
		step = 10 * time.Second
	} else if w.Before+w.During+w.After < 10*time.Second {
		step = time.Second
	}
	under := p.top + laneTop + laneHeight
	for at := -(w.Before / step) * step; at <= w.During+w.After; at += step {
		p.canvas.Line("grid", chart.Point{X: p.x(at), Y: under}, chart.Point{X: p.x(at), Y: under + 4})
		p.canvas.Text("small middle", chart.Point{X: p.x(at), Y: under + 18}, seconds(at))
	}
	p.canvas.Turned("small", chart.Point{X: 30, Y: p.top + plotTop + plotHeight/2}, "latency")
	p.canvas.Rect("frame", chart.Point{X: plotLeft, Y: p.top + plotTop}, plotRight-plotLeft, bottom-p.top-plotTop)
}

// latencies draws the good requests of each slice of time, and over them the
// slowest of the disturbing ones.
func (p *panel) latencies() {
	w := p.Windows
	length := time.Second
	if w.Before+w.During+w.After < 20*time.Second {
		length /= 4
	}
	var median, upper, late, area []chart.Point
	pieces := traffic.Cut(p.Sent, -w.Before, w.During+w.After, length)
	for _, piece := range pieces {
		median = append(median, chart.Point{X: p.x(piece.Middle), Y: p.y(piece.P50)})
		upper = append(upper, chart.Point{X: p.x(piece.Middle), Y: p.y(piece.P99)})
		late = append(late, chart.Point{X: p.x(piece.Middle), Y: p.y(piece.Late)})
	}
	area = append(area, upper...)
	for i := len(median) - 1; i >= 0; i-- {
		area = append(area, median[i])
	}
	p.canvas.Path("band", area, true)
	p.canvas.Path("p99", upper, false)
	p.canvas.Path("late", late, false)
	p.canvas.Path("p50", median, false)
	for _, piece := range pieces {
		p.canvas.Dot("max", chart.Point{X: p.x(piece.Middle), Y: p.y(piece.Max)}, 2)
	}
	for _, piece := range traffic.Cut(p.Disturbing, 0, w.During, length) {
		p.canvas.Dot("other", chart.Point{X: p.x(piece.Middle), Y: p.y(piece.Max)}, 3)
	}
}

// lane draws the fetches that the authorization server received.
func (p *panel) lane() {
	top, bottom := p.top+laneTop, p.top+laneTop+laneHeight
	p.canvas.Text("small right", chart.Point{X: plotLeft - 8, Y: bottom - 4}, "fetches")
	for _, f := range p.Fetches {
		class := "failed"
		if f.Met == authority.Answers {
			class = "ok"
		}
		p.canvas.Line(class, chart.Point{X: p.x(f.At), Y: top + 1}, chart.Point{X: p.x(f.At), Y: bottom})
	}
	count := p.FetchesIn(0, p.Windows.During)
	word := "fetches"
	if count == 1 {
		word = "fetch"
	}
	p.canvas.Text("title right", chart.Point{X: plotRight, Y: p.top + 40},
		fmt.Sprintf("%d %s in %s", count, word, traffic.Short(p.Windows.During)))
}

// seconds labels the time axis, with a minus sign and not a hyphen.
func seconds(at time.Duration) string {
	return strings.Replace(fmt.Sprintf("%d s", at/time.Second), "-", "−", 1)
}

// Package chart draws shapes and text as SVG, for light and dark pages:
//
//	var c chart.Canvas
//	c.Line("grid", chart.Point{X: 0, Y: 10}, chart.Point{X: 100, Y: 10})
//	svg := c.Document(100, 20, "a line")
package chart

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"strings"
)

// style has colours for light and dark pages. The card is white where a page does
// not set its scheme. Colours differ in brightness too.
const style = `
  text { font: 13px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328 }
  .card { fill: #ffffff; stroke: #d0d7de }
  .title { font-weight: 600; font-size: 14px }
  .head { font-weight: 600; font-size: 18px }
  .small { font-size: 12px; fill: #57606a }
  .right { text-anchor: end }
  .middle { text-anchor: middle }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .frame { fill: none; stroke: #8c959f }
  .shade { fill: #fff1c2 }
  .edge { stroke: #bf8700; stroke-width: 1; stroke-dasharray: 4 3 }
  .band { fill: #54aeff; fill-opacity: 0.45 }
  .bare { fill: none }
  .p50 { fill: none; stroke: #0a3069; stroke-width: 2 }
  .p99 { fill: none; stroke: #0969da; stroke-width: 1.2 }
  .max { fill: #57606a }
  .other { fill: none; stroke: #bc4c00; stroke-width: 1.5 }
  .late { fill: none; stroke: #57606a; stroke-width: 1.2; stroke-dasharray: 1.5 3 }
  .note { font-size: 12px; fill: #953800 }
  .ok { stroke: #1a7f37; stroke-width: 2 }
  .failed { stroke: #cf222e; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .card { fill: #0d1117; stroke: #30363d }
    .small { fill: #9da7b3 }
    .grid { stroke: #30363d }
    .frame { stroke: #6e7681 }
    .shade { fill: #3a2d00 }
    .edge { stroke: #d29922 }
    .band { fill: #1f6feb; fill-opacity: 0.5 }
    .p50 { stroke: #cae8ff }
    .p99 { stroke: #58a6ff }
    .max { fill: #b1bac4 }
    .other { stroke: #ffa657 }
    .late { stroke: #9da7b3 }
    .note { fill: #ffa657 }
    .ok { stroke: #3fb950 }
    .failed { stroke: #ff7b72 }
  }
`

// Point is a place on the canvas, in pixels from the upper left.
type Point struct{ X, Y float64 }

// Canvas collects the shapes of an SVG document. Their classes are those of the
// style. The zero value is empty.
type Canvas struct{ body strings.Builder }

// Rect draws a rectangle from its upper left.
func (c *Canvas) Rect(class string, at Point, width, height float64) {
	fmt.Fprintf(&c.body, `<rect class=%q x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`+"\n",
		class, at.X, at.Y, width, height)
}

// Line draws a line between two points.
func (c *Canvas) Line(class string, from, to Point) {
	fmt.Fprintf(&c.body, `<line class=%q x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`+"\n",
		class, from.X, from.Y, to.X, to.Y)
}

// Dot draws a circle around a point.
func (c *Canvas) Dot(class string, at Point, radius float64) {
	fmt.Fprintf(&c.body, `<circle class=%q cx="%.1f" cy="%.1f" r="%.1f"/>`+"\n", class, at.X, at.Y, radius)
}

// Path draws a line through points, or the area inside of it if closed.
func (c *Canvas) Path(class string, points []Point, closed bool) {
	if len(points) == 0 {
		return
	}
	fmt.Fprintf(&c.body, `<path class=%q d="`, class)
	for i, p := range points {
		command := "L"
		if i == 0 {
			command = "M"
		}
		fmt.Fprintf(&c.body, "%s%.1f %.1f", command, p.X, p.Y)
	}
	if closed {
		c.body.WriteString("Z")
	}
	c.body.WriteString(`"/>` + "\n")
}

// Text draws text that begins at a point. With the class right it ends there, with
// middle it is centred.
func (c *Canvas) Text(class string, at Point, text string) {
	var escaped bytes.Buffer
	_ = xml.EscapeText(&escaped, []byte(text)) // a Buffer takes everything
	fmt.Fprintf(&c.body, `<text class=%q x="%.1f" y="%.1f">%s</text>`+"\n", class, at.X, at.Y, escaped.String())
}

// Turned draws text that reads upwards, centred at a point.
func (c *Canvas) Turned(class string, at Point, text string) {
	fmt.Fprintf(&c.body, `<g transform="translate(%.1f %.1f) rotate(-90)">`, at.X, at.Y)
	c.Text(class+" middle", Point{}, text)
	c.body.WriteString("</g>\n")
}

// Document returns the SVG. about describes the picture for screen readers.
func (c *Canvas) Document(width, height float64, about string) []byte {
	var out, escaped bytes.Buffer
	_ = xml.EscapeText(&escaped, []byte(about)) // a Buffer takes everything
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" `+
		`width="%.0f" height="%.0f" role="img">`+"\n", width, height, width, height)
	fmt.Fprintf(&out, "<title>%s</title>\n<style>%s</style>\n", escaped.String(), style)
	out.WriteString(c.body.String())
	out.WriteString("</svg>\n")
	return out.Bytes()
}

// LogScale returns the position of a value between two ends on a logarithmic scale,
// from 0 to 1. A value outside is at the nearest end.
func LogScale(value, lowest, highest float64) float64 {
	value = min(max(value, lowest), highest)
	return math.Log(value/lowest) / math.Log(highest/lowest)
}

package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	indent    = "   "
	stepWidth = 56
)

// SGR codes (ECMA-48).
const (
	bold  = "1"
	red   = "31"
	green = "32"
)

// page is where a person reads.
type page struct {
	out    io.Writer
	colour bool
}

func (p *page) paint(code, text string) string {
	if !p.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p *page) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(p.out, format, args...) // who closed the page does not read it
}

// say begins a part of the page.
func (p *page) say(heading string) { p.printf("\n%s\n", p.paint(bold, heading)) }

func (p *page) text(line string) { p.printf("%s\n", line) }

// begin shows what is under way; end follows on the same line.
func (p *page) begin(step string) { p.printf("%s%s ", indent, pad(step, stepWidth)) }

func (p *page) end(r row) {
	p.printf("%6.1f s  %s %s", r.took.Seconds(), p.mark(r), r.got)
	if !r.ok() {
		p.printf("%s", p.paint(red, "; wanted: "+r.wanted))
	}
	if r.note != "" {
		p.printf(" (%s)", r.note)
	}
	p.printf("\n")
}

func (p *page) mark(r row) string {
	if r.ok() {
		return p.paint(green, "✓")
	}
	return p.paint(red, "✗")
}

// table shows every step of every server, and those that were not run.
func (p *page) table(results *results) {
	p.say("Summary")
	lines := [][4]string{{"server", "step", "wanted", "got"}}
	for _, r := range results.rows {
		lines = append(lines, [4]string{r.server, r.step, r.wanted, firstLine(r.got)})
	}
	for _, n := range results.notRun {
		lines = append(lines, [4]string{n.server, "not run: " + n.why, "", ""})
	}
	var width [4]int
	for i, line := range lines {
		for c, cell := range line {
			if i <= len(results.rows) { // a reason may be long, and stands alone on its line
				width[c] = max(width[c], utf8.RuneCountInString(cell))
			}
		}
	}
	for i, line := range lines {
		mark := " "
		if i > 0 && i <= len(results.rows) {
			mark = p.mark(results.rows[i-1])
		}
		text := pad(line[0], width[0]) + "  " + pad(line[1], width[1]) + "  " + pad(line[2], width[2]) + "  " + line[3]
		p.printf("%s\n", strings.TrimRight(mark+" "+text, " "))
	}
}

// summary is the last word.
func (p *page) summary(results *results, took time.Duration) {
	seconds := fmt.Sprintf("(%.0f s)", took.Seconds())
	switch wrong := results.wrong(); {
	case wrong > 0:
		p.printf("\n%s\n", p.paint(red, fmt.Sprintf("✗ %d of %d steps differed from what was wanted %s", wrong, len(results.rows), seconds)))
	case len(results.rows) == 0:
		p.printf("\nNothing was run %s\n", seconds)
	default:
		p.printf("\n%s\n", p.paint(green, fmt.Sprintf("✓ All %d steps went as they should %s", len(results.rows), seconds)))
	}
	for _, n := range results.notRun {
		p.printf("%s was not run: %s\n", n.server, n.why)
	}
}

// running says where everything is.
func (p *page) running(kept []*half) {
	p.say("Running until Ctrl-C")
	for _, h := range kept {
		if h.missing != "" || h.door == nil {
			continue
		}
		p.printf("%s%s\n", indent, h.name)
		for _, line := range [][2]string{
			{"issuer", h.door.issuer},
			{"MCP endpoint", h.door.resource},
			{"a client", "svc, with the secret svc-secret"},
			{"doorward", "http://" + h.door.http + "/readyz and /metrics"},
			{"its files", h.door.folder},
		} {
			p.printf("%s%s%-14s %s\n", indent, indent, line[0], line[1])
		}
	}
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

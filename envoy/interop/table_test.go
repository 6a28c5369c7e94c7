package interop

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// results are the steps of all suites.
type results struct {
	rows   []row
	notRun []notRun
}

// row is one step that was taken.
type row struct {
	server, step, wanted, got, note string
	suite                           string   // its flag
	cells, words                    []string // of the tables in INTEROP.md
	feature                         feature
	took                            time.Duration
}

func (r row) ok() bool { return r.got == r.wanted }

// notRun is a suite that could not run here.
type notRun struct{ flag, server, why string }

func (r *results) wrong() int {
	n := 0
	for _, row := range r.rows {
		if !row.ok() {
			n++
		}
	}
	return n
}

// verdict is an error for a difference, for a suite that was asked for and could
// not run, and where no step was taken at all.
func (r *results) verdict(o options) error {
	if wrong := r.wrong(); wrong > 0 {
		return fmt.Errorf("%d of %d steps differ", wrong, len(r.rows))
	}
	for _, n := range r.notRun {
		if o.require || o.only == n.flag {
			return fmt.Errorf("%s was not run: %s", n.server, n.why)
		}
	}
	if len(r.rows) == 0 {
		return errors.New("nothing was run")
	}
	return nil
}

const (
	indent    = "   "
	stepWidth = 56
)

// page is where a person reads.
type page struct{ out io.Writer }

func (p *page) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(p.out, format, args...) // a page that is closed has no reader
}

// say begins a part of the page.
func (p *page) say(heading string) { p.printf("\n%s\n", heading) }

func (p *page) text(line string) { p.printf("%s\n", line) }

// begin shows what is under way; end follows on the same line.
func (p *page) begin(step string) { p.printf("%s%s ", indent, pad(step, stepWidth)) }

func (p *page) end(r row) {
	p.printf("%6.1f s  %s %s", r.took.Seconds(), mark(r), r.got)
	if !r.ok() {
		p.printf("; wanted: %s", r.wanted)
	}
	if r.note != "" {
		p.printf(" (%s)", r.note)
	}
	p.printf("\n")
}

func mark(r row) string {
	if r.ok() {
		return "✓"
	}
	return "✗"
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
			if i <= len(results.rows) { // a reason may be long; it is alone on its line
				width[c] = max(width[c], utf8.RuneCountInString(cell))
			}
		}
	}
	for i, line := range lines {
		symbol := " "
		if i > 0 && i <= len(results.rows) {
			symbol = mark(results.rows[i-1])
		}
		text := pad(line[0], width[0]) + "  " + pad(line[1], width[1]) + "  " + pad(line[2], width[2]) + "  " + line[3]
		p.printf("%s\n", strings.TrimRight(symbol+" "+text, " "))
	}
}

// summary is the last line.
func (p *page) summary(results *results, took time.Duration) {
	seconds := fmt.Sprintf("(%.0f s)", took.Seconds())
	switch wrong := results.wrong(); {
	case wrong > 0:
		p.printf("\n✗ %d of %d steps differed from what was wanted %s\n", wrong, len(results.rows), seconds)
	case len(results.rows) == 0:
		p.printf("\nNothing was run %s\n", seconds)
	default:
		p.printf("\n✓ All %d steps went as they should %s\n", len(results.rows), seconds)
	}
	for _, n := range results.notRun {
		p.printf("%s was not run: %s\n", n.server, n.why)
	}
}

// running says where everything is.
func (p *page) running(kept []*suite) {
	p.say("Running until Ctrl-C")
	for _, h := range kept {
		if h.missing != "" || h.service == nil {
			continue
		}
		p.printf("%s%s\n", indent, h.name)
		for _, line := range [][2]string{
			{"issuer", h.service.issuer},
			{"MCP endpoint", h.service.resource},
			{"a client", "svc, with the secret svc-secret"},
			{"doorward", "http://" + h.service.http + "/readyz and /metrics"},
			{"its files", h.service.folder},
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

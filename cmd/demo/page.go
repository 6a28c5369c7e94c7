package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// What a person reads is at most 100 columns wide, says first whether a step
// went as it should, and then, each under its own word: what was sent, what
// came back, what the operator finds in the logs, and why.
const (
	columns = 100
	indent  = "   "
	label   = 10 // columns of the word before a text
)

// SGR codes (ECMA-48).
const (
	bold  = "1"
	dim   = "2"
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

// println begins a part of the page.
func (p *page) println(heading string) { p.printf("\n%s\n", p.paint(bold, heading)) }

func (p *page) text(lines ...string) {
	for _, line := range lines {
		p.printf("%s\n", line)
	}
}

// starting shows that something is under way, and then where it is and how
// long it took.
func (p *page) starting(what string, begin func() (where string, err error)) error {
	p.printf("%s%-22s ", indent, what)
	began := time.Now()
	where, err := begin()
	if err != nil {
		p.printf("%s\n", p.paint(red, "✗"))
		return err
	}
	p.printf("%s %-58s %5d ms\n", p.paint(green, "✓"), where, time.Since(began).Milliseconds())
	return nil
}

// report is one step as a person reads it.
type report struct {
	name    string
	verdict string // what came back, in a word or two
	rows    []row
	wrong   []string // what differs from what was wanted; none is well
}

type row struct{ word, text string }

// row adds lines under a word.
func (r *report) row(word string, lines ...string) {
	for _, line := range lines {
		r.rows = append(r.rows, row{word, line})
		word = ""
	}
}

// expect notes a difference, in two lines where it is long.
func (r *report) expect(what, got, want string) {
	if got == want {
		return
	}
	got, want = what+": "+orNone(got), "wanted: "+orNone(want)
	between := "; "
	if utf8.RuneCountInString(got+between+want) > columns-len(indent)-label {
		between = "\n"
	}
	r.wrong = append(r.wrong, got+between+want)
}

// fault notes that something could not be looked at.
func (r *report) fault(err error) {
	if err != nil {
		r.wrong = append(r.wrong, err.Error())
	}
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

func (p *page) print(number int, r report) {
	mark := p.paint(green, "✓")
	if len(r.wrong) > 0 {
		mark = p.paint(red, "✗")
	}
	verdict := ""
	if r.verdict != "" {
		verdict = "  →  " + r.verdict
	}
	p.printf("\n%s %2d  %s%s\n", mark, number, p.paint(bold, r.name), verdict)
	for _, row := range r.rows {
		p.wrapped(row.word, row.text, dim, "")
	}
	for _, wrong := range r.wrong {
		word := "DIFFERS"
		for line := range strings.SplitSeq(wrong, "\n") {
			p.wrapped(word, line, red, red)
			word = ""
		}
	}
}

// wrapped prints a text beside its word, in as many lines as it takes.
func (p *page) wrapped(word, text, wordCode, textCode string) {
	for _, line := range wrap(text, columns-len(indent)-label) {
		if textCode != "" {
			line = p.paint(textCode, line)
		}
		p.printf("%s%s%s\n", indent, p.paint(wordCode, fmt.Sprintf("%-*s", label, word)), line)
		word = ""
	}
}

// wrap breaks a text that is too long at spaces; leading spaces are kept on
// each line.
func wrap(text string, width int) []string {
	if utf8.RuneCountInString(text) <= width {
		return []string{text}
	}
	body := strings.TrimLeft(text, " ")
	margin := text[:len(text)-len(body)]
	var lines []string
	line := ""
	for _, word := range strings.Fields(body) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(margin+line+" "+word) > width:
			lines = append(lines, margin+line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, margin+line)
}

// summary is the last word on the walk.
func (p *page) summary(steps int, differed []string, took time.Duration) {
	seconds := fmt.Sprintf("(%.1f s)", took.Seconds())
	if len(differed) == 0 {
		p.printf("\n%s\n", p.paint(green, fmt.Sprintf("✓ All %d steps went as they should %s", steps, seconds)))
		return
	}
	p.printf("\n%s\n", p.paint(red,
		fmt.Sprintf("✗ %d of %d steps differed from what was wanted %s:", len(differed), steps, seconds)))
	for _, name := range differed {
		p.printf("%s%s\n", indent, p.paint(red, name))
	}
}

package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Problem is one thing about the configuration that a person should know:
// where it stands, what is wrong, and what to write instead.
type Problem struct {
	// File is the file as it was named on the command line, or the name of a
	// flag such as "--resource".
	File string
	// Line and Column count from 1, columns in characters. Both are 0 for a
	// flag, and for a file that could not be read at all.
	Line, Column int
	// Message says what is wrong.
	Message string
	// Fix says what to write instead; "" where the message says it already.
	Fix string
	// Warning marks what is allowed but unwise. It does not stop a start.
	Warning bool
}

// String is the line that `doorward check` prints:
// "file:line:col: what is wrong: what to write instead". A warning has
// "warning: " before the message.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(place{p.File, p.Line, p.Column}.String())
	b.WriteString(": ")
	if p.Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(p.Message)
	if p.Fix != "" {
		b.WriteString(": " + p.Fix)
	}
	return strings.Map(printable, b.String())
}

// printable keeps a problem on one line, and a terminal from obeying what
// somebody put into a key.
func printable(c rune) rune {
	if unicode.IsPrint(c) {
		return c
	}
	return ' '
}

// Problems are problems in the order of file, line and column.
type Problems []Problem

// Errors are the problems that stop a start.
func (ps Problems) Errors() Problems { return ps.only(false) }

// Warnings are the problems that do not.
func (ps Problems) Warnings() Problems { return ps.only(true) }

// String joins the problems, as they stand in the log.
func (ps Problems) String() string {
	var lines []string
	for _, p := range ps {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "; ")
}

func (ps Problems) only(warning bool) Problems {
	var some Problems
	for _, p := range ps {
		if p.Warning == warning {
			some = append(some, p)
		}
	}
	return some
}

// sorted puts the problems in the order in which a person meets them, each
// said once.
func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			strings.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			strings.Compare(a.Message, b.Message),
		)
	})
	return slices.Compact(ps)
}

// place is where a value stands. Flags have no line.
type place struct {
	file         string
	line, column int
}

func (p place) String() string {
	if p.line == 0 {
		return p.file
	}
	return fmt.Sprintf("%s:%d:%d", p.file, p.line, p.column)
}

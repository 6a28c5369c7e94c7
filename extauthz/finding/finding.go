// Package finding describes what is wrong with a configuration, a key set or a
// policy: where, what, and what to write instead.
//
//	for _, f := range options.Check() {
//		fmt.Println(f)
//	}
//
// A [Finding] and a [List] are errors: errors.As finds each one in what wraps
// them.
package finding

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Severity reports whether a finding stops a start. The zero value does.
type Severity int

// An Error stops a start; a Warning is allowed but unwise.
const (
	Error Severity = iota
	Warning
)

// Finding is one thing that a person should know, at one place.
type Finding struct {
	// File is a file as it was named, or a flag such as "--resource"; "" where
	// no one file can be named.
	File string
	// Line and Column count from 1, columns in characters. Both are 0 for a
	// flag, and for a finding about a whole file.
	Line, Column int
	// Path is the configuration key, such as "resources[1].also_at[0]", below
	// what was checked; "" where the finding is about no key.
	Path string
	// Resource is the name of the resource whose policy package the finding is
	// about; "" for every other finding.
	Resource string
	// Message is what is wrong.
	Message string
	// Other is a second configuration key that Message names, or "".
	Other string
	// Fix is what to write instead; "" where it is in the message already.
	Fix string
	// Severity is Error unless it is set.
	Severity Severity
}

// Error is [Finding.String].
func (f Finding) Error() string { return f.String() }

// String is the line that `doorward check` prints:
// "file:line:col: what is wrong: what to write instead". A warning has
// "warning: " before the message; a finding without a file has its path for it.
func (f Finding) String() string {
	parts := []string{f.place(), f.Message, f.Fix}
	if f.Severity == Warning {
		parts[1] = "warning: " + f.Message
	}
	parts = slices.DeleteFunc(parts, func(part string) bool { return part == "" })
	return strings.Map(printable, strings.Join(parts, ": "))
}

func (f Finding) place() string {
	switch {
	case f.File == "":
		return f.Path
	case f.Line == 0:
		return f.File
	}
	return fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Column)
}

// printable keeps a finding on one line, and keeps a terminal from obeying
// control characters in a key or a value.
func printable(c rune) rune {
	if unicode.IsPrint(c) {
		return c
	}
	return ' '
}

// List is any number of findings.
type List []Finding

// Errors are the findings that stop a start.
func (l List) Errors() List { return l.only(Error) }

// Warnings are the findings that do not.
func (l List) Warnings() List { return l.only(Warning) }

// Err is the errors of the list as one error, and nil if there are only
// warnings.
func (l List) Err() error {
	if wrong := l.Errors(); len(wrong) > 0 {
		return wrong
	}
	return nil
}

func (l List) only(severity Severity) List {
	var some List
	for _, f := range l {
		if f.Severity == severity {
			some = append(some, f)
		}
	}
	return some
}

// Error joins the findings with semicolons.
func (l List) Error() string {
	var lines []string
	for _, f := range l {
		lines = append(lines, f.String())
	}
	return strings.Join(lines, "; ")
}

// Unwrap lets errors.As and errors.Is find each finding.
func (l List) Unwrap() []error {
	var all []error
	for _, f := range l {
		all = append(all, f)
	}
	return all
}

// Sorted is the list in the order of resource, file, line and column, each
// finding once.
func (l List) Sorted() List {
	l = slices.Clone(l)
	slices.SortStableFunc(l, func(a, b Finding) int {
		return cmp.Or(
			strings.Compare(a.Resource, b.Resource),
			strings.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			strings.Compare(a.Message, b.Message),
		)
	})
	return slices.Compact(l)
}

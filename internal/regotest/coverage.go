package regotest

import (
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"

	"github.com/doorward/doorward/internal/policy"
)

// Coverage is how much of a file of rules the tests evaluated.
type Coverage struct {
	File      string
	Percent   float64 // of the lines that can be evaluated; 100 where there are no such lines
	Uncovered []int   // lines, in order
}

func coverageOf(covered *cover.Cover, suite *policy.Suite) []Coverage {
	modules := map[string]*ast.Module{}
	for _, file := range suite.Rules {
		modules[file] = suite.Compiler.Modules[file]
	}
	files := covered.Report(modules).Files
	all := make([]Coverage, 0, len(suite.Rules))
	for _, file := range suite.Rules {
		c := Coverage{File: file, Percent: 100}
		about := files[file]
		if about == nil {
			all = append(all, c)
			continue
		}
		c.Uncovered = linesOf(about.NotCovered)
		if about.CoveredLines+about.NotCoveredLines > 0 {
			c.Percent = about.Coverage
		}
		all = append(all, c)
	}
	return all
}

// linesOf are the lines of ranges in order, each once.
func linesOf(ranges []cover.Range) []int {
	var lines []int
	for _, r := range ranges {
		for line := r.Start.Row; line <= r.End.Row; line++ {
			if n := len(lines); n == 0 || lines[n-1] < line {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// String is one line: the percentage, the file, and the lines that no test
// evaluated.
func (c Coverage) String() string {
	text := fmt.Sprintf("%5.1f%%  %s", c.Percent, c.File)
	if len(c.Uncovered) == 0 {
		return text
	}
	var ranges []string
	for i := 0; i < len(c.Uncovered); {
		last := i
		for last+1 < len(c.Uncovered) && c.Uncovered[last+1] == c.Uncovered[last]+1 {
			last++
		}
		if first := c.Uncovered[i]; last == i {
			ranges = append(ranges, fmt.Sprint(first))
		} else {
			ranges = append(ranges, fmt.Sprintf("%d-%d", first, c.Uncovered[last]))
		}
		i = last + 1
	}
	return text + "  not evaluated: " + strings.Join(ranges, ", ")
}

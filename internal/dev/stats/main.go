// Command stats prints the size of this module in numbers that a reviewer can
// compare between two commits.
//
//	make stats            # from the sources, in a second
//	make stats TESTS=1    # the test suite too: cases, coverage, time
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"text/tabwriter"
	"time"
)

// The limits of code that ships. A test holds them.
const (
	maxLines      = 60
	maxNesting    = 3
	maxParameters = 5
	maxExported   = 111
)

func main() {
	tests := flag.Bool("tests", false, "run the test suite as well")
	root := flag.String("root", ".", "folder of the module")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *root, *tests, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "stats:", err)
		stop()
		os.Exit(1) //nolint:gocritic // the deferred stop has run
	}
}

func run(ctx context.Context, root string, tests bool, out io.Writer) error {
	sources, err := readModule(root)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer table.Flush()
	row := func(name string, value any) { _, _ = fmt.Fprintf(table, "%s\t%v\n", name, value) }
	for _, folder := range sources.folders() {
		row("code lines in "+folder, sources.code(folder))
	}
	row("code lines in all (no tests, blanks, comments, generated files)", sources.code(""))
	row("code lines of tests", sources.testCode())
	row("exported functions, types, constants, variables outside internal, main, envoy, benchmarks",
		len(sources.exported()))
	row("lines over 120 columns, tests left out", len(sources.wide()))
	longest, _ := sources.measure(linesOf, maxLines)
	row("longest function, lines", longest)
	deepest, _ := sources.measure(nestingOf, maxNesting)
	row("deepest nesting", deepest)
	_, many := sources.measure(parametersOf, maxParameters)
	row("functions with more than five parameters", len(many))
	if !tests {
		return nil
	}
	began := time.Now()
	suite, err := runTests(ctx, root)
	row("test cases passed", suite.passed)
	row("test cases skipped", suite.skipped)
	row("coverage, % of statements", fmt.Sprintf("%.1f", suite.coverage))
	row("time of the suite, s", int(time.Since(began).Seconds()))
	return err
}

// Command mutate changes the code at one place at a time and runs the tests. A
// change that no test notices shows a line without a test.
//
//	make mutate BASE=main    # what changed since a commit, 15 minutes at the most
//	make mutate ALL=1        # every package that ships; hours
//	make mutate ALL=1 ONLY=extauthz/token/
//	make mutate ALL=1 JOURNAL=verdicts   # goes on where a run that was stopped ended
//	make mutate PLANTED=1    # the mutants of planted.txt, all of which must be killed
//
// A mutant of Go is built with an overlay; one of Rego is written into the tree and
// removed after its tests. With -all, mutants of Go are built into one program, and
// each is tried with the tests that reach it. A mutant that its own package's tests
// do not notice is tried with the tests of the packages that import it. Mutants that change no
// behaviour are listed in equivalent.txt, each with its reason.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

type options struct {
	base    string
	all     bool
	planted bool
	only    string
	journal string
	limit   time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.base, "base", "", "mutate the lines that changed since this commit")
	flag.BoolVar(&o.all, "all", false, "mutate every line that ships")
	flag.BoolVar(&o.planted, "planted", false, "try the mutants of planted.txt")
	flag.StringVar(&o.only, "only", "", "mutate files whose name begins with this alone")
	flag.StringVar(&o.journal, "journal", "", "with -all: a file of verdicts, so that a later run goes on from there")
	flag.DurationVar(&o.limit, "limit", 0, "stop after this time; 0: 15m with -base, never with -all and -planted")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	survivors, err := run(ctx, o, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
	}
	if err != nil || survivors > 0 {
		stop()
		os.Exit(1) //nolint:gocritic // the deferred stop has run
	}
}

// run tries the mutants that o selects, and returns how many survived without a
// reason.
func run(ctx context.Context, o options, out io.Writer) (survivors int, err error) {
	mutants, err := o.mutants(ctx)
	if err != nil {
		return 0, err
	}
	mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return !strings.HasPrefix(m.file, o.only) })
	if o.limit == 0 && !o.all && !o.planted {
		o.limit = 15 * time.Minute
	}
	if o.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.limit)
		defer cancel()
	}
	r, err := newRunner(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	_, _ = fmt.Fprintf(out, "%d mutants\n", len(mutants))
	t := tally{out: out, total: len(mutants), every: o.planted, counts: map[verdict]int{}}
	if o.journal != "" {
		mutants, err = t.resume(o.journal, mutants)
		defer func() { err = errors.Join(err, t.journal.Close()) }()
	}
	if o.all && err == nil {
		mutants, err = t.together(ctx, r, mutants)
	}
	for _, m := range mutants {
		if err != nil {
			break
		}
		v := r.try(ctx, m)
		if ctx.Err() != nil {
			v = notTried
		}
		t.count(m, v)
	}
	for _, v := range verdicts {
		_, _ = fmt.Fprintf(out, "%-14s%d\n", v, t.counts[v])
	}
	return t.counts[survived], err
}

// mutants returns the mutants that o selects.
func (o options) mutants(ctx context.Context) ([]mutant, error) {
	switch {
	case o.planted:
		return plantedMutants(".", plantedList)
	case o.all:
		return mutantsOfModule(ctx, nil)
	case o.base != "":
		lines, err := changedLines(ctx, o.base)
		if err != nil {
			return nil, err
		}
		return mutantsOfModule(ctx, lines)
	}
	return nil, errors.New("no base: make mutate BASE=<commit>, ALL=1 or PLANTED=1")
}

//go:embed planted.txt
var plantedList string

//go:embed equivalent.txt
var equivalentList string

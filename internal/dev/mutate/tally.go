package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// tally counts verdicts and reports survivors.
type tally struct {
	out     io.Writer
	total   int
	every   bool // report each mutant: planted ones are few, and each must be killed
	counts  map[verdict]int
	journal *os.File // nil: none
}

func (t *tally) count(m mutant, v verdict) {
	t.counts[v]++
	done := 0
	for _, count := range t.counts {
		done += count
	}
	if v == survived || t.every || done%500 == 0 {
		_, _ = fmt.Fprintf(t.out, "%d of %d: %s: %s\n", done, t.total, v, m)
	}
	if t.journal != nil && v != notTried {
		_, _ = fmt.Fprintf(t.journal, "%s\t%s\n", m.key(), v)
	}
}

// key is the same for one change of one text of a file.
func (m mutant) key() string {
	return fmt.Sprintf("%s %.8x %d-%d %q", m.file, sha256.Sum256(m.original), m.from, m.to, m.with)
}

// resume counts the verdicts of a journal, opens it for those to come, and returns
// the mutants that it has no verdict for.
func (t *tally) resume(journal string, mutants []mutant) ([]mutant, error) {
	text, err := os.ReadFile(journal)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	known := map[string]verdict{}
	for line := range strings.Lines(string(text)) {
		key, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		known[key] = verdict(v)
	}
	var left []mutant
	for _, m := range mutants {
		if v, tried := known[m.key()]; tried {
			t.count(m, v)
		} else {
			left = append(left, m)
		}
	}
	t.journal, err = os.OpenFile(journal, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	return left, err
}

// together tries the mutants of Go that compile in one program, and returns the
// others.
func (t *tally) together(ctx context.Context, r *runner, mutants []mutant) ([]mutant, error) {
	if len(mutants) == 0 {
		return nil, nil
	}
	p, err := buildProgram(ctx, r, mutants)
	if err != nil {
		return nil, err
	}
	_, _ = fmt.Fprintf(t.out, "%d are in one program, %d are tried one by one\n", len(p.mutants), len(p.refused))
	trial, err := newTrial(ctx, p, func(format string, args ...any) { _, _ = fmt.Fprintf(t.out, format, args...) })
	if err != nil {
		return nil, err
	}
	for _, name := range trial.fails {
		_, _ = fmt.Fprintf(t.out, "not used, it fails in this program without a mutant: %s\n", name)
	}
	trial.all(ctx, slices.Sorted(maps.Keys(p.mutants)), t.count)
	return p.refused, nil
}

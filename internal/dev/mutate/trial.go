package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// testCase is one test of a package, with the mutants that it reaches.
type testCase struct {
	tested string // the package
	name   string
	took   time.Duration
	trace  []byte // 1 at the number of each mutant that was reached
}

// trial has the test programs of the module, and which test reaches which mutant.
type trial struct {
	*program
	cases map[string][]testCase // by package, the quickest first
	fails []string              // tests that fail without a mutant, as those that count allocations
}

// newTrial builds the tests of every package that has mutants or imports one, and
// runs each test once without a mutant.
func newTrial(ctx context.Context, p *program, progress func(string, ...any)) (*trial, error) {
	t := &trial{program: p, cases: map[string][]testCase{}}
	packages := map[string]bool{}
	for _, m := range p.mutants {
		for _, tested := range p.r.tested(m) {
			packages[tested] = true
		}
	}
	for tested := range packages {
		names, err := t.build(ctx, tested)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			c, err := t.traced(ctx, tested, name)
			switch {
			case err != nil:
				return nil, err
			case c == nil:
				t.fails = append(t.fails, tested+" "+name)
			default:
				t.cases[tested] = append(t.cases[tested], *c)
			}
		}
		slices.SortFunc(t.cases[tested], func(a, b testCase) int { return cmp.Compare(a.took, b.took) })
		progress("%s: %d tests\n", tested, len(t.cases[tested]))
	}
	return t, nil
}

func (t *trial) binary(tested string) string {
	return filepath.Join(t.r.folder, strings.ReplaceAll(tested, "/", "_")+".test")
}

// build builds the tests of a package and returns their names.
func (t *trial) build(ctx context.Context, tested string) ([]string, error) {
	command := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", t.overlay,
		"-o", t.binary(tested), "./"+tested)
	command.Dir = t.r.root
	if text, err := command.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the tests of %s: %w\n%s", tested, err, text)
	}
	if _, err := os.Stat(t.binary(tested)); errors.Is(err, os.ErrNotExist) {
		return nil, nil // it has no tests
	}
	text, err := t.command(ctx, tested, "", "-test.list", ".").Output()
	return strings.Fields(string(text)), err
}

// maxMemory bounds a test that a mutant makes allocate without end, in KiB.
const maxMemory = "12000000"

func (t *trial) command(ctx context.Context, tested, variable string, args ...string) *exec.Cmd {
	limited := []string{"-c", "ulimit -v " + maxMemory + `; exec "$@"`, "sh", t.binary(tested)}
	command := exec.CommandContext(ctx, "sh", append(limited, args...)...)
	command.Dir = filepath.Join(t.r.root, filepath.FromSlash(tested))
	command.Env = append(os.Environ(), variable)
	command.WaitDelay = time.Second
	return command
}

// traced runs one test without a mutant. It is nil where the test fails.
func (t *trial) traced(ctx context.Context, tested, name string) (*testCase, error) {
	size := 1
	for number := range t.mutants {
		size = max(size, number+1)
	}
	trace := filepath.Join(t.r.folder, "trace")
	if err := os.WriteFile(trace, make([]byte, size), 0o600); err != nil {
		return nil, err
	}
	began := time.Now()
	if t.command(ctx, tested, "DOORWARD_MUTANT_TRACE="+trace, "-test.run", "^"+name+"$").Run() != nil {
		return nil, ctx.Err()
	}
	c := &testCase{tested: tested, name: name, took: time.Since(began)}
	var err error
	c.trace, err = os.ReadFile(trace)
	return c, err
}

// quick is how long the tests may take together that are run first.
const quick = 2 * time.Second

// try runs the tests that reach a mutant, the quickest of its own package first.
func (t *trial) try(ctx context.Context, number int) verdict {
	m := t.mutants[number]
	for _, tested := range t.r.tested(m) {
		var first, rest []testCase
		var took time.Duration
		for _, c := range t.cases[tested] {
			switch took += c.took; {
			case c.trace[number] == 0:
				took -= c.took
			case took <= quick:
				first = append(first, c)
			default:
				rest = append(rest, c)
			}
		}
		for _, cases := range [][]testCase{first, rest} {
			if v := t.run(ctx, tested, number, cases); v != survived {
				return v
			}
		}
	}
	if t.r.reasons[m.file+": "+m.change()] {
		return equivalent
	}
	return survived
}

// run runs tests of one package with a mutant. After a timeout it runs them again
// with ten times the limit, because the machine may be busy.
func (t *trial) run(ctx context.Context, tested string, number int, cases []testCase) verdict {
	if len(cases) == 0 {
		return survived
	}
	limit := 3 * time.Second
	var names []string
	for _, c := range cases {
		limit += 3 * c.took
		names = append(names, c.name)
	}
	once := func(limit time.Duration) verdict {
		limited, cancel := context.WithTimeout(ctx, limit+10*time.Second)
		defer cancel()
		text, err := t.command(limited, tested, fmt.Sprintf("DOORWARD_MUTANT=%d", number), "-test.failfast",
			"-test.run", "^("+strings.Join(names, "|")+")$", "-test.timeout", limit.String()).CombinedOutput()
		if limited.Err() != nil {
			return timedOut
		}
		return verdictOf(string(text), err)
	}
	v := once(limit)
	if v == timedOut {
		v = once(10 * limit)
	}
	return v
}

// all tries every mutant, as many at a time as there are processors.
func (t *trial) all(ctx context.Context, numbers []int, done func(m mutant, v verdict)) {
	queue := make(chan int)
	var workers sync.WaitGroup
	var lock sync.Mutex
	work := func() {
		for number := range queue {
			v := t.try(ctx, number)
			if ctx.Err() != nil {
				v = notTried
			}
			lock.Lock()
			done(t.mutants[number], v)
			lock.Unlock()
		}
	}
	for range runtime.NumCPU() {
		workers.Go(work)
	}
	for _, number := range numbers {
		queue <- number
	}
	close(queue)
	workers.Wait()
}

// tested are the packages whose tests try a mutant, its own first.
func (r *runner) tested(m mutant) []string {
	own := path.Dir(m.file)
	return append([]string{own}, slices.Compact(slices.Sorted(slices.Values(r.importers[own])))...)
}

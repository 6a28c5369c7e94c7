// Command compare measures the in-process benchmarks of two commits in one run. It
// builds both, then runs them alternately, so that other work of the machine
// disturbs both alike. It exits with 1 if the change is slower or allocates more.
//
//	make compare BASE=main
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/doorward/doorward/benchmarks/gobench"
)

type options struct {
	base, bench, benchTime string
	rounds                 int
}

func main() {
	var o options
	flag.StringVar(&o.base, "base", "", "commit to compare the working tree with")
	flag.StringVar(&o.bench, "bench", "^Benchmark(HotAnswer|ColdCheck|Decision|Step)$", "benchmarks to run")
	flag.StringVar(&o.benchTime, "benchtime", "100ms", "time of one benchmark in one round")
	flag.IntVar(&o.rounds, "rounds", 20, "rounds of each commit")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	failed, err := run(ctx, o, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
	}
	if err != nil || failed {
		stop()
		os.Exit(1) //nolint:gocritic // the deferred stop has run
	}
}

func run(ctx context.Context, o options, out io.Writer) (failed bool, err error) {
	if o.base == "" {
		return false, errors.New("no base: make compare BASE=<commit>")
	}
	folder, err := os.MkdirTemp("", "doorward-compare-")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	_, _ = fmt.Fprintln(out, "Building the benchmarks of", o.base, "and of the working tree ...")
	sources := filepath.Join(folder, "base")
	if _, err := command(ctx, ".", "git", "worktree", "add", "--detach", sources, o.base); err != nil {
		return false, err
	}
	defer func() {
		_, removed := command(context.WithoutCancel(ctx), ".", "git", "worktree", "remove", "--force", sources)
		err = errors.Join(err, removed)
	}()
	binaries := []string{filepath.Join(folder, "base.test"), filepath.Join(folder, "changed.test")}
	for i, tree := range []string{sources, "."} {
		if _, err := command(ctx, tree, "go", "test", "-c", "-o", binaries[i], "./benchmarks"); err != nil {
			return false, err
		}
	}
	base, changed, err := o.measure(ctx, binaries, out)
	if err != nil {
		return false, err
	}
	both, only := compare(base, changed)
	if len(both) == 0 {
		return false, errors.New("the commits have no benchmark in common")
	}
	return report(out, both, only), nil
}

// measure runs both binaries once a round. Which one runs first changes with every
// round: the second finds warmer caches.
func (o options) measure(
	ctx context.Context, binaries []string, out io.Writer,
) (base, changed map[string]gobench.Values, err error) {
	var printed [2]strings.Builder
	for round := range o.rounds {
		_, _ = fmt.Fprintf(out, "round %d of %d\n", round+1, o.rounds)
		for turn := range binaries {
			i := (round + turn) % len(binaries)
			text, err := command(ctx, "benchmarks", binaries[i], "-test.run", "^$", "-test.bench", o.bench,
				"-test.benchmem", "-test.benchtime", o.benchTime)
			if err != nil {
				return nil, nil, err
			}
			_, _ = printed[i].WriteString(text) // never fails
		}
	}
	return gobench.Parse(printed[0].String()), gobench.Parse(printed[1].String()), nil
}

func command(ctx context.Context, folder, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // go, git, and the benchmarks that they made
	cmd.Dir = folder
	text, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, text)
	}
	return string(text), nil
}

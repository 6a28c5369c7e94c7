// Command disturbance answers one question: what do requests on known keys feel
// while the keys rotate, the authorization server is down, or somebody floods
// doorward with unknown key ids or forged tokens?
//
// It builds doorward, runs it once for each disturbance with an authorization
// server of its own, sends good and disturbing traffic over gRPC, and writes a
// picture (keys.svg) and the figures (keys.md). Everything is on loopback and
// bounded in count and time; it ends by itself. The exit code says whether all
// good traffic was let through, and nothing about speed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
)

// Exit codes beside 0.
const (
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends us at once
	// A sender in its pause holds one of the runtime's processors until that is
	// taken from it, which may be late; and its garbage is not what we measure.
	runtime.GOMAXPROCS(runtime.NumCPU() + 4)
	debug.SetGCPercent(400)
	os.Exit(run(ctx, os.Args[1:], os.Stderr))
}

// options are the flags.
type options struct {
	out   string
	quick bool
}

// run is the whole program but for signals and exit.
func run(ctx context.Context, args []string, stderr io.Writer) int {
	var o options
	flags := flag.NewFlagSet("disturbance", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.out, "out", "benchmarks/plots", "`folder` for keys.svg and keys.md")
	flags.BoolVar(&o.quick, "quick", false, "short windows, for a first look")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return exitUsage // stderr knows why
	case flags.NArg() > 0:
		_, _ = fmt.Fprintf(stderr, "disturbance: %q is no flag\n", flags.Arg(0))
		return exitUsage
	}
	if err := o.work(ctx, stderr); err != nil {
		_, _ = fmt.Fprintln(stderr, "disturbance:", err)
		return exitFailure
	}
	return 0
}

// work measures and writes. Good traffic that was refused is an error, after
// everything has been written.
func (o options) work(ctx context.Context, progress io.Writer) (err error) {
	folder, err := os.MkdirTemp("", "doorward-disturbance-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	machine := thisMachine(ctx)
	_, _ = fmt.Fprintln(progress, "Building doorward ...")
	program, err := build(ctx, folder)
	if err != nil {
		return err
	}
	plan := plan(o.quick)
	var whole time.Duration
	for _, d := range plan {
		whole += d.windows.total()
	}
	_, _ = fmt.Fprintf(progress, "Measuring takes %.0f s and a little more.\n", whole.Seconds())
	var results []*result
	refused := 0
	for i, d := range plan {
		_, _ = fmt.Fprintf(progress, "%d of %d. %s (%.0f s)\n", i+1, len(plan), d.title, d.windows.total().Seconds())
		result, err := measure(ctx, program, folder, d, progress)
		if err != nil {
			return err
		}
		before, during := result.before(), result.during()
		_, _ = fmt.Fprintf(progress, "  during / before: p50 ×%.2f, p99 ×%.2f; %d fetches; %d of %d good requests refused\n",
			ratio(during.p50, before.p50), ratio(during.p99, before.p99), result.fetchesIn(0, d.windows.during), result.refused(), len(result.good))
		results = append(results, result)
		refused += result.refused()
	}
	if err := o.write(machine, results); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(progress, "Written: %s and keys.svg beside it.\n", filepath.Join(o.out, "keys.md"))
	if refused > 0 {
		return fmt.Errorf("%d good requests were refused: see keys.md", refused)
	}
	return nil
}

func (o options) write(m machine, results []*result) error {
	if err := os.MkdirAll(o.out, 0o750); err != nil {
		return err
	}
	for name, content := range map[string][]byte{"keys.svg": draw(results), "keys.md": markdown(m, results)} {
		if err := os.WriteFile(filepath.Join(o.out, name), content, 0o644); err != nil { //nolint:gosec // it is to be read by everybody
			return err
		}
	}
	return nil
}

// Command keys draws one picture: what do requests on known keys feel while the
// keys rotate, the authorization server is down, or somebody floods doorward
// with unknown key ids or forged tokens?
//
// It builds doorward, runs it once for each disturbance, and writes a picture
// (keys.svg) and the figures (keys.md). Everything is on loopback and bounded
// in count and time; it ends by itself. The exit code says whether all good
// traffic was let through, and nothing about speed.
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
	"syscall"
	"time"

	"github.com/doorward/doorward/benchmarks/machine"
	"github.com/doorward/doorward/benchmarks/scenario"
	"github.com/doorward/doorward/benchmarks/traffic"
	"github.com/doorward/doorward/internal/testenv"
)

// Exit codes beside 0.
const (
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends us at once
	traffic.Tune()
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
	flags := flag.NewFlagSet("keys", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.out, "out", "benchmarks/plots", "`folder` for keys.svg and keys.md")
	flags.BoolVar(&o.quick, "quick", false, "short windows, for a first look")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return exitUsage // stderr knows why
	case flags.NArg() > 0:
		_, _ = fmt.Fprintf(stderr, "keys: %q is no flag\n", flags.Arg(0))
		return exitUsage
	}
	if err := o.work(ctx, stderr); err != nil {
		_, _ = fmt.Fprintln(stderr, "keys:", err)
		return exitFailure
	}
	return 0
}

// work measures and writes. Good traffic that was refused is an error, after
// everything has been written.
func (o options) work(ctx context.Context, progress io.Writer) (err error) {
	folder, err := os.MkdirTemp("", "doorward-keys-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	where := machine.This(ctx)
	_, _ = fmt.Fprintln(progress, "Building doorward ...")
	programs, err := testenv.Build(ctx, folder, "cmd/doorward")
	if err != nil {
		return err
	}
	plan := plan(o.quick)
	var whole time.Duration
	for _, d := range plan {
		whole += d.Windows.Total()
	}
	_, _ = fmt.Fprintf(progress, "Measuring takes %.0f s and a little more.\n", whole.Seconds())
	var results []*scenario.Result
	refused := 0
	for i, d := range plan {
		_, _ = fmt.Fprintf(progress, "%d of %d. %s (%.0f s)\n", i+1, len(plan), d.Title, d.Windows.Total().Seconds())
		result, err := scenario.Measure(ctx, programs[0], folder, d, progress)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintln(progress, " ", result.Line())
		results = append(results, result)
		refused += result.Refused()
	}
	if err := o.write(where, results); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(progress, "Written: %s and keys.svg beside it.\n", filepath.Join(o.out, "keys.md"))
	if refused > 0 {
		return fmt.Errorf("%d good requests were refused: see keys.md", refused)
	}
	return nil
}

func (o options) write(where machine.Machine, results []*scenario.Result) error {
	if err := os.MkdirAll(o.out, 0o750); err != nil {
		return err
	}
	for name, content := range map[string][]byte{"keys.svg": draw(results), "keys.md": markdown(where, results)} {
		if err := os.WriteFile(filepath.Join(o.out, name), content, 0o644); err != nil { //nolint:gosec // it is to be read by everybody
			return err
		}
	}
	return nil
}

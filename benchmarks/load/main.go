// Command load measures doorward beside other ext_authz services and writes
// RESULTS.md and its pictures.
//
// It builds doorward, an empty ext_authz server and one as it is usually built,
// runs each in a process of its own, and sends them the same Checks in
// interleaved rounds, so that other work on the machine disturbs all of them
// alike. The cost of a service is the processor time that the kernel accounts to
// its process; the sender is this process.
//
// Everything is on loopback and bounded in count and time. The exit code is 1
// when a good request was refused; it does not depend on speed.
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
	"github.com/doorward/doorward/benchmarks/traffic"
	"github.com/doorward/doorward/internal/testenv"
)

// Exit codes other than 0.
const (
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	traffic.Tune()
	os.Exit(run(ctx, os.Args[1:], os.Stderr))
}

// options are the values of the flags.
type options struct {
	out, only string
	quick     bool
	cpus      string
	peers     []target
}

// run is the program without signals and exit.
func run(ctx context.Context, args []string, stderr io.Writer) int {
	var o options
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.out, "out", "", "`folder` for RESULTS.md, with the pictures in plots below it "+
		"(default benchmarks; bin/load with -quick or -only)")
	flags.BoolVar(&o.quick, "quick", false, "two short rounds, for a first look")
	flags.StringVar(&o.only, "only", "", "one `part`: rounds, envoy, scenarios, keys, memory or process")
	flags.StringVar(&o.cpus, "service-cpus", "", "processors for every service, as a `list` for taskset (default all)")
	flags.Func("peer", "another ext_authz service, as `name=command,address`; "+
		"its environment has ISSUER, AUDIENCE and JWKS (a file)", func(text string) error {
		peer, err := parsePeer(text)
		o.peers = append(o.peers, peer)
		return err
	})
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return exitUsage // flags wrote the reason to stderr
	case flags.NArg() > 0:
		_, _ = fmt.Fprintf(stderr, "load: %q is no flag\n", flags.Arg(0))
		return exitUsage
	}
	if o.out == "" {
		o.out = "benchmarks"
		if o.quick || o.only != "" {
			o.out = "bin/load"
		}
	}
	if err := o.work(ctx, stderr); err != nil {
		_, _ = fmt.Fprintln(stderr, "load:", err)
		return exitFailure
	}
	return 0
}

// work measures and writes. A good request that was refused is an error, after
// everything is written.
func (o options) work(ctx context.Context, progress io.Writer) (err error) {
	folder, err := os.MkdirTemp("", "doorward-load-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	began := time.Now()
	r := &results{machine: machine.This(ctx), versions: versions(ctx), plan: newPlan(o.quick, o.peers)}
	if err := r.measure(ctx, o, folder, progress); err != nil {
		return err
	}
	r.took = time.Since(began)
	if err := r.write(o.out); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(progress, "Written: %s, and pictures in plots beside it. It took %.0f s.\n",
		filepath.Join(o.out, "RESULTS.md"), r.took.Seconds())
	if refused := r.refused(); refused > 0 {
		return fmt.Errorf("%d good requests were refused: see RESULTS.md", refused)
	}
	return nil
}

// versions returns those of the libraries of a service, and of Envoy.
func versions(ctx context.Context) []string {
	all := machine.Modules(ctx,
		"google.golang.org/grpc", "google.golang.org/protobuf", "github.com/open-policy-agent/opa")
	if envoy, err := testenv.EnvoyVersion(ctx); err == nil {
		all = append(all, "Envoy "+envoy)
	}
	return all
}

// measure runs every part of the plan, in order.
func (r *results) measure(ctx context.Context, o options, folder string, progress io.Writer) error {
	s, err := openTestbed(ctx, folder, o.cpus, progress)
	if err != nil {
		return err
	}
	defer s.authority.Close()
	r.gogc = s.gogc
	for _, part := range []struct {
		name, about string
		do          func(context.Context, *testbed, io.Writer) error
	}{
		{"rounds", "Processor time of one hot Check, service beside service", r.measureRounds},
		{"envoy", "Through a real Envoy", r.measureEnvoy},
		{"scenarios", "Good traffic while something is wrong", r.measureScenarios},
		{"keys", "Requests on known keys while something is wrong with the keys", r.measureKeys},
		{"memory", "Many distinct valid tokens", r.measureMemory},
		{"process", "Inside the process", r.measureProcess},
	} {
		if o.only != "" && o.only != part.name {
			continue
		}
		_, _ = fmt.Fprintf(progress, "%s ...\n", part.about)
		if err := part.do(ctx, s, progress); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

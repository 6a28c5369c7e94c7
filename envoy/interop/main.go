// Command interop shows doorward with authorization servers that other people
// wrote: oidc-provider and Keycloak, each with a real Envoy and a real MCP
// server around it, all on loopback. It takes tokens that must pass and tokens
// that must not, rotates keys under load, takes each server down and up, and
// says what it wanted and what it got. Where lighttpd and PHP are installed, it
// asks them how they read names, which the tests have models of.
//
// `make interop` installs the servers and runs it. It needs Node for one half
// and Java 17 and Maven for the other, and takes some minutes, so that it is no
// part of `make test`. Nothing here is part of the production binary.
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
	"slices"
	"syscall"
	"time"

	"golang.org/x/term"
)

// Exit codes beside 0.
const (
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// Once the first signal has begun the end, a second one ends us at once.
	context.AfterFunc(ctx, stop)
	colour := term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("NO_COLOR") == ""
	os.Exit(run(ctx, os.Args[1:], &page{out: os.Stdout, colour: colour}, os.Stderr))
}

// options are the flags.
type options struct {
	only            string // the name of one half; "" is both
	keep            bool
	requireKeycloak bool
	doorward        string // path of the program
	tools           string // where the servers are installed
}

// The halves, as -only names them.
const (
	halfOIDC     = "oidc"
	halfKeycloak = "keycloak"
	halfReaders  = "readers"
)

// parseOptions reads the flags. The error has been written to stderr.
func parseOptions(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("interop", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.only, "only", "", "run one `half` alone: oidc, keycloak or readers")
	flags.BoolVar(&o.keep, "keep", false, "leave everything running until Ctrl-C")
	flags.BoolVar(&o.requireKeycloak, "require-keycloak", false, "exit 1 where Keycloak cannot be run")
	flags.StringVar(&o.doorward, "doorward", "bin/doorward", "`path` of the doorward program")
	flags.StringVar(&o.tools, "tools", ".tools", "`folder` that envoy/interop/install installed into")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("%q is no flag", flags.Arg(0))
	case !slices.Contains([]string{"", halfOIDC, halfKeycloak, halfReaders}, o.only):
		err = fmt.Errorf("-only %s is no half: oidc, keycloak or readers", o.only)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "interop: %v\nsee interop -help\n", err)
	}
	return o, err
}

// run is the whole program but for signals and exit.
func run(ctx context.Context, args []string, page *page, stderr io.Writer) int {
	o, err := parseOptions(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return exitUsage // stderr knows why
	}
	began := time.Now()
	results := &results{requireKeycloak: o.requireKeycloak}
	err = perform(ctx, o, page, results, began)
	if ctx.Err() != nil && !results.complete {
		err = errors.New("interrupted before the last step")
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "interop:", err)
		return exitFailure
	}
	return results.exit()
}

// perform runs the halves one after the other; the table comes last, and with
// -keep, the waiting.
func perform(ctx context.Context, o options, page *page, results *results, began time.Time) (err error) {
	folder, err := os.MkdirTemp("", "doorward-interop-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	for _, path := range []*string{&o.doorward, &o.tools} { // the parts run in folders of their own
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	var kept []*half
	defer func() {
		for _, h := range kept {
			err = errors.Join(err, h.stop())
		}
	}()
	for _, make := range []func(options, string) (*half, error){readersHalf, oidcHalf, keycloakHalf} {
		h, err := make(o, folder)
		if err != nil {
			return err
		}
		if o.only != "" && o.only != h.flag {
			continue
		}
		kept = append(kept, h)
		h.run(ctx, page, results)
		if o.keep {
			continue
		}
		kept = nil
		if err := h.stop(); err != nil {
			return err
		}
	}
	results.complete = ctx.Err() == nil
	page.table(results)
	page.summary(results, time.Since(began))
	if o.keep && results.complete {
		page.running(kept)
		<-ctx.Done()
	}
	return nil
}

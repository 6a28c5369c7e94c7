// Command demo shows doorward at work on one machine: it starts a real Envoy
// with the shipped sidecar.yaml, doorward, an authorization server, an MCP
// server and an API, logs the official MCP client in, sends requests that
// must be refused, has the MCP server call the API in the wrong way and in the
// right one, and prints each step: what was sent, what came back, why.
//
// Each step knows what must come of it; one that differs is shown in red and
// makes the exit code 1. Nothing here is part of the production binary.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
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

// run is the whole program but for signals and exit, so that a test can call
// it. Without -once it lasts until ctx ends.
func run(ctx context.Context, args []string, page *page, stderr io.Writer) int {
	options, err := parseOptions(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return exitUsage // stderr knows why
	}
	page.println("doorward: which requests may reach an MCP server, and which may leave it")
	page.text(picture)
	parts, err := start(ctx, options, page)
	if err == nil {
		err = show(ctx, options, parts, page)
	}
	if problem := parts.stop(page); err == nil {
		err = problem
	}
	switch {
	case errors.Is(err, errDiffered):
		return exitFailure
	case err != nil && ctx.Err() != nil:
		_, _ = fmt.Fprintln(stderr, "demo: interrupted before the last step")
		return exitFailure
	case err != nil:
		_, _ = fmt.Fprintln(stderr, "demo:", err)
		return exitFailure
	}
	return 0
}

const picture = `
   MCP client ── request + token ──► Envoy ── request + who it is, no token ──► MCP server
                                     │   ▲                                          │
                   may this come in? │   │ yes, or the refusal to send back         │ its requests
                                     ▼   │                                          ▼
                                   doorward ◄──────── may this leave? ──────────► Envoy
                                       │                                            │
            keys, in the background;   │                                            │ with a token
            a token in exchange        ▼                                            ▼ for the API
                               authorization server                                API

All of it runs on this machine alone; every request is a real one.`

// errDiffered: the page lists the steps that differed.
var errDiffered = errors.New("steps differed from what was wanted")

// show takes the steps, describes what is running, and waits unless once.
func show(ctx context.Context, o options, p *parts, page *page) error {
	began := time.Now()
	walk := &walk{parts: p, page: page, recorder: newRecorder()}
	walk.login(ctx)
	walk.refusals(ctx)
	walk.wayOut(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	walk.nothingLeaked()
	page.summary(walk.steps, walk.differed, time.Since(began))
	if !o.once {
		p.describe(page)
		if err := p.watch(ctx, page); err != nil {
			return err
		}
	}
	if len(walk.differed) > 0 {
		return errDiffered
	}
	return nil
}

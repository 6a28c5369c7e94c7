package main

import (
	"context"
	"errors"
	"time"
)

// half is one authorization server with a door of its own, or other servers
// that are asked without one.
type half struct {
	flag    string // as -only names it
	name    string // as a person reads it
	missing string // why it cannot be run here; "" if it can
	steps   []step
	door    *service
	end     func() error // ends the authorization server
}

// step is one thing to try.
type step struct {
	name   string
	wanted string
	within time.Duration // 0 is a minute
	vital  bool          // without it the rest makes no sense
	do     func(context.Context) (outcome, error)
}

// outcome is what came of a step. The note is for a reader, and not judged.
type outcome struct{ got, note string }

// run takes the steps in order, and counts the rest as not tried once a vital
// one failed or ctx has ended.
func (h *half) run(ctx context.Context, page *page, results *results) {
	page.say(h.name)
	if h.missing != "" {
		page.text(indent + "not run: " + h.missing)
		results.notRun = append(results.notRun, notRun{h.flag, h.name, h.missing})
		return
	}
	stuck := false
	for _, s := range h.steps {
		if stuck {
			results.rows = append(results.rows, row{server: h.name, step: s.name, wanted: s.wanted, got: "not tried"})
			continue
		}
		row := s.take(ctx, h.name, page)
		results.rows = append(results.rows, row)
		stuck = ctx.Err() != nil || s.vital && !row.ok()
	}
}

func (s step) take(ctx context.Context, server string, page *page) row {
	within := s.within
	if within == 0 {
		within = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	page.begin(s.name)
	began := time.Now()
	o, err := s.do(ctx)
	if err != nil {
		o.got = "error: " + err.Error()
	}
	r := row{server: server, step: s.name, wanted: s.wanted, got: o.got, note: o.note, took: time.Since(began)}
	page.end(r)
	return r
}

// stop ends what runs, in the order in which nobody misses anybody.
func (h *half) stop() error {
	if h.missing != "" {
		return nil
	}
	if h.door == nil {
		return h.end()
	}
	return errors.Join(h.door.stop(), h.end())
}

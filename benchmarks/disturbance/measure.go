package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"
)

// result is what one disturbance did.
type result struct {
	disturbance
	good, disturbing []sample // without the warm-up
	fetches          []fetch
}

// measure runs one disturbance against a doorward of its own.
func measure(ctx context.Context, program, folder string, d disturbance, progress io.Writer) (*result, error) {
	made := newTokens(d.rotations)
	authority, err := openAuthority(made.known)
	if err != nil {
		return nil, err
	}
	defer authority.close()
	made.issuer = authority.url

	w := d.windows
	goodTimes := shift(schedule(goodRate, w.total(), nil), -w.warm-w.before)
	badTimes := schedule(d.rate, w.during, rand.New(rand.NewPCG(seed, seed))) //nolint:gosec // the same gaps in every run
	bad := make([]string, len(badTimes))
	for i, at := range badTimes {
		bad[i] = d.token(made, at)
	}
	goodTokens := made.good(len(goodTimes))

	door, err := openDoor(ctx, program, filepath.Join(folder, "doorward-run"), authority.url, d.refresh)
	if err != nil {
		return nil, err
	}
	defer door.close()
	good, err := newSender(ctx, door.grpc, goodTimes, goodTokens)
	if err != nil {
		return nil, err
	}
	defer good.close()
	disturbing, err := newSender(ctx, door.grpc, badTimes, bad)
	if err != nil {
		return nil, err
	}
	defer disturbing.close()

	zero := time.Now().Add(w.warm + w.before)
	var wait sync.WaitGroup
	wait.Go(func() { good.run(ctx, zero) })
	wait.Go(func() { disturbing.run(ctx, zero) })
	wait.Go(func() { d.happen(ctx, zero, authority, made) })
	over := make(chan struct{})
	go func() { wait.Wait(); close(over) }()
	report(over, progress, zero, w, good, authority)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &result{
		disturbance: d,
		good:        between(good.samples, -w.before, w.during+w.after), disturbing: disturbing.samples,
		fetches: authority.since(zero.Add(-w.before), zero),
	}, nil
}

func shift(times []time.Duration, by time.Duration) []time.Duration {
	for i := range times {
		times[i] += by
	}
	return times
}

// happen does what the plan has for the authorization server, in time.
func (d *disturbance) happen(ctx context.Context, zero time.Time, a *authority, t *tokens) {
	for _, event := range d.events {
		timer := time.NewTimer(time.Until(zero.Add(event.at)))
		select {
		case <-timer.C:
			event.do(a, t)
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// report says every few seconds how it goes, until it is over.
func report(over <-chan struct{}, progress io.Writer, zero time.Time, w windows, good *sender, a *authority) {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	begin := zero.Add(-w.warm - w.before)
	for {
		select {
		case <-over:
			return
		case <-tick.C:
			_, _ = fmt.Fprintf(progress, "  %2.0f of %.0f s: %d answers to good traffic, %d of them refusals; %d fetches\n",
				time.Since(begin).Seconds(), w.total().Seconds(), good.answered.Load(), good.refused.Load(), len(a.since(begin, zero)))
		}
	}
}

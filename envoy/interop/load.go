package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// The stream of good requests: bounded in number and in time.
const (
	loadRate   = 200 // a second
	loadLength = 10 * time.Second
	loadLead   = time.Second // of stream before the event, and so after it
)

// load sends a steady stream of requests with one good token, lets something
// happen meanwhile, and counts the requests that failed. They are sent at their
// time, whether the one before has its answer or not: a door that stalls is
// seen as one.
func (d *service) load(ctx context.Context, token string, happens func(context.Context) (outcome, error)) (outcome, error) {
	var (
		all     sync.WaitGroup
		mu      sync.Mutex
		took    []time.Duration
		failed  int
		failure string
		event   outcome
		problem error
	)
	all.Go(func() {
		lead := time.NewTimer(loadLead)
		defer lead.Stop()
		select {
		case <-lead.C:
			event, problem = happens(ctx)
		case <-ctx.Done():
			problem = ctx.Err()
		}
	})
	tick := time.NewTicker(time.Second / loadRate)
	defer tick.Stop()
	for range loadRate * int(loadLength/time.Second) {
		<-tick.C
		if ctx.Err() != nil {
			break
		}
		all.Go(func() {
			began := time.Now()
			status, err := d.call(ctx, "/mcp/load", token)
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(began))
			if err == nil && status == http.StatusOK {
				return
			}
			failed++
			failure = fmt.Sprintf("; the last one: %d %v", status, err)
		})
	}
	all.Wait()
	if err := ctx.Err(); err != nil {
		return outcome{}, errors.Join(err, problem)
	}
	slices.Sort(took)
	latency := fmt.Sprintf("%d requests, median %v, 99%% %v, slowest %v", len(took),
		millis(took[len(took)/2]), millis(took[len(took)*99/100]), millis(took[len(took)-1]))
	return outcome{
		got:  fmt.Sprintf("%d failed; %s", failed, event.got),
		note: latency + failure + "; " + event.note,
	}, problem
}

func millis(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

// refused waits until a token that was good is not, and says as what.
func (d *service) refused(ctx context.Context, token string) (o outcome, err error) {
	began := time.Now()
	err = poll(ctx, func(ctx context.Context) (bool, error) {
		o, err = d.send(ctx, token)
		return err != nil || o.got != "200 allowed", err
	})
	o.note = fmt.Sprintf("after %.1f s", time.Since(began).Seconds())
	return o, err
}

// withdrawn is refused, for a token whose key has just been taken away.
func (d *service) withdrawn(ctx context.Context, token string) (outcome, error) {
	o, err := d.refused(ctx, token)
	return outcome{got: "old key " + o.got, note: "refused " + o.note}, err
}

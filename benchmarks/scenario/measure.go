package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"github.com/doorward/doorward/benchmarks/authority"
	"github.com/doorward/doorward/benchmarks/traffic"
	"github.com/doorward/doorward/internal/testenv"
)

// seed of the gaps between disturbing requests: the same in every run.
const seed = 4

// Result is the measurement of one scenario.
type Result struct {
	Scenario
	Sent, Disturbing []traffic.Sample // without the warm-up, in no order
	Fetches          []authority.Fetch
}

// Measure runs one scenario against a doorward of its own, whose files are in a
// folder below folder, and reports to progress every few seconds.
func Measure(ctx context.Context, program, folder string, d Scenario, progress io.Writer) (*Result, error) {
	made := authority.NewTokens(d.Rotations)
	issuer, err := authority.Open(made.Known)
	if err != nil {
		return nil, err
	}
	defer issuer.Close()
	made.Issuer = issuer.URL

	w := d.Windows
	goodTimes := traffic.Shift(traffic.Schedule(d.Good.Rate, w.Total(), nil), -w.Warm-w.Before)
	goodTokens := made.Mixed(len(goodTimes), d.Good.Pool, d.Good.FreshEvery)
	otherTimes, otherTokens := d.others(made, goodTokens)

	o := Doorward(issuer.URL, d.Refresh, d.Extra)
	o.Program, o.Dir, o.CPUs = program, filepath.Join(folder, "doorward-run"), d.CPUs
	service, err := testenv.StartDoorward(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { _ = service.Stop() }() // an end before that shows in the answers
	good, err := newSender(ctx, service.GRPC, goodTimes, goodTokens)
	if err != nil {
		return nil, err
	}
	defer good.client.Close()
	others, err := newSender(ctx, service.GRPC, otherTimes, otherTokens)
	if err != nil {
		return nil, err
	}
	defer others.client.Close()

	traffic.Collect()
	zero := time.Now().Add(w.Warm + w.Before)
	var wait sync.WaitGroup
	var failed [3]error
	wait.Go(func() { failed[0] = good.Run(ctx, zero) })
	wait.Go(func() { failed[1] = others.Run(ctx, zero) })
	wait.Go(func() { failed[2] = d.runEvents(ctx, zero, &Testbed{issuer, made, service}) })
	over := make(chan struct{})
	go func() { wait.Wait(); close(over) }()
	begin := zero.Add(-w.Warm - w.Before)
	report(over, func() {
		_, _ = fmt.Fprintf(progress, "  %2.0f of %.0f s: %d answers to good traffic, %d of them refusals; %d fetches\n",
			time.Since(begin).Seconds(), w.Total().Seconds(), good.Answered(), good.Refused(),
			len(issuer.Since(begin, zero)))
	})
	if err := errors.Join(append(failed[:], ctx.Err())...); err != nil {
		return nil, err
	}
	return &Result{
		Scenario: d,
		Sent: append(traffic.Between(good.Samples, -w.Before, w.During+w.After),
			traffic.Between(others.Samples, -w.Before, 0)...),
		Disturbing: traffic.Between(others.Samples, 0, w.During),
		Fetches:    issuer.Since(zero.Add(-w.Before), zero),
	}, nil
}

// others returns the disturbing requests, and the good ones that they replace later.
func (d *Scenario) others(made *authority.Tokens, good []string) (times []time.Duration, tokens []string) {
	var from time.Duration
	if d.Instead {
		from = -d.Windows.Warm - d.Windows.Before
	}
	gaps := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // the same in every run
	times = traffic.Shift(traffic.Schedule(d.Rate, d.Windows.During-from, gaps), from)
	for i, at := range times {
		if at < 0 {
			tokens = append(tokens, good[i%len(good)])
		} else {
			tokens = append(tokens, d.Token(made, at))
		}
	}
	return times, tokens
}

// sender has connections of its own.
type sender struct {
	traffic.Sender
	client *traffic.Client
}

// newSender encodes each token's request once.
func newSender(ctx context.Context, address string, due []time.Duration, tokens []string) (*sender, error) {
	encoded, known := make([][]byte, len(tokens)), map[string][]byte{}
	for i, token := range tokens {
		if known[token] == nil {
			known[token] = traffic.Encode(token, traffic.Raw, i)
		}
		encoded[i] = known[token]
	}
	client, err := traffic.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	return &sender{traffic.Sender{Due: due, Call: client.Cycle(encoded)}, client}, nil
}

// runEvents triggers each event at its time.
func (d *Scenario) runEvents(ctx context.Context, zero time.Time, testbed *Testbed) error {
	for _, event := range d.Events {
		timer := time.NewTimer(time.Until(zero.Add(event.At)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		if err := event.Do(testbed); err != nil {
			return fmt.Errorf("%s: %w", event.Label, err)
		}
	}
	return nil
}

// report calls write every few seconds until over is closed.
func report(over <-chan struct{}, write func()) {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return
		case <-tick.C:
			write()
		}
	}
}

// Before is good traffic before the disturbance.
func (r *Result) Before() traffic.Figures {
	return traffic.Summarise(traffic.Between(r.Sent, -r.Windows.Before, 0))
}

// During is good traffic during the disturbance.
func (r *Result) During() traffic.Figures {
	return traffic.Summarise(traffic.Between(r.Sent, 0, r.Windows.During))
}

// Refused counts the good requests that were not allowed.
func (r *Result) Refused() int { return len(r.Sent) - traffic.Reasons(r.Sent)[traffic.Allowed] }

// FetchesIn counts those in [from, to).
func (r *Result) FetchesIn(from, to time.Duration) int {
	count := 0
	for _, f := range r.Fetches {
		if f.At >= from && f.At < to {
			count++
		}
	}
	return count
}

// Line summarises the result in one line.
func (r *Result) Line() string {
	before, during := r.Before(), r.During()
	return fmt.Sprintf("during / before: p50 ×%.2f, p99 ×%.2f, p99.9 ×%.2f; "+
		"%d fetches; %d of %d good requests refused",
		traffic.Ratio(during.P50, before.P50), traffic.Ratio(during.P99, before.P99),
		traffic.Ratio(during.P999, before.P999),
		r.FetchesIn(0, r.Windows.During), r.Refused(), len(r.Sent))
}

// Command fairness measures the latency of new tokens of one issuer during a flood
// of forged tokens that name another.
//
// It builds doorward and, for each kind of forgery, measures the p99 of new
// tokens alone and beside 500 forgeries a second, several times in turn. It
// prints the medians and their ratio. Everything is on loopback and bounded in
// count and time. The exit code is 1 if a new token was refused; it does not
// depend on speed.
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
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/doorward/doorward/benchmarks/traffic"
	"github.com/doorward/doorward/internal/testenv"
)

// Requests a second.
const (
	goodRate   = 200 // new tokens of one issuer
	forgedRate = 500 // forgeries in the name of another
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends us at once
	traffic.Tune()
	o := options{}
	flag.IntVar(&o.rounds, "rounds", 5, "how often each kind is measured")
	flag.DurationVar(&o.window, "window", 3*time.Second, "`length` of a calm and of a disturbed window")
	flag.StringVar(&o.only, "only", "", "measure the kinds alone whose name has this `text` in it")
	flag.Parse()
	if err := o.work(ctx, os.Stdout); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "fairness:", err)
		os.Exit(1)
	}
}

type options struct {
	rounds int
	window time.Duration
	only   string
}

// work measures each kind with a doorward of its own. New tokens that were
// refused are an error, after everything has been printed.
func (o options) work(ctx context.Context, out io.Writer) (err error) {
	folder, err := os.MkdirTemp("", "doorward-fairness-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	programs, err := testenv.Build(ctx, folder, "cmd/doorward")
	if err != nil {
		return err
	}
	w, err := newWorld(filepath.Join(folder, "run"))
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "p99 of %d new tokens a second, alone and during %d forgeries a second "+
		"of another issuer:\nmedians of %d rounds of %s each\n\n", goodRate, forgedRate, o.rounds, o.window)
	refused := 0
	for _, kind := range kinds() {
		if !strings.Contains(kind.name, o.only) {
			continue
		}
		f, err := o.measure(ctx, programs[0], w, kind)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(out, "%-46s calm %-8s flood %-8s ratio ×%.2f (%s)  refused %d of %d  forgeries: %s\n",
			kind.name, traffic.Short(median(f.calm)), traffic.Short(median(f.flood)), median(f.ratios), f.interval(),
			f.refused, f.sent, traffic.Tally(f.forged))
		refused += f.refused
	}
	if refused > 0 {
		return fmt.Errorf("%d new tokens were refused", refused)
	}
	return nil
}

// findings are the results for one kind, with one element a round.
type findings struct {
	calm, flood   []time.Duration // p99 of new tokens
	ratios        []float64
	sent, refused int
	forged        []traffic.Sample
}

func (f *findings) interval() string {
	return fmt.Sprintf("×%.2f to ×%.2f", slices.Min(f.ratios), slices.Max(f.ratios))
}

func median[T float64 | time.Duration](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func (o options) measure(ctx context.Context, program string, w *world, kind kind) (*findings, error) {
	service, err := testenv.StartDoorward(ctx, testenv.DoorwardOptions{
		Program: program, Dir: w.folder, Config: configuration, Policy: testenv.TeamPolicy,
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = service.Stop() }() // an end before that shows in the answers
	client, err := traffic.Dial(ctx, service.GRPC)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	flood, err := kind.flood(ctx, w, service.GRPC)
	if err != nil {
		return nil, err
	}
	f := &findings{}
	for round := range o.rounds + 1 {
		calm, _, err := o.send(ctx, client, w, nil)
		if err != nil {
			return nil, err
		}
		beside, forged, err := o.send(ctx, client, w, flood)
		if err != nil {
			return nil, err
		}
		f.forged = append(f.forged, forged...)
		if round == 0 { // the first round warms up
			continue
		}
		a, b := traffic.Summarise(calm), traffic.Summarise(beside)
		f.calm, f.flood = append(f.calm, a.P99), append(f.flood, b.P99)
		f.ratios = append(f.ratios, traffic.Ratio(b.P99, a.P99))
		f.sent, f.refused = f.sent+a.Requests+b.Requests, f.refused+a.Refused+b.Refused
	}
	return f, nil
}

// send sends new tokens for one window, with a flood at the same time unless it is
// nil.
func (o options) send(
	ctx context.Context, client *traffic.Client, w *world, flood func(n int) []byte,
) (good, forged []traffic.Sample, err error) {
	senders := []*traffic.Sender{sender(client, goodRate, o.window, w.good)}
	if flood != nil {
		senders = append(senders, sender(client, forgedRate, o.window, flood))
	}
	traffic.Collect()
	zero := time.Now()
	var wait sync.WaitGroup
	failed := make([]error, len(senders))
	for i, s := range senders {
		wait.Go(func() { failed[i] = s.Run(ctx, zero) })
	}
	wait.Wait()
	if err := errors.Join(append(failed, ctx.Err())...); err != nil {
		return nil, nil, err
	}
	if flood != nil {
		forged = senders[1].Samples
	}
	return senders[0].Samples, forged, nil
}

// sender encodes its requests before the measurement.
func sender(client *traffic.Client, rate float64, window time.Duration, request func(n int) []byte) *traffic.Sender {
	due := traffic.Schedule(rate, window, nil)
	encoded := make([][]byte, len(due))
	for i := range encoded {
		encoded[i] = request(i)
	}
	return &traffic.Sender{Due: due, Call: client.Cycle(encoded)}
}

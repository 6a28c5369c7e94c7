package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/doorward/doorward/benchmarks/traffic"
)

// cell is one service under one load in one round.
type cell struct {
	answered, refused int
	took              time.Duration           // for all of them
	cpu               time.Duration           // of the service's process
	envoy             time.Duration           // of Envoy's, where there is one
	gc                time.Duration           // of doorward's garbage collector
	late              time.Duration           // the sender, p99
	latencies         *hdrhistogram.Histogram // nil at saturation, where they have no meaning
}

func (c cell) perCheck(cpu time.Duration) float64 { return float64(cpu) / float64(max(c.answered, 1)) }

// throughput is in answers a second.
func (c cell) throughput() float64 { return float64(c.answered) / c.took.Seconds() }

// cells are those of every round, by service and load.
type cells map[string]map[load][]cell

func (all cells) add(name string, l load, c cell) {
	if all[name] == nil {
		all[name] = map[load][]cell{}
	}
	all[name][l] = append(all[name][l], c)
}

// measure runs a load and adds its result.
func (all cells) measure(ctx context.Context, name string, l load, call traffic.Call, used useFunc) error {
	c, err := l.run(ctx, call, used)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	all.add(name, l, c)
	return nil
}

// around measures every target under every load: A B C in round 0, B C A in round 1,
// so that the order differs from round to round.
func around[T any](loads []load, all []T, round int, measure func(load, T) error) error {
	for _, l := range loads {
		for i := range all {
			if err := measure(l, all[(i+round)%len(all)]); err != nil {
				return err
			}
		}
	}
	return nil
}

// refused counts the refused requests of all rounds.
func (all cells) refused() int {
	refused := 0
	for _, loads := range all {
		for _, rounds := range loads {
			for _, c := range rounds {
				refused += c.refused
			}
		}
	}
	return refused
}

// merged returns the latencies of all rounds, the number of refused requests, and
// the sender's lateness in each round, in milliseconds (p99).
func (all cells) merged(name string, l load) (whole *hdrhistogram.Histogram, refused int, late []float64) {
	whole = traffic.Histogram(nil)
	for _, c := range all[name][l] {
		whole.Merge(c.latencies)
		refused += c.refused
		late = append(late, milliseconds(c.late))
	}
	return whole, refused, late
}

// measureRounds measures all services under all loads, in every round.
func (r *results) measureRounds(ctx context.Context, s *testbed, progress io.Writer) error {
	var services []*service
	defer func() {
		for _, service := range services {
			service.stop()
		}
	}()
	for _, c := range r.plan.targets {
		opened, err := s.open(ctx, c)
		if err != nil {
			return err
		}
		services = append(services, opened)
		traffic.Saturate(ctx, opened.client.Cycle(opened.encoded), r.plan.warm, 64)
	}
	r.checks = cells{}
	for round := range r.plan.rounds {
		if err := around(r.plan.loads, services, round, func(l load, service *service) error {
			if !service.takes(l) {
				return nil
			}
			return r.checks.measure(ctx, service.name, l, service.client.Cycle(service.encoded), service.use)
		}); err != nil {
			return err
		}
		_, _ = fmt.Fprintf(progress,
			"  round %d of %d: empty %.1f us, usual %.1f us, doorward %.1f us a Check at saturation\n",
			round+1, r.plan.rounds, r.last(empty), r.last(usual), r.last(doorward))
	}
	return nil
}

// last returns the cost of a Check at saturation in the last round, in microseconds.
func (r *results) last(name string) float64 {
	all := r.checks[name][r.plan.saturation()]
	return all[len(all)-1].perCheck(all[len(all)-1].cpu) / 1000
}

// use is the processor time of a service so far.
type use struct{ cpu, envoy, gc time.Duration }

// useFunc reads it, before a load and after it.
type useFunc func(ctx context.Context, after bool) (use, error)

// gcMetric is the processor time of doorward's garbage collector, up to the end of
// its last collection.
const gcMetric = "go_cpu_classes_gc_total_cpu_seconds_total"

// use reads the metric first, so that its cost is not in the processor time.
func (s *service) use(ctx context.Context, after bool) (u use, err error) {
	if after {
		u.cpu, err = s.process.CPU()
	}
	if s.doorward != nil && err == nil {
		var seconds float64
		seconds, err = s.doorward.Metric(ctx, gcMetric)
		u.gc = time.Duration(seconds * float64(time.Second))
	}
	if !after && err == nil {
		u.cpu, err = s.process.CPU()
	}
	return u, err
}

// run sends a load and measures the processor time of the service meanwhile.
func (l load) run(ctx context.Context, call traffic.Call, used useFunc) (c cell, err error) {
	traffic.Collect()
	before, err := used(ctx, false)
	if err != nil {
		return c, err
	}
	if l.rate == 0 {
		allowed, took := traffic.Saturate(ctx, call, l.count, l.underWay)
		c = cell{answered: l.count, refused: l.count - allowed, took: took}
	} else {
		random := rand.New(rand.NewPCG(1, uint64(l.rate))) //nolint:gosec // the same gaps for every service
		sender := traffic.Sender{Due: traffic.Schedule(l.rate, l.length, random), Call: call}
		if err := sender.Run(ctx, time.Now()); err != nil {
			return c, err
		}
		figures := traffic.Summarise(sender.Samples)
		c = cell{
			answered: figures.Requests, refused: figures.Refused, took: l.length,
			late: figures.Late, latencies: traffic.Latencies(sender.Samples),
		}
	}
	if err := ctx.Err(); err != nil {
		return c, err
	}
	after, err := used(ctx, true)
	c.cpu, c.envoy, c.gc = after.cpu-before.cpu, after.envoy-before.envoy, after.gc-before.gc
	return c, err
}

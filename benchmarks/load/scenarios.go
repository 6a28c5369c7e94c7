package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/doorward/doorward/benchmarks/authority"
	"github.com/doorward/doorward/benchmarks/scenario"
	"github.com/doorward/doorward/internal/testenv"
)

// measureScenarios measures every scenario in every round, with all traffic at
// half of the capacity of doorward on this machine.
func (r *results) measureScenarios(ctx context.Context, s *testbed, progress io.Writer) error {
	capacity, err := r.capacity(ctx, s)
	if err != nil {
		return err
	}
	r.traffic = capacity / 2
	_, _ = fmt.Fprintf(progress,
		"  capacity: %.0f Checks a second at random moments; all traffic is half of that\n", capacity)
	logSink, err := openSink()
	if err != nil {
		return err
	}
	defer logSink.close()
	r.scenarios = map[string][]*scenario.Result{}
	for round := range r.plan.rounds {
		for _, t := range r.plan.scenarios {
			d := t.scenario(r.traffic, r.plan.windows, logSink)
			d.CPUs = s.cpus
			result, err := scenario.Measure(ctx, s.programs[doorward], s.folder, d, io.Discard)
			if err != nil {
				return fmt.Errorf("%s: %w", d.Name(), err)
			}
			r.scenarios[t.title] = append(r.scenarios[t.title], result)
			_, _ = fmt.Fprintf(progress, "  round %d of %d: %s: %s\n", round+1, r.plan.rounds, d.Name(), result.Line())
		}
	}
	return nil
}

// capacityP99 bounds the p99 of a rate that doorward can answer.
const capacityP99 = 10 * time.Millisecond

// capacity returns the highest rate that doorward can answer, of a series that grows
// by eighths, with requests at random moments. It is less than the throughput at
// saturation, where the next request always waits.
func (r *results) capacity(ctx context.Context, s *testbed) (float64, error) {
	opened, err := s.open(ctx, target{name: doorward, program: doorward})
	if err != nil {
		return 0, err
	}
	defer opened.stop()
	capacity := 4000.0
	for tries := 0; tries < 2; {
		next := load{rate: capacity * 9 / 8, length: r.plan.step}
		c, err := next.run(ctx, opened.client.Cycle(opened.encoded), opened.use)
		if err != nil {
			return 0, err
		}
		if c.refused > 0 || c.latencies.ValueAtPercentile(99) > capacityP99.Nanoseconds() {
			tries++ // one slow second is not the limit
			continue
		}
		capacity, tries = next.rate, 0
	}
	return capacity, nil
}

// scenario returns the scenario for a rate of all traffic, a share of which is
// disturbing while the scenario lasts.
func (t scenarioPlan) scenario(rate float64, w scenario.Windows, logSink *sink) scenario.Scenario {
	d := scenario.Scenario{
		Title: t.title, Traffic: t.traffic, Refresh: keysWithin, Windows: w,
		Good: scenario.Good{Rate: rate * (1 - t.share), Pool: poolSize},
		Rate: rate * t.share, Instead: !t.onTop,
	}
	if t.token != nil {
		d.Token = func(tokens *authority.Tokens, _ time.Duration) string { return t.token(tokens) }
	}
	if t.sink {
		d.Extra = []string{logSink.configuration()}
		logSink.hung.Store(false)
		t.do = func(*scenario.Testbed, int) error {
			logSink.hung.Store(true)
			return nil
		}
	}
	for n := 0; n == 0 || t.every > 0 && time.Duration(n)*t.every < w.During; n++ {
		do := scenario.Nothing
		if t.do != nil {
			do = func(s *scenario.Testbed) error { return t.do(s, n) }
		}
		d.Events = append(d.Events, scenario.Event{At: time.Duration(n) * t.every, Label: t.label, Do: do})
		d.Rotations++
	}
	return d
}

// sink receives decision logs. While it hangs it accepts requests and never
// answers.
type sink struct {
	address string
	hung    atomic.Bool
	server  *http.Server
}

func openSink() (*sink, error) {
	listener, err := testenv.Listen("")
	if err != nil {
		return nil, err
	}
	s := &sink{address: listener.Addr().String()}
	s.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(s.receive)}
	go func(listener net.Listener) { _ = s.server.Serve(listener) }(listener) // it ends with close
	return s, nil
}

func (s *sink) receive(_ http.ResponseWriter, r *http.Request) {
	if s.hung.Load() {
		<-r.Context().Done()
		return
	}
	_, _ = io.Copy(io.Discard, r.Body) // only its size matters
}

func (s *sink) close() { _ = s.server.Close() } // no sender is left

// configuration is the line that makes doorward send its decision log here.
func (s *sink) configuration() string { return "decision_log: {to: 'http://" + s.address + "'}" }

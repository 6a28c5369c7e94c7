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

// measureTrouble goes round everything that can go wrong, with good traffic at
// half of what doorward can do on this machine.
func (r *results) measureTrouble(ctx context.Context, s *testbed, progress io.Writer) error {
	capacity, err := r.capacity(ctx, s)
	if err != nil {
		return err
	}
	r.traffic = capacity / 2
	_, _ = fmt.Fprintf(progress, "  doorward can do %.0f Checks a second that come at random moments; all traffic is half of that\n", capacity)
	logSink, err := openSink()
	if err != nil {
		return err
	}
	defer logSink.close()
	r.scenarios = map[string][]*scenario.Result{}
	for round := range r.plan.rounds {
		for _, t := range r.plan.scenarios {
			d := t.disturbance(r.traffic, r.plan.windows, logSink)
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

// soon is how long 99 of a hundred requests may take at a rate that counts as
// one that can be done.
const soon = 10 * time.Millisecond

// capacity is the highest rate that can be done, of a row in which each is an
// eighth more, where requests come at random moments. It is less than what is
// answered at saturation, where the next request is always there.
func (r *results) capacity(ctx context.Context, s *testbed) (float64, error) {
	opened, err := s.open(ctx, target{name: doorward, program: doorward})
	if err != nil {
		return 0, err
	}
	defer opened.stop()
	capacity := 4000.0
	for tries := 0; tries < 2; {
		next := load{rate: capacity * 9 / 8, length: time.Second}
		c, err := next.run(ctx, opened.client.Cycle(opened.encoded), opened.use)
		if err != nil {
			return 0, err
		}
		if c.refused > 0 || c.latencies.ValueAtPercentile(99) > soon.Nanoseconds() {
			tries++ // once is an accident
			continue
		}
		capacity, tries = next.rate, 0
	}
	return capacity, nil
}

// disturbance is a trouble at a rate of all traffic while it lasts, of which the
// share is not good then.
func (t scenarioPlan) disturbance(rate float64, w scenario.Windows, logSink *sink) scenario.Scenario {
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

// sink takes decision logs, until it hangs: then it takes requests and never
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
	s.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if s.hung.Load() {
			<-r.Context().Done()
			return
		}
		_, _ = io.Copy(io.Discard, r.Body) // what is in it is nothing to us
	})}
	go func(listener net.Listener) { _ = s.server.Serve(listener) }(listener) // it ends with close
	return s, nil
}

func (s *sink) close() { _ = s.server.Close() } // nobody waits for an answer any more

// configuration is the line that makes doorward send its decision log here.
func (s *sink) configuration() string { return "decision_log: {to: 'http://" + s.address + "'}" }

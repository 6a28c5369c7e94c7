package traffic

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Patience is the time that a request waits for its answer, as Envoy does with
// envoy/envoy.yaml.
const Patience = time.Second

// inFlight bounds the requests of a sender. More requests wait, which counts as latency.
const inFlight = 4096

// Call sends the n-th request and returns how it was answered: [Allowed],
// another reason, or [NoAnswer].
type Call func(ctx context.Context, n int) (reason string)

// Sender sends at fixed times, independent of the answers (open loop).
type Sender struct {
	Due     []time.Duration // from the moment that is zero to Run
	Call    Call
	Samples []Sample // one for each in Due, once Run has returned

	answered, refused atomic.Int64
}

// Answered counts the requests that are over, while Run runs.
func (s *Sender) Answered() int64 { return s.answered.Load() }

// Refused counts those of them that were not allowed.
func (s *Sender) Refused() int64 { return s.refused.Load() }

// Run sends everything and waits for the last answer, or for ctx. It returns an
// error only if it could not begin.
func (s *Sender) Run(ctx context.Context, zero time.Time) error {
	pause, err := newPause()
	if err != nil {
		return err
	}
	defer pause.close()
	s.Samples = make([]Sample, len(s.Due))
	var wait sync.WaitGroup
	slots := make(chan struct{}, inFlight)
	for i, due := range s.Due {
		for left := due - time.Since(zero); left > 0 && ctx.Err() == nil; left = due - time.Since(zero) {
			pause.sleep(min(left, time.Second))
		}
		if ctx.Err() != nil {
			break
		}
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			s.Samples[i] = s.send(ctx, zero, due, i)
		})
	}
	wait.Wait()
	return nil
}

func (s *Sender) send(ctx context.Context, zero time.Time, due time.Duration, n int) Sample {
	sent := time.Since(zero)
	reason := s.Call(ctx, n)
	s.answered.Add(1)
	if reason != Allowed {
		s.refused.Add(1)
	}
	return Sample{Due: due, Sent: sent, Done: time.Since(zero), Reason: reason}
}

// Saturate sends count requests as fast as they are answered, with so many under way
// at a time, and returns how many were allowed and how long it took. It measures
// throughput, not latency.
func Saturate(ctx context.Context, call Call, count, underWay int) (allowed int, took time.Duration) {
	// The service must be the bottleneck: if the sender waits for a processor, the
	// service becomes idle in between, and waking up is expensive.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2 * runtime.NumCPU()))
	var next, good atomic.Int64
	var wait sync.WaitGroup
	oneByOne := func() {
		for n := next.Add(1) - 1; n < int64(count) && ctx.Err() == nil; n = next.Add(1) - 1 {
			if call(ctx, int(n)) == Allowed {
				good.Add(1)
			}
		}
	}
	began := time.Now()
	for range underWay {
		wait.Go(oneByOne)
	}
	wait.Wait()
	return int(good.Load()), time.Since(began)
}

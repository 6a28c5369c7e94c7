package main

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/doorward/doorward/benchmarks/traffic"
)

// memory is the memory of a doorward that was sent many distinct tokens.
type memory struct {
	offered, refused  int
	before, now, most int64 // bytes, of the process
	cache, evicted    float64
	took              time.Duration
}

// measureMemory sends plan.distinct good tokens, each once, or as many as it can
// within plan.offering. It signs them while it sends them: a million tokens would
// take too much memory.
func (r *results) measureMemory(ctx context.Context, s *testbed, progress io.Writer) error {
	opened, err := s.open(ctx, target{name: doorward, program: doorward})
	if err != nil {
		return err
	}
	defer opened.stop()
	m := &memory{}
	if m.before, _, err = opened.process.Memory(); err != nil {
		return err
	}
	began := time.Now()
	var offered, allowed atomic.Int64
	call := func(ctx context.Context, n int) string {
		if time.Since(began) > r.plan.offering {
			return traffic.Allowed // the time is over: nothing is sent
		}
		if n%(r.plan.distinct/10) == 0 && n > 0 {
			_, _ = fmt.Fprintf(progress, "  %d of %d\n", n, r.plan.distinct)
		}
		reason := opened.client.Check(ctx, n, traffic.Encode(s.tokens.Good(), traffic.Raw, n))
		offered.Add(1)
		if reason == traffic.Allowed {
			allowed.Add(1)
		}
		return reason
	}
	_, m.took = traffic.Saturate(ctx, call, r.plan.distinct, 64)
	m.offered, m.refused = int(offered.Load()), int(offered.Load()-allowed.Load())
	if m.now, m.most, err = opened.process.Memory(); err != nil {
		return err
	}
	if m.cache, err = opened.doorward.Metric(ctx, `doorward_cache_bytes{cache="token"}`); err != nil {
		return err
	}
	m.evicted, err = opened.doorward.Metric(ctx, `doorward_cache_evictions_total{cache="token"}`)
	r.memory = m
	return err
}

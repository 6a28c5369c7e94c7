package token

import (
	"context"
	"runtime"
	"sync/atomic"
)

// gate bounds the signatures that are verified at once, and how many more wait
// for their turn: a flood of fresh forged tokens must not take the processor
// from everybody else. Those that wait go through in the order they came.
type gate struct {
	slots      chan struct{}
	waiting    atomic.Int64
	maxWaiting int64
}

func newGate(inFlight, waiting int) *gate {
	if inFlight <= 0 {
		inFlight = 2 * runtime.GOMAXPROCS(0)
	}
	return &gate{slots: make(chan struct{}, inFlight), maxWaiting: int64(waiting)}
}

// enter takes a slot; false means that there was none and too many wait
// already, or that ctx ended first. Each true needs one leave.
func (g *gate) enter(ctx context.Context) bool {
	select {
	case g.slots <- struct{}{}:
		return true
	default:
	}
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > g.maxWaiting {
		return false
	}
	select {
	case g.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (g *gate) leave() { <-g.slots }

func (g *gate) inFlight() int { return len(g.slots) }

package token

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

// gate bounds the signatures that are verified at once, and how many more wait
// for their turn: a flood of fresh forged tokens must not take the processor
// from everybody else, so that a slot rests after each of them. Those that wait
// go through in the order they came.
type gate struct {
	slots      chan struct{} // taken, or at rest
	working    atomic.Int64
	resting    atomic.Int64 // counted, since a slot that is handed over is taken before anybody works in it
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
// already, or that ctx ended first. Each true needs one leave or rest.
func (g *gate) enter(ctx context.Context) bool {
	select {
	case g.slots <- struct{}{}:
		g.working.Add(1)
		return true
	default:
	}
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > g.mayWait() {
		return false
	}
	select {
	case g.slots <- struct{}{}:
		g.working.Add(1)
		return true
	case <-ctx.Done():
		return false
	}
}

// queued is how many wait for each slot at most while forgeries come.
const queued = 16

// mayWait is how many may wait now. Once most slots rest, forgeries come faster
// than they are verified, and a long queue lets nobody through who would not get
// through with a short one: all wait longer, and what each of them holds, with
// its stack, is looked through by every garbage collection. A thousand that wait
// make one take 25 ms instead of 3, which is what other requests notice most of
// such a flood.
func (g *gate) mayWait() int64 {
	slots := int64(cap(g.slots))
	if 2*g.resting.Load() > slots {
		return min(g.maxWaiting, queued*slots)
	}
	return g.maxWaiting
}

func (g *gate) leave() {
	g.working.Add(-1)
	<-g.slots
}

// restsFor is how many times as long as its signature took a slot rests after a
// forgery. With two slots a core, forgeries get an eighth of the processors as
// long as a signature takes less than a third of a millisecond, as all usual
// ones do. A genuine token makes no slot rest.
const restsFor = 15

// longestRest bounds it: what took long may have been held up by others, and a
// few forgeries must not close the gate for as long as a caller waits.
const longestRest = 5 * time.Millisecond

// rest is a leave after work that took so long for nothing: the slot is free
// for others only later.
func (g *gate) rest(took time.Duration) {
	g.working.Add(-1)
	g.resting.Add(1)
	time.AfterFunc(min(restsFor*took, longestRest), func() {
		g.resting.Add(-1)
		<-g.slots
	})
}

func (g *gate) inFlight() int { return int(g.working.Load()) }

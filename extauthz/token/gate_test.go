package token

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestGateBoundsBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2, 3)
		for range 2 {
			if !g.enter(t.Context()) {
				t.Fatal("a free slot was refused")
			}
		}
		entered := make(chan bool, 3)
		for range 3 {
			go func() { entered <- g.enter(t.Context()) }()
		}
		synctest.Wait() // three wait now
		if g.enter(t.Context()) {
			t.Fatal("a fourth may not wait")
		}
		if g.inFlight() != 2 {
			t.Errorf("%d in flight", g.inFlight())
		}
		for range 3 {
			g.leave()
			if !<-entered {
				t.Error("one that waited was refused")
			}
		}
		g.leave()
		g.leave()
		if g.inFlight() != 0 || g.waiting.Load() != 0 {
			t.Errorf("%d in flight, %d waiting at the end", g.inFlight(), g.waiting.Load())
		}
	})
}

func TestGateWaitsNoLongerThanTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 1)
		g.enter(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		entered := make(chan bool)
		go func() { entered <- g.enter(ctx) }()
		synctest.Wait()
		cancel()
		if <-entered {
			t.Error("entered a full gate")
		}
		g.leave()
		if !g.enter(ctx) {
			t.Error("a free slot needs no time")
		}
		g.leave()
		if g.inFlight() != 0 || g.waiting.Load() != 0 {
			t.Errorf("%d in flight, %d waiting at the end", g.inFlight(), g.waiting.Load())
		}
	})
}

func TestGateDefault(t *testing.T) {
	if got, want := cap(newGate(0, 0).slots), 2*runtime.GOMAXPROCS(0); got != want {
		t.Errorf("%d slots, want %d", got, want)
	}
}

// TestASlotRestsAfterAForgery, so that whoever comes next waits, and after
// nothing else.
func TestASlotRestsAfterAForgery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 1)
		g.enter(t.Context())
		g.rest(100 * time.Microsecond)
		began := time.Now()
		if !g.enter(t.Context()) {
			t.Fatal("the slot was lost")
		}
		if waited := time.Since(began); waited != restsFor*100*time.Microsecond {
			t.Errorf("waited %v", waited)
		}
		g.rest(time.Second) // somebody else had the processor
		began = time.Now()
		if g.enter(t.Context()); time.Since(began) != longestRest {
			t.Errorf("waited %v for work that was held up", time.Since(began))
		}
		g.leave()
		began = time.Now()
		if g.enter(t.Context()); time.Since(began) != 0 {
			t.Error("a slot rests after work that was for something")
		}
	})
}

// TestFewWaitWhileForgeriesCome, however many may wait otherwise: for slots that
// are at work, and for some that rest after a stray forgery.
func TestFewWaitWhileForgeriesCome(t *testing.T) {
	for _, row := range []struct {
		intent                     string
		slots, resting, limit, may int
	}{
		{"all slots at work", 4, 0, 1000, 1000},
		{"half of them rest", 4, 2, 1000, 1000},
		{"most of them rest", 4, 3, 1000, 4 * queued},
		{"most of them rest, and fewer may wait anyway", 4, 3, 5, 5},
		{"the only one rests", 1, 1, 1000, queued},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := newGate(row.slots, row.limit)
			for range row.slots {
				g.enter(t.Context())
			}
			for range row.resting {
				g.rest(time.Second)
			}
			ctx, cancel := context.WithCancel(t.Context())
			refused := 0
			for range row.may + 1 {
				go func() {
					if !g.enter(ctx) && ctx.Err() == nil {
						refused++
					}
				}()
			}
			synctest.Wait()
			if waiting := g.waiting.Load(); int(waiting) != row.may || refused != 1 {
				t.Errorf("%s: %d wait, not %d; %d refused, not one", row.intent, waiting, row.may, refused)
			}
			cancel()
			synctest.Wait()
			time.Sleep(longestRest) // nothing rests any longer
			synctest.Wait()
			if g.resting.Load() != 0 || g.mayWait() != int64(row.limit) {
				t.Errorf("%s: afterwards, %d rest and %d may wait", row.intent, g.resting.Load(), g.mayWait())
			}
		})
	}
}

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

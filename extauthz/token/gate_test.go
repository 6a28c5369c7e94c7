package token

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// here is an issuer's name, where there is only one.
const here = "here"

func TestGateBoundsBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2, 3)
		for range 2 {
			if g.enter(t.Context(), here) == nil {
				t.Fatal("a free slot was refused")
			}
		}
		entered := make(chan *lane, 3)
		for range 3 {
			go func() { entered <- g.enter(t.Context(), here) }()
		}
		synctest.Wait() // three wait now
		if g.enter(t.Context(), here) != nil {
			t.Fatal("a fourth may not wait")
		}
		if g.inFlight() != 2 {
			t.Errorf("%d in flight", g.inFlight())
		}
		for range 3 {
			g.lane(here).leave()
			if <-entered == nil {
				t.Error("one that waited was refused")
			}
		}
		g.lane(here).leave()
		g.lane(here).leave()
		g.isEmpty(t)
	})
}

// isEmpty says whether everybody gave back what they took.
func (g *gate) isEmpty(t *testing.T) {
	t.Helper()
	if g.inFlight() != 0 || g.waiting.Load() != 0 || g.cooling.Load() != 0 {
		t.Errorf("%d in flight, %d waiting, %d lanes cooling at the end", g.inFlight(), g.waiting.Load(), g.cooling.Load())
	}
	for issuer, l := range g.lanes {
		if len(l.slots) != 0 || l.waiting.Load() != 0 || l.resting.Load() != 0 {
			t.Errorf("%s: %d slots taken, %d waiting, %d resting at the end", issuer, len(l.slots), l.waiting.Load(), l.resting.Load())
		}
	}
}

func TestGateWaitsNoLongerThanTheCaller(t *testing.T) {
	for _, other := range []string{here, "elsewhere"} { // for a slot, and for a turn
		synctest.Test(t, func(t *testing.T) {
			g := newGate(1, 1)
			l := g.enter(t.Context(), here)
			ctx, cancel := context.WithCancel(t.Context())
			entered := make(chan *lane)
			go func() { entered <- g.enter(ctx, other) }()
			synctest.Wait()
			cancel()
			if <-entered != nil {
				t.Error("entered a full gate")
			}
			l.leave()
			if l = g.enter(ctx, other); l == nil {
				t.Fatal("a free slot and a free turn need no time")
			}
			l.leave()
			g.isEmpty(t)
		})
	}
}

func TestGateDefault(t *testing.T) {
	if got, want := cap(newGate(0, 0).turns), 2*runtime.GOMAXPROCS(0); got != want {
		t.Errorf("%d turns, want %d", got, want)
	}
}

// waits is how long one more waits until it enters.
func (g *gate) waits(t *testing.T, issuer string) time.Duration {
	t.Helper()
	began := time.Now()
	l := g.enter(t.Context(), issuer)
	if l == nil {
		t.Fatal("refused")
	}
	defer l.leave()
	return time.Since(began)
}

// TestASlotRestsAfterAForgery, so that whoever comes next waits in proportion to
// the work, and after nothing else.
func TestASlotRestsAfterAForgery(t *testing.T) {
	const usual, dear = 100 * time.Microsecond, 2 * time.Millisecond
	for _, row := range []struct {
		intent   string
		took     time.Duration
		keys     int
		verified bool
		want     time.Duration
	}{
		{"a usual forgery", usual, 1, false, restsFor * usual},
		{"a dear one", dear, 1, false, restsFor * dear},
		{"one that four keys were tried for rests for the whole time", 4 * dear, 4, false, restsFor * 4 * dear},
		{"somebody else had the processor", time.Second, 1, false, longestRest},
		{"and the same with four keys", time.Second, 4, false, 4 * longestRest},
		{"work that was for something", dear, 1, true, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := newGate(1, 1)
			entered, verified := g.try(t.Context(), here, row.keys, func() bool {
				time.Sleep(row.took)
				return row.verified
			})
			if !entered || verified != row.verified {
				t.Errorf("%s: entered %t, verified %t", row.intent, entered, verified)
			}
			if waited := g.waits(t, here); waited != row.want {
				t.Errorf("%s: waited %v, want %v", row.intent, waited, row.want)
			}
			g.isEmpty(t)
		})
	}
}

// TestAPanicGivesItsPlaceBack: whoever catches it must not find the gate shut.
func TestAPanicGivesItsPlaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 1)
		func() {
			defer func() { _ = recover() }()
			g.try(t.Context(), here, 1, func() bool { panic("a library's fault") })
		}()
		g.waits(t, here)
		g.isEmpty(t)
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
				g.enter(t.Context(), here)
			}
			for range row.resting {
				g.lane(here).rest(time.Second, 1)
			}
			ctx, cancel := context.WithCancel(t.Context())
			refused := 0
			for range row.may + 1 {
				go func() {
					if g.enter(ctx, here) == nil && ctx.Err() == nil {
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
			l := g.lane(here)
			if l.resting.Load() != 0 || !l.mayWait(int64(row.limit), int64(row.limit)) || g.cooling.Load() != 0 {
				t.Errorf("%s: afterwards, %d rest", row.intent, l.resting.Load())
			}
		})
	}
}

// crowd is signatures that come one every so often.
type crowd struct {
	issuer       string
	count        int
	every, takes time.Duration
	verified     bool
}

// pass calls back for each with the time it waited, and for a refused one with
// less than nothing. It returns when all are through.
func (c crowd) pass(t *testing.T, g *gate, waited func(time.Duration)) {
	var mu sync.Mutex
	var through sync.WaitGroup
	defer through.Wait()
	for range c.count {
		through.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began, wait := time.Now(), -time.Second
			g.try(ctx, c.issuer, 1, func() bool {
				wait = time.Since(began)
				time.Sleep(c.takes)
				return c.verified
			})
			mu.Lock()
			defer mu.Unlock()
			waited(wait)
		})
		time.Sleep(c.every)
	}
}

// TestForgeriesOfOneIssuerDoNotStarveAnother: 500 a second in the name of one
// make its own tokens wait and be refused. Tokens of another issuer wait for a
// turn at most, which does not rest, and none is refused: when they come one by
// one, and when many come at once.
func TestForgeriesOfOneIssuerDoNotStarveAnother(t *testing.T) {
	const flooded, other, slots, work = "flooded", "other", 4, 3 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		g := newGate(slots, 1000)
		refused, longest := 0, time.Duration(0)
		var flood sync.WaitGroup
		flood.Go(func() {
			crowd{flooded, 1000, 2 * time.Millisecond, work, false}.pass(t, g, func(wait time.Duration) {
				if wait < 0 {
					refused++
				}
			})
		})
		crowd{other, 150, 10 * time.Millisecond, time.Millisecond, true}.pass(t, g, func(wait time.Duration) {
			if wait < 0 {
				t.Error("another issuer's token was refused")
			}
			longest = max(longest, wait)
		})
		if longest > work {
			t.Errorf("another issuer's token waited %v, longer than a turn takes", longest)
		}
		// The short queue of each lane is its own.
		entered := 0
		crowd{other, slots * (1 + queued), 0, time.Millisecond, true}.pass(t, g, func(wait time.Duration) {
			if wait >= 0 {
				entered++
			}
		})
		flood.Wait()
		time.Sleep(longestRest)
		synctest.Wait()
		if refused == 0 {
			t.Error("the flood was no flood")
		}
		if entered != slots*(1+queued) {
			t.Errorf("%d of %d that came at once entered", entered, slots*(1+queued))
		}
		g.isEmpty(t)
	})
}

// TestWhatFillsOneQueueLeavesRoomInAnother: as many wait for one issuer as may
// wait in all, and for another there is the short queue still.
func TestWhatFillsOneQueueLeavesRoomInAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 100
		g := newGate(1, limit)
		ctx, cancel := context.WithCancel(t.Context())
		busy := g.enter(ctx, "full")
		for range limit {
			go g.enter(ctx, "full")
		}
		go g.enter(ctx, "other") // has the slot of its lane, and waits for a turn
		synctest.Wait()
		refused := 0
		for range queued + 1 {
			go func() {
				if g.enter(ctx, "other") == nil && ctx.Err() == nil {
					refused++
				}
			}()
		}
		synctest.Wait()
		if got := g.lane("other").waiting.Load(); got != queued || refused != 1 {
			t.Errorf("%d wait, %d refused; want %d and one", got, refused, queued)
		}
		cancel()
		synctest.Wait()
		busy.leave()
		g.isEmpty(t)
	})
}

// TestForgeriesUnderManyNamesGetNoMore than under one: some eighth of the
// processors, whatever a forger writes into iss.
func TestForgeriesUnderManyNamesGetNoMore(t *testing.T) {
	const slots, work, span = 4, time.Millisecond, 20 * time.Second // as two processors have
	for _, names := range []int{1, 2, 5, 20} {
		synctest.Test(t, func(t *testing.T) {
			g := newGate(slots, 1000)
			var worked atomic.Int64
			for name := range names {
				for range 2 * slots {
					go func() {
						for began := time.Now(); time.Since(began) < span; {
							g.try(t.Context(), string(rune('a'+name)), 1, func() bool {
								time.Sleep(work)
								worked.Add(int64(work))
								return false
							})
						}
					}()
				}
			}
			time.Sleep(2*span + time.Minute)
			g.isEmpty(t)
			if share := float64(worked.Load()) / float64(span) / (slots / 2); share < 0.08 || share > 0.16 {
				t.Errorf("under %d names: %.3f of the processors", names, share)
			}
		})
	}
}

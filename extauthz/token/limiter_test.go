package token

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// here is an issuer's name, where there is only one.
const here = "here"

func TestGateBoundsBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newLimiter(2, 3)
		for range 2 {
			if _, ok := g.acquire(t.Context(), here); !ok {
				t.Fatal("a free slot was refused")
			}
		}
		entered := make(chan bool, 3)
		for range 3 {
			go func() {
				_, ok := g.acquire(t.Context(), here)
				entered <- ok
			}()
		}
		synctest.Wait() // three wait now
		if _, ok := g.acquire(t.Context(), here); ok {
			t.Fatal("a fourth may not wait")
		}
		if g.inFlight() != 2 {
			t.Errorf("%d in flight", g.inFlight())
		}
		for range 3 {
			turn{queue: g.queueOf(here)}.release()
			if !<-entered {
				t.Error("one that waited was refused")
			}
		}
		turn{queue: g.queueOf(here)}.release()
		turn{queue: g.queueOf(here)}.release()
		g.isEmpty(t)
	})
}

// isEmpty says whether everybody gave back what they took.
func (g *limiter) isEmpty(t *testing.T) {
	t.Helper()
	if g.inFlight() != 0 || len(g.suspect) != 0 || g.waiting.Load() != 0 || g.cooling.Load() != 0 {
		t.Errorf("%d in flight, %d waiting, %d lanes cooling at the end", g.inFlight(), g.waiting.Load(), g.cooling.Load())
	}
	for issuer, l := range g.queues {
		if len(l.slots) != 0 || l.waiting.Load() != 0 || l.cooling.Load() != 0 {
			t.Errorf("%s: %d slots taken, %d waiting, %d resting at the end", issuer, len(l.slots), l.waiting.Load(), l.cooling.Load())
		}
	}
}

func TestGateWaitsNoLongerThanTheCaller(t *testing.T) {
	for _, other := range []string{here, "elsewhere"} { // for a slot, and for a turn
		synctest.Test(t, func(t *testing.T) {
			g := newLimiter(1, 1)
			busy, _ := g.acquire(t.Context(), here)
			ctx, cancel := context.WithCancel(t.Context())
			entered := make(chan bool)
			go func() {
				_, ok := g.acquire(ctx, other)
				entered <- ok
			}()
			synctest.Wait()
			cancel()
			if <-entered {
				t.Error("entered a full gate")
			}
			busy.release()
			free, ok := g.acquire(ctx, other)
			if !ok {
				t.Fatal("a free slot and a free turn need no time")
			}
			free.release()
			g.isEmpty(t)
		})
	}
}

// TestWhoeverGivesUpLeavesNothingBehind, whatever it waited for in a lane that
// cools: its own few turns, or any.
func TestWhoeverGivesUpLeavesNothingBehind(t *testing.T) {
	for _, busy := range []struct {
		issuer string
		turns  int
	}{{here, 1}, {"elsewhere", 4}} {
		synctest.Test(t, func(t *testing.T) {
			g := newLimiter(4, 10)
			first, _ := g.acquire(t.Context(), here)
			first.releaseAfterFailure(maxCooldown, 1)
			var taken []turn
			for range busy.turns {
				turn, _ := g.acquire(t.Context(), busy.issuer)
				taken = append(taken, turn)
			}
			ctx, cancel := context.WithTimeout(t.Context(), maxCooldown/2)
			defer cancel()
			if _, ok := g.acquire(ctx, here); ok {
				t.Errorf("entered, with %d turns taken %s", busy.turns, busy.issuer)
			}
			for _, turn := range taken {
				turn.release()
			}
			time.Sleep(maxCooldown)
			synctest.Wait()
			g.isEmpty(t)
		})
	}
}

func TestGateDefault(t *testing.T) {
	if got, want := cap(newLimiter(0, 0).turns), 2*runtime.GOMAXPROCS(0); got != want {
		t.Errorf("%d turns, want %d", got, want)
	}
}

// waits is how long one more waits until it enters.
func (g *limiter) waits(t *testing.T, issuer string) time.Duration {
	t.Helper()
	began := time.Now()
	turn, ok := g.acquire(t.Context(), issuer)
	if !ok {
		t.Fatal("refused")
	}
	defer turn.release()
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
		{"a usual forgery", usual, 1, false, cooldownFactor * usual},
		{"a dear one", dear, 1, false, cooldownFactor * dear},
		{"one that four keys were tried for rests for the whole time", 4 * dear, 4, false, cooldownFactor * 4 * dear},
		{"somebody else had the processor", time.Second, 1, false, maxCooldown},
		{"and the same with four keys", time.Second, 4, false, 4 * maxCooldown},
		{"work that was for something", dear, 1, true, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := newLimiter(1, 1)
			entered, verified := g.verify(t.Context(), here, row.keys, func() bool {
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
		g := newLimiter(1, 1)
		func() {
			defer func() { _ = recover() }()
			g.verify(t.Context(), here, 1, func() bool { panic("a library's fault") })
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
		{"most of them rest", 4, 3, 1000, 4 * queuePerSlot},
		{"most of them rest, and fewer may wait anyway", 4, 3, 5, 5},
		{"the only one rests", 1, 1, 1000, queuePerSlot},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := newLimiter(row.slots, row.limit)
			for range row.slots {
				g.acquire(t.Context(), here)
			}
			for range row.resting {
				turn{queue: g.queueOf(here)}.releaseAfterFailure(time.Second, 1)
			}
			ctx, cancel := context.WithCancel(t.Context())
			refused := 0
			for range row.may + 1 {
				go func() {
					if _, ok := g.acquire(ctx, here); !ok && ctx.Err() == nil {
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
			time.Sleep(maxCooldown) // nothing rests any longer
			synctest.Wait()
			l := g.queueOf(here)
			if l.cooling.Load() != 0 || !l.queueLimit(int64(row.limit), int64(row.limit)) || g.cooling.Load() != 0 {
				t.Errorf("%s: afterwards, %d rest", row.intent, l.cooling.Load())
			}
		})
	}
}

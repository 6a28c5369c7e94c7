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

func TestLimiterBoundsWorkAndQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(2, 3)
		for range 2 {
			if _, ok := l.acquire(t.Context(), here, work{"ES256", 1}); !ok {
				t.Fatal("a free slot was refused")
			}
		}
		entered := make(chan bool, 3)
		for range 3 {
			go func() {
				_, ok := l.acquire(t.Context(), here, work{"ES256", 1})
				entered <- ok
			}()
		}
		synctest.Wait() // three wait now
		if _, ok := l.acquire(t.Context(), here, work{"ES256", 1}); ok {
			t.Fatal("a fourth may not wait")
		}
		if l.inFlight() != 2 {
			t.Errorf("%d in flight", l.inFlight())
		}
		for range 3 {
			permit{queue: l.queueOf(here)}.release()
			if !<-entered {
				t.Error("one that waited was refused")
			}
		}
		permit{queue: l.queueOf(here)}.release()
		permit{queue: l.queueOf(here)}.release()
		l.isEmpty(t)
	})
}

// isEmpty checks that every slot and permit was returned.
func (l *limiter) isEmpty(t *testing.T) {
	t.Helper()
	if l.inFlight() != 0 || len(l.scarce) != 0 || l.waiting.Load() != 0 || l.cooling.Load() != 0 {
		t.Errorf("%d in flight, %d waiting, %d queues cooling at the end", l.inFlight(), l.waiting.Load(), l.cooling.Load())
	}
	for issuer, q := range l.queues {
		if len(q.slots) != 0 || q.waiting.Load() != 0 || q.cooling.Load() != 0 {
			t.Errorf("%s: %d slots taken, %d waiting, %d cooling at the end", issuer, len(q.slots), q.waiting.Load(), q.cooling.Load())
		}
	}
}

func TestLimiterStopsWaitingWithTheContext(t *testing.T) {
	for _, other := range []string{here, "elsewhere"} { // for a slot, and for a permit
		synctest.Test(t, func(t *testing.T) {
			l := newLimiter(1, 1)
			busy, _ := l.acquire(t.Context(), here, work{"ES256", 1})
			ctx, cancel := context.WithCancel(t.Context())
			entered := make(chan bool)
			go func() {
				_, ok := l.acquire(ctx, other, work{"ES256", 1})
				entered <- ok
			}()
			synctest.Wait()
			cancel()
			if <-entered {
				t.Error("entered a full limiter")
			}
			busy.release()
			free, ok := l.acquire(ctx, other, work{"ES256", 1})
			if !ok {
				t.Fatal("a free slot and a free permit need no wait")
			}
			free.release()
			l.isEmpty(t)
		})
	}
}

// TestCancelledWaitHoldsNothing: a request of a queue with a slot in cooldown may
// wait for one of the few permits of such queues, or for any permit.
func TestCancelledWaitHoldsNothing(t *testing.T) {
	for _, busy := range []struct {
		issuer  string
		permits int
	}{{here, 1}, {"elsewhere", 4}} {
		synctest.Test(t, func(t *testing.T) {
			l := newLimiter(4, 10)
			first, _ := l.acquire(t.Context(), here, work{"ES256", 1})
			first.releaseAfterFailure(maxCooldown/cooldownFactor, work{"ES512", 1})
			var taken []permit
			for range busy.permits {
				permit, _ := l.acquire(t.Context(), busy.issuer, work{"ES256", 1})
				taken = append(taken, permit)
			}
			ctx, cancel := context.WithTimeout(t.Context(), maxCooldown*maxGrowth/2)
			defer cancel()
			if _, ok := l.acquire(ctx, here, work{"ES256", 1}); ok {
				t.Errorf("entered, with %d permits taken by %s", busy.permits, busy.issuer)
			}
			for _, permit := range taken {
				permit.release()
			}
			time.Sleep(maxCooldown * maxGrowth)
			synctest.Wait()
			l.isEmpty(t)
		})
	}
}

func TestLimiterDefault(t *testing.T) {
	if got, want := cap(newLimiter(0, 0).permits), 2*runtime.GOMAXPROCS(0); got != want {
		t.Errorf("%d permits, want %d", got, want)
	}
}

// waits returns how long another request waits for its permit.
func (l *limiter) waits(t *testing.T, issuer string) time.Duration {
	t.Helper()
	began := time.Now()
	permit, ok := l.acquire(t.Context(), issuer, work{"ES256", 1})
	if !ok {
		t.Fatal("refused")
	}
	defer permit.release()
	return time.Since(began)
}

// TestSlotCoolsDownAfterForgery: the next request waits in proportion to the work
// of the forgery, and does not wait after a genuine token.
func TestSlotCoolsDownAfterForgery(t *testing.T) {
	const usual, slow = 100 * time.Microsecond, 2 * time.Millisecond
	for _, row := range []struct {
		intent   string
		took     time.Duration
		keys     int
		verified bool
		want     time.Duration
	}{
		{"a usual forgery", usual, 1, false, cooldownFactor * usual},
		{"a slow one", slow, 1, false, cooldownFactor * slow * maxGrowth},
		{"one of twice the brief time", 2 * briefWork, 1, false, cooldownFactor * 2 * briefWork * 4},
		{"four keys of the usual time: the whole time counts", 4 * usual, 4, false, cooldownFactor * 4 * usual},
		{"four slow keys", 4 * slow, 4, false, cooldownFactor * 4 * slow * maxGrowth},
		{"other work had the processor", time.Second, 1, false, maxCooldown * maxGrowth},
		{"and the same with four keys", time.Second, 4, false, 4 * maxCooldown * maxGrowth},
		{"a genuine token", slow, 1, true, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newLimiter(1, 1)
			entered, verified := l.verify(t.Context(), here, work{"ES256", row.keys}, func() bool {
				time.Sleep(row.took)
				return row.verified
			})
			if !entered || verified != row.verified {
				t.Errorf("%s: entered %t, verified %t", row.intent, entered, verified)
			}
			if waited := l.waits(t, here); waited != row.want {
				t.Errorf("%s: waited %v, want %v", row.intent, waited, row.want)
			}
			l.isEmpty(t)
		})
	}
}

// TestPanicReleasesItsPermit: the next signature is verified.
func TestPanicReleasesItsPermit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1, 1)
		func() {
			defer func() { _ = recover() }()
			l.verify(t.Context(), here, work{"ES256", 1}, func() bool { panic("a fault of a library") })
		}()
		l.waits(t, here)
		l.isEmpty(t)
	})
}

// TestFewWaitWhileForgeriesCome: the queue is short only while most slots cool
// down, not while all are at work or a few cool down after a stray forgery.
func TestFewWaitWhileForgeriesCome(t *testing.T) {
	for _, row := range []struct {
		intent                     string
		slots, cooling, limit, may int
	}{
		{"all slots at work", 4, 0, 1000, 1000},
		{"half of them cool down", 4, 2, 1000, 1000},
		{"most of them cool down", 4, 3, 1000, 4 * queuePerSlot},
		{"most of them cool down, and fewer may wait anyway", 4, 3, 5, 5},
		{"the only one cools down", 1, 1, 1000, queuePerSlot},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newLimiter(row.slots, row.limit)
			for range row.slots {
				l.acquire(t.Context(), here, work{"ES256", 1})
			}
			for range row.cooling {
				permit{queue: l.queueOf(here)}.releaseAfterFailure(time.Second, work{"ES256", 1})
			}
			ctx, cancel := context.WithCancel(t.Context())
			refused := 0
			for range row.may + 1 {
				go func() {
					if _, ok := l.acquire(ctx, here, work{"ES256", 1}); !ok && ctx.Err() == nil {
						refused++
					}
				}()
			}
			synctest.Wait()
			if waiting := l.waiting.Load(); int(waiting) != row.may || refused != 1 {
				t.Errorf("%s: %d wait, not %d; %d refused, not one", row.intent, waiting, row.may, refused)
			}
			cancel()
			synctest.Wait()
			time.Sleep(maxCooldown * maxGrowth) // every cooldown is over
			synctest.Wait()
			q := l.queueOf(here)
			if q.cooling.Load() != 0 || !q.admits(int64(row.limit), int64(row.limit)) || l.cooling.Load() != 0 {
				t.Errorf("%s: afterwards, %d cool down", row.intent, q.cooling.Load())
			}
		})
	}
}

// TestGrowthIsOfTheFastest signature of its algorithm: what other work delayed
// does not keep a slot from brief ones.
func TestGrowthIsOfTheFastest(t *testing.T) {
	l := newLimiter(1, 1)
	for _, row := range []struct {
		algorithm string
		took      time.Duration
		want      time.Duration
	}{
		{"ES256", 10 * briefWork, maxGrowth},
		{"ES256", briefWork / 2, 1},
		{"ES256", 10 * briefWork, 1},
		{"ES512", 3 * briefWork, 9},
		{"ES512", time.Hour, 9},
		{"ES512", 2 * briefWork, 4},
		{"ES512", 3 * briefWork, 4},
	} {
		if got := l.growth(row.algorithm, row.took); got != row.want {
			t.Errorf("%s after %v: %d, want %d", row.algorithm, row.took, got, row.want)
		}
	}
}

// TestSlowWorkSharesAQuarter of the permits, whoever signed: before the first
// failure is known, too, it leaves a processor free.
func TestSlowWorkSharesAQuarter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(4, 10)
		l.growth("ES512", 2*briefWork)
		for _, w := range []work{{"ES256", 4}, {"ES512", 1}} {
			first, ok := l.acquire(t.Context(), here, w)
			if !ok {
				t.Fatal("refused")
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, ok := l.acquire(ctx, "elsewhere", w); ok {
				t.Errorf("%v: two at once", w)
			}
			cancel()
			brief, ok := l.acquire(t.Context(), here, work{"ES256", 1})
			if !ok {
				t.Errorf("%v: no permit for brief work beside it", w)
			}
			brief.release()
			first.release()
			l.isEmpty(t)
		}
	})
}

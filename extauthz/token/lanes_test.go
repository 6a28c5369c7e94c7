package token

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// crowd is signatures that come one every so often.
type crowd struct {
	issuer       string
	count        int
	every, takes time.Duration
	verified     bool
}

// pass calls back for each with the time it waited, and for a refused one with
// less than nothing. It returns when all are through.
func (c crowd) pass(t *testing.T, g *limiter, waited func(time.Duration)) {
	var mu sync.Mutex
	var through sync.WaitGroup
	defer through.Wait()
	for range c.count {
		through.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began, wait := time.Now(), -time.Second
			g.verify(ctx, c.issuer, 1, func() bool {
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
// make its own tokens wait and be refused. Tokens of another issuer wait for
// nothing when they come one by one, and none is refused when many come at once.
func TestForgeriesOfOneIssuerDoNotStarveAnother(t *testing.T) {
	const flooded, other, slots, work = "flooded", "other", 4, 3 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		g := newLimiter(slots, 1000)
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
		if longest > 0 {
			t.Errorf("another issuer's token waited %v", longest)
		}
		// The short queue of each lane is its own.
		entered := 0
		crowd{other, slots * (1 + queuePerSlot), 0, time.Millisecond, true}.pass(t, g, func(wait time.Duration) {
			if wait >= 0 {
				entered++
			}
		})
		flood.Wait()
		time.Sleep(maxCooldown)
		synctest.Wait()
		if refused == 0 {
			t.Error("the flood was no flood")
		}
		if entered != slots*(1+queuePerSlot) {
			t.Errorf("%d of %d that came at once entered", entered, slots*(1+queuePerSlot))
		}
		g.isEmpty(t)
	})
}

// TestWhatFillsOneQueueLeavesRoomInAnother: as many wait for one issuer as may
// wait in all, and for another there is the short queue still.
func TestWhatFillsOneQueueLeavesRoomInAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 100
		g := newLimiter(1, limit)
		ctx, cancel := context.WithCancel(t.Context())
		busy, _ := g.acquire(ctx, "full")
		for range limit {
			go g.acquire(ctx, "full")
		}
		go g.acquire(ctx, "other") // has the slot of its lane, and waits for a turn
		synctest.Wait()
		refused := 0
		for range queuePerSlot + 1 {
			go func() {
				if _, ok := g.acquire(ctx, "other"); !ok && ctx.Err() == nil {
					refused++
				}
			}()
		}
		synctest.Wait()
		if got := g.queueOf("other").waiting.Load(); got != queuePerSlot || refused != 1 {
			t.Errorf("%d wait, %d refused; want %d and one", got, refused, queuePerSlot)
		}
		cancel()
		synctest.Wait()
		busy.release()
		g.isEmpty(t)
	})
}

// TestForgeriesUnderManyNamesGetNoMore than under one: some eighth of the
// processors, whatever a forger writes into iss.
func TestForgeriesUnderManyNamesGetNoMore(t *testing.T) {
	const slots, work, span = 4, time.Millisecond, 20 * time.Second // as two processors have
	for _, names := range []int{1, 2, 5, 20} {
		synctest.Test(t, func(t *testing.T) {
			g := newLimiter(slots, 1000)
			var worked, working, most atomic.Int64
			for name := range names {
				for range 2 * slots {
					go func() {
						for began := time.Now(); time.Since(began) < span; {
							g.verify(t.Context(), string(rune('a'+name)), 1, func() bool {
								if now := working.Add(1); time.Since(began) > span/2 && now > most.Load() {
									most.Store(now)
								}
								defer working.Add(-1)
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
			if most.Load() != slots/4 {
				t.Errorf("under %d names: %d at a time, not a quarter", names, most.Load())
			}
			if share := float64(worked.Load()) / float64(span) / (slots / 2); share < 0.08 || share > 0.16 {
				t.Errorf("under %d names: %.3f of the processors", names, share)
			}
		})
	}
}

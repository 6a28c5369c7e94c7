package token

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// requests are signatures to verify, one every so often.
type requests struct {
	issuer       string
	count        int
	every, takes time.Duration
	verified     bool
}

// pass calls waited for each with the time it waited, negative for a refused
// one. It returns when all have ended.
func (r requests) pass(t *testing.T, l *limiter, waited func(time.Duration)) {
	var mu sync.Mutex
	var running sync.WaitGroup
	defer running.Wait()
	for range r.count {
		running.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began, wait := time.Now(), -time.Second
			w := work{"ES256", 1} // forgeries are of the slow kind
			if !r.verified {
				w.algorithm = "ES512"
			}
			l.verify(ctx, r.issuer, w, func() bool {
				wait = time.Since(began)
				time.Sleep(r.takes)
				return r.verified
			})
			mu.Lock()
			defer mu.Unlock()
			waited(wait)
		})
		time.Sleep(r.every)
	}
}

// TestForgeriesOfOneIssuerDoNotStarveAnother: 500 forgeries a second in the name
// of one issuer delay its own tokens, and some are refused. Tokens of another
// issuer do not wait when they come one by one, and are not refused when many
// come at once.
func TestForgeriesOfOneIssuerDoNotStarveAnother(t *testing.T) {
	const flooded, other, slots, takes = "flooded", "other", 4, 3 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(slots, 1000)
		refused, longest := 0, time.Duration(0)
		var flood sync.WaitGroup
		flood.Go(func() {
			requests{flooded, 1000, 2 * time.Millisecond, takes, false}.pass(t, l, func(wait time.Duration) {
				if wait < 0 {
					refused++
				}
			})
		})
		requests{other, 150, 10 * time.Millisecond, time.Millisecond, true}.pass(t, l, func(wait time.Duration) {
			if wait < 0 {
				t.Error("another issuer's token was refused")
			}
			longest = max(longest, wait)
		})
		if longest > 0 {
			t.Errorf("another issuer's token waited %v", longest)
		}
		// Each issuer has a short queue of its own.
		entered := 0
		requests{other, slots * (1 + queuePerSlot), 0, time.Millisecond, true}.pass(t, l, func(wait time.Duration) {
			if wait >= 0 {
				entered++
			}
		})
		flood.Wait()
		time.Sleep(maxCooldown * maxGrowth)
		synctest.Wait()
		if refused == 0 {
			t.Error("the flood was too slow to be refused")
		}
		if entered != slots*(1+queuePerSlot) {
			t.Errorf("%d of %d that came at once entered", entered, slots*(1+queuePerSlot))
		}
		l.isEmpty(t)
	})
}

// TestFullQueueLeavesRoomInAnother: while as many requests wait for one issuer as
// may wait in all, the short queue of another issuer has room.
func TestFullQueueLeavesRoomInAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 100
		l := newLimiter(1, limit)
		ctx, cancel := context.WithCancel(t.Context())
		busy, _ := l.acquire(ctx, "full", work{"ES256", 1})
		for range limit {
			go l.acquire(ctx, "full", work{"ES256", 1})
		}
		go l.acquire(ctx, "other", work{"ES256", 1}) // has the slot of its queue, and waits for a permit
		synctest.Wait()
		refused := 0
		for range queuePerSlot + 1 {
			go func() {
				if _, ok := l.acquire(ctx, "other", work{"ES256", 1}); !ok && ctx.Err() == nil {
					refused++
				}
			}()
		}
		synctest.Wait()
		if got := l.queueOf("other").waiting.Load(); got != queuePerSlot || refused != 1 {
			t.Errorf("%d wait, %d refused; want %d and one", got, refused, queuePerSlot)
		}
		cancel()
		synctest.Wait()
		busy.release()
		l.isEmpty(t)
	})
}

// TestForgeriesUnderManyNamesGetNoMore: forgeries get about an eighth of the
// processors, in the names of however many issuers they come.
func TestForgeriesUnderManyNamesGetNoMore(t *testing.T) {
	const slots, takes, span = 4, briefWork, 20 * time.Second // as two processors have
	for _, names := range []int{1, 2, 5, 20} {
		synctest.Test(t, func(t *testing.T) {
			l := newLimiter(slots, 1000)
			var worked, working, most atomic.Int64
			for name := range names {
				for range 2 * slots {
					go func() {
						for began := time.Now(); time.Since(began) < span; {
							l.verify(t.Context(), string(rune('a'+name)), work{"ES256", 1}, func() bool {
								if now := working.Add(1); time.Since(began) > span/2 && now > most.Load() {
									most.Store(now)
								}
								defer working.Add(-1)
								time.Sleep(takes)
								worked.Add(int64(takes))
								return false
							})
						}
					}()
				}
			}
			time.Sleep(2*span + time.Minute)
			l.isEmpty(t)
			if most.Load() != slots/4 {
				t.Errorf("under %d names: %d at a time, not a quarter", names, most.Load())
			}
			if share := float64(worked.Load()) / float64(span) / (slots / 2); share < 0.08 || share > 0.16 {
				t.Errorf("under %d names: %.3f of the processors", names, share)
			}
		})
	}
}

package jwks

import (
	"context"
	"crypto/elliptic"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
)

// answered is one call of Find: what it gave and how long it took.
type answered struct {
	why  reason.Reason
	took time.Duration
}

// asks calls Find in its own goroutine, with its own deadline.
func (r *running) asks(kid string, deadline time.Duration) <-chan answered {
	out := make(chan answered, 1)
	go func() {
		ctx, cancel := context.WithTimeout(r.t.Context(), deadline)
		defer cancel()
		arrived := time.Now()
		_, why := r.Find(ctx, &kid, "EdDSA")
		out <- answered{why, time.Since(arrived)}
	}()
	return out
}

func (r *running) want(got <-chan answered, why reason.Reason, took time.Duration) {
	r.t.Helper()
	if a := <-got; a != (answered{why, took}) {
		r.t.Errorf("%s after %s, want %s after %s", a.why, a.took, why, took)
	}
}

func TestNoKeysYet(t *testing.T) {
	t.Run("a token waits for the fetch under way", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{keys: setOf(ed25519JWK("a")), latency: 400 * time.Millisecond}
			s := start(t, options(), i)
			pass(100 * time.Millisecond)
			s.want(s.asks("a", time.Second), reason.Allowed, 300*time.Millisecond)
			if i.fetches() != 1 {
				t.Errorf("%d fetches", i.fetches())
			}
		})
	})
	t.Run("and no longer than its own deadline, which does not end another wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{keys: setOf(ed25519JWK("a")), latency: 400 * time.Millisecond}
			s := start(t, options(), i)
			patient := s.asks("a", time.Second)
			s.want(s.asks("a", 200*time.Millisecond), reason.KeysUnavailable, 200*time.Millisecond)
			s.want(patient, reason.Allowed, 400*time.Millisecond)
		})
	})
	t.Run("it starts a fetch at once, whatever the back-off", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{down: true}
			s := newRunning(t, options(), i)
			s.jitter = func() float64 { return 1 - 1e-12 }
			s.run()
			pass(10*time.Second + time.Millisecond) // just after a try; the next is almost a second away
			i.change(func(i *issuer) { i.down, i.keys = false, setOf(ed25519JWK("a")) })
			s.want(s.asks("a", time.Second), reason.Allowed, 0)
		})
	})
	t.Run("a failed fetch is not the end of the wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{down: true}
			s := start(t, options(), i)
			pass(10 * time.Second)
			got := s.asks("a", 2*time.Second)
			pass(time.Millisecond)
			i.change(func(i *issuer) { i.down, i.keys = false, setOf(ed25519JWK("a")) })
			if a := <-got; a.why != reason.Allowed || a.took > time.Second {
				t.Errorf("%s after %s", a.why, a.took)
			}
		})
	})
	t.Run("tokens cause no more fetches than the bucket and the back-off allow", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{down: true}
			s := newRunning(t, options(), i)
			s.jitter = func() float64 { return 1 - 1e-12 }
			s.run()
			pass(10 * time.Second)
			before := i.fetches()
			for range 100 {
				s.asks("a", 50*time.Millisecond)
				pass(100 * time.Millisecond)
			}
			// Ten seconds: ten tries of Run's own, three and two from the bucket.
			if caused := i.fetches() - before; caused > 16 {
				t.Errorf("%d fetches", caused)
			}
		})
	})
	t.Run("with the bucket empty a token waits for Run's own next try", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{down: true}
			s := start(t, options(), i)
			pass(10 * time.Second)
			for range bucketSize {
				s.want(s.asks("a", time.Nanosecond), reason.KeysUnavailable, time.Nanosecond)
			}
			i.change(func(i *issuer) { i.down, i.keys = false, setOf(ed25519JWK("a")) })
			if a := <-s.asks("a", time.Second); a.why != reason.Allowed {
				t.Errorf("%s after %s", a.why, a.took)
			}
		})
	})
	t.Run("a Check before Run is called waits for its deadline at most", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{keys: setOf(ed25519JWK("a"))}
			s := newRunning(t, options(), i)
			s.want(s.asks("a", time.Second), reason.KeysUnavailable, time.Second)
			early := s.asks("a", time.Second)
			pass(time.Millisecond)
			s.run()
			s.want(early, reason.Allowed, time.Millisecond)
			if i.fetches() != 1 {
				t.Errorf("%d fetches: what was asked before is the first fetch itself", i.fetches())
			}
		})
	})
	t.Run("at most 256 wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{keys: setOf(ed25519JWK("a")), latency: time.Second}
			s := start(t, options(), i)
			var waiting []<-chan answered
			for range maxWaiting {
				waiting = append(waiting, s.asks("a", 2*time.Second))
			}
			synctest.Wait()
			s.want(s.asks("a", 2*time.Second), reason.KeysUnavailable, 0)
			for _, w := range waiting {
				s.want(w, reason.Allowed, time.Second)
			}
			if s.waiting != 0 {
				t.Errorf("%d waiters are left", s.waiting)
			}
		})
	})
}

func TestUnknownKey(t *testing.T) {
	t.Run("within 10 s of a fetch nothing needs to be asked", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{keys: setOf(ed25519JWK("a"))}
			s := start(t, options(), i)
			pass(conclusive)
			s.want(s.asks("b", time.Second), reason.KeyUnknown, 0)
			if i.fetches() != 1 {
				t.Errorf("%d fetches", i.fetches())
			}
		})
	})
	t.Run("after that a fetch decides", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{keys: setOf(ed25519JWK("a")), latency: 100 * time.Millisecond}
			s := start(t, options(), i)
			pass(100*time.Millisecond + conclusive)
			s.want(s.asks("b", time.Second), reason.KeyUnknown, 100*time.Millisecond)
			s.want(s.asks("b", time.Second), reason.KeyUnknown, 0)
			if i.fetches() != 2 {
				t.Errorf("%d fetches", i.fetches())
			}
		})
	})
	t.Run("the first token after a rotation is accepted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{keys: setOf(ed25519JWK("a"))}
			s := start(t, options(), i)
			pass(time.Minute)
			i.change(func(i *issuer) {
				i.keys, i.latency = setOf(ed25519JWK("a"), ed25519JWK("b")), 300*time.Millisecond
			})
			s.want(s.asks("b", time.Second), reason.Allowed, 300*time.Millisecond)
		})
	})
	t.Run("a set fetched for another caller counts", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{keys: setOf(ed25519JWK("a"))}
			s := start(t, options(), i)
			pass(time.Minute)
			i.change(func(i *issuer) { i.latency = time.Second })
			first := s.asks("b", 2*time.Second)
			pass(500 * time.Millisecond)
			second := s.asks("c", 2*time.Second)
			s.want(first, reason.KeyUnknown, time.Second)
			s.want(second, reason.KeyUnknown, 500*time.Millisecond)
			if i.fetches() != 2 {
				t.Errorf("%d fetches", i.fetches())
			}
		})
	})
	t.Run("a failed fetch proves nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{keys: setOf(ed25519JWK("a"))}
			s := start(t, options(), i)
			pass(time.Minute)
			i.change(func(i *issuer) { i.down = true })
			s.want(s.asks("b", time.Second), reason.KeysUnavailable, 0)
			s.want(s.asks("a", time.Second), reason.Allowed, 0)
		})
	})
	t.Run("nor does one that outlasts the caller", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{keys: setOf(ed25519JWK("a"))}
			s := start(t, options(), i)
			pass(time.Minute)
			i.change(func(i *issuer) { i.latency = time.Minute })
			s.want(s.asks("b", time.Second), reason.KeysUnavailable, time.Second)
			s.want(s.asks("b", 10*time.Second), reason.KeysUnavailable, fetchTimeout-time.Second)
		})
	})
	t.Run("a 304 is as good as a set", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{keys: setOf(ed25519JWK("a")), etag: `"1"`}
			s := start(t, options(), i)
			pass(time.Minute)
			s.want(s.asks("b", time.Second), reason.KeyUnknown, 0)
			s.want(s.asks("b", time.Second), reason.KeyUnknown, 0)
			if i.fetches() != 2 {
				t.Errorf("%d fetches", i.fetches())
			}
		})
	})
	t.Run("a known id of another algorithm is answered at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{keys: setOf(ed25519JWK("a"))}
			s := start(t, options(), i)
			pass(time.Minute)
			if _, why := s.Find(t.Context(), name("a"), "RS256"); why != reason.AlgorithmNotAllowed || i.fetches() != 1 {
				t.Errorf("%s, %d fetches", why, i.fetches())
			}
		})
	})
	t.Run("no id and one key too many is answered at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			jwks := []member{ed25519JWK("a"), ed25519JWK("b"), ed25519JWK("c"), ed25519JWK("d"), ed25519JWK("e")}
			i := &issuer{keys: setOf(jwks...)}
			s := start(t, options(), i)
			pass(time.Minute)
			if _, why := s.Find(t.Context(), nil, "EdDSA"); why != reason.KeyUnknown || i.fetches() != 1 {
				t.Errorf("%s, %d fetches", why, i.fetches())
			}
			warning := "a token without kid is not verified: more than four keys fit its algorithm"
			if s.logged(warning) != 1 {
				t.Errorf("log:\n%s", s.log)
			}
			// One that left makes it right, and one that comes wrong again.
			for n, keys := range [][]member{jwks[:4], jwks} {
				i.change(func(i *issuer) { i.keys = setOf(keys...) })
				s.RequestRefresh()
				synctest.Wait()
				if found, _ := s.Find(t.Context(), nil, "EdDSA"); len(found) != len(keys)%5 || s.logged(warning) != n+1 {
					t.Errorf("%d keys of %d; log:\n%s", len(found), len(keys), s.log)
				}
			}
			pass(time.Minute)
			i.change(func(i *issuer) { i.keys = setOf(ecJWK("p", elliptic.P256())) })
			s.RequestRefresh()
			pass(time.Minute)
			fetches := i.fetches()
			if _, why := s.Find(t.Context(), nil, "EdDSA"); why != reason.KeyUnknown || i.fetches() != fetches+1 {
				t.Errorf("no key that fits: %s, %d fetches", why, i.fetches()-fetches)
			}
		})
	})
	t.Run("at most 256 wait, and known keys never do", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{keys: setOf(ed25519JWK("a"))}
			s := start(t, options(), i)
			pass(time.Minute)
			i.change(func(i *issuer) { i.latency = 2 * time.Second })
			for n := range maxWaiting {
				s.asks(fmt.Sprint("forged ", n), 3*time.Second)
			}
			synctest.Wait()
			s.want(s.asks("one more", 3*time.Second), reason.KeysUnavailable, 0)
			s.want(s.asks("a", 3*time.Second), reason.Allowed, 0)
			pass(3 * time.Second)
		})
	})
}

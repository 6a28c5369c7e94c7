package jwks

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
)

// TestRateLimit: three fetches at once, then one every five seconds, whoever
// asks; beyond that the answer is keys_unavailable, at once.
func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{keys: setOf(ed25519JWK("a"))}
		s := start(t, Options{Issuer: issuerID, JWKSURI: keysURI, RefreshMin: time.Hour, RefreshMax: 2 * time.Hour}, i)
		s.jitter = func() float64 { return 1 - 1e-12 }
		pass(time.Minute)
		i.change(func(i *issuer) { i.status = 500 })
		for range 7 { // until the source's own retries are over half an hour apart
			pass(10 * time.Minute)
		}
		_, _ = s.find("x")
		pass(time.Minute)
		before := i.fetches()
		for range 5 {
			s.want(s.asks("b", time.Second), reason.KeysUnavailable, 0)
		}
		if caused := i.fetches() - before; caused != 3 {
			t.Errorf("%d fetches at once", caused)
		}
		pass(5*time.Second - time.Millisecond)
		s.want(s.asks("b", time.Second), reason.KeysUnavailable, 0)
		if caused := i.fetches() - before; caused != 3 {
			t.Errorf("%d fetches before five seconds", caused)
		}
		pass(time.Millisecond)
		s.want(s.asks("b", time.Second), reason.KeysUnavailable, 0)
		s.RequestRefresh()
		synctest.Wait()
		if caused := i.fetches() - before; caused != 4 {
			t.Errorf("%d fetches after five seconds", caused)
		}
	})
}

// TestStorm is what stalls peers: a thousand made-up ids in one second, an
// issuer that takes its time, and a token under a known key in between.
func TestStorm(t *testing.T) {
	rows := []struct {
		intent string
		breaks func(i *issuer)
	}{
		{"a slow issuer", func(i *issuer) { i.latency = 300 * time.Millisecond }},
		{"a fast issuer", func(*issuer) {}},
		{"an issuer that is down", func(i *issuer) { i.down = true }},
		{"an issuer that is slow and failing", func(i *issuer) { i.status, i.latency = 503, 50*time.Millisecond }},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := &issuer{keys: setOf(ed25519JWK("a"))}
				// The retries of Run's own, after a failure, are not the storm's.
				s := newRunning(t, options(), i)
				s.run()
				pass(30 * time.Minute)
				i.change(row.breaks)
				before := i.fetches()
				s.failures = 20 // as in a long outage: the back-off is at its ceiling
				var forgers sync.WaitGroup
				for n := range 1000 {
					forgers.Go(func() {
						if a := <-s.asks(fmt.Sprint("forged ", n), time.Second); a.why == reason.Allowed {
							t.Error("a forged id was found")
						}
					})
					s.want(s.asks("a", time.Second), reason.Allowed, 0)
					pass(time.Millisecond)
				}
				forgers.Wait()
				if caused := i.fetches() - before; caused < 1 || caused > 3 {
					t.Errorf("%d fetches", caused)
				}
			})
		})
	}
}

// TestKnownKeysTakeNoLock holds the slow path's lock: a known key must not care.
func TestKnownKeysTakeNoLock(t *testing.T) {
	s := NewSource(Options{Issuer: issuerID, Static: setOf(ed25519JWK("a"))}, Environment{})
	s.mu.Lock()
	defer s.mu.Unlock()
	found := make(chan reason.Reason)
	go func() {
		_, why := s.Find(t.Context(), name("a"), "EdDSA")
		found <- why
	}()
	if why := <-found; why != reason.Allowed {
		t.Errorf("%s", why)
	}
}

func TestSuspectHealsAReusedID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{keys: setOf(ed25519JWKOf("a", "old"))}
		s := start(t, options(), i)
		old := s.mustFind("a")
		i.change(func(i *issuer) {
			i.keys, i.latency = setOf(ed25519JWKOf("a", "new")), 100*time.Millisecond
		})
		asked := time.Now()
		for range 1000 {
			s.RequestRefresh()
		}
		if !time.Now().Equal(asked) {
			t.Error("Suspect waited")
		}
		s.want(s.asks("a", time.Second), reason.Allowed, 0) // known: does not wait either
		pass(100 * time.Millisecond)
		if renewed := s.mustFind("a"); renewed == old || !old.Withdrawn() {
			t.Error("the old key is still there")
		}
		for range 1000 {
			s.RequestRefresh()
			pass(time.Millisecond)
		}
		if i.fetches() > 4 {
			t.Errorf("%d fetches", i.fetches())
		}
	})
}

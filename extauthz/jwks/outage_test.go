package jwks

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/outbound"
)

// TestOutageBackoff: with keys the retries slow down to one per RefreshMin.
func TestOutageBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{keys: setOf(ed25519JWK("a"))}
		s := start(t, options(), i)
		s.jitter = func() float64 { return 1 - 1e-12 }
		i.change(func(i *issuer) { i.down = true })
		pass(3 * time.Hour)
		seen := i.seen()
		for n := 2; n < len(seen); n++ {
			gap := seen[n].at.Sub(seen[n-1].at)
			want := min(firstBackoff<<min(n-2, 20), defaultRefreshMin)
			if gap.Round(time.Millisecond) != want {
				t.Fatalf("retry %d after %s, want %s", n-1, gap, want)
			}
		}
		if len(seen) < 60 {
			t.Fatalf("%d fetches", len(seen))
		}
		if s.mustFind("a").Withdrawn() {
			t.Error("an outage withdrew a key")
		}
		if got := s.Status(); got.State != stateReady || got.Problem != keysURI+" refused the connection: nothing listens there" || got.Cause != outbound.Refused {
			t.Errorf("%+v", got)
		}
		last := i.seen()[i.fetches()-1].at
		if wait := s.Status().NextTry.Sub(last).Round(time.Millisecond); wait != defaultRefreshMin || s.logged("cause=refused") != 2 || s.logged("next_try_in=100ms") != 1 {
			t.Errorf("the next try is %s after the last:\n%s", wait, s.log)
		}
		if s.logged("fetch of keys failed") != 1 || s.logged("fetch of keys keeps failing") != 1 {
			t.Errorf("one line for the failure and one for its lasting:\n%s", s.log)
		}
		i.change(func(i *issuer) { i.down = false })
		pass(time.Minute)
		if s.logged("fetch of keys recovered") != 1 || s.Status().Problem != "" {
			t.Errorf("log:\n%s", s.log)
		}
		// The next outage starts from the beginning.
		before := i.fetches()
		i.change(func(i *issuer) { i.down = true })
		pass(2 * time.Hour)
		if gap := i.seen()[before+1].at.Sub(i.seen()[before].at).Round(time.Millisecond); gap != firstBackoff {
			t.Errorf("first retry of the second outage after %s", gap)
		}
		if s.logged("fetch of keys failed") != 2 {
			t.Errorf("log:\n%s", s.log)
		}
	})
}

func TestBackoffJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{down: true}
		start(t, options(), i) // jitter 0: half of the back-off
		pass(10 * time.Second)
		seen := i.seen()
		last := len(seen) - 1
		if gap := seen[last].at.Sub(seen[last-1].at); gap != keylessBackoff/2 {
			t.Errorf("gap %s", gap)
		}
	})
}

func TestKeylessBackoffNeverOverASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{down: true}
		s := newRunning(t, options(), i)
		s.jitter = func() float64 { return 1 - 1e-12 }
		s.run()
		pass(10 * time.Minute)
		seen := i.seen()
		for n := 1; n < len(seen); n++ {
			if gap := seen[n].at.Sub(seen[n-1].at); gap > time.Second {
				t.Fatalf("retry %d after %s", n, gap)
			}
		}
		if lines := strings.Count(s.log.String(), "\n"); lines != 2 {
			t.Errorf("%d log lines in ten minutes:\n%s", lines, s.log)
		}
		i.change(func(i *issuer) { i.down, i.keys = false, setOf(ed25519JWK("a")) })
		pass(time.Second)
		if s.Set().Len() != 1 {
			t.Error("not recovered within a second")
		}
	})
}

func TestStaleness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{keys: setOf(ed25519JWK("a")), etag: `"1"`}
		s := start(t, options(), i)
		key := s.mustFind("a")
		i.change(func(i *issuer) { i.down = true })
		pass(defaultMaxStale - time.Nanosecond)
		if s.mustFind("a") != key || key.Withdrawn() {
			t.Fatal("not served until MaxStale")
		}
		pass(time.Nanosecond)
		if s.Set() != nil || !key.Withdrawn() {
			t.Fatal("served after MaxStale")
		}
		if got := s.Status(); got.State != stateStale || got.Keys != 0 {
			t.Errorf("%+v", got)
		}
		arrived := time.Now()
		if _, why := s.find("a"); why != reason.KeysUnavailable || time.Since(arrived) != time.Second {
			t.Errorf("%s after %s", why, time.Since(arrived))
		}
		if s.logged("keys are stale") != 1 {
			t.Errorf("log:\n%s", s.log)
		}
		// Back up: within a second, and asked without the ETag of what is gone.
		i.change(func(i *issuer) { i.down = false })
		if found := s.mustFind("a"); found == key || found.Withdrawn() {
			t.Error("a withdrawn key came back")
		}
		if s.logged("keys are stale") != 1 || s.Status().State != stateReady {
			t.Errorf("log:\n%s", s.log)
		}
	})
}

// TestStalenessWithinARefresh: a set that goes stale before its refresh is due
// is refreshed when it does, and found again at once.
func TestStalenessWithinARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.MaxStale = 10 * time.Minute
		i := &issuer{keys: setOf(ed25519JWK("a"))}
		s := start(t, o, i)
		pass(o.MaxStale)
		if i.fetches() != 2 || s.Set() == nil {
			t.Errorf("%d fetches", i.fetches())
		}
	})
}

// TestEmptySetWithdraws: an issuer that vouches for no key is believed.
func TestEmptySetWithdraws(t *testing.T) {
	rows := []struct {
		intent string
		keys   []byte
		skips  int
	}{
		{"an empty set", setOf(), 0},
		{"a set of unusable keys", setOf(changes{"use": "enc"}.of(ed25519JWK("a"))), 1},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				good := setOf(ed25519JWK("a"))
				i := &issuer{keys: good}
				s := start(t, options(), i)
				key := s.mustFind("a")
				i.change(func(i *issuer) { i.keys = row.keys })
				pass(time.Hour)
				if !key.Withdrawn() || s.Set() != nil {
					t.Fatal("a withdrawn key still serves")
				}
				if _, why := s.find("a"); why != reason.KeysUnavailable {
					t.Errorf("find: %s", why)
				}
				if got := s.Status(); got.State != stateMissing || got.Cause != causeNoKey {
					t.Errorf("%+v", got)
				}
				if last := s.lastReport(); last != (report{resultInvalid, 0}) {
					t.Errorf("report %v", last)
				}
				if s.logged("every key withdrawn") != 1 || s.logged("key skipped") != row.skips {
					t.Errorf("log:\n%s", s.log)
				}
				i.change(func(i *issuer) { i.keys = good })
				pass(time.Second)
				s.mustFind("a")
			})
		})
	}
}

// TestBrokenAnswersKeepTheKeys: what is no word of the issuer's changes nothing.
func TestBrokenAnswersKeepTheKeys(t *testing.T) {
	rows := []struct {
		intent string
		breaks func(i *issuer)
		result string
	}{
		{"down", func(i *issuer) { i.down = true }, resultNetwork},
		{"an error page", func(i *issuer) { i.keys = []byte("<html>") }, resultInvalid},
		{"cut off", func(i *issuer) { i.keys = i.keys[:len(i.keys)-2] }, resultInvalid},
		{"500", func(i *issuer) { i.status = 500 }, resultStatus},
		{"too large", func(i *issuer) { i.keys = make([]byte, maxDocument+1) }, resultInvalid},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := &issuer{keys: setOf(ed25519JWK("a"))}
				s := start(t, options(), i)
				key := s.mustFind("a")
				i.change(row.breaks)
				pass(2 * time.Hour)
				if s.mustFind("a") != key || key.Withdrawn() {
					t.Error("lost a good key")
				}
				if last := s.lastReport(); last != (report{row.result, 1}) {
					t.Errorf("report %v, want %s", last, row.result)
				}
			})
		})
	}
}

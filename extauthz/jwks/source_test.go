package jwks

import (
	"context"
	"crypto/elliptic"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/extauthz/reason"
)

// find is Find with a second to spare.
func (r *running) find(kid string) (*Key, reason.Reason) {
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Second)
	defer cancel()
	keys, why := r.Find(ctx, &kid, "EdDSA")
	if len(keys) != 1 {
		return nil, why
	}
	return keys[0], why
}

func (r *running) mustFind(kid string) *Key {
	r.t.Helper()
	key, why := r.find(kid)
	if why != reason.Allowed {
		r.t.Fatalf("key %s: %s", kid, why)
	}
	return key
}

func TestFirstFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{keys: setOf(ed25519JWK("a"), ecJWK("b", elliptic.P256()))}
		s := start(t, options(), i)
		if s.Set().Len() != 2 || i.fetches() != 1 {
			t.Fatalf("%d keys, %d fetches", s.Set().Len(), i.fetches())
		}
		want := Status{Issuer: issuerID, State: stateReady, Keys: 2, Place: issuerID + "/jwks.json", LastSuccess: time.Now(), NextTry: time.Now().Add(54 * time.Minute)}
		if diff := cmp.Diff(want, s.Status()); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
		if s.logged(`msg="keys loaded" issuer=https://as.example.com added=2 removed=0 keys=2`) != 1 {
			t.Errorf("log:\n%s", s.log)
		}
		if diff := cmp.Diff([]report{{resultOK, 2}}, s.reported(), cmp.AllowUnexported(report{})); diff != "" {
			t.Errorf("reports (-want +got):\n%s", diff)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{keys: setOf(ed25519JWK("a"))}
		s := start(t, options(), i)
		key := s.mustFind("a")
		// A fetch is under way when the issuer goes.
		i.change(func(i *issuer) { i.latency = 2 * time.Second })
		s.RequestRefresh()
		synctest.Wait()
		s.Close()
		s.Close()
		if !key.Withdrawn() || s.Set() != nil {
			t.Fatal("a key outlived its issuer")
		}
		arrived := time.Now()
		if _, why := s.find("a"); why != reason.KeysUnavailable || time.Since(arrived) != 0 {
			t.Errorf("find: %s after %s", why, time.Since(arrived))
		}
		fetches := i.fetches()
		pass(24 * time.Hour)
		if s.Set() != nil || i.fetches() != fetches {
			t.Error("a closed source went on")
		}
	})
}

// TestCloseBeatsPublish: a fetch that comes home after Close brings nothing.
func TestCloseBeatsPublish(t *testing.T) {
	s := NewSource(options(), Environment{Log: slog.New(slog.DiscardHandler)})
	s.Close()
	s.publish(&snapshot{set: mustParse(t, setOf(ed25519JWK("a"))), at: time.Now()})
	if s.Set() != nil {
		t.Error("keys in a closed source")
	}
}

func TestStatic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{}
		s := newRunning(t, Options{Issuer: issuerID, Static: setOf(ed25519JWK("a"), ed25519JWK("b"))}, i)
		a, b := s.mustFind("a"), s.mustFind("b")
		arrived := time.Now()
		if _, why := s.find("unknown"); why != reason.KeyUnknown || time.Since(arrived) != 0 {
			t.Errorf("%s after %s", why, time.Since(arrived))
		}
		s.run()
		s.RequestRefresh()
		pass(48 * time.Hour)
		arrived = time.Now()
		if _, why := s.find("unknown"); why != reason.KeyUnknown || time.Since(arrived) != 0 {
			t.Errorf("two days later: %s after %s", why, time.Since(arrived))
		}
		if s.Set().Len() != 2 || s.Status().State != stateReady || i.fetches() != 0 {
			t.Error("static keys went stale or were fetched")
		}
		if skipped := s.Replace(setOf(ed25519JWK("a"), changes{"use": "enc"}.of(ed25519JWK("c")))); len(skipped) != 1 {
			t.Errorf("skipped %v", skipped)
		}
		if s.logged("key skipped") != 1 || s.logged("keys rotated") != 1 {
			t.Errorf("log:\n%s", s.log)
		}
		if s.mustFind("a") != a || a.Withdrawn() || !b.Withdrawn() {
			t.Error("Replace does not keep, or does not withdraw")
		}
		if _, why := s.find("b"); why != reason.KeyUnknown {
			t.Errorf("b: %s", why)
		}
		for _, broken := range [][]byte{nil, []byte(`{"keys":[`), setOf(), setOf(member{"kty": "oct"})} {
			if skipped := s.Replace(broken); len(skipped) == 0 || skipped[0].Index != -1 {
				t.Errorf("Replace(%s): %v", broken, skipped)
			}
			if s.mustFind("a") != a || a.Withdrawn() {
				t.Error("a broken file took the keys along")
			}
		}
		s.stop()
	})
}

// TestStaticBroken: what Check would have refused holds no keys, and no request
// waits for any.
func TestStaticBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRunning(t, Options{Issuer: issuerID, Static: []byte("{")}, &issuer{})
		s.want(s.asks("a", time.Second), reason.KeysUnavailable, 0)
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{keys: setOf(ed25519JWK("a")), latency: time.Second}
		s := start(t, options(), i)
		s.stop() // in the middle of a fetch
		if s.log.Len() != 0 || len(s.reported()) != 0 {
			t.Errorf("the end of Run is logged as a failure of the issuer: %v\n%s", s.reported(), s.log)
		}
	})
}

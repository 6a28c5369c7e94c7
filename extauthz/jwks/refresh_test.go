package jwks

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRefreshFollowsCacheControl(t *testing.T) {
	rows := []struct {
		intent, cacheControl, age string
		first, second             time.Duration // without jitter, and with nearly all of it
	}{
		{"nothing said: the ceiling", "", "", 54 * time.Minute, time.Hour},
		{"between floor and ceiling", "public, max-age=600", "", 9 * time.Minute, 10 * time.Minute},
		{"quoted and in capitals", `Max-Age="600"`, "", 9 * time.Minute, 10 * time.Minute},
		{"less the time it spent in a cache", "max-age=1200", "600", 9 * time.Minute, 10 * time.Minute},
		{"under the floor: after it", "max-age=1", "", time.Minute, 66 * time.Second},
		{"over the ceiling: before it", "max-age=864000", "", 54 * time.Minute, time.Hour},
		{"over what a number holds", "max-age=99999999999999999999", "", 54 * time.Minute, time.Hour},
		{"not a number: not fresh", "max-age=soon", "", time.Minute, 66 * time.Second},
		{"no-cache", "no-cache, max-age=600", "", time.Minute, 66 * time.Second},
		{"no-store", "no-store", "", time.Minute, 66 * time.Second},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := &issuer{keys: setOf(ed25519JWK("a")), headers: http.Header{}}
				i.headers.Set("Cache-Control", row.cacheControl)
				i.headers.Set("Age", row.age)
				s := newRunning(t, options(), i)
				jitter := 0.0
				s.jitter = func() float64 {
					was := jitter
					jitter = 1 - 1e-12
					return was
				}
				s.run()
				pass(row.first + row.second + time.Second)
				seen := i.seen()
				if len(seen) < 3 {
					t.Fatalf("%d fetches", len(seen))
				}
				const grain = time.Microsecond
				first, second := seen[1].at.Sub(seen[0].at), seen[2].at.Sub(seen[1].at)
				if diff := cmp.Diff(row.first, first.Round(grain)); diff != "" {
					t.Errorf("least jitter (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(row.second, second.Round(grain)); diff != "" {
					t.Errorf("most jitter (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestAfterStaysInBounds(t *testing.T) {
	bounds := []refresh{
		{min: time.Minute, max: time.Hour},
		{min: time.Minute, max: time.Minute},
		{min: 55 * time.Minute, max: time.Hour},
	}
	for _, r := range bounds {
		for lifetime := -time.Hour; lifetime < 3*time.Hour; lifetime += 17 * time.Second {
			for _, jitter := range []float64{0, 0.5, 1 - 1e-12} {
				if got := r.after(lifetime, jitter); got < r.min || got > r.max {
					t.Fatalf("lifetime %s, jitter %g: %s is outside %s..%s", lifetime, jitter, got, r.min, r.max)
				}
			}
		}
	}
}

func TestETag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{keys: setOf(ed25519JWK("a")), etag: `"1"`}
		s := start(t, options(), i)
		key := s.mustFind("a")
		pass(time.Hour)
		if s.mustFind("a") != key || !s.Status().LastSuccess.Equal(time.Now().Add(-6*time.Minute)) {
			t.Errorf("a 304 is a success and keeps the keys: %+v", s.Status())
		}
		i.change(func(i *issuer) { i.keys, i.etag = setOf(ed25519JWK("b")), `"2"` })
		pass(time.Hour)
		s.mustFind("b")
		var sent []string
		for _, r := range i.seen() {
			sent = append(sent, r.ifNoneMatch)
		}
		if diff := cmp.Diff([]string{"", `"1"`, `"1"`}, sent); diff != "" {
			t.Errorf("If-None-Match (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]report{{resultOK, 1}, {resultNotModified, 1}, {resultOK, 1}}, s.reported(), cmp.AllowUnexported(report{})); diff != "" {
			t.Errorf("reports (-want +got):\n%s", diff)
		}
	})
}

// TestNotModifiedKeepsKeysFromGoingStale: days of nothing but 304.
func TestNotModifiedKeepsKeysFromGoingStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{keys: setOf(ed25519JWK("a")), etag: `"1"`}
		s := start(t, options(), i)
		key := s.mustFind("a")
		pass(3 * defaultMaxStale)
		if s.mustFind("a") != key || key.Withdrawn() || s.logged("keys rotated") != 0 {
			t.Errorf("log:\n%s", s.log)
		}
	})
}

// TestNotModifiedNeverConfirmsWhatWasRefused: the ETag of a broken document
// must not come back as If-None-Match.
func TestNotModifiedNeverConfirmsWhatWasRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{keys: []byte(`<html>`), etag: `"1"`}
		s := start(t, options(), i)
		pass(10 * time.Second)
		for _, r := range i.seen() {
			if r.ifNoneMatch != "" {
				t.Fatalf("sent %s", r.ifNoneMatch)
			}
		}
		if s.Set() != nil || s.Status().Cause != causeNotJSON {
			t.Errorf("%+v", s.Status())
		}
	})
}

func TestUnaskedNotModifiedIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, options(), &issuer{status: http.StatusNotModified})
		if got := s.Status(); got.State != stateMissing || got.Problem != keysURI+" answered with status 304" {
			t.Errorf("%+v", got)
		}
	})
}

func TestRotationKeepsUnchangedKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := ed25519JWK("a"), ed25519JWK("b"), ed25519JWK("c")
		i := &issuer{keys: setOf(a, b)}
		s := start(t, options(), i)
		keyA, keyB := s.mustFind("a"), s.mustFind("b")

		// b leaves, c comes, a is written in another way.
		i.change(func(i *issuer) { i.keys = setOf(c, changes{"use": "sig", "x5t": "new"}.of(a)) })
		pass(time.Hour)
		if s.mustFind("a") != keyA || keyA.Withdrawn() {
			t.Error("an unchanged key is another object, or withdrawn")
		}
		if !keyB.Withdrawn() {
			t.Error("a key that left is not withdrawn")
		}
		keyC := s.mustFind("c")
		if s.logged(`msg="keys rotated" issuer=https://as.example.com added=1 removed=1 keys=2`) != 1 {
			t.Errorf("log:\n%s", s.log)
		}

		// b comes back: the withdrawn object must not.
		i.change(func(i *issuer) { i.keys = setOf(a, b, c) })
		pass(time.Hour)
		if back := s.mustFind("b"); back == keyB || back.Withdrawn() {
			t.Error("a withdrawn key came back")
		}

		// c gets bound to an algorithm, a gets other material: other keys.
		i.change(func(i *issuer) {
			i.keys = setOf(ed25519JWKOf("a", "new"), changes{"alg": "EdDSA"}.of(c))
		})
		pass(time.Hour)
		if s.mustFind("a") == keyA || s.mustFind("c") == keyC || !keyA.Withdrawn() || !keyC.Withdrawn() {
			t.Error("a changed JWK kept its object")
		}
	})
}

func TestSkippedKeysAreLoggedOncePerChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := changes{"use": "enc"}.of(ed25519JWK("bad"))
		i := &issuer{keys: setOf(bad, ed25519JWK("a"))}
		s := start(t, options(), i)
		pass(10 * time.Hour)
		if s.logged("keys rotated") != 0 {
			t.Errorf("the same set is no rotation:\n%s", s.log)
		}
		if s.logged(`msg="key skipped" issuer=https://as.example.com index=0 kid=bad why="use is not sig"`) != 1 {
			t.Errorf("log:\n%s", s.log)
		}
		i.change(func(i *issuer) { i.keys = setOf(ed25519JWK("a"), bad) })
		pass(time.Hour)
		if s.logged("key skipped") != 2 {
			t.Errorf("log:\n%s", s.log)
		}
	})
}

package jwks

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
)

// TestAnHeirHasTheKeys of the source before it, the same objects, for as long
// as its own max_stale lets them serve.
func TestAnHeirHasTheKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{keys: setOf(ed25519JWK("a"))}
		old := start(t, options(), i)
		key := old.mustFind("a")
		i.change(func(i *issuer) { i.down = true })
		shorter := options()
		shorter.MaxStale = 2 * time.Hour
		heir := newRunning(t, shorter, i)
		heir.Inherit(old.Source)
		old.stop()
		heir.run()
		if got := heir.mustFind("a"); got != key || got.Withdrawn() {
			t.Error("another key, or a withdrawn one")
		}
		if got, why := old.find("a"); got != key {
			t.Errorf("a Check that runs with the old source: %s", why)
		}
		pass(2 * time.Hour)
		if heir.Set() != nil {
			t.Error("inherited keys outlive max_stale")
		}
	})
}

// TestTheOldSourceChangesNothingAnyMore: not what its fetch brings, and nobody
// waits for it.
func TestTheOldSourceChangesNothingAnyMore(t *testing.T) {
	for intent, keys := range map[string][]byte{"another key": setOf(ed25519JWK("b")), "no key": setOf()} {
		t.Run(intent, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := &issuer{keys: setOf(ed25519JWK("a"))}
				old := start(t, options(), i)
				key := old.mustFind("a")
				pass(11 * time.Second)
				i.change(func(i *issuer) { i.keys, i.latency = keys, 3*time.Second })
				waited := make(chan time.Duration)
				go func() {
					began := time.Now()
					ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
					defer cancel()
					if _, why := old.Find(ctx, name("b"), "EdDSA"); why != reason.KeysUnavailable {
						t.Errorf("the waiter: %s", why)
					}
					waited <- time.Since(began)
				}()
				pass(time.Second) // the fetch is under way
				heir := newRunning(t, options(), &issuer{down: true})
				heir.Inherit(old.Source)
				if took := <-waited; took > 2*time.Second {
					t.Errorf("waited %v for a source that is over", took)
				}
				pass(10 * time.Second)
				if key.Withdrawn() || heir.mustFind("a") != key {
					t.Error("the old source withdrew a key of the heir")
				}
			})
		})
	}
}

// TestTheShelfIsNoNewsToAnHeir: what lies there may be older.
func TestTheShelfIsNoNewsToAnHeir(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		first := start(t, shelvedOptions(dir), &issuer{keys: setOf(ed25519JWK("compromised"))})
		first.stop()
		pass(time.Hour)
		old := start(t, options(), &issuer{keys: setOf(ed25519JWK("new"))})
		heir := newRunning(t, shelvedOptions(dir), &issuer{down: true})
		heir.Inherit(old.Source)
		old.stop()
		heir.run()
		if _, why := heir.Set().Lookup(name("compromised"), "EdDSA"); why != reason.KeyUnknown {
			t.Errorf("the key from the shelf: %s", why)
		}
		if heir.mustFind("new").Withdrawn() {
			t.Error("the inherited key is withdrawn")
		}
	})
}

// TestTheOldSourceKeepsNothing once it has an heir, which keeps its own in the
// same file.
func TestTheOldSourceKeepsNothing(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{keys: setOf(ed25519JWK("a"))}
		old := start(t, shelvedOptions(dir), i)
		if !newRunning(t, shelvedOptions(dir), i).Inherit(old.Source) {
			t.Fatal("nothing inherited")
		}
		must(t, os.Remove(onlyFile(t, dir)))
		old.keep()
		if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 0 {
			t.Errorf("kept: %q", files)
		}
	})
}

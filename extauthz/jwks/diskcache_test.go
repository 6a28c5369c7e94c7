package jwks

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func shelvedOptions(dir string) Options {
	o := options()
	o.CacheDir = dir
	return o
}

// TestKeysSurviveARestart: what one run kept, the next serves while the
// authorization server is down, for as long as the first would have.
func TestKeysSurviveARestart(t *testing.T) {
	for _, row := range []struct {
		intent string
		after  time.Duration
		spoil  func(t *testing.T, file string)
		keys   int
	}{
		{"soon after", time.Hour, nil, 1},
		{"the last moment", 24*time.Hour - time.Second, nil, 1},
		{"past max_stale", 24 * time.Hour, nil, 0},
		{"the file is gone", time.Hour, func(t *testing.T, file string) { must(t, os.Remove(file)) }, 0},
		{"the file is cut off", time.Hour, func(t *testing.T, file string) { must(t, os.Truncate(file, 20)) }, 0},
		{"the file is empty", time.Hour, func(t *testing.T, file string) { must(t, os.Truncate(file, 0)) }, 0},
		{"the file is another issuer's", time.Hour, func(t *testing.T, file string) { replaceIn(t, file, issuerID, "https://evil.example") }, 0},
		{"the file comes from the future", time.Hour, func(t *testing.T, file string) { replaceIn(t, file, `"fetched":"20`, `"fetched":"30`) }, 0},
		{"the set in it is none", time.Hour, func(t *testing.T, file string) { replaceIn(t, file, `"kty":"OKP"`, `"kty":"oct"`) }, 0},
	} {
		t.Run(row.intent, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				first := start(t, shelvedOptions(dir), &issuer{keys: setOf(ed25519JWK("a"))})
				first.stop()
				pass(row.after)
				file := onlyFile(t, dir)
				if row.spoil != nil {
					row.spoil(t, file)
				}
				second := start(t, shelvedOptions(dir), &issuer{down: true})
				if got := second.Set().Len(); got != row.keys {
					t.Errorf("%d keys, want %d; log:\n%s", got, row.keys, second.log)
				}
				if kept := second.reported()[0].result == resultKept; kept != (row.keys > 0) {
					t.Errorf("reported %v", second.reported())
				}
			})
		})
	}
}

// TestKeptKeysServeNoLongerThanTheyWould: a restart adds nothing to max_stale,
// nor does a kept set prove that a key does not exist.
func TestKeptKeysServeNoLongerThanTheyWould(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		first := start(t, shelvedOptions(dir), &issuer{keys: setOf(ed25519JWK("a")), etag: "x"})
		pass(time.Hour) // one refresh, answered by 304
		first.stop()
		pass(23 * time.Hour)
		second := start(t, shelvedOptions(dir), &issuer{down: true})
		if second.Set().Len() != 1 {
			t.Errorf("a 304 does not renew what is kept; log:\n%s", second.log)
		}
		pass(time.Hour)
		if second.Set() != nil {
			t.Error("kept keys outlive max_stale")
		}
	})
}

// TestAnIssuerWithoutKeysKeepsNone: what it took back does not come back with
// the next start.
func TestAnIssuerWithoutKeysKeepsNone(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{keys: setOf(ed25519JWK("a"))}
		start(t, shelvedOptions(dir), i)
		onlyFile(t, dir)
		i.change(func(i *issuer) { i.keys = setOf() })
		pass(2 * time.Hour)
		if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 0 {
			t.Errorf("kept: %q", files)
		}
	})
}

// TestAShelfThatDoesNotHold: the service goes on, and says so once.
func TestAShelfThatDoesNotHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, shelvedOptions(filepath.Join(t.TempDir(), "missing")), &issuer{keys: setOf(ed25519JWK("a"))})
		pass(3 * time.Hour)
		if s.Set().Len() != 1 || s.logged("not kept") != 1 {
			t.Errorf("log:\n%s", s.log)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func replaceIn(t *testing.T, file, old, next string) {
	t.Helper()
	content, err := os.ReadFile(file)
	must(t, err)
	if !strings.Contains(string(content), old) {
		t.Fatalf("no %q in %s", old, content)
	}
	must(t, os.WriteFile(file, []byte(strings.Replace(string(content), old, next, 1)), 0o600))
}

func onlyFile(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	must(t, err)
	if len(files) != 1 {
		t.Fatalf("kept: %q", files)
	}
	info, err := os.Stat(files[0])
	must(t, err)
	if info.Mode().Perm() != fs.FileMode(0o600) {
		t.Errorf("mode %v: whoever can write it can add keys", info.Mode())
	}
	return files[0]
}

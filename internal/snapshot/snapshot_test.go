package snapshot_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/snapshot"
)

// TestEveryAnswerIsCompared, and nothing that was not asked for.
func TestEveryAnswerIsCompared(t *testing.T) {
	for _, row := range []struct {
		intent  string
		ask     func(*snapshot.Snapshot, string)
		change  func(t *testing.T, dir string)
		changed bool
	}{
		{"nothing", askAll, func(*testing.T, string) {}, false},
		{"another content of the same length", askAll, writes("a.yaml", "2"), true},
		{"a new file", askAll, writes("b.yaml", "1"), true},
		{"a new folder", askAll, func(t *testing.T, dir string) { must(t, os.Mkdir(filepath.Join(dir, "rules"), 0o700)) }, true},
		{"a removed file", askAll, func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "a.yaml"))) }, true},
		{"a missing file that arrives", askAll, writes("missing", "1"), true},
		{"a hidden file", askAll, writes(".a.yaml", "1"), false},
		{"a file of another type", askAll, writes("decisions.log", "1"), false},
		{"a file that was not asked for", func(s *snapshot.Snapshot, dir string) { _, _ = s.ReadFile(filepath.Join(dir, "a.yaml")) }, writes("b.yaml", "1"), false},
		{"a file where a folder was looked for", func(s *snapshot.Snapshot, dir string) { s.Is(filepath.Join(dir, "log"), fs.ModeDir) }, writes("log", "1"), false},
		{"a file where a file was looked for", func(s *snapshot.Snapshot, dir string) { s.Is(filepath.Join(dir, "log"), 0) }, writes("log", "1"), true},
		{"a file where the type was asked", func(s *snapshot.Snapshot, dir string) { _, _ = s.Stat(filepath.Join(dir, "log")) }, writes("log", "1"), true},
		{"a file over its limit", func(s *snapshot.Snapshot, dir string) { _, _ = s.ReadAtMost(filepath.Join(dir, "a.yaml"), 1) }, writes("a.yaml", "12"), true},
	} {
		t.Run(row.intent, func(t *testing.T) {
			dir := t.TempDir()
			writes("a.yaml", "1")(t, dir)
			now := snapshot.New()
			row.ask(now, dir)
			now.Seal()
			row.change(t, dir)
			if got := !now.Again().Equal(now); got != row.changed {
				t.Errorf("changed: %t", got)
			}
		})
	}
}

// TestAFileIsReadOnce: a change after the first read joins no later one.
func TestAFileIsReadOnce(t *testing.T) {
	dir := t.TempDir()
	writes("a.yaml", "1")(t, dir)
	name := filepath.Join(dir, "a.yaml")
	now := snapshot.New()
	for range 2 {
		if text, err := fs.ReadFile(now, name); string(text) != "1" || err != nil {
			t.Errorf("%q, %v", text, err)
		}
		writes("a.yaml", "2")(t, dir)
	}
	again := now.Again()
	writes("a.yaml", "3")(t, dir)
	if text, err := again.ReadFile(name); string(text) != "2" || err != nil {
		t.Errorf("again: %q, %v", text, err)
	}
	if _, err := now.ReadAtMost(name, 0); err != nil {
		t.Error(err)
	}
}

// TestASealedSnapshotReadsNothing, and forgets what its load did not ask.
func TestASealedSnapshotReadsNothing(t *testing.T) {
	dir := t.TempDir()
	writes("a.yaml", "1")(t, dir)
	writes("b.yaml", "1")(t, dir)
	a, b := filepath.Join(dir, "a.yaml"), filepath.Join(dir, "b.yaml")
	first := snapshot.New()
	_, _ = first.ReadFile(a)
	_, _ = first.ReadFile(b)
	next := first.Again()
	_, _ = next.ReadFile(a)
	next.Seal()
	if text, err := next.ReadFile(a); err == nil {
		t.Errorf("sealed: %q", text)
	}
	if next.Is(a, 0) {
		t.Error("sealed: there is a file")
	}
	writes("b.yaml", "2")(t, dir)
	if !next.Again().Equal(next) {
		t.Error("a file that the last load did not ask for counts")
	}
	if _, err := snapshot.New().ReadAtMost(a, 0); err != nil {
		t.Error(err)
	}
	writes("a.yaml", "123")(t, dir)
	if _, err := snapshot.New().ReadAtMost(a, 2); !errors.Is(err, snapshot.ErrTooLarge) {
		t.Errorf("over the limit: %v", err)
	}
}

func askAll(s *snapshot.Snapshot, dir string) {
	_, _ = s.ReadDir(dir)
	_, _ = s.ReadFile(filepath.Join(dir, "a.yaml"))
	_, _ = s.ReadFile(filepath.Join(dir, "missing"))
}

func writes(name, text string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestAgainKeepsNoContentThatStays: a look at files that are the same keeps none
// of them, and what is loaded afterwards is what is compared.
func TestAgainKeepsNoContentThatStays(t *testing.T) {
	dir := t.TempDir()
	const size = 8 << 20
	writes("a.yaml", strings.Repeat("x", size))(t, dir)
	name := filepath.Join(dir, "a.yaml")
	now := snapshot.New()
	_, _ = now.ReadFile(name)
	now.Seal()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	again := now.Again()
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > size/4 {
		t.Errorf("%d bytes for a file of %d", allocated, size)
	}
	if !again.Equal(now) {
		t.Error("the same file is another one")
	}
	writes("a.yaml", "2")(t, dir)
	if text, err := again.ReadFile(name); string(text) != "2" || err != nil {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if again.Equal(now) {
		t.Error("what was loaded is not what is compared")
	}
}

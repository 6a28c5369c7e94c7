package service

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/bundles"
)

// TestSourcesComeAndGo with the configuration; what stays in it is left alone.
func TestSourcesComeAndGo(t *testing.T) {
	option := func(name string) bundles.Options {
		return bundles.Options{Name: name, File: filepath.Join(t.TempDir(), name), PollMin: time.Second, PollMax: time.Second}
	}
	one, two := option("one"), option("two")
	b := newBundleSources(slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	b.start(ctx, []bundles.Options{one, two})
	kept := b.running[one].source
	b.start(ctx, []bundles.Options{one})
	b.retire([]bundles.Options{one})
	if len(b.running) != 1 || b.running[one].source != kept {
		t.Errorf("%d sources", len(b.running))
	}
	cancel()
	b.ended.Wait()
}

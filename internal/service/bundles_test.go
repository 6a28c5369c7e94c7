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
	b.follow(ctx, []bundles.Options{one, two})
	kept := b.inForce()[one].value
	b.follow(ctx, []bundles.Options{one})
	if got := b.inForce(); len(got) != 2 || got[one].value != kept {
		t.Errorf("%d sources before the configuration without one of them is in force", len(got))
	}
	b.followOnly(ctx, []bundles.Options{one})
	if got := b.inForce(); len(got) != 1 || got[one].value != kept {
		t.Errorf("%d sources after it", len(got))
	}
	cancel()
	b.ended.Wait()
}

package service

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/policy"
)

// Offline activates a revision for one explanation: without a port, a log or a
// watcher, at the time that now returns. It downloads keys until ctx ends.
func Offline(ctx context.Context, revision *Revision, now func() time.Time) (*extauthz.Server, error) {
	s, err := New(Options{Log: slog.New(slog.DiscardHandler), Level: new(slog.LevelVar), Stdout: io.Discard}, revision)
	if err != nil {
		return nil, err
	}
	if s.cache == nil {
		s.cache = policy.NewDecisionCache()
	}
	// DPoP proofs are verified as long after the start, when no proof needs a nonce.
	s.binder = token.NewPossessionVerifier(token.PossessionOptions{Now: now, Since: time.Unix(0, 0)})
	if err := s.activate(ctx, revision); err != nil {
		return nil, err
	}
	state := *s.checks.State()
	state.Verifier = revision.Verifier(now)
	return s.checks, s.checks.Swap(&state)
}

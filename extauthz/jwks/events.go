package jwks

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/doorward/doorward/internal/outbound"
)

// events writes the log of one source: a line for each change of its state. During
// an outage that is one line per cause of failure, and one when the time between
// retries has reached its maximum.
type events struct {
	log *slog.Logger

	mu              sync.Mutex
	lastSkipped     []Skipped
	loggedCauses    []outbound.Cause // causes logged since the last success
	settled         bool             // the back-off reached its ceiling since then
	diskCacheLogged bool
	lastCrowded     string
}

func newEvents(log *slog.Logger, issuer string) *events {
	return &events{log: log.With(slog.String("issuer", issuer))}
}

func (e *events) write(level slog.Level, message string, attrs ...slog.Attr) {
	e.log.LogAttrs(context.Background(), level, message, attrs...)
}

// loaded logs the first set, and changes of it.
func (e *events) loaded(c change) {
	counts := []slog.Attr{slog.Int("added", c.added), slog.Int("removed", c.removed), slog.Int("keys", c.keys)}
	switch {
	case c.first:
		e.write(slog.LevelInfo, "keys loaded", counts...)
	case c.added+c.removed > 0:
		e.write(slog.LevelInfo, "keys rotated", counts...)
	}
}

// skipped logs the keys that are not used, once per change of them.
func (e *events) skipped(now []Skipped) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if slices.Equal(now, e.lastSkipped) {
		return
	}
	e.lastSkipped = now
	for _, s := range now {
		e.write(slog.LevelWarn, "key skipped",
			slog.Int("index", s.Index), slog.String("kid", s.ID), slog.String("why", s.Why))
	}
}

// crowded logs the algorithms with too many keys for tokens without kid, once per
// change of them.
func (e *events) crowded(algorithms string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if algorithms != "" && algorithms != e.lastCrowded {
		e.write(slog.LevelWarn, "a token without kid is not verified: more than four keys fit its algorithm",
			slog.String("algorithms", algorithms))
	}
	e.lastCrowded = algorithms
}

// failed logs the first failure of each cause, and once that failures continue.
func (e *events) failed(f *failure, next time.Duration, atCeiling bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	attrs := []slog.Attr{
		slog.String("result", f.result), slog.String("cause", string(f.cause)), slog.String("problem", f.problem),
		slog.String("next_try_in", next.Round(time.Millisecond).String()),
	}
	switch {
	case !slices.Contains(e.loggedCauses, f.cause):
		e.loggedCauses = append(e.loggedCauses, f.cause)
		e.write(slog.LevelWarn, "fetch of keys failed", attrs...)
	case atCeiling && !e.settled:
		e.write(slog.LevelWarn, "fetch of keys keeps failing", attrs...)
	}
	e.settled = e.settled || atCeiling
}

func (e *events) succeeded() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.loggedCauses) > 0 {
		e.write(slog.LevelInfo, "fetch of keys recovered")
	}
	e.loggedCauses, e.settled = nil, false
}

// diskCacheFailed logs that keys cannot be written; the service continues.
func (e *events) diskCacheFailed(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.diskCacheLogged {
		e.write(slog.LevelWarn, "keys are not kept over a restart", slog.String("cause", err.Error()))
	}
	e.diskCacheLogged = true
}

// diskCacheRefused logs that the keys of the last run are not used.
func (e *events) diskCacheRefused(err error) {
	e.write(slog.LevelWarn, "kept keys are not used", slog.String("cause", err.Error()))
}

// unused returns the keys of the last set that are not used.
func (e *events) unused() []Skipped {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lastSkipped // replaced as a whole, never changed
}

func (e *events) stale() {
	e.write(slog.LevelError, "keys are stale: none is used until a fetch succeeds")
}

func (e *events) emptied(withdrawn int) {
	if withdrawn > 0 {
		e.write(slog.LevelError, "every key withdrawn: the issuer publishes no usable one",
			slog.Int("removed", withdrawn))
	}
}

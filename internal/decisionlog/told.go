package decisionlog

import (
	"context"
	"log/slog"
	"sync"
)

// failureLog writes to the service's own log how deliveries go: one line when that
// changes.
type failureLog struct {
	log *slog.Logger

	mu       sync.Mutex
	failing  bool
	lost     uint64 // events, when it was last looked
	overflow bool   // more were lost since the look before
}

func newFailureLog(log *slog.Logger) *failureLog { return &failureLog{log: log} }

func (t *failureLog) write(level slog.Level, message string, attrs ...slog.Attr) {
	t.log.LogAttrs(context.Background(), level, message, attrs...)
}

// failed logs the first failure after a success.
func (t *failureLog) failed(err error) { t.fail(err.Error()) }

// stalled logs a delivery that takes too long, even if it succeeds.
func (t *failureLog) stalled() { t.fail("what is written is not taken") }

func (t *failureLog) fail(problem string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.failing {
		t.write(slog.LevelError, "decisions cannot be logged: traffic is served, and their events wait as long as "+
			"there is room",
			slog.String("problem", problem))
	}
	t.failing = true
}

// delivered logs the first success after a failure.
func (t *failureLog) delivered(lost uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failing {
		t.write(slog.LevelInfo, "decisions are logged again", slog.Uint64("dropped_so_far", lost))
	}
	t.failing = false
}

// losses logs the first drop of events.
func (t *failureLog) losses(lost uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	overflow := lost > t.lost
	if overflow && !t.overflow {
		t.write(slog.LevelWarn, "events of decisions are dropped, allows before denials: see "+
			"doorward_decision_log_dropped_total")
	}
	t.lost, t.overflow = lost, overflow
}

func (t *failureLog) abandoned(allows, denials int) {
	t.write(slog.LevelError, "events of decisions were not delivered before the end", slog.Int("allows", allows),
		slog.Int("denials", denials))
}

// Package denials writes the lines about requests that were refused, each kind of line
// within a quota, so that a flood of refusals becomes a count and does not fill a disk.
package denials

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
)

// LinesPerSecond bounds the lines of one kind.
const LinesPerSecond = 10

// Log writes lines. Make it with [New]. It may be used by any number of goroutines.
type Log struct {
	log   *slog.Logger
	mu    sync.Mutex
	kinds map[string]*quota
}

// quota is what one kind has written in the current second.
type quota struct {
	written, dropped int
}

// New makes a Log that writes to log.
func New(log *slog.Logger) *Log { return &Log{log: log, kinds: map[string]*quota{}} }

// Write writes a line of a kind if the quota of the kind lets it be written. Lines of
// level Debug have no quota. attributes is called for a line that is written.
func (l *Log) Write(level slog.Level, kind, text string, attributes func() []slog.Attr) {
	ctx := context.Background()
	if l.log.Enabled(ctx, level) && (level == slog.LevelDebug || l.Allow(kind)) {
		l.log.LogAttrs(ctx, level, text, attributes()...)
	}
}

// Panicked logs a panic in a Check: its type only, because the value may hold a
// secret.
func (l *Log) Panicked(fault any) {
	if l.Allow(reason.Internal.String()) {
		l.log.LogAttrs(context.Background(), slog.LevelError, "a Check panicked and was refused: please report this",
			slog.String("fault", fmt.Sprintf("%T", fault)))
	}
}

// Allow takes one line from the quota of kind. The first line starts a timer that
// resets the quota after a second and logs how many lines were dropped.
func (l *Log) Allow(kind string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.kinds[kind]
	if q == nil {
		q = &quota{}
		l.kinds[kind] = q
		time.AfterFunc(time.Second, func() { l.reportDropped(kind) })
	}
	if q.written == LinesPerSecond {
		q.dropped++
		return false
	}
	q.written++
	return true
}

func (l *Log) reportDropped(kind string) {
	l.mu.Lock()
	dropped := l.kinds[kind].dropped
	delete(l.kinds, kind)
	l.mu.Unlock()
	if dropped > 0 {
		l.log.LogAttrs(context.Background(), slog.LevelWarn, "more of the same within a second, not written",
			slog.String("reason", kind), slog.Int("count", dropped))
	}
}

// Truncate bounds the length of one value of a token or a policy.
func Truncate(value string) string { return TruncateTo(256, value) }

// TruncateTo does so to this many bytes, and parts no character.
func TruncateTo(longest int, value string) string {
	if len(value) <= longest {
		return value
	}
	return strings.ToValidUTF8(value[:longest], "") + "..."
}

package testenv

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// LogBuffer keeps what a process writes, line by line, and lets a reader wait
// for a line. The zero value is empty and ready.
type LogBuffer struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed at the next write; nil while no reader waits
}

// Write appends p and wakes the readers that wait for a line.
func (b *LogBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
	return b.text.Write(p)
}

// String is everything written so far.
func (b *LogBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Wait returns the first whole line that contains all of parts, written before
// the call or after it. The error is that of ctx and quotes the last lines.
func (b *LogBuffer) Wait(ctx context.Context, parts ...string) (string, error) {
	for {
		line, found, changed := b.find(parts)
		if found {
			return line, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", fmt.Errorf("no line with %q: %w; the last lines:\n%s", parts, ctx.Err(), b.Tail())
		}
	}
}

func (b *LogBuffer) find(parts []string) (line string, found bool, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for line := range strings.Lines(b.text.String()) {
		whole := strings.HasSuffix(line, "\n")
		missing := slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) })
		if whole && !missing {
			return strings.TrimSuffix(line, "\n"), true, nil
		}
	}
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	return "", false, b.changed
}

// Tail is the last eight lines, indented, for error messages.
func (b *LogBuffer) Tail() string {
	const indent = "   "
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	return indent + strings.Join(lines[max(0, len(lines)-8):], "\n"+indent)
}

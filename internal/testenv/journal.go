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
	changed chan struct{} // closed at the next write; nil while nobody waits
}

// Write adds to the journal and wakes whoever waits for a line.
func (j *LogBuffer) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.changed != nil {
		close(j.changed)
		j.changed = nil
	}
	return j.text.Write(p)
}

// String is everything written so far.
func (j *LogBuffer) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// Wait returns the first whole line that holds all of parts, whether it is
// there already or still to come. The error is that of ctx, and quotes the end
// of the journal.
func (j *LogBuffer) Wait(ctx context.Context, parts ...string) (string, error) {
	for {
		line, found, changed := j.find(parts)
		if found {
			return line, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", fmt.Errorf("no line with %q: %w; the last lines:\n%s", parts, ctx.Err(), j.tail())
		}
	}
}

func (j *LogBuffer) find(parts []string) (line string, found bool, changed <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for line := range strings.Lines(j.text.String()) {
		whole := strings.HasSuffix(line, "\n")
		missing := slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) })
		if whole && !missing {
			return strings.TrimSuffix(line, "\n"), true, nil
		}
	}
	if j.changed == nil {
		j.changed = make(chan struct{})
	}
	return "", false, j.changed
}

// tail is the last few lines, for error messages.
func (j *LogBuffer) tail() string {
	lines := strings.Split(strings.TrimSpace(j.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}

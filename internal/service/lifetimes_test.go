package service

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestLifetimes: options are a key and a kind. "kept" is served by what runs,
// "bad" cannot start.
func TestLifetimes(t *testing.T) {
	var events []string
	l := lifetimes[string, string, *string]{
		key:  func(o string) string { key, _, _ := strings.Cut(o, " "); return key },
		keep: func(_ *string, have, wanted string) bool { return have == wanted || strings.HasSuffix(wanted, " kept") },
	}
	l.start = func(ctx context.Context, next, before *lifetime[string, *string]) error {
		if strings.HasSuffix(next.options, " bad") {
			return errors.New("bad")
		}
		name := next.options
		next.value = &name
		next.end = func() {
			if ctx.Err() == nil {
				t.Errorf("%s ends before it was stopped", name)
			}
			events = append(events, "-"+name)
		}
		if before != nil {
			name += " after " + *before.value
		}
		events = append(events, "+"+name)
		return nil
	}
	for _, step := range []struct {
		intent  string
		wanted  []string
		discard bool
		want    string
	}{
		{"the first", []string{"a 1", "b 1"}, false, "+a 1,+b 1"},
		{"the same", []string{"b 1", "a 1"}, false, ""},
		{"one that can be kept with other options", []string{"a kept", "b 1"}, false, ""},
		{"a new one, discarded", []string{"a kept", "b 2", "c 1"}, true, "+b 2 after b 1,+c 1,-b 2 after b 1,-c 1"},
		{"one that fails after one that starts", []string{"c 1", "a bad"}, false, "+c 1,-c 1"},
		{"one with other options", []string{"a 2", "b 1"}, false, "+a 2 after a 1,-a 1"},
		{"one that is gone", []string{"a 2"}, false, "-b 1"},
		{"nothing", nil, false, "-a 2 after a 1"},
	} {
		events = nil
		next, err := l.prepare(t.Context(), step.wanted...)
		switch {
		case err != nil:
		case step.discard:
			l.discard(next)
		default:
			l.activate(next)
		}
		got := strings.Join(events, ",")
		if step.discard || err != nil { // in any order
			slices.Sort(events)
			got = strings.Join(events, ",")
			wanted := strings.Split(step.want, ",")
			slices.Sort(wanted)
			step.want = strings.Join(wanted, ",")
		}
		if got != step.want {
			t.Errorf("%s: %s, want %s", step.intent, got, step.want)
		}
	}
}

package config

import (
	"reflect"
	"slices"
)

// RestartKeys returns the keys in which next differs from c and which take effect
// only at a start, in the order of docs/reference.md. Their fields have the tag
// `reload`, which the reference quotes.
func (c *Config) RestartKeys(next *Config) []string {
	var keys []string
	for _, group := range []struct {
		key       string
		now, then any
	}{{"listen", c.Listen, next.Listen}, {"log", c.Log, next.Log}, {"limits", c.Limits, next.Limits}} {
		now, then := reflect.ValueOf(group.now), reflect.ValueOf(group.then)
		for _, f := range fieldsOf(now.Type()) {
			if f.reload != "" && needsRestart(now.Field(f.index), then.Field(f.index)) {
				keys = append(keys, join(group.key, f.key))
			}
		}
	}
	if !c.Egress.sameListeners(next.Egress) {
		keys = append(keys, "egress.listeners")
	}
	return keys
}

// sameListeners reports whether two configurations listen at the same addresses, with
// TLS or without. What holds at a listener is in force at a reload.
func (e *Egress) sameListeners(next *Egress) bool {
	var now, then []EgressListener
	if e != nil {
		now = e.Listeners
	}
	if next != nil {
		then = next.Listeners
	}
	return slices.EqualFunc(now, then, func(a, b EgressListener) bool {
		return a.Listen == b.Listen && (a.TLS == TLS{}) == (b.TLS == TLS{})
	})
}

// needsRestart compares two values. For TLS it compares only whether there is one:
// its files are read at every reload.
func needsRestart(now, next reflect.Value) bool {
	if now.Type() == reflect.TypeFor[TLS]() {
		return now.IsZero() != next.IsZero()
	}
	return !now.Equal(next)
}

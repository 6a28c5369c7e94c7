package main

import (
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/benchmarks/scenario"
	"github.com/doorward/doorward/benchmarks/traffic"
	"github.com/doorward/doorward/internal/testenv"
)

// TestOneFullMeasurement is a tiny one of each kind of disturbance, with the real
// program. It judges what doorward answered, and nothing about time.
func TestOneFullMeasurement(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the whole binary")
	}
	folder := t.TempDir()
	programs, err := testenv.Build(t.Context(), folder, "cmd/doorward")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		of   int // in the plan
		want string
	}{{2, "key_unknown"}, {3, "signature_invalid"}} {
		d := plan(true)[row.of]
		d.Windows = scenario.Windows{Warm: 100 * time.Millisecond, Before: 200 * time.Millisecond, During: 300 * time.Millisecond}
		var progress strings.Builder
		result, err := scenario.Measure(t.Context(), programs[0], folder, d, &progress)
		if err != nil {
			t.Fatal(err)
		}
		if count := traffic.Reasons(result.Disturbing); count[row.want] == 0 || count[traffic.Allowed] > 0 {
			t.Errorf("%s: answered with %v", d.Name(), count)
		}
		if first := result.Sent[0].Due; first != -d.Windows.Before {
			t.Errorf("%s: the first that counts was due at %v; the warm-up is not to be told", d.Name(), first)
		}
		if count := traffic.Reasons(result.Sent); count[traffic.Allowed] == 0 {
			t.Errorf("%s: good traffic was answered with %v", d.Name(), count)
		}
	}
}

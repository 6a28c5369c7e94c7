package scenario

import (
	"testing"
	"time"
)

// TestAxes: where times and latencies are drawn.
func TestAxes(t *testing.T) {
	p := panel{Result: &Result{Scenario: Scenario{Windows: Windows{Before: 10, During: 20, After: 10}}}}
	for _, row := range []struct {
		intent    string
		got, want float64
	}{
		{"the start of the picture", p.x(-10), plotLeft},
		{"its middle", p.x(10), (plotLeft + plotRight) / 2},
		{"its end", p.x(30), plotRight},
		{"the lowest latency", p.y(lowest), plotTop + plotHeight},
		{"halfway between 0.1 ms and 1 s on a logarithmic scale", p.y(10 * time.Millisecond), plotTop + plotHeight/2},
		{"the highest", p.y(highest), plotTop},
		{"a higher one stays in the frame", p.y(time.Hour), plotTop},
		{"as does nothing at all", p.y(0), plotTop + plotHeight},
	} {
		if diff := row.got - row.want; diff > 0.01 || diff < -0.01 {
			t.Errorf("%s: %v, not %v", row.intent, row.got, row.want)
		}
	}
}

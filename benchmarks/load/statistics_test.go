package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSpread(t *testing.T) {
	for _, row := range []struct {
		intent string
		of     []float64
		want   string
	}{
		{"none", nil, "–"},
		{"one has no ends", []float64{0.123456}, "0.123"},
		{"the middle of three, whatever their order", []float64{3, 1, 20}, "3.00 (1.00–20.0)"},
		{"between the two in the middle", []float64{1, 2, 4, 100}, "3.00 (1.00–100)"},
		{"nothing at all", []float64{0}, "0.00"},
		{"large", []float64{123456}, "123456"},
	} {
		if got := summarize(row.of).String(); got != row.want {
			t.Errorf("%s: %s, not %s", row.intent, got, row.want)
		}
	}
}

// TestOver: a ratio is made within a round; one that is missing is in none.
func TestOver(t *testing.T) {
	if diff := cmp.Diff([]float64{2, 5}, over([]float64{2, 10}, []float64{1, 2, 3})); diff != "" {
		t.Error(diff)
	}
}

// TestVerdicts: a value equal to its bound is kept.
func TestVerdicts(t *testing.T) {
	m := measure{must: 0.8, aim: 0.6}
	for reached, want := range map[float64]string{0.81: "**missed**", 0.8: "kept", 0.61: "kept", 0.6: "kept, and the aim"} {
		if got := m.verdict(finding{summary: summary{median: reached}}); got != want {
			t.Errorf("%v: %s, not %s", reached, got, want)
		}
	}
	if got := (measure{must: 0.8}).verdict(finding{summary: summary{median: 0.1}}); got != "kept" {
		t.Errorf("without an aim: %q", got)
	}
	if got := m.verdict(finding{summary: summary{median: 9}, reportOnly: true}); got != "" {
		t.Errorf("reported, with a verdict: %q", got)
	}
	if got := (measure{}).verdict(finding{summary: summary{median: 1}}); got != "" {
		t.Errorf("no bound: %q", got)
	}
}

package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestQuantile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, row := range []struct {
		intent string
		sorted []time.Duration
		q      float64
		want   time.Duration
	}{
		{"the lower of the two in the middle", hundred, 0.5, 50},
		{"the second largest of a hundred", hundred, 0.99, 99},
		{"between two: the upper one", hundred, 0.999, 100},
		{"the largest", hundred, 1, 100},
		{"the smallest", hundred, 0, 1},
		{"one is all of them", hundred[:1], 0.99, 1},
		{"none", nil, 0.5, 0},
	} {
		if got := quantile(row.sorted, row.q); got != row.want {
			t.Errorf("%s: %d, not %d", row.intent, got, row.want)
		}
	}
}

// TestLatencyCountsFromDue: a sender that was held up must not hide it.
func TestLatencyCountsFromDue(t *testing.T) {
	samples := []sample{
		{due: 0, sent: 900, done: 1000, reason: allowed},
		{due: 10, sent: 10, done: 20, reason: "key_unknown"},
	}
	want := figures{requests: 2, refused: 1, p50: 10, p99: 1000, p999: 1000, max: 1000, late: 900}
	if diff := cmp.Diff(want, summarise(samples), cmp.AllowUnexported(figures{})); diff != "" {
		t.Error(diff)
	}
}

// TestCut: every request is in one slice, by when it was due.
func TestCut(t *testing.T) {
	var samples []sample
	for _, due := range []time.Duration{-20, -11, -10, -1, 0, 9, 25} {
		samples = append(samples, sample{due: due, done: due + 1})
	}
	var got [][2]int
	for _, piece := range cut(samples, -20, 30, 10) {
		got = append(got, [2]int{int(piece.middle), piece.requests})
	}
	if diff := cmp.Diff([][2]int{{-15, 2}, {-5, 2}, {5, 2}, {25, 1}}, got); diff != "" {
		t.Error(diff)
	}
}

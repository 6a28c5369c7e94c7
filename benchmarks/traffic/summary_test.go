package traffic

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestFigures: the quantiles are those of nearest rank, to three digits.
func TestFigures(t *testing.T) {
	const ms = time.Millisecond
	hundred := make([]Sample, 100)
	for i := range hundred {
		hundred[i] = Sample{Done: time.Duration(i+1) * ms, Reason: Allowed}
	}
	for _, row := range []struct {
		intent  string
		samples []Sample
		want    Figures
	}{
		{"of a hundred", hundred, Figures{Requests: 100, P50: 50 * ms, P99: 99 * ms, P999: 100 * ms, Max: 100 * ms}},
		{"one is all of them", hundred[:1], Figures{Requests: 1, P50: ms, P99: ms, P999: ms, Max: ms}},
		{"none", nil, Figures{}},
		{"out of any bounds", []Sample{{Done: time.Hour, Reason: Denied}}, Figures{Requests: 1, Refused: 1, P50: longest, P99: longest, P999: longest, Max: longest}},
	} {
		got := Summarise(row.samples)
		got.Late = 0 // the sender was in time
		near := func(a, b time.Duration) bool { return (a - b).Abs() <= max(a, b)/1000 }
		if diff := cmp.Diff(row.want, got, cmp.Comparer(near)); diff != "" {
			t.Errorf("%s: %s", row.intent, diff)
		}
	}
}

// TestLatencyCountsFromDue: a sender that was held up must not hide it.
func TestLatencyCountsFromDue(t *testing.T) {
	const ms = time.Millisecond
	samples := []Sample{
		{Due: 0, Sent: 900 * ms, Done: 1000 * ms, Reason: Allowed},
		{Due: 10 * ms, Sent: 10 * ms, Done: 20 * ms, Reason: "key_unknown"},
	}
	got := Summarise(samples)
	if got.Refused != 1 || got.P50.Round(ms) != 10*ms || got.Max.Round(ms) != 1000*ms || got.Late.Round(ms) != 900*ms {
		t.Errorf("%+v", got)
	}
}

// TestCut: every request is in one slice, by when it was due.
func TestCut(t *testing.T) {
	var samples []Sample
	for _, due := range []time.Duration{-20, -11, -10, -1, 0, 9, 25} {
		samples = append(samples, Sample{Due: due, Done: due + 1})
	}
	var got [][2]int
	for _, piece := range Cut(samples, -20, 30, 10) {
		got = append(got, [2]int{int(piece.Middle), piece.Requests})
	}
	if diff := cmp.Diff([][2]int{{-15, 2}, {-5, 2}, {5, 2}, {25, 1}}, got); diff != "" {
		t.Error(diff)
	}
}

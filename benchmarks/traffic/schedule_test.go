package traffic

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestScheduleIsEven without random numbers, and ends before its span does.
func TestScheduleIsEven(t *testing.T) {
	const ms = time.Millisecond
	if diff := cmp.Diff([]time.Duration{0, 250 * ms, 500 * ms, 750 * ms}, Schedule(4, time.Second, nil)); diff != "" {
		t.Error(diff)
	}
	if times := Schedule(0, time.Hour, nil); times != nil {
		t.Errorf("no rate and %d requests", len(times))
	}
}

// TestScheduleIsBounded for any random numbers, in order, and near its rate.
func TestScheduleIsBounded(t *testing.T) {
	const rate, span = 300, 20 * time.Second
	for dice := range uint64(50) {
		times := Schedule(rate, span, rand.New(rand.NewPCG(dice, dice)))
		if n := len(times); n < 5400 || n > 6600 {
			t.Errorf("%d requests; 6000 were wanted", n)
		}
		if !slices.IsSorted(times) || times[0] < 0 || times[len(times)-1] >= span {
			t.Errorf("from %v to %v", times[0], times[len(times)-1])
		}
	}
	if n := len(Schedule(rate, span, rand.New(zeros{}))); n != 12001 {
		t.Errorf("%d requests with gaps of nothing; twice the usual number was to be the end", n)
	}
}

// zeros is a source of random numbers that are all zero.
type zeros struct{}

func (zeros) Uint64() uint64 { return 0 }

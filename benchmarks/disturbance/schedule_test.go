package main

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
	if diff := cmp.Diff([]time.Duration{0, 250 * ms, 500 * ms, 750 * ms}, schedule(4, time.Second, nil)); diff != "" {
		t.Error(diff)
	}
	if times := schedule(0, time.Hour, nil); times != nil {
		t.Errorf("no rate and %d requests", len(times))
	}
}

// TestScheduleIsBounded whatever the dice say, in order, and near its rate.
func TestScheduleIsBounded(t *testing.T) {
	const rate, span = 300, 20 * time.Second
	for dice := range uint64(50) {
		times := schedule(rate, span, rand.New(rand.NewPCG(dice, dice)))
		if n := len(times); n < 5400 || n > 6600 {
			t.Errorf("%d requests; 6000 were wanted", n)
		}
		if !slices.IsSorted(times) || times[0] < 0 || times[len(times)-1] >= span {
			t.Errorf("from %v to %v", times[0], times[len(times)-1])
		}
	}
	if n := len(schedule(rate, span, rand.New(zeros{}))); n != 12001 {
		t.Errorf("%d requests with gaps of nothing; twice the usual number was to be the end", n)
	}
}

// zeros are dice that always fall the same way.
type zeros struct{}

func (zeros) Uint64() uint64 { return 0 }

// TestThePlanIsBounded: a whole run stays under four minutes, a quick one under
// forty seconds (with room to build), and what happens, happens in the shade or
// at its end.
func TestThePlanIsBounded(t *testing.T) {
	for quick, most := range map[bool]time.Duration{false: 3*time.Minute + 45*time.Second, true: 32 * time.Second} {
		var whole time.Duration
		for _, d := range plan(quick) {
			whole += d.windows.total()
			for _, e := range d.events {
				if e.at < 0 || e.at > d.windows.during {
					t.Errorf("quick %v, %s: something happens at %v", quick, d.name(), e.at)
				}
			}
			if (d.rate > 0) != (d.token != nil) || (d.rate > 0) != (d.traffic != "") {
				t.Errorf("%s: a rate, tokens and their name go together", d.name())
			}
		}
		if whole > most {
			t.Errorf("quick %v takes %v", quick, whole)
		}
	}
}

// TestTheOutageLastsAMinute: that is what the picture is for.
func TestTheOutageLastsAMinute(t *testing.T) {
	for _, d := range plan(false) {
		if d.name() == "Outage" && d.windows.during == time.Minute {
			return
		}
	}
	t.Error("no outage of 60 s")
}

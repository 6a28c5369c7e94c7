package main

import (
	"testing"
	"time"
)

// TestThePlanIsBounded: a whole run stays under four minutes, a quick one under
// forty seconds (with room to build), and what happens, happens in the shade or
// at its end.
func TestThePlanIsBounded(t *testing.T) {
	for quick, most := range map[bool]time.Duration{false: 3*time.Minute + 45*time.Second, true: 32 * time.Second} {
		var whole time.Duration
		for _, d := range plan(quick) {
			whole += d.Windows.Total()
			for _, e := range d.Events {
				if e.At < 0 || e.At > d.Windows.During {
					t.Errorf("quick %v, %s: something happens at %v", quick, d.Name(), e.At)
				}
			}
			if (d.Rate > 0) != (d.Token != nil) || (d.Rate > 0) != (d.Traffic != "") {
				t.Errorf("%s: a rate, tokens and their name go together", d.Name())
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
		if d.Name() == "Outage" && d.Windows.During == time.Minute {
			return
		}
	}
	t.Error("no outage of 60 s")
}

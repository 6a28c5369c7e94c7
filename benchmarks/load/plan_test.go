package main

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/benchmarks/scenario"
)

// TestThePlanIsBounded: what is sent, the key scenarios apart, takes under twelve
// and a half minutes, quick under one, so that a whole run stays under nineteen
// and three.
func TestThePlanIsBounded(t *testing.T) {
	for quick, most := range map[bool]time.Duration{false: 12*time.Minute + 30*time.Second, true: time.Minute} {
		p := newPlan(quick, nil)
		var whole time.Duration
		sent := func(loads []load, times int) {
			for _, l := range loads {
				atLeast := time.Duration(float64(l.count) / 5000 * float64(time.Second)) // a slow service on a slow machine
				whole += (l.length + atLeast) * time.Duration(times*p.rounds)
			}
		}
		for _, c := range p.targets {
			sent(slices.DeleteFunc(slices.Clone(p.loads), func(l load) bool { return !c.takes(l) }), 1)
		}
		sent(p.envoyLoads, len(p.modes))
		whole += p.windows.Total() * time.Duration(p.rounds*len(p.scenarios))
		if whole > most {
			t.Errorf("quick %v takes %v", quick, whole)
		}
		if p.saturation().rate != 0 || p.envoyLoads[len(p.envoyLoads)-1].rate != 0 {
			t.Error("the last load is not saturation")
		}
		if !quick && p.rounds < 5 {
			t.Errorf("%d rounds are too few for a median", p.rounds)
		}
	}
}

// TestScenarios: at which moments what happens, and how many disturbing requests
// come with how many good ones.
func TestScenarios(t *testing.T) {
	w := scenario.Windows{Before: time.Second, During: 4 * time.Second}
	for _, row := range []struct {
		intent string
		of     scenarioPlan
		at     []time.Duration
		rate   float64
		before bool // good requests, where the others come later
	}{
		{"every two seconds, and not at the end", scenarioPlan{every: 2 * time.Second}, []time.Duration{0, 2 * time.Second}, 0, true},
		{"once", scenarioPlan{}, []time.Duration{0}, 0, true},
		{"a tenth of all", scenarioPlan{share: 0.1}, []time.Duration{0}, 90, true},
		{"three tenths of all", scenarioPlan{share: 0.3}, []time.Duration{0}, 270, true},
		{"three tenths of all, on top of what was there", scenarioPlan{share: 0.3, onTop: true}, []time.Duration{0}, 270, false},
	} {
		d := row.of.scenario(900, w, nil)
		var at []time.Duration
		for _, event := range d.Events {
			at = append(at, event.At)
		}
		if diff := cmp.Diff(row.at, at); diff != "" || d.Rotations != len(at) {
			t.Errorf("%s: %d keys, %s", row.intent, d.Rotations, diff)
		}
		if off := d.Rate - row.rate; off > 0.001 || off < -0.001 {
			t.Errorf("%s: %v a second, not %v", row.intent, d.Rate, row.rate)
		}
		if d.Instead != row.before {
			t.Errorf("%s: in the place of good requests is %v", row.intent, d.Instead)
		}
		if all := d.Rate + d.Good.Rate; all < 899.999 || all > 900.001 {
			t.Errorf("%s: %v a second in all, not 900", row.intent, all)
		}
	}
}

// TestAround: each target comes once under each load, and each round another one
// comes first.
func TestAround(t *testing.T) {
	for round, want := range []string{"1A 1B 1C 2A 2B 2C ", "1B 1C 1A 2B 2C 2A ", "1C 1A 1B 2C 2A 2B ", "1A 1B 1C 2A 2B 2C "} {
		got := ""
		err := around([]load{{count: 1}, {count: 2}}, []string{"A", "B", "C"}, round, func(l load, who string) error {
			got += fmt.Sprintf("%d%s ", l.count, who)
			return nil
		})
		if got != want || err != nil {
			t.Errorf("round %d: %s, %v; want %s", round, got, err, want)
		}
	}
	failed, times := errors.New("failed"), 0
	if err := around([]load{{}}, []string{"A", "B"}, 0, func(load, string) error { times++; return failed }); !errors.Is(err, failed) || times != 1 {
		t.Errorf("%v after %d; the first failure was to end it", err, times)
	}
}

func TestParsePeer(t *testing.T) {
	got, err := parsePeer("mine=./mine --list a,b --port 9000,127.0.0.1:9000")
	if err != nil || got.name != "mine" || got.address != "127.0.0.1:9000" || cmp.Diff([]string{"./mine", "--list", "a,b", "--port", "9000"}, got.command) != "" {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{"", "mine", "mine=", "mine=./mine", "=./mine,127.0.0.1:1", "mine=,127.0.0.1:1", "mine=./mine,somewhere"} {
		if got, err := parsePeer(text); err == nil {
			t.Errorf("%q was read as %+v", text, got)
		}
	}
}

// TestThePictureOfScenariosFitsAScreen: three panels, and the worst are among them.
func TestThePictureOfScenariosFitsAScreen(t *testing.T) {
	drawn := 0
	for _, s := range scenarios {
		if s.drawn {
			drawn++
		}
		if s.onTop && !s.drawn {
			t.Errorf("%s is left out", s.title)
		}
	}
	if drawn == 0 || drawn > 3 {
		t.Errorf("%d panels", drawn)
	}
}

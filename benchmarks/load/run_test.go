package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/benchmarks/gobench"
	"github.com/doorward/doorward/benchmarks/machine"
	"github.com/doorward/doorward/benchmarks/scenario"
	"github.com/doorward/doorward/benchmarks/traffic"
	"github.com/doorward/doorward/internal/testenv"
)

// smallest is every part of a plan, each as short as it can be.
func smallest() plan {
	const instant = 100 * time.Millisecond
	p := newPlan(true, nil)
	p.rounds, p.warm = 2, 10
	p.loads = []load{{rate: 100, length: instant}, {rate: slowRate + 1, length: instant / 10}, {count: 20, underWay: 4}}
	p.envoyLoads = []load{p.loads[0], p.loads[2]}
	p.windows, p.step = scenario.Windows{Warm: instant, Before: instant, During: instant}, instant/5
	p.distinct = 50
	return p
}

// TestASmallRun is one with the real programs. Everything is measured and
// answered; the test compares no time.
func TestASmallRun(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the whole binary")
	}
	s, err := openTestbed(t.Context(), t.TempDir(), "", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer s.authority.Close()
	t.Run("a service that refuses is not measured", func(t *testing.T) { takesNoRefuser(t, s) })
	t.Run("the empty server has doorward's GC setting", func(t *testing.T) { hasTheSetting(t, s) })
	t.Run("key scenarios", func(t *testing.T) { answersFloods(t, s) })
	r := &results{plan: smallest(), gogc: s.gogc}
	parts := []func(*results) error{
		func(r *results) error { return r.measureRounds(t.Context(), s, io.Discard) },
		func(r *results) error { // each has a doorward of its own, so that a round takes seconds
			r.plan.rounds = 1
			return r.measureScenarios(t.Context(), s, io.Discard)
		},
		func(r *results) error { return r.measureMemory(t.Context(), s, io.Discard) },
	}
	if _, err := testenv.EnvoyBinary(); err == nil {
		parts = append(parts, func(r *results) error { return r.measureEnvoy(t.Context(), s, io.Discard) })
	}
	for _, part := range parts {
		if err := part(r); err != nil {
			t.Fatal(err)
		}
	}
	if refused := r.refused(); refused != 0 {
		t.Errorf("%d good requests were refused", refused)
	}
	if costs := r.checks.cost(usual, r.plan.loads[1]); costs != nil {
		t.Errorf("the usual service was asked for more than it may be able to do: %v", costs)
	}
	for _, name := range []string{empty, emptyShipped, doorward, doorwardPlain, oneProcessor, twoProcessors, byMetadata, byHeaders, byBody} {
		for _, l := range r.plan.loads {
			if strings.Contains(name, "operation") && l.rate > 0 {
				continue
			}
			if costs := r.checks.cost(name, l); len(costs) != 2 || costs[0] <= 0 || costs[1] <= 0 {
				t.Errorf("%s at %s: costs %v", name, l, costs)
			}
		}
	}
	if r.memory.offered != 50 || r.memory.cache == 0 || r.memory.most < r.memory.before {
		t.Errorf("memory: %+v", r.memory)
	}
	if len(r.scenarios) < 5 {
		t.Errorf("%d scenarios", len(r.scenarios))
	}
	if !strings.HasPrefix(r.gogc, "GOGC=") || r.gogc == "GOGC=0" {
		t.Errorf("doorward ships with %q", r.gogc)
	}
	folder := t.TempDir()
	if err := r.write(folder); err != nil {
		t.Fatal(err)
	}
}

// answersFloods: what doorward answers to the floods of the key scenarios, with
// windows as short as they can be.
func answersFloods(t *testing.T, s *testbed) {
	t.Helper()
	for _, row := range []struct {
		of   int // in the plan
		want string
	}{{2, "key_unknown"}, {3, "signature_invalid"}} {
		d := keyScenarios(true)[row.of]
		d.Windows = scenario.Windows{Warm: 100 * time.Millisecond, Before: 200 * time.Millisecond, During: 300 * time.Millisecond}
		r := &results{plan: plan{keys: []scenario.Scenario{d}}}
		if err := r.measureKeys(t.Context(), s, io.Discard); err != nil {
			t.Fatal(err)
		}
		result := r.keys[0]
		if count := traffic.Reasons(result.Disturbing); count[row.want] == 0 || count[traffic.Allowed] > 0 {
			t.Errorf("%s: answered with %v", d.Name(), count)
		}
		if first := result.Sent[0].Due; first != -d.Windows.Before {
			t.Errorf("%s: the first that counts was due at %v; the warm-up does not count", d.Name(), first)
		}
		if count := traffic.Reasons(result.Sent); count[traffic.Allowed] == 0 {
			t.Errorf("%s: good traffic was answered with %v", d.Name(), count)
		}
	}
}

// hasTheSetting: of the two empty servers, one runs with doorward's GC setting.
func hasTheSetting(t *testing.T, s *testbed) {
	t.Helper()
	for _, row := range []struct {
		name string
		set  bool
	}{{empty, false}, {emptyShipped, true}} {
		at := slices.IndexFunc(targets, func(c target) bool { return c.name == row.name })
		opened, err := s.open(t.Context(), targets[at])
		if err != nil {
			t.Fatal(err)
		}
		environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", opened.process.PID))
		opened.stop()
		if err != nil {
			t.Skip("not on Linux: ", err)
		}
		if set := strings.Contains(string(environment), "\x00"+s.gogc+"\x00"); set != row.set {
			t.Errorf("%s: %s is set: %v", row.name, s.gogc, set)
		}
	}
}

// takesNoRefuser: a peer that refuses good tokens is not measured. Its cost would
// be that of a refusal.
func takesNoRefuser(t *testing.T, s *testbed) {
	t.Helper()
	addresses, err := testenv.FreeAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	command := s.programs["usual"] + " -issuer another -jwks " + s.jwks + " -listen " + addresses[0]
	peer, err := parsePeer("strict=" + command + "," + addresses[0])
	if err != nil {
		t.Fatal(err)
	}
	opened, err := s.open(t.Context(), peer)
	if err == nil {
		opened.stop()
		t.Fatal("it was taken")
	}
	if !strings.Contains(err.Error(), "strict: a good token is answered with: denied") {
		t.Error(err)
	}
}

// imagined is a whole result of no measurement.
func imagined() *results {
	r := &results{machine: machine.Machine{}, plan: smallest(), checks: cells{}, requests: cells{}, scenarios: map[string][]*scenario.Result{}, traffic: 100}
	for _, c := range r.plan.targets {
		for _, l := range r.plan.loads {
			if c.most > 0 && l.rate > c.most {
				continue
			}
			for range r.plan.rounds {
				r.checks.add(c.name, l, cell{answered: 100, took: time.Second, cpu: time.Millisecond, gc: time.Millisecond / 10, latencies: traffic.Histogram([]time.Duration{time.Millisecond})})
			}
		}
	}
	for _, m := range r.plan.modes {
		for _, l := range r.plan.envoyLoads {
			r.requests.add(m.name, l, cell{answered: 100, refused: 1, took: time.Second, envoy: time.Millisecond, latencies: traffic.Histogram([]time.Duration{time.Millisecond})})
		}
	}
	for _, t := range r.plan.scenarios {
		d := t.scenario(100, r.plan.windows, &sink{})
		r.scenarios[t.title] = []*scenario.Result{{Scenario: d}, {Scenario: d}}
	}
	r.memory = &memory{offered: 10, refused: 3, took: time.Second}
	r.process = gobench.Parse("BenchmarkHotAnswer-2 \t 816\t 4000 ns/op\t 900 B/op\t 14 allocs/op\n")
	return r
}

// TestThePage has everything that was measured, with a verdict on each.
func TestThePage(t *testing.T) {
	r := imagined()
	page := string(r.page())
	for _, wanted := range []string{
		"| hot Check in the process, bytes in to bytes out, without gRPC | ≤ 5 us | ≤ 2.5 us | HotAnswer: 4.00 us | kept |",
		"| ≤ 5 % | ≤ 2 % | saturation, 4 under way: 10.0 % | **missed** |", usual, "| doorward | 100/s | 1.00 |", "jwt_authn with its cache", "Forgeries", "10 valid tokens",
	} {
		if !strings.Contains(page, wanted) {
			t.Errorf("no %q in\n%s", wanted, page)
		}
	}
	if refused := r.refused(); refused != 5*2+3 {
		t.Errorf("%d refused", refused)
	}
	if empty := string((&results{plan: smallest()}).page()); strings.Contains(empty, "## Over gRPC") || !strings.Contains(empty, "not measured") {
		t.Errorf("of no measurement:\n%s", empty)
	}
}

// TestThePicturesAreXML, and no number in them is infinite.
func TestThePicturesAreXML(t *testing.T) {
	r := imagined()
	for name, picture := range map[string][]byte{"cost": r.drawCost(), "latency": r.drawServices(), "logs": r.drawLogs(), "scenarios": r.drawScenarios()} {
		decoder := xml.NewDecoder(bytes.NewReader(picture))
		for {
			_, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		for _, bad := range []string{"NaN", "Inf"} {
			if bytes.Contains(picture, []byte(bad)) {
				t.Errorf("%s: %s", name, bad)
			}
		}
	}
	if cost := string(r.drawCost()); strings.Count(cost, `<rect class="band"`) != 3 || !strings.Contains(cost, "one built with OPA as usual") {
		t.Errorf("the picture of cost is not of three bars in plain words: %s", cost)
	}
	nothing := &results{plan: smallest()}
	if nothing.drawCost() != nil || nothing.drawServices() != nil || nothing.drawLogs() != nil || nothing.drawScenarios() != nil {
		t.Error("a picture of nothing")
	}
}

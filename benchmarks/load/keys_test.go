package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/benchmarks/authority"
	"github.com/doorward/doorward/benchmarks/scenario"
	"github.com/doorward/doorward/benchmarks/traffic"
)

// imaginedKeys is a result for each key scenario, from no measurement.
func imaginedKeys() []*scenario.Result {
	var results []*scenario.Result
	for _, d := range keyScenarios(true) {
		w := d.Windows
		r := &scenario.Result{Scenario: d, Fetches: []authority.Fetch{{At: -1, Met: authority.Answers}, {At: 0, Met: authority.Silent}, {At: w.During, Met: authority.Answers}}}
		for _, at := range traffic.Shift(traffic.Schedule(100, w.Before+w.During+w.After, nil), -w.Before) {
			r.Sent = append(r.Sent, traffic.Sample{Due: at, Sent: at, Done: at + time.Millisecond, Reason: traffic.Allowed})
		}
		r.Sent[0].Reason = "no answer"
		r.Sent[1].Done += time.Hour // off any axis
		for _, at := range traffic.Schedule(d.Rate, w.During, nil) {
			r.Disturbing = append(r.Disturbing, traffic.Sample{Due: at, Sent: at, Done: at + time.Second, Reason: "<&>"})
		}
		results = append(results, r)
	}
	return append(results, &scenario.Result{Scenario: scenario.Scenario{Title: "Nothing: was measured", Windows: scenario.Windows{Before: 1, During: 1}}})
}

// TestThePictureOfKeysIsXML, with a panel for each result, and whatever is drawn is
// on the page.
func TestThePictureOfKeysIsXML(t *testing.T) {
	measured := imaginedKeys()
	decoder := xml.NewDecoder(bytes.NewReader((&results{keys: measured}).drawKeys()))
	elements, titles := map[string]int{}, 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		elements[start.Name.Local]++
		for _, attribute := range start.Attr {
			if attribute.Name.Local == "class" && attribute.Value == "frame" {
				titles++
			}
			for _, bad := range []string{"NaN", "Inf"} {
				if strings.Contains(attribute.Value, bad) {
					t.Errorf("%s %s=%q", start.Name.Local, attribute.Name.Local, attribute.Value)
				}
			}
		}
	}
	if elements["svg"] != 1 || titles != len(measured) {
		t.Errorf("%d frames for %d results", titles, len(measured))
	}
}

// TestThePageOfKeys has the refusals of good traffic, and counts fetches where
// they belong: one at the very end of a scenario is after it.
func TestThePageOfKeys(t *testing.T) {
	measured := imaginedKeys()
	for _, r := range measured[:4] {
		if r.Refused() != 1 {
			t.Errorf("%s: %d refused", r.Name(), r.Refused())
		}
		if before, during := r.FetchesIn(-r.Windows.Before, 0), r.FetchesIn(0, r.Windows.During); before != 1 || during != 1 {
			t.Errorf("%s: %d fetches before, %d during", r.Name(), before, during)
		}
	}
	whole := results{plan: smallest(), keys: measured}
	if refused := whole.refused(); refused != 4 {
		t.Errorf("%d refused in all", refused)
	}
	page := string(whole.page())
	for _, wanted := range []string{"**Rotation**", "**Outage**", "**Unknown keys**", "**Forgeries**", "<&> 400"} {
		if !strings.Contains(page, wanted) {
			t.Errorf("no %q in\n%s", wanted, page)
		}
	}
}

// TestTheKeyPlanIsBounded: the key scenarios stay under four minutes, quick ones
// under forty seconds, and what happens, happens during the scenario or at its
// end.
func TestTheKeyPlanIsBounded(t *testing.T) {
	for quick, most := range map[bool]time.Duration{false: 3*time.Minute + 45*time.Second, true: 32 * time.Second} {
		var whole time.Duration
		for _, d := range keyScenarios(quick) {
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
	for _, d := range keyScenarios(false) {
		if d.Name() == "Outage" && d.Windows.During == time.Minute {
			return
		}
	}
	t.Error("no outage of 60 s")
}

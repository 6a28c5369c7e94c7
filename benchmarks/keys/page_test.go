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
	"github.com/doorward/doorward/benchmarks/machine"
	"github.com/doorward/doorward/benchmarks/scenario"
	"github.com/doorward/doorward/benchmarks/traffic"
)

// imagined is a result for each disturbance of the plan, from no measurement.
func imagined() []*scenario.Result {
	var results []*scenario.Result
	for _, d := range plan(true) {
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

// TestThePictureIsXML, with a panel for each result, and whatever is drawn is
// on the page.
func TestThePictureIsXML(t *testing.T) {
	results := imagined()
	decoder := xml.NewDecoder(bytes.NewReader(draw(results)))
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
	if elements["svg"] != 1 || titles != len(results) {
		t.Errorf("%d frames for %d results", titles, len(results))
	}
}

// TestThePageTellsRefusals of good traffic, and counts fetches where they
// belong: one at the very end of a disturbance is after it.
func TestThePageTellsRefusals(t *testing.T) {
	results := imagined()
	for _, r := range results[:4] {
		if r.Refused() != 1 {
			t.Errorf("%s: %d refused", r.Name(), r.Refused())
		}
		if before, during := r.FetchesIn(-r.Windows.Before, 0), r.FetchesIn(0, r.Windows.During); before != 1 || during != 1 {
			t.Errorf("%s: %d fetches before, %d during", r.Name(), before, during)
		}
	}
	page := string(markdown(machine.Machine{}, results))
	for _, wanted := range []string{"**Rotation**", "**Outage**", "**Unknown keys**", "**Forgeries**", "<&> 400"} {
		if !strings.Contains(page, wanted) {
			t.Errorf("no %q in\n%s", wanted, page)
		}
	}
}

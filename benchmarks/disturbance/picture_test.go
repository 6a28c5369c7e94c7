package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// imagined is a result for each disturbance of the plan, from no measurement.
func imagined() []*result {
	var results []*result
	for _, d := range plan(true) {
		w := d.windows
		r := &result{disturbance: d, fetches: []fetch{{at: -1, met: answers}, {at: 0, met: silent}, {at: w.during, met: answers}}}
		for _, at := range shift(schedule(100, w.before+w.during+w.after, nil), -w.before) {
			r.good = append(r.good, sample{due: at, sent: at, done: at + time.Millisecond, reason: allowed})
		}
		r.good[0].reason = "no answer"
		r.good[1].done += time.Hour // off any axis
		for _, at := range schedule(d.rate, w.during, nil) {
			r.disturbing = append(r.disturbing, sample{due: at, sent: at, done: at + time.Second, reason: "<&>"})
		}
		results = append(results, r)
	}
	return append(results, &result{disturbance: disturbance{title: "Nothing: was measured", windows: windows{before: 1, during: 1}}})
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

// TestAxes: where times and latencies are drawn.
func TestAxes(t *testing.T) {
	p := panel{result: &result{disturbance: disturbance{windows: windows{before: 10, during: 20, after: 10}}}}
	for _, row := range []struct {
		intent    string
		got, want float64
	}{
		{"the start of the picture", p.x(-10), plotLeft},
		{"its middle", p.x(10), (plotLeft + plotRight) / 2},
		{"its end", p.x(30), plotRight},
		{"the lowest latency", p.y(lowest), plotTop + plotHeight},
		{"halfway between 0.1 ms and 1 s on a logarithmic scale", p.y(10 * time.Millisecond), plotTop + plotHeight/2},
		{"the highest", p.y(highest), plotTop},
		{"a higher one stays in the frame", p.y(time.Hour), plotTop},
		{"as does nothing at all", p.y(0), plotTop + plotHeight},
	} {
		if diff := row.got - row.want; diff > 0.01 || diff < -0.01 {
			t.Errorf("%s: %v, not %v", row.intent, row.got, row.want)
		}
	}
}

// TestThePageTellsRefusals of good traffic, and counts fetches where they
// belong: one at the very end of a disturbance is after it.
func TestThePageTellsRefusals(t *testing.T) {
	results := imagined()
	for _, r := range results[:4] {
		if r.refused() != 1 {
			t.Errorf("%s: %d refused", r.name(), r.refused())
		}
		if before, during := r.fetchesIn(-r.windows.before, 0), r.fetchesIn(0, r.windows.during); before != 1 || during != 1 {
			t.Errorf("%s: %d fetches before, %d during", r.name(), before, during)
		}
	}
	page := string(markdown(machine{}, results))
	for _, wanted := range []string{"**Rotation**", "**Outage**", "**Unknown keys**", "**Forgeries**", "<&> 400"} {
		if !strings.Contains(page, wanted) {
			t.Errorf("no %q in\n%s", wanted, page)
		}
	}
}

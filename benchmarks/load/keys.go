package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/doorward/doorward/benchmarks/authority"
	"github.com/doorward/doorward/benchmarks/scenario"
	"github.com/doorward/doorward/benchmarks/traffic"
)

// good is the traffic of every key scenario. It is far below the capacity of
// doorward: the scenarios show whether requests on known keys wait for a fetch.
var good = scenario.Good{Rate: 500, Pool: 200, FreshEvery: 10}

// keyScenarios returns the scenarios about keys, in order. With quick they are
// short, and their tails rest on few requests.
func keyScenarios(quick bool) []scenario.Scenario {
	const second = time.Second
	rotation := scenario.Windows{Warm: 3 * second, Before: 10 * second, During: 36 * second}
	outage := scenario.Windows{Warm: 3 * second, Before: 10 * second, During: 60 * second, After: 8 * second}
	flood := scenario.Windows{Warm: 3 * second, Before: 10 * second, During: 20 * second, After: 5 * second}
	if quick {
		// A set fetched in the last ten seconds proves that a key does not
		// exist, so that a rotation cannot come earlier.
		rotation = scenario.Windows{Warm: second, Before: 9200 * time.Millisecond, During: 2 * second}
		outage = scenario.Windows{Warm: second, Before: 2 * second, During: 3 * second, After: second}
		flood = scenario.Windows{Warm: second, Before: 2 * second, During: 2 * second}
	}
	return []scenario.Scenario{
		rotating(rotation),
		{
			Title:   "Outage: the authorization server is silent, then answers 503, then is back",
			Note:    "keys are refreshed every 5 s, about every second while that fails, and serve on",
			Refresh: "{min: 1s, max: 5s, max_stale: 10m}", Good: good, Windows: outage,
			Events: []scenario.Event{
				{At: 0, Label: "silent", Do: scenario.SetBehaviour(authority.Silent)},
				{At: outage.During / 2, Label: "answers 503", Do: scenario.SetBehaviour(authority.Refuses)},
				{At: outage.During, Label: "back", Do: scenario.SetBehaviour(authority.Answers)},
			},
		},
		{
			Title:   "Unknown keys: 200 tokens a second, each naming a key that was never published",
			Traffic: "tokens with a random kid", Note: "those that cause a fetch, or come during it, wait",
			Good: good, Rate: 200, Windows: flood,
			Events: []scenario.Event{{At: 0, Label: "200 random kids a second", Do: scenario.Nothing}},
			Token:  func(t *authority.Tokens, _ time.Duration) string { return t.Unknown() },
		},
		{
			Title:   "Forgeries: 300 tokens a second, each naming the good key, with a signature by another",
			Traffic: "forged tokens", Note: "they wait for no fetch", Good: good, Rate: 300, Windows: flood,
			Events: []scenario.Event{{At: 0, Label: "300 forged tokens a second", Do: scenario.Nothing}},
			Token:  func(t *authority.Tokens, _ time.Duration) string { return t.Forged() },
		},
	}
}

// rotationEvery is more than ten seconds: for so long after a fetch, an unknown key
// causes no other one.
const rotationEvery = 12 * time.Second

// rotating signs with each new key at once, which authorization servers should not do.
func rotating(w scenario.Windows) scenario.Scenario {
	rotations := int((w.During + rotationEvery - 1) / rotationEvery)
	return scenario.Scenario{
		Title:   "Rotation: a new key every 12 s, used at once; the one before it is withdrawn",
		Traffic: "tokens under the newest key",
		Note:    "the first ones wait for the fetch: " + traffic.Short(authority.AnswersSlowly),
		Good:    good, Rate: 50, Windows: w, Rotations: rotations, Events: scenario.Rotate(rotations, rotationEvery),
		Token: func(t *authority.Tokens, at time.Duration) string { return t.Newest(int(at / rotationEvery)) },
	}
}

// measureKeys measures every key scenario once.
func (r *results) measureKeys(ctx context.Context, s *testbed, progress io.Writer) error {
	for _, d := range r.plan.keys {
		d.CPUs = s.cpus
		_, _ = fmt.Fprintf(progress, "  %s (%.0f s)\n", d.Title, d.Windows.Total().Seconds())
		result, err := scenario.Measure(ctx, s.programs[doorward], s.folder, d, progress)
		if err != nil {
			return fmt.Errorf("%s: %w", d.Name(), err)
		}
		_, _ = fmt.Fprintln(progress, " ", result.Line())
		r.keys = append(r.keys, result)
	}
	return nil
}

func (r *results) drawKeys() []byte {
	if r.keys == nil {
		return nil
	}
	return scenario.Draw(r.keys, "Requests on known keys, while something is wrong with the keys",
		fmt.Sprintf("Latency of one Check over gRPC at %.0f requests a second, from when each was due; "+
			"seconds from the start of the scenario.", good.Rate),
		"Latency of requests on known keys: rotation, outage, a flood of unknown keys, a flood of forged tokens")
}

// writeKeys writes the section about keys: good traffic, and the disturbing requests
// with their answers.
func (r *results) writeKeys(b *bytes.Buffer) {
	if r.keys == nil {
		return
	}
	fmt.Fprintf(b, "\n## Known keys\n\nGood traffic: %.0f requests a second, evenly spaced, on %d tokens; "+
		"every %dth request brings a token never seen. The authorization server takes %s for every answer.\n\n"+
		"![latency over time, one panel for each scenario](plots/keys.svg)\n\n",
		good.Rate, good.Pool, good.FreshEvery, traffic.Short(authority.AnswersSlowly))
	b.WriteString("| good traffic | | requests | p50 | p99 | p99.9 | max | refused | fetches seen |\n" +
		"|---|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, k := range r.keys {
		before, during, w := k.Before(), k.During(), k.Windows
		fmt.Fprintf(b, "| **%s** | before, %s | %s | %d |\n",
			k.Name(), traffic.Short(w.Before), columns(before), k.FetchesIn(-w.Before, 0))
		fmt.Fprintf(b, "| | during, %s | %s | %d |\n",
			traffic.Short(w.During), columns(during), k.FetchesIn(0, w.During))
		fmt.Fprintf(b, "| | during / before | | %.2f | %.2f | %.2f | %.2f | | |\n",
			traffic.Ratio(during.P50, before.P50), traffic.Ratio(during.P99, before.P99),
			traffic.Ratio(during.P999, before.P999), traffic.Ratio(during.Max, before.Max))
	}
	b.WriteString("\n| disturbing requests | sent | p50 | p99 | max | answers |\n|---|--:|--:|--:|--:|---|\n")
	for _, k := range r.keys {
		if k.Traffic == "" {
			continue
		}
		f := traffic.Summarise(k.Disturbing)
		fmt.Fprintf(b, "| %s | %d | %s | %s | %s | %s |\n", k.Traffic, f.Requests,
			traffic.Short(f.P50), traffic.Short(f.P99), traffic.Short(f.Max), traffic.Tally(k.Disturbing))
	}
}

func columns(f traffic.Figures) string {
	return fmt.Sprintf("%d | %s | %s | %s | %s | %d", f.Requests,
		traffic.Short(f.P50), traffic.Short(f.P99), traffic.Short(f.P999), traffic.Short(f.Max), f.Refused)
}

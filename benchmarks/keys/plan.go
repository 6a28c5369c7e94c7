package main

import (
	"time"

	"github.com/doorward/doorward/benchmarks/authority"
	"github.com/doorward/doorward/benchmarks/scenario"
	"github.com/doorward/doorward/benchmarks/traffic"
)

// good is the load, the same at every disturbance. It is far from what doorward
// can do: the question is who waits for whom.
var good = scenario.Good{Rate: 500, Pool: 200, FreshEvery: 10}

// plan is everything that is measured, in order. quick is for a first look: the
// outage is cut short, and tails rest on few requests.
func plan(quick bool) []scenario.Scenario {
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
			Title:   "Unknown keys: 200 tokens a second, each naming a key that nobody has",
			Traffic: "tokens with a random kid", Note: "those that cause a fetch, or come during it, wait", Good: good, Rate: 200, Windows: flood,
			Events: []scenario.Event{{At: 0, Label: "200 random kids a second", Do: scenario.Nothing}},
			Token:  func(t *authority.Tokens, _ time.Duration) string { return t.Unknown() },
		},
		{
			Title:   "Forgeries: 300 tokens a second, each naming the good key, with a signature by another",
			Traffic: "forged tokens", Note: "none waits for a fetch", Good: good, Rate: 300, Windows: flood,
			Events: []scenario.Event{{At: 0, Label: "300 forged tokens a second", Do: scenario.Nothing}},
			Token:  func(t *authority.Tokens, _ time.Duration) string { return t.Forged() },
		},
	}
}

// rotationEvery leaves the last set time to grow older than ten seconds: only
// then does an unknown key make doorward ask again.
const rotationEvery = 12 * time.Second

// rotating uses each new key at once, which is harder than what servers should
// do.
func rotating(w scenario.Windows) scenario.Scenario {
	rotations := int((w.During + rotationEvery - 1) / rotationEvery)
	return scenario.Scenario{
		Title:   "Rotation: a new key every 12 s, used at once; the one before it is withdrawn",
		Traffic: "tokens under the newest key", Note: "the first ones wait for the fetch: " + traffic.Short(authority.AnswersSlowly),
		Good: good, Rate: 50, Windows: w, Rotations: rotations, Events: scenario.Rotate(rotations, rotationEvery),
		Token: func(t *authority.Tokens, at time.Duration) string { return t.Newest(int(at / rotationEvery)) },
	}
}

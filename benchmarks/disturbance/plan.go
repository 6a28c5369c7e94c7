package main

import "time"

// The load, the same at every disturbance. Good traffic is far from what
// doorward can do: the question is who waits for whom.
const (
	goodRate   = 500 // requests a second, evenly spaced
	poolSize   = 200 // tokens that come again and again
	freshEvery = 10  // one of so many good requests brings a token never seen
	patience   = time.Second
	seed       = 4 // of the gaps between disturbing requests
)

// windows are the lengths of a measurement's parts.
type windows struct{ warm, before, during, after time.Duration }

func (w windows) total() time.Duration { return w.warm + w.before + w.during + w.after }

// event is something that happens to the authorization server.
type event struct {
	at    time.Duration // from the start of the disturbance
	label string        // in the picture
	do    func(*authority, *tokens)
}

// disturbance is one thing that goes wrong while good traffic goes on.
type disturbance struct {
	title     string  // of its panel; what is before the colon is its name
	traffic   string  // what the disturbing requests are; "" where there are none
	note      string  // what is to be seen in the panel
	refresh   string  // configuration of the key refresh; "" for the defaults
	rate      float64 // disturbing requests a second, at random intervals
	windows   windows
	rotations int
	events    []event
	token     func(t *tokens, at time.Duration) string // the one to send at a time since the start
}

// plan is everything that is measured, in order. quick is for a first look: the
// outage is cut short, and tails rest on few requests.
func plan(quick bool) []disturbance {
	const second = time.Second
	rotation, outage := windows{3 * second, 10 * second, 36 * second, 0}, windows{3 * second, 10 * second, 60 * second, 8 * second}
	flood := windows{3 * second, 10 * second, 20 * second, 5 * second}
	if quick {
		// A set fetched in the last ten seconds proves that a key does not
		// exist, so that a rotation cannot come earlier.
		rotation = windows{second, 9200 * time.Millisecond, 2 * second, 0}
		outage, flood = windows{second, 2 * second, 3 * second, second}, windows{second, 2 * second, 2 * second, 0}
	}
	return []disturbance{
		rotating(rotation),
		{
			title:   "Outage: the authorization server is silent, then answers 503, then is back",
			note:    "keys are refreshed every 5 s, about every second while that fails, and serve on",
			refresh: "{min: 1s, max: 5s, max_stale: 10m}", windows: outage,
			events: []event{
				{0, "silent", func(a *authority, _ *tokens) { a.become(silent) }},
				{outage.during / 2, "answers 503", func(a *authority, _ *tokens) { a.become(refuses) }},
				{outage.during, "back", func(a *authority, _ *tokens) { a.become(answers) }},
			},
		},
		{
			title:   "Unknown keys: 200 tokens a second, each naming a key that nobody has",
			traffic: "tokens with a random kid", note: "those that cause a fetch, or come during it, wait", rate: 200, windows: flood, events: []event{{0, "200 random kids a second", nothing}},
			token: func(t *tokens, _ time.Duration) string { return t.unknown() },
		},
		{
			title:   "Forgeries: 300 tokens a second, each naming the good key, with a signature by another",
			traffic: "forged tokens", note: "none waits for a fetch", rate: 300, windows: flood, events: []event{{0, "300 forged tokens a second", nothing}},
			token: func(t *tokens, _ time.Duration) string { return t.forged() },
		},
	}
}

// nothing happens to the authorization server.
func nothing(*authority, *tokens) {}

// rotationEvery leaves the last set time to grow older than ten seconds: only
// then does an unknown key make doorward ask again.
const rotationEvery = 12 * time.Second

// rotating publishes a new key every so often, takes the one before away, and
// uses the new one at once, which is harder than what servers should do. The
// key of the good traffic stays: their tokens have not expired.
func rotating(w windows) disturbance {
	d := disturbance{
		title:   "Rotation: a new key every 12 s, used at once; the one before it is withdrawn",
		traffic: "tokens under the newest key", note: "the first ones wait for the fetch: " + short(thinks), rate: 50, windows: w, rotations: int((w.during + rotationEvery - 1) / rotationEvery),
		token: func(t *tokens, at time.Duration) string { return t.newest(int(at / rotationEvery)) },
	}
	for i := range d.rotations {
		d.events = append(d.events, event{time.Duration(i) * rotationEvery, "new key", func(a *authority, t *tokens) {
			a.publish(t.known, t.newer[i])
		}})
	}
	return d
}

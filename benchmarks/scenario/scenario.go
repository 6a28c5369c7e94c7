// Package scenario measures the latency of requests on known keys while something
// else goes wrong. It runs doorward with an authorization server of its own, sends
// good and disturbing traffic over gRPC, triggers the events of a [Scenario], and
// draws the result.
package scenario

import (
	"strings"
	"time"

	"github.com/doorward/doorward/benchmarks/authority"
	"github.com/doorward/doorward/internal/testenv"
)

// Windows are the lengths of a measurement's parts.
type Windows struct{ Warm, Before, During, After time.Duration }

// Total is how long a measurement takes.
func (w Windows) Total() time.Duration { return w.Warm + w.Before + w.During + w.After }

// Good is the traffic that should notice nothing.
type Good struct {
	Rate       float64 // requests a second, evenly spaced
	Pool       int     // tokens that come again and again
	FreshEvery int     // one of so many requests brings a token never seen; 0 for none
}

// Testbed is what an event can change.
type Testbed struct {
	Authority *authority.Server
	Tokens    *authority.Tokens
	Doorward  *testenv.Doorward
}

// Event is something that happens.
type Event struct {
	At    time.Duration // from the start of the disturbance
	Label string        // in the picture
	Do    func(*Testbed) error
}

// Scenario is one thing that goes wrong while good traffic goes on.
type Scenario struct {
	Title     string   // of its panel; what is before the colon is its name
	Traffic   string   // what the disturbing requests are; "" where there are none
	Note      string   // what is to be seen in the panel
	Refresh   string   // configuration of the key refresh; "" for the defaults
	Extra     []string // further lines of doorward's configuration
	CPUs      string   // processors for doorward, as a list for taskset; "" for all
	Good      Good
	Rate      float64 // disturbing requests a second, at random intervals
	Instead   bool    // before it, as many good ones come in their place
	Windows   Windows
	Rotations int
	Events    []Event
	Token     func(t *authority.Tokens, at time.Duration) string // the one to send at a time since the start
}

// Name is the first word or two of the title.
func (d *Scenario) Name() string {
	name, _, _ := strings.Cut(d.Title, ":")
	return name
}

// Nothing happens: the event only marks a moment.
func Nothing(*Testbed) error { return nil }

// PublishNewer publishes the n-th of the newer keys and takes the one before
// away. The key of the good traffic stays: their tokens have not expired.
func PublishNewer(s *Testbed, n int) error {
	s.Authority.Publish(s.Tokens.Known, s.Tokens.Newer[n])
	return nil
}

// Rotate publishes the newer keys one after the other, one every so often.
func Rotate(rotations int, every time.Duration) []Event {
	var events []Event
	for i := range rotations {
		publish := func(s *Testbed) error { return PublishNewer(s, i) }
		events = append(events, Event{time.Duration(i) * every, "new key", publish})
	}
	return events
}

// SetBehaviour is an event that changes how the authorization server answers.
func SetBehaviour(m authority.Behaviour) func(*Testbed) error {
	return func(s *Testbed) error {
		s.Authority.SetBehaviour(m)
		return nil
	}
}

// Doorward is one with the keys and the resource of package authority and a
// policy of one rule. refresh is how often it fetches the keys, in YAML, "" for
// the defaults; more are lines of its configuration.
func Doorward(issuer, refresh string, more []string) testenv.DoorwardOptions {
	lines := []string{"issuers:", "- issuer: " + issuer, "  jwks_uri: " + issuer + "/jwks.json"}
	if refresh != "" {
		lines = append(lines, "  refresh: "+refresh)
	}
	lines = append(lines, "resources:", "- resource: "+authority.Resource, "  name: benchmark", "  scopes: [mcp:read]",
		"policy: {paths: [policy/]}", "insecure_http_hosts: [loopback]", "drain: 0s")
	config := strings.Join(append(lines, more...), "\n") + "\n"
	return testenv.DoorwardOptions{Config: config, Policy: testenv.TeamPolicy}
}

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

// Good is the traffic that a scenario should not affect.
type Good struct {
	Rate       float64 // requests a second, evenly spaced
	Pool       int     // tokens that are sent again and again
	FreshEvery int     // one of so many requests has a new token; 0 for none
}

// Testbed has the parts that an event can change.
type Testbed struct {
	Authority *authority.Server
	Tokens    *authority.Tokens
	Doorward  *testenv.Doorward
}

// Event is one change during a scenario.
type Event struct {
	At    time.Duration // from the start of the disturbance
	Label string        // in the picture
	Do    func(*Testbed) error
}

// Scenario is one disturbance of good traffic.
type Scenario struct {
	Title     string   // of its panel; what is before the colon is its name
	Traffic   string   // what the disturbing requests are; "" where there are none
	Note      string   // what is to be seen in the panel
	Refresh   string   // configuration of the key refresh; "" for the defaults
	Extra     []string // further lines of doorward's configuration
	CPUs      string   // processors for doorward, as a list for taskset; "" for all
	Good      Good
	Rate      float64 // disturbing requests a second, at random intervals
	Instead   bool    // before it, the same number of good requests is sent
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

// Nothing is an event that only marks a moment.
func Nothing(*Testbed) error { return nil }

// PublishNewer publishes the n-th of the newer keys and withdraws the one before.
// The key of the good traffic stays, because its tokens have not expired.
func PublishNewer(s *Testbed, n int) error {
	s.Authority.Publish(s.Tokens.Known, s.Tokens.Newer[n])
	return nil
}

// Rotate returns events that publish the newer keys one after the other.
func Rotate(rotations int, every time.Duration) []Event {
	var events []Event
	for i := range rotations {
		publish := func(s *Testbed) error { return PublishNewer(s, i) }
		events = append(events, Event{time.Duration(i) * every, "new key", publish})
	}
	return events
}

// SetBehaviour returns an event that changes how the authorization server answers.
func SetBehaviour(m authority.Behaviour) func(*Testbed) error {
	return func(s *Testbed) error {
		s.Authority.SetBehaviour(m)
		return nil
	}
}

// Doorward returns the options of a doorward with the keys and the resource of
// package authority and a policy of one rule. refresh is the value of
// issuers[].refresh in YAML, "" for the defaults; more are lines of configuration.
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

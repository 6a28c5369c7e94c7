package main

import (
	"fmt"
	"time"

	"github.com/doorward/doorward/benchmarks/authority"
	"github.com/doorward/doorward/benchmarks/scenario"
	"github.com/doorward/doorward/benchmarks/traffic"
	"github.com/doorward/doorward/internal/testenv"
)

// The good traffic.
const (
	poolSize = 100  // tokens that are sent again and again
	requests = 2000 // distinct requests with them, before the first is repeated
)

// The services whose costs are compared, by name.
const (
	empty         = "empty"
	emptyShipped  = "empty, doorward's GC setting"
	usual         = "usual"
	doorward      = "doorward"
	doorwardPlain = "doorward, GOGC=100"
	logFile       = "doorward, log to a file"
	logDead       = "doorward, log to no service"
	oneProcessor  = "doorward, GOMAXPROCS=1"
	twoProcessors = "doorward, GOMAXPROCS=2"
	byMetadata    = "doorward, operation by metadata"
	byHeaders     = "doorward, operation by headers"
	byBody        = "doorward, operation by a body of 1 KiB"
)

// slowRate bounds the requests a second to a service that may be slower.
const slowRate = 2000

// heapFloor is the live heap that doorward's GC setting assumes at least, in
// bytes (cmd/doorward/collector.go).
const heapFloor = 16 << 20

// targets are every service, in the order of a round.
var targets = []target{
	{name: empty, program: "empty"},
	{name: emptyShipped, program: "empty", shippedGC: true},
	{name: usual, program: "usual", form: traffic.Mapped, most: slowRate},
	{name: doorward, program: "doorward"},
	{name: doorwardPlain, program: "doorward", env: []string{"GOGC=100"}},
	{name: logFile, program: "doorward", extra: []string{"decision_log: {to: 'file:/dev/null'}"}},
	{name: logDead, program: "doorward", extra: []string{"decision_log: {to: 'http://127.0.0.1:1'}"}},
	{name: oneProcessor, program: "doorward", env: []string{"GOMAXPROCS=1"}},
	{name: twoProcessors, program: "doorward", env: []string{"GOMAXPROCS=2"}},
	{name: byMetadata, program: "doorward", operation: traffic.FilterMetadata},
	{name: byHeaders, program: "doorward", operation: traffic.Headers},
	{name: byBody, program: "doorward", operation: traffic.Body},
}

// load is one way to send: at a rate for a time, with random gaps; or, at rate 0,
// count requests with underWay of them in flight.
type load struct {
	rate     float64
	length   time.Duration
	count    int
	underWay int
}

func (l load) String() string {
	if l.rate == 0 {
		return fmt.Sprintf("saturation, %d under way", l.underWay)
	}
	return fmt.Sprintf("%.0f/s", l.rate)
}

// plan lists the measurements.
type plan struct {
	rounds     int
	warm       int // requests to a service before its first measurement
	targets    []target
	loads      []load // the last one is saturation
	modes      []mode // of Envoy
	envoyLoads []load
	step       time.Duration // of one rate, in the search for the capacity
	windows    scenario.Windows
	scenarios  []scenarioPlan
	keys       []scenario.Scenario
	distinct   int           // tokens to send for the memory ...
	offering   time.Duration // ... within this time
	benchTime  string
}

// saturation is the last of the loads.
func (p plan) saturation() load { return p.loads[len(p.loads)-1] }

// newPlan returns the full plan. With quick it has two rounds, and tails rest on few
// requests.
func newPlan(quick bool, peers []target) plan {
	const second = time.Second
	p := plan{
		rounds: 5, warm: 5000,
		targets: append(targets[:len(targets):len(targets)], peers...),
		loads: []load{
			{rate: slowRate, length: 3 * second / 2},
			{rate: 10000, length: 3 * second / 2},
			{count: 14000, underWay: 64},
		},
		modes:      modes,
		envoyLoads: []load{{rate: 1000, length: 3 * second / 2}, {count: 5000, underWay: 32}},
		step:       second,
		windows:    scenario.Windows{Warm: second, Before: 5 * second, During: 5 * second},
		scenarios:  scenarios,
		keys:       keyScenarios(quick),
		distinct:   1_000_000, offering: 150 * second,
		benchTime: "1s",
	}
	if quick {
		p.rounds, p.warm = 2, 500
		p.loads = []load{
			{rate: slowRate, length: second / 2}, {rate: 10000, length: second / 2}, {count: 2000, underWay: 64},
		}
		p.envoyLoads = []load{{rate: 500, length: second / 2}, {count: 500, underWay: 32}}
		p.windows = scenario.Windows{Warm: second / 2, Before: second / 2, During: second / 2}
		p.distinct, p.benchTime = 20_000, "0.1s"
	}
	for _, peer := range peers {
		p.modes = append(p.modes[:len(p.modes):len(p.modes)], mode{name: peer.name, service: peer.name})
	}
	return p
}

// scenarioPlan is one way of disturbing good traffic, as a share of it.
type scenarioPlan struct {
	title, traffic string
	share          float64       // disturbing requests among all, while it lasts
	every          time.Duration // between two events; 0: one, at the start
	label          string
	do             func(*scenario.Testbed, int) error // the n-th event; nil: nothing
	token          func(*authority.Tokens) string
	sink           bool // the decision log goes to a service that can hang
	drawn          bool // in the picture: those that cost the most, and the outage
	onTop          bool // the share comes on top of good traffic; reported without a verdict
}

// keysWithin makes doorward fetch keys as often as the configuration allows.
const keysWithin = "{min: 1s, max: 2s, max_stale: 10m}"

// scenarios disturb good traffic at half of the capacity.
var scenarios = []scenarioPlan{
	{
		title: "Rotation: a new key every 2 s, and the one before it is withdrawn", every: 2 * time.Second,
		label: "new key", do: scenario.PublishNewer,
	},
	{
		title: "Reload: the team's policy changes every 2 s", every: 2 * time.Second, label: "new policy",
		do: func(s *scenario.Testbed, n int) error {
			return s.Doorward.WritePolicy(fmt.Sprintf("%s\n# change %d\n", testenv.TeamPolicy, n))
		},
	},
	{
		title:   "Unknown keys: one request in ten names a key that was never published",
		traffic: "tokens with a random kid", share: 0.1, label: "flood", token: (*authority.Tokens).Unknown,
	},
	{
		title: "Forgeries: three requests in ten have a signature by another key", traffic: "forged tokens",
		share: 0.3, label: "flood", token: (*authority.Tokens).Forged, drawn: true,
	},
	{
		title: "On top: as many forgeries, where before there was only the good traffic", traffic: "forged tokens",
		share: 0.3, label: "flood", token: (*authority.Tokens).Forged, onTop: true, drawn: true,
	},
	{title: "Log: the service that takes the decision log hangs", label: "hangs", sink: true},
	{
		title: "Outage: the authorization server is silent", label: "silent", drawn: true,
		do: func(s *scenario.Testbed, _ int) error { return scenario.SetBehaviour(authority.Silent)(s) },
	},
}

package main

import (
	"bytes"
	"fmt"

	"github.com/doorward/doorward/benchmarks/authority"
	"github.com/doorward/doorward/benchmarks/machine"
	"github.com/doorward/doorward/benchmarks/scenario"
	"github.com/doorward/doorward/benchmarks/traffic"
)

func draw(results []*scenario.Result) []byte {
	return scenario.Draw(results, "Requests on known keys, while something is wrong with the keys",
		fmt.Sprintf("Latency of one Check over gRPC at %.0f requests a second, from when each was due; the time is in seconds from the start of the disturbance.", good.Rate),
		"Latency of requests on known keys during a rotation, an outage, a flood of unknown keys and a flood of forged tokens")
}

const intro = `# Known keys under disturbance

Written by ` + "`make plots`" + `; do not edit. What happens to requests whose keys doorward has, while the keys rotate, the authorization server is
down, tokens name keys that nobody has, or are forged? A request on a known key should notice nothing, and the authorization server little.

![latency over time, one panel for each disturbance](keys.svg)

`

const method = `
How it was measured:

- The doorward program of this commit, over gRPC on loopback, with a %s, a fresh process for each row. The sender and the authorization server,
  which takes %s for every answer, run on the same cores.
- Good traffic: %.0f requests a second, evenly spaced, over %d connections, on a pool of %d tokens; every %dth request brings a token never seen, whose
  ES256 signature is verified. All of it is signed with one key that is in the set throughout.
- Open loop: requests are sent when they are due, whether answers come or not, and latency counts from when a request was due, so that what a stall
  holds up is counted too. A part of it is the sender's own lateness: the last table, and the dotted line in the picture. Where that line
  rises, the machine was busy with something else.
- Disturbing traffic has connections of its own and comes at random intervals of a fixed mean; each token is distinct. A request that has no answer
  after %s counts as refused, as "no answer".
- The machine was shared with other work while this ran (the load average when it started is above), so that single maxima, and p99.9 with them, say
  as much about the neighbours as about doorward. Compare the columns of a row; times are this machine's and nobody else's.
`

// markdown is the page beside the picture.
func markdown(where machine.Machine, results []*scenario.Result) []byte {
	var page bytes.Buffer
	write := func(format string, values ...any) { fmt.Fprintf(&page, format, values...) }
	page.WriteString(intro)
	write("%s.\n\n", where)
	write("| good traffic | | requests | p50 | p99 | p99.9 | max | refused | fetches seen |\n|---|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, r := range results {
		name := r.Name()
		before, during := r.Before(), r.During()
		write("| **%s** | before, %s | %s | %d |\n", name, traffic.Short(r.Windows.Before), columns(before), r.FetchesIn(-r.Windows.Before, 0))
		write("| | during, %s | %s | %d |\n", traffic.Short(r.Windows.During), columns(during), r.FetchesIn(0, r.Windows.During))
		write("| | during / before | | %.2f | %.2f | %.2f | %.2f | | |\n", traffic.Ratio(during.P50, before.P50),
			traffic.Ratio(during.P99, before.P99), traffic.Ratio(during.P999, before.P999), traffic.Ratio(during.Max, before.Max))
	}
	write("\nThe disturbing requests, and what doorward answered:\n\n| | sent | p50 | p99 | max | answers |\n|---|--:|--:|--:|--:|---|\n")
	for _, r := range results {
		if r.Traffic == "" {
			continue
		}
		f := traffic.Summarise(r.Disturbing)
		write("| %s | %d | %s | %s | %s | %s |\n", r.Traffic, f.Requests, traffic.Short(f.P50), traffic.Short(f.P99), traffic.Short(f.Max), traffic.Tally(r.Disturbing))
	}
	write("\n| the sender's own lateness, p99 | before | during | key refresh |\n|---|--:|--:|---|\n")
	for _, r := range results {
		refresh := "the defaults"
		if r.Refresh != "" {
			refresh = "`" + r.Refresh + "`"
		}
		write("| %s | %s | %s | %s |\n", r.Name(), traffic.Short(r.Before().Late), traffic.Short(r.During().Late), refresh)
	}
	write(method, "policy of one rule", traffic.Short(authority.AnswersSlowly), good.Rate, traffic.Connections, good.Pool, good.FreshEvery, traffic.Short(traffic.Patience))
	return page.Bytes()
}

func columns(f traffic.Figures) string {
	return fmt.Sprintf("%d | %s | %s | %s | %s | %d", f.Requests, traffic.Short(f.P50), traffic.Short(f.P99), traffic.Short(f.P999), traffic.Short(f.Max), f.Refused)
}

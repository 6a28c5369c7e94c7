package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/doorward/doorward/benchmarks/traffic"
)

const pageHead = `# What a Check costs

Written by ` + "`make load`" + `; do not edit. Doorward beside an empty ext_authz server, one as it is
usually built, and Envoy's own filter: processor time and latency, also while something is wrong. The numbers hold for
this machine; compare the ratios.

`

const pageMethod = `
## How it was measured

- Every service is a process of its own, built from this commit, with Go's defaults except for what its name
  says. Processor time is the kernel's clock of that process, all threads, user and kernel mode, divided by the
  Checks that it answered. The sender is another process on the same cores, so that its cost affects latency and
  throughput only.
- Rounds are interleaved: in each, every service is measured once under every load, in an order that changes
  from round to round. Numbers are the median of %d rounds, with the lowest and the highest in brackets. A ratio
  is made within a round.
- A Check is what Envoy 1.40 sends for an MCP client's POST with envoy/envoy.yaml (18 headers,
  encode_raw_headers); the usual service and peers receive the headers as a map, which is Envoy's default and
  the cheapest form for them. %d tokens (ES256) are sent again and again, in requests that differ in id, time
  and port, over %d connections, as from an Envoy of as many workers. Each service has seen every token before.
- At a rate the loop is open: a Check is sent when it is due, at random intervals that are the same for all,
  whether answers come or not, and its latency counts from when it was due. At saturation a fixed number is
  under way, and only cost and throughput are reported. At a low rate most of the cost is waking up for each
  request; at saturation it is the work, so that ratios of processor time have a verdict there. The usual
  service and peers receive no more than %d a second at a rate.
- The empty server decodes the request and answers with four headers: benchmarks/peers/empty. The usual one
  verifies token, audience, scope and the team's rule with OPA: benchmarks/peers/usual. Doorward does the same
  with metrics on, and a policy of one rule beside its own.
- Through Envoy: one worker, HTTP/1.1, no access log, and Envoy itself answers instead of the MCP server.
  jwt_authn knows no scope and no policy.
- In a scenario all traffic is at half of the capacity: the highest rate, of a series that grows by eighths, at
  which 99 of a hundred requests that come at random moments are answered within 10 ms, sender and service on
  the same cores; %d tokens that doorward has seen. The ratio is p99.9 during the scenario over p99.9 of the
  seconds before, in the same process. A flood has connections of its own, on which good requests came before,
  so that the ratio shows the effect of its tokens and not that of more requests; on top of good traffic, it
  shows both. All of its tokens are distinct.
- Known keys: a fresh process for each scenario; disturbing traffic comes at random intervals of a fixed mean,
  and each of its tokens is distinct.
- Inside the process: Go benchmarks. Decision is the same rules and inputs each time: OPA as its SDK is usually
  used, doorward without a remembered decision, doorward with the rules' input already built, and doorward where
  the same was asked of another token. A cold Check and the bare signature of its token are timed one after the
  other, 1024 pairs, and the medians compared.
- The share of the garbage collector is the time that Go reports for it, over the kernel's processor time, in
  all rounds at saturation.
`

// page is RESULTS.md.
func (r *results) page() []byte {
	var b bytes.Buffer
	b.WriteString(pageHead)
	fmt.Fprintf(&b, "%s, which ships with %s; %s. The run took %.0f s.\n\n",
		r.machine, r.gogc, strings.Join(r.versions, ", "), r.took.Seconds())
	if r.machine.Busy() {
		b.WriteString("**The machine was busy with other work when this began: the numbers are no result.**\n\n")
	}
	r.promises(&b)
	for _, note := range r.skipped {
		fmt.Fprintf(&b, "\nLeft out: %s.\n", note)
	}
	if r.checks != nil {
		b.WriteString("\n## Over gRPC\n\n![processor time of a Check](plots/cost.svg)\n\n")
		costs(&b, r.checks, r.plan.loads, r.names(), false)
		b.WriteString("\n![latency by service](plots/latency.svg)\n\n")
		latencies(&b, r.checks, r.plan.loads, r.names())
		b.WriteString("\n![latency by where the decision log goes](plots/decisionlog.svg)\n")
	}
	if r.requests != nil {
		b.WriteString("\n## Through Envoy\n\n")
		costs(&b, r.requests, r.plan.envoyLoads, r.modeNames(), true)
		b.WriteString("\n")
		latencies(&b, r.requests, r.plan.envoyLoads, r.modeNames())
	}
	r.writeScenarios(&b)
	r.writeKeys(&b)
	r.writeMemory(&b)
	r.writeProcess(&b)
	fmt.Fprintf(&b, pageMethod, r.plan.rounds, poolSize, traffic.Connections, slowRate, poolSize)
	return b.Bytes()
}

// promises is the table at the top.
func (r *results) promises(b *bytes.Buffer) {
	b.WriteString("| measure | must | aim | reached | |\n|---|--:|--:|---|---|\n")
	bound := func(limit float64, unit string) string {
		if limit == 0 {
			return ""
		}
		return fmt.Sprintf("≤ %g %s", limit, unit)
	}
	for _, m := range measures {
		reached, verdicts := []string{"not measured"}, []string{""}
		for i, f := range m.look(r) {
			if i == 0 {
				reached, verdicts = nil, nil
			}
			reached = append(reached, fmt.Sprintf("%s: %s %s", f.of, f.summary, m.unit))
			verdicts = append(verdicts, m.verdict(f))
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", m.what, bound(m.must, m.unit), bound(m.aim, m.unit),
			strings.Join(reached, "<br>"), strings.Join(verdicts, "<br>"))
	}
}

// names are the services that were measured, in order.
func (r *results) names() []string {
	var names []string
	for _, c := range r.plan.targets {
		if r.checks[c.name] != nil {
			names = append(names, c.name)
		}
	}
	return names
}

func (r *results) modeNames() []string {
	var names []string
	for _, m := range r.plan.modes {
		names = append(names, m.name)
	}
	return names
}

// costs is a table of processor time: a row for each service, and for each load
// what a Check costs the service and, where there is one, Envoy.
func costs(b *bytes.Buffer, all cells, loads []load, names []string, withEnvoy bool) {
	parties := []string{"service"}
	if withEnvoy {
		parties = append(parties, "Envoy")
	}
	b.WriteString("| CPU of a Check, us |")
	for _, l := range loads {
		for _, party := range parties {
			fmt.Fprintf(b, " %s: %s |", l, party)
		}
	}
	b.WriteString(" answers/s at saturation |\n|---|" + strings.Repeat("--:|", len(loads)*len(parties)+1) + "\n")
	for _, name := range names {
		fmt.Fprintf(b, "| %s |", name)
		var throughput []float64
		for _, l := range loads {
			var own, envoy []float64
			throughput = nil
			for _, c := range all[name][l] {
				own = append(own, c.perCheck(c.cpu)/1000)
				envoy = append(envoy, c.perCheck(c.envoy)/1000)
				throughput = append(throughput, c.throughput())
			}
			fmt.Fprintf(b, " %s |", summarize(own))
			if withEnvoy {
				fmt.Fprintf(b, " %s |", summarize(envoy))
			}
		}
		fmt.Fprintf(b, " %.0f |\n", summarize(throughput).median)
	}
}

// latencies is a table of all rounds together, for the loads that have a rate.
func latencies(b *bytes.Buffer, all cells, loads []load, names []string) {
	b.WriteString("| latency, ms | at | p50 | p99 | p99.9 | max | of which the sender was late, p99 | refused |\n" +
		"|---|---|--:|--:|--:|--:|--:|--:|\n")
	for _, l := range loads {
		if l.rate == 0 {
			continue
		}
		for _, name := range names {
			h, refused, late := all.merged(name, l)
			if h.TotalCount() == 0 {
				continue // not measured at this rate
			}
			at := func(percentile float64) float64 {
				return float64(h.ValueAtPercentile(percentile)) / float64(time.Millisecond)
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %d |\n", name, l,
				digits(at(50)), digits(at(99)), digits(at(99.9)), digits(at(100)), summarize(late), refused)
		}
	}
}

// writeScenarios has a row for each scenario, over all of its rounds.
func (r *results) writeScenarios(b *bytes.Buffer) {
	if r.scenarios == nil {
		return
	}
	fmt.Fprintf(b, "\n## While something is wrong\n\nAll traffic: %.0f Checks a second, before and during; "+
		"a flood takes the place of a share of it.\n\n![latency over time](plots/disturbance.svg)\n\n"+
		"The picture shows three of them, the table all.\n\n", r.traffic)
	b.WriteString("| | p50 before, ms | during | p99.9 before, ms | during | during / before, p99.9 | refused |" +
		" answers to the disturbing requests, last round |\n|---|--:|--:|--:|--:|--:|--:|---|\n")
	for _, t := range r.plan.scenarios {
		rounds := r.scenarios[t.title]
		if len(rounds) == 0 {
			continue
		}
		var p50, p50During, p999, p999During, ratios []float64
		refused := 0
		for _, result := range rounds {
			before, during := result.Before(), result.During()
			p50, p50During = append(p50, milliseconds(before.P50)), append(p50During, milliseconds(during.P50))
			p999, p999During = append(p999, milliseconds(before.P999)), append(p999During, milliseconds(during.P999))
			ratios = append(ratios, traffic.Ratio(during.P999, before.P999))
			refused += result.Refused()
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %d | %s |\n", t.title,
			summarize(p50), summarize(p50During), summarize(p999), summarize(p999During),
			summarize(ratios), refused, traffic.Tally(rounds[len(rounds)-1].Disturbing))
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (r *results) writeMemory(b *bytes.Buffer) {
	m := r.memory
	if m == nil {
		return
	}
	mib := func(bytes float64) float64 { return bytes / (1 << 20) }
	fmt.Fprintf(b, "\n## Many distinct tokens\n\n%d valid tokens (ES256), each offered once, in %.0f s; %d refused. "+
		"Doorward held %.0f MiB before, %.0f MiB after and never more than %.0f MiB (resident). "+
		"Its token cache, bounded by `limits.token_cache` (64 MiB here, the default), "+
		"was at %.0f MiB after %.0f evictions.\n", m.offered, m.took.Seconds(), m.refused,
		mib(float64(m.before)), mib(float64(m.now)), mib(float64(m.most)), mib(m.cache), m.evicted)
}

// writeProcess has a row for each Go benchmark.
func (r *results) writeProcess(b *bytes.Buffer) {
	if r.process == nil {
		return
	}
	b.WriteString("\n## Inside the process\n\n| benchmark | us | allocations | bytes | over the bare signature |\n" +
		"|---|--:|--:|--:|--:|\n")
	for _, name := range []string{
		"HotAnswer", "ColdCheck/RS256", "ColdCheck/ES256", "ColdCheck/EdDSA",
		"Decision/opa-sdk-plain", "Decision/cold", "Decision/footprint-built", "Decision/cached",
	} {
		of := r.process[name]
		var microseconds []float64
		for _, ns := range of["ns/op"] {
			microseconds = append(microseconds, ns/1000)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", name, summarize(microseconds),
			summarize(of["allocs/op"]), summarize(of["B/op"]), summarize(of["x-bare"]))
	}
}

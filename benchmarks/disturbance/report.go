package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// machine is where and with what it was measured.
type machine struct {
	system, processor, load, commit string
	cores                           int
	day                             time.Time
}

// thisMachine asks the system. What it does not say is "unknown".
func thisMachine(ctx context.Context) machine {
	m := machine{
		system: runtime.GOOS + "/" + runtime.GOARCH, cores: runtime.NumCPU(), day: time.Now().UTC(),
		processor: "unknown", load: "unknown", commit: "unknown",
	}
	info, _ := os.ReadFile("/proc/cpuinfo") // elsewhere than on Linux it is not there
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.processor = strings.TrimSpace(value)
			break
		}
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.load, _, _ = strings.Cut(string(load), " ")
	}
	if out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*").Output(); err == nil {
		m.commit = strings.TrimSpace(string(out))
	}
	return m
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
- Good traffic: %d requests a second, evenly spaced, over %d connections, on a pool of %d tokens; every %dth request brings a token never seen, whose
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
func markdown(m machine, results []*result) []byte {
	var page bytes.Buffer
	write := func(format string, values ...any) { fmt.Fprintf(&page, format, values...) }
	page.WriteString(intro)
	write("%s, %s, %d cores (%s), load average at the start %s; %s; doorward %s.\n\n",
		m.day.Format(time.DateOnly), m.system, m.cores, m.processor, m.load, runtime.Version(), m.commit)
	write("| good traffic | | requests | p50 | p99 | p99.9 | max | refused | fetches seen |\n|---|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, r := range results {
		name := r.name()
		before, during := r.before(), r.during()
		write("| **%s** | before, %s | %s | %d |\n", name, short(r.windows.before), before.columns(), r.fetchesIn(-r.windows.before, 0))
		write("| | during, %s | %s | %d |\n", short(r.windows.during), during.columns(), r.fetchesIn(0, r.windows.during))
		write("| | during / before | | %.2f | %.2f | %.2f | %.2f | | |\n", ratio(during.p50, before.p50),
			ratio(during.p99, before.p99), ratio(during.p999, before.p999), ratio(during.max, before.max))
	}
	write("\nThe disturbing requests, and what doorward answered:\n\n| | sent | p50 | p99 | max | answers |\n|---|--:|--:|--:|--:|---|\n")
	for _, r := range results {
		if r.traffic == "" {
			continue
		}
		f := summarise(r.disturbing)
		write("| %s | %d | %s | %s | %s | %s |\n", r.traffic, f.requests, short(f.p50), short(f.p99), short(f.max), tally(r.disturbing))
	}
	write("\n| the sender's own lateness, p99 | before | during | key refresh |\n|---|--:|--:|---|\n")
	for _, r := range results {
		refresh := "the defaults"
		if r.refresh != "" {
			refresh = "`" + r.refresh + "`"
		}
		write("| %s | %s | %s | %s |\n", r.name(), short(r.before().late), short(r.during().late), refresh)
	}
	write(method, "policy of one rule", short(thinks), goodRate, connections, poolSize, freshEvery, short(patience))
	return page.Bytes()
}

// name is the first word or two of the title.
func (d *disturbance) name() string {
	name, _, _ := strings.Cut(d.title, ":")
	return name
}

func (f figures) columns() string {
	return fmt.Sprintf("%d | %s | %s | %s | %s | %d", f.requests, short(f.p50), short(f.p99), short(f.p999), short(f.max), f.refused)
}

// tally is how many requests were answered how, the most first.
func tally(samples []sample) string {
	count := reasons(samples)
	names := slices.Sorted(maps.Keys(count))
	slices.SortStableFunc(names, func(a, b string) int { return count[b] - count[a] })
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, count[name])
	}
	return strings.Join(names, ", ")
}

package traffic

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Sample is one request. Times are relative to the zero of [Sender.Run].
type Sample struct {
	Due, Sent, Done time.Duration
	Reason          string
}

// Latency is measured from when the request was due, so that the delay that a slow
// answer causes for later requests counts too (coordinated omission).
func (s Sample) Latency() time.Duration { return s.Done - s.Due }

// Between returns the samples that were due in [from, to).
func Between(samples []Sample, from, to time.Duration) []Sample {
	var found []Sample
	for _, s := range samples {
		if s.Due >= from && s.Due < to {
			found = append(found, s)
		}
	}
	return found
}

// Reasons counts the requests by reason.
func Reasons(samples []Sample) map[string]int {
	count := map[string]int{}
	for _, s := range samples {
		count[s.Reason]++
	}
	return count
}

// Tally lists the number of requests by reason, the largest first.
func Tally(samples []Sample) string {
	count := Reasons(samples)
	names := slices.Sorted(maps.Keys(count))
	slices.SortStableFunc(names, func(a, b string) int { return count[b] - count[a] })
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, count[name])
	}
	return strings.Join(names, ", ")
}

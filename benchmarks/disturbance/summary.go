package main

import (
	"math"
	"slices"
	"time"
)

// between are the samples that were due in [from, to).
func between(samples []sample, from, to time.Duration) []sample {
	var found []sample
	for _, s := range samples {
		if s.due >= from && s.due < to {
			found = append(found, s)
		}
	}
	return found
}

// quantile is the smallest value that at least the share q of all is not over
// (nearest rank); 0 for none at all. sorted is in rising order.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// figures are the latencies of some requests.
type figures struct {
	requests, refused   int
	p50, p99, p999, max time.Duration
	late                time.Duration // p99 of how late we sent: the part that is not doorward's
}

func summarise(samples []sample) figures {
	latencies, late := make([]time.Duration, len(samples)), make([]time.Duration, len(samples))
	f := figures{requests: len(samples)}
	for i, s := range samples {
		latencies[i], late[i] = s.latency(), s.sent-s.due
		if s.reason != allowed {
			f.refused++
		}
	}
	slices.Sort(latencies)
	slices.Sort(late)
	f.p50, f.p99, f.p999, f.max = quantile(latencies, 0.5), quantile(latencies, 0.99), quantile(latencies, 0.999), quantile(latencies, 1)
	f.late = quantile(late, 0.99)
	return f
}

// slice is the summary of the requests that were due in a short time.
type slice struct {
	middle time.Duration
	figures
}

// cut cuts samples into pieces of a length; empty ones are left out.
func cut(samples []sample, from, to, length time.Duration) []slice {
	var pieces []slice
	for at := from; at < to; at += length {
		if piece := between(samples, at, min(at+length, to)); len(piece) > 0 {
			pieces = append(pieces, slice{at + length/2, summarise(piece)})
		}
	}
	return pieces
}

// reasons counts how requests were answered.
func reasons(samples []sample) map[string]int {
	count := map[string]int{}
	for _, s := range samples {
		count[s.reason]++
	}
	return count
}

func (r *result) before() figures {
	return summarise(between(r.good, -r.windows.before, 0))
}

func (r *result) during() figures {
	return summarise(between(r.good, 0, r.windows.during))
}

// refused is how many of all good requests did not get through.
func (r *result) refused() int { return summarise(r.good).refused }

// fetchesIn counts those in [from, to).
func (r *result) fetchesIn(from, to time.Duration) int {
	count := 0
	for _, f := range r.fetches {
		if f.at >= from && f.at < to {
			count++
		}
	}
	return count
}

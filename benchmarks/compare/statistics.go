package main

import (
	"math"
	"slices"
)

// interval is the median of some ratios with a confidence interval of at least
// 95 %.
type interval struct{ low, median, high float64 }

// medianInterval needs no assumption about how the ratios are distributed: the
// interval reaches from the k-th smallest to the k-th largest of them, with the
// largest k that keeps the probability of missing the true median, by the
// binomial distribution, under 5 %. Fewer than six ratios have no such interval:
// it is unbounded.
func medianInterval(ratios []float64) interval {
	sorted := slices.Sorted(slices.Values(ratios))
	n := len(sorted)
	if n == 0 {
		return interval{low: 0, median: math.NaN(), high: math.Inf(1)}
	}
	result := interval{low: 0, median: median(sorted), high: math.Inf(1)}
	if k := rank(n); k > 0 {
		result.low, result.high = sorted[k-1], sorted[n-k]
	}
	return result
}

// rank is the largest k for which 2·P(Bin(n, 1/2) < k) is at most 5 %; 0 where
// there is none.
func rank(n int) int {
	probability := math.Pow(0.5, float64(n)) // of exactly i successes, i = 0
	below := 0.0
	for i := range n {
		below += probability
		if 2*below > 0.05 {
			return i
		}
		probability *= float64(n-i) / float64(i+1)
	}
	return n
}

// median of sorted values, of which there is at least one.
func median(sorted []float64) float64 {
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

package main

import (
	"fmt"
	"math"
	"slices"
)

// summary is the median of some rounds, the lowest and the highest.
type summary struct {
	median, low, high float64
	rounds            int
}

// summarize returns the zero summary for no values.
func summarize(values []float64) summary {
	if len(values) == 0 {
		return summary{}
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + sorted[middle]) / 2
	}
	return summary{median, sorted[0], sorted[len(sorted)-1], len(sorted)}
}

// over divides a by b, round by round.
func over(a, b []float64) []float64 {
	ratios := make([]float64, min(len(a), len(b)))
	for i := range ratios {
		ratios[i] = a[i] / b[i]
	}
	return ratios
}

// String has three digits of each.
func (s summary) String() string {
	if s.rounds == 0 {
		return "–"
	}
	if s.rounds == 1 {
		return digits(s.median)
	}
	return fmt.Sprintf("%s (%s–%s)", digits(s.median), digits(s.low), digits(s.high))
}

// digits writes three of them, and never an exponent.
func digits(v float64) string {
	places := 2
	if v != 0 {
		places = max(0, 2-int(math.Floor(math.Log10(math.Abs(v)))))
	}
	return fmt.Sprintf("%.*f", min(places, 4), v)
}

package traffic

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The shortest and longest latency that a histogram distinguishes.
const (
	shortest = time.Microsecond
	longest  = time.Minute
)

// Histogram counts durations from a microsecond to a minute, with three digits
// of each, in nanoseconds. A duration outside counts as the nearest inside.
func Histogram(durations []time.Duration) *hdrhistogram.Histogram {
	h := hdrhistogram.New(int64(shortest), int64(longest), 3)
	for _, d := range durations {
		_ = h.RecordValue(int64(min(max(d, shortest), longest))) // it is inside
	}
	return h
}

// Latencies returns the histogram of the samples' latencies.
func Latencies(samples []Sample) *hdrhistogram.Histogram {
	durations := make([]time.Duration, len(samples))
	for i, s := range samples {
		durations[i] = s.Latency()
	}
	return Histogram(durations)
}

// Figures are the latencies of some requests.
type Figures struct {
	Requests, Refused   int
	P50, P99, P999, Max time.Duration
	Late                time.Duration // p99 of the sender's lateness, which is not the service's
}

// Summarise returns the figures of samples; all are 0 without samples.
func Summarise(samples []Sample) Figures {
	if len(samples) == 0 {
		return Figures{}
	}
	f := Figures{Requests: len(samples)}
	late := make([]time.Duration, len(samples))
	for i, s := range samples {
		late[i] = s.Sent - s.Due
		if s.Reason != Allowed {
			f.Refused++
		}
	}
	latencies := Latencies(samples)
	at := func(percentile float64) time.Duration { return time.Duration(latencies.ValueAtPercentile(percentile)) }
	f.P50, f.P99, f.P999, f.Max = at(50), at(99), at(99.9), at(100)
	f.Late = time.Duration(Histogram(late).ValueAtPercentile(99))
	return f
}

// Slice is the summary of the requests that were due in a short time.
type Slice struct {
	Middle time.Duration
	Figures
}

// Cut divides samples into slices of a length; empty slices are left out.
func Cut(samples []Sample, from, to, length time.Duration) []Slice {
	pieces := make([][]Sample, (to-from+length-1)/length)
	for _, s := range samples {
		if s.Due >= from && s.Due < to {
			n := (s.Due - from) / length
			pieces[n] = append(pieces[n], s)
		}
	}
	var slices []Slice
	for n, piece := range pieces {
		if len(piece) > 0 {
			slices = append(slices, Slice{from + time.Duration(n)*length + length/2, Summarise(piece)})
		}
	}
	return slices
}

// Short writes a duration with three digits and a unit.
func Short(d time.Duration) string {
	if d >= time.Second {
		return fmt.Sprintf("%.3g s", d.Seconds())
	}
	return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
}

// Ratio divides two durations; it is 0 if the second is 0.
func Ratio(a, b time.Duration) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

package traffic

import (
	"math/rand/v2"
	"time"
)

// Schedule returns when to send, from 0 on: rate times a second until span is over.
// Without random numbers the gaps are even; with them they are exponential, as those
// of independent clients. There are at most twice as many times as rate demands, and
// one.
func Schedule(rate float64, span time.Duration, random *rand.Rand) []time.Duration {
	if rate <= 0 {
		return nil
	}
	times := make([]time.Duration, 0, 2*int(rate*span.Seconds())+1)
	gap := float64(time.Second) / rate
	for at := 0.0; at < float64(span) && len(times) < cap(times); {
		times = append(times, time.Duration(at))
		if random == nil {
			at = gap * float64(len(times))
		} else {
			at += gap * random.ExpFloat64()
		}
	}
	return times
}

// Shift moves times, in place.
func Shift(times []time.Duration, by time.Duration) []time.Duration {
	for i := range times {
		times[i] += by
	}
	return times
}

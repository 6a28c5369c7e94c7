package jwks

import (
	"context"
	"time"

	"github.com/doorward/doorward/internal/outbound"
)

const (
	firstBackoff = 100 * time.Millisecond
	// keylessBackoff bounds the time between two tries while there are no keys
	// and requests wait for them.
	keylessBackoff = time.Second
)

// fetch fetches once, publishes the set, and returns how long to wait for the next
// fetch.
//
// A JWK Set without a usable key is a failed refresh that withdraws the keys: the
// issuer, over TLS, no longer vouches for them, as when it removes its only key in
// an emergency. To use them until MaxStale would break the promise that a removed
// key is refused at once. Tokens are refused with keys_unavailable, which clients
// retry, and the next fetch comes within a second, which bounds the cost of a
// mistake of the issuer.
func (s *Source) fetch(ctx context.Context) time.Duration {
	s.expire(time.Now())
	s.begin()
	got, failed := s.fetcher.keySet(ctx)
	if ctx.Err() != nil {
		s.end(nil) // the end of Run is not a failure of the issuer
		return 0
	}
	if failed != nil {
		if failed.withdraws {
			s.events.skipped(got.skipped)
			s.empty()
		}
		return s.failed(got.began, failed)
	}
	s.failures = 0
	if got.metadata != nil {
		s.metadata.Store(&got.metadata)
	}
	if got.set == nil {
		s.confirm(got.began)
	} else {
		s.events.skipped(got.skipped)
		s.publish(&snapshot{
			set: got.set, body: got.body, trust: s.options.trust(got.from),
			at: got.began, until: got.began.Add(s.refresh.maxStale),
		})
	}
	s.end(nil)
	s.keep()
	s.events.succeeded()
	s.notify(got.result(), "", got.began)
	return s.next(s.refresh.after(got.lifetime, s.jitter()))
}

// confirm renews the current set, which the issuer answered has not changed.
func (s *Source) confirm(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if snap := s.current.Load(); snap != nil {
		next := *snap
		next.at, next.until = at, at.Add(s.refresh.maxStale)
		s.current.Store(&next)
		s.success = at
	}
}

// empty withdraws all keys after the issuer published no usable key.
func (s *Source) empty() {
	withdrawn := s.Set().Len()
	s.mu.Lock()
	select {
	case <-s.closed: // another source has inherited the keys
		s.mu.Unlock()
		return
	default:
	}
	s.drop()
	s.mu.Unlock()
	if err := s.disk.remove(); err != nil {
		s.events.diskCacheFailed(err)
	}
	s.events.emptied(withdrawn)
}

func (s *Source) failed(at time.Time, f *failure) time.Duration {
	s.failures++
	ceiling := s.refresh.min
	if s.Set() == nil {
		ceiling = min(ceiling, keylessBackoff)
	}
	delay := backoff(s.failures, ceiling)
	// Half to all of it, so that replicas which failed together retry apart.
	wait := s.next(time.Duration(float64(delay) * (1 + s.jitter()) / 2))
	s.mu.Lock()
	s.failure = f // before the log line, so that Status agrees with it
	s.mu.Unlock()
	s.events.failed(f, wait, delay == ceiling)
	s.end(f)
	s.notify(f.result, f.cause, at)
	return wait
}

// next records when the next fetch is due: after delay, or when the keys go stale.
func (s *Source) next(delay time.Duration) time.Duration {
	delay = s.untilStale(delay)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due = time.Now().Add(delay)
	return delay
}

// untilStale returns the time until the keys go stale, if it is shorter than delay:
// then they are withdrawn and fetches are more frequent.
func (s *Source) untilStale(delay time.Duration) time.Duration {
	snap := s.usable(time.Now())
	if snap == nil {
		return delay
	}
	return min(delay, time.Until(snap.until))
}

// expire withdraws the keys of a set that went stale, for callers that hold a key.
// Lookups compare the clock themselves.
func (s *Source) expire(now time.Time) {
	snap := s.current.Load()
	if snap == nil || snap == s.expired || !snap.stale(now) {
		return
	}
	s.expired = snap
	withdraw(snap.set.keys)
	s.fetcher.forget()
	s.events.stale()
}

func (s *Source) notify(result string, cause outbound.Cause, at time.Time) {
	if s.refreshed != nil {
		s.refreshed(Refresh{s.issuer, result, cause, s.Set().Len(), at})
	}
}

// backoff doubles with every failure in a row, up to ceiling.
func backoff(failures int, ceiling time.Duration) time.Duration {
	delay := firstBackoff
	for i := 1; i < failures && delay < ceiling; i++ {
		delay *= 2
	}
	return min(delay, ceiling)
}

// after returns the time to the next refresh of a set that is fresh for lifetime.
// jitter, in [0, 1), moves it within a tenth: before the end of that lifetime
// unless that is below the minimum, then after it, and never above the maximum.
func (r refresh) after(lifetime time.Duration, jitter float64) time.Duration {
	base := min(max(lifetime, r.min), r.max)
	low := max(base-base/10, r.min)
	high := min(low+base/10, r.max)
	return low + time.Duration(jitter*float64(high-low))
}

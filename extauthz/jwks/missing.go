package jwks

import (
	"context"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/tracing"
)

const (
	// conclusive is how old a set may be, at a request's arrival, to prove that a
	// key does not exist. For this long after a fetch no unknown id causes
	// another, so that ids which an attacker invents need not be remembered.
	conclusive = 10 * time.Second

	maxWaiting = 256 // callers of Find per source

	// Fetches that requests cause: so many at once, then one per interval.
	bucketSize     = 3
	bucketInterval = 5 * time.Second
)

// Find returns the keys that a token's header allows, as [Set.Lookup] does. It
// takes no lock and does not wait for known keys. For others it may wait for one
// fetch or, while there are no keys at all, for several, until ctx ends. End ctx
// early enough to send an answer.
//
// The reason is one of
//   - [reason.Allowed], with keys that fit alg;
//   - [reason.AlgorithmNotAllowed]: the keys of this id do not fit alg;
//   - [reason.KeyUnknown]: a set fetched after the call, or within the 10 s
//     before it, has no such key; or kid is nil and more than four keys fit;
//   - [reason.KeysUnavailable]: it is unknown whether there is such a key: the
//     fetch failed, was refused by the rate limit or came too late, or too many
//     callers wait already.
func (s *Source) Find(ctx context.Context, kid *string, alg string) (keys []*Key, why reason.Reason) {
	arrived := time.Now()
	keys, why = s.lookup(arrived, kid, alg)
	if why != reason.KeysUnavailable || s.static {
		return keys, why
	}
	attempt, ok := s.join()
	if !ok {
		return s.lookup(arrived, kid, alg) // a fetch may have ended since the first lookup
	}
	defer s.leave()
	defer func() { tracing.Record(ctx, tracing.Keys, arrived, why == reason.KeysUnavailable) }()
	for {
		select {
		case <-attempt:
		case <-ctx.Done():
			return nil, reason.KeysUnavailable
		case <-s.closed:
			return nil, reason.KeysUnavailable
		}
		attempt = s.nextAttempt() // before the lookup: a fetch that ends after it must wake us
		keys, why = s.lookup(arrived, kid, alg)
		if why != reason.KeysUnavailable || s.Set() != nil {
			return keys, why
		}
		// No keys at all: Run tries again within a second.
	}
}

// lookup answers a request that arrived then from the current set, with
// KeysUnavailable if the set is too old to prove that a key does not exist.
func (s *Source) lookup(arrived time.Time, kid *string, alg string) ([]*Key, reason.Reason) {
	snap := s.usable(time.Now())
	if snap == nil {
		return nil, reason.KeysUnavailable
	}
	keys, why := snap.set.Lookup(kid, alg)
	inconclusive := !s.static && snap.at.Before(arrived.Add(-conclusive)) && !snap.set.ambiguousKeys(kid, alg)
	if why == reason.KeyUnknown && inconclusive {
		return nil, reason.KeysUnavailable
	}
	return keys, why
}

// join makes the caller wait for the next fetch to end, and requests one unless a
// fetch is under way. If the rate limit refuses it, the caller waits for Run's own
// next try while there are no keys, and not otherwise.
func (s *Source) join() (attempt <-chan struct{}, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting >= maxWaiting {
		return nil, false
	}
	if !s.fetchOnce() && s.Set() != nil {
		return nil, false
	}
	s.waiting++
	return s.attempt, true
}

func (s *Source) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting--
}

func (s *Source) nextAttempt() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempt
}

// RequestRefresh requests one fetch, under the rate limit for unknown ids, and does
// not wait for it. Call it when a signature fails under a known key: the issuer
// may have published a new key under the old id. It does nothing for a static
// source.
func (s *Source) RequestRefresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetchOnce()
}

// fetchOnce makes Run fetch at once, unless a fetch is under way or requested
// already. It returns false if the rate limit refuses it. The caller holds mu.
func (s *Source) fetchOnce() bool {
	if s.asked {
		return true
	}
	if !s.bucket.AllowN(time.Now(), 1) {
		return false
	}
	s.asked = true
	s.wake <- struct{}{} // room for one, and begin takes it out before asked is false again
	return true
}

// begin marks a fetch as under way.
func (s *Source) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = true
	select {
	case <-s.wake: // this fetch is the one that was requested
	default:
	}
}

// end wakes the callers that wait for the fetch. failed is nil for a success.
func (s *Source) end(failed *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = false
	s.failure = failed
	close(s.attempt)
	s.attempt = make(chan struct{})
}

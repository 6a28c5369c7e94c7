package jwks

import (
	"context"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
)

const (
	// conclusive is how old a set may be, at a request's arrival, and still
	// prove that a key does not exist. It is also all the memory of unknown ids
	// there is: for this long after a fetch, no unknown id causes another, so
	// nothing needs to be remembered about ids that a forger can make up.
	conclusive = 10 * time.Second

	maxWaiting = 256 // callers of Find per source

	// Fetches that requests cause: so many at once, then one per interval.
	bucketSize     = 3
	bucketInterval = 5 * time.Second
)

// Find gives the keys that a token's header allows, as [Set.Lookup] does. Known
// keys cost no lock and no wait. Where they are missing, Find may wait for one fetch, or where there
// are no keys at all, for as many as it takes; never longer than ctx. The
// caller should end ctx early enough to still send its answer.
//
// The reason is one of
//   - [reason.Allowed], with keys that fit alg;
//   - [reason.AlgorithmNotAllowed]: keys of this id are there, and none fits;
//   - [reason.KeyUnknown]: a set fetched after the call, or within the 10 s
//     before it, has no such key; or kid is nil and more than four keys fit;
//   - [reason.KeysUnavailable]: whether there is such a key cannot be told
//     now: the fetch failed, was refused by the rate limit or came too late,
//     or too many wait already.
func (s *Source) Find(ctx context.Context, kid *string, alg string) ([]*Key, reason.Reason) {
	arrived := time.Now()
	keys, why := s.lookup(arrived, kid, alg)
	if why != reason.KeysUnavailable || s.static {
		return keys, why
	}
	attempt, ok := s.join()
	if !ok {
		return s.lookup(arrived, kid, alg) // a fetch may have ended since the first look
	}
	defer s.leave()
	for {
		select {
		case <-attempt:
		case <-ctx.Done():
			return nil, reason.KeysUnavailable
		case <-s.closed:
			return nil, reason.KeysUnavailable
		}
		attempt = s.nextAttempt() // before the look: a fetch that ends after it must wake us
		keys, why = s.lookup(arrived, kid, alg)
		if why != reason.KeysUnavailable || s.Set() != nil {
			return keys, why
		}
		// No keys at all: Run tries again within a second.
	}
}

// lookup is what the current set can say to a request that arrived then;
// KeysUnavailable means that it can say nothing.
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

// join makes the caller a waiter on the next fetch to end, asking for one if
// none is under way. Where the rate limit says no, there is still something to
// wait for as long as there are no keys: Run's own next try.
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

// RequestRefresh says that a signature failed under a known key: the issuer may have
// put a new key under the old id. It asks for one refetch, under the same rate
// limit as unknown ids, and never waits for it. A static source has nowhere to
// ask.
func (s *Source) RequestRefresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetchOnce()
}

// fetchOnce has Run fetch at once, unless a fetch is under way or asked for already.
// False: the rate limit does not allow it. The caller holds mu.
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
	case <-s.wake: // this fetch is the one that was asked for
	default:
	}
}

// end lets the waiters look at what the fetch brought. Failed is nil for a
// success.
func (s *Source) end(failed *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = false
	s.failure = failed
	close(s.attempt)
	s.attempt = make(chan struct{})
}

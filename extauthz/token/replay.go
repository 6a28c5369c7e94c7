package token

import (
	"crypto/sha256"
	"math"
	"sync"
	"time"
)

const (
	defaultReplayBytes = 16 << 20
	defaultPerKey      = 4096

	// retryWindow is how long after the first attempt at a Check Envoy may
	// still send it again; a Check is answered within a few seconds.
	retryWindow = 10 * time.Second

	// retention is how much longer than it is fresh a proof is remembered, so
	// that a clock that is set back by that much troubles nobody.
	retention = time.Minute

	// lightUse is how many live proofs a key may have and still draw on the
	// last quarter of the memory.
	lightUse = 64

	// What one proof and one key take in maps and slices that have just grown,
	// in bytes.
	proofBytes = 192
	keyBytes   = 64
)

// fingerprint stands for texts that are of any length and nobody's business:
// half a SHA-256.
type fingerprint [sha256.Size / 2]byte

// fingerprintOf is of two texts, the first of them without a NUL.
func fingerprintOf(first, second string) fingerprint {
	digest := sha256.Sum256([]byte(first + "\x00" + second))
	return fingerprint(digest[:len(fingerprint{})])
}

// attempt stands for one proof in one request of one client; zero is none.
func attempt(name, proof string) fingerprint {
	if name == "" {
		return fingerprint{}
	}
	return fingerprintOf(proof, name)
}

// replays remembers the proofs that were accepted, each under its key (RFC
// 9449, section 11.1). Nothing that is still fresh is ever forgotten: where
// there is no room, the new proof is refused.
//
// A key may have perKey live proofs. The first three quarters of the memory are
// there for all; the last is for keys of light use, so that a few busy or
// hostile clients stop each other, and not everybody. Someone who has tokens
// bound to very many keys can fill that too, and then every new proof is
// refused until old ones end.
type replayCache struct {
	now      func() time.Time
	maxBytes int
	perKey   int
	start    time.Time // all times below count from here, on the monotonic clock

	mu     sync.Mutex
	seen   map[fingerprint]acceptance // by key and jti
	live   map[fingerprint]int        // proofs of each key
	ending map[int64][]fingerprint    // what is over in which second
	swept  int64                      // the second of the last sweep

	// forgotten is the latest iat, in Unix nanoseconds, of what is over. A proof
	// as old as that is not known to be new, should the clock be set back to
	// where it looks fresh.
	forgotten int64
}

// acceptance is the first use of a proof.
type acceptance struct {
	key     fingerprint
	attempt fingerprint
	at      time.Duration
	issued  int64 // iat, in Unix nanoseconds
}

func newReplayCache(now func() time.Time, maxBytes, perKey int) *replayCache {
	if maxBytes <= 0 {
		maxBytes = defaultReplayBytes
	}
	if perKey <= 0 {
		perKey = defaultPerKey
	}
	return &replayCache{
		now: now, maxBytes: maxBytes, perKey: perKey, start: now(), forgotten: math.MinInt64,
		seen:   map[fingerprint]acceptance{},
		live:   map[fingerprint]int{},
		ending: map[int64][]fingerprint{},
	}
}

// record accepts a proof for the first time, or again for Envoy's own retry.
// The clock is read again, under the lock: between the first look at iat and
// this one, a wait for a turn may have outlasted both the proof and the memory
// of its first use.
func (r *replayCache) record(thumbprint, id string, issued time.Time, attempt fingerprint, skew time.Duration) flaw {
	key, proof := fingerprintOf(thumbprint, ""), fingerprintOf(thumbprint, id)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	elapsed := now.Sub(r.start)
	r.sweep(elapsed)

	if flaw := checkProofTime(issued, now, skew); flaw != "" {
		return flaw
	}
	if first, again := r.seen[proof]; again {
		retried := attempt != fingerprint{} && attempt == first.attempt
		if retried && elapsed-first.at <= retryWindow {
			return ""
		}
		return "jti: used before"
	}
	if issued.UnixNano() <= r.forgotten {
		return "iat: of a time whose proofs are forgotten, and the clock was set back"
	}
	if flaw := r.noRoom(key); flaw != "" {
		return flaw
	}
	r.seen[proof] = acceptance{key: key, attempt: attempt, at: elapsed, issued: issued.UnixNano()}
	r.live[key]++
	end := elapsed + issued.Add(proofWindow+retention).Sub(now)
	second := int64(end/time.Second) + 1
	r.ending[second] = append(r.ending[second], proof)
	return ""
}

func (r *replayCache) noRoom(key fingerprint) flaw {
	limit := r.maxBytes
	if r.live[key] >= lightUse {
		limit -= r.maxBytes / 4
	}
	switch {
	case r.live[key] >= r.perKey:
		return "jti: too many live proofs of this key"
	case r.bytes()+proofBytes+keyBytes > limit:
		return "jti: no room for another live proof"
	}
	return ""
}

func (r *replayCache) bytes() int { return len(r.seen)*proofBytes + len(r.live)*keyBytes }

// sweep forgets what is over, once a second. There are no more lists than
// seconds in which a proof can end, some 11 minutes.
func (r *replayCache) sweep(elapsed time.Duration) {
	second := int64(elapsed / time.Second)
	if second == r.swept {
		return
	}
	r.swept = second
	for end, proofs := range r.ending {
		if end > second {
			continue
		}
		delete(r.ending, end)
		for _, proof := range proofs {
			r.forget(proof)
		}
	}
}

func (r *replayCache) forget(proof fingerprint) {
	key := r.seen[proof].key
	r.forgotten = max(r.forgotten, r.seen[proof].issued)
	delete(r.seen, proof)
	r.live[key]--
	if r.live[key] <= 0 {
		delete(r.live, key)
	}
}

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

	// retention is how much longer than it is valid a proof is remembered, so
	// that a clock that is set back by as much causes no refusal.
	retention = time.Minute

	// lightUse is how many live proofs a key may have to use the last quarter of
	// the memory.
	lightUse = 64

	// The memory of one proof and one key in maps and slices that have just grown,
	// in bytes.
	proofBytes = 192
	keyBytes   = 64
)

// fingerprint is half the SHA-256 digest of texts, which may be long or secret.
type fingerprint [sha256.Size / 2]byte

// fingerprintOf is that of two texts, the first of them without a NUL.
func fingerprintOf(first, second string) fingerprint {
	digest := sha256.Sum256([]byte(first + "\x00" + second))
	return fingerprint(digest[:len(fingerprint{})])
}

// attempt identifies one proof in one request of one client; zero is unknown.
func attempt(name, proof string) fingerprint {
	if name == "" {
		return fingerprint{}
	}
	return fingerprintOf(proof, name)
}

// replayCache remembers the proofs that were accepted, by key (RFC 9449, section
// 11.1). It forgets no proof that is still valid: where there is no room, the new
// proof is refused.
//
// A key may have perKey live proofs. The first three quarters of the memory are
// for all keys, the last is for keys of light use, so that a few busy or hostile
// clients delay each other alone. A client with tokens bound to very many keys
// can fill the last quarter too; then every new proof is refused until old ones
// expire.
type replayCache struct {
	now      func() time.Time
	maxBytes int
	perKey   int
	start    time.Time // all times below count from here, on the monotonic clock

	mu     sync.Mutex
	seen   map[fingerprint]acceptance // by key and jti
	live   map[fingerprint]int        // proofs of each key
	ending map[int64][]fingerprint    // proofs that expire in each second
	swept  int64                      // the second of the last sweep

	// forgotten is the latest iat, in Unix nanoseconds, of the forgotten proofs.
	// If the clock is set back, a proof of that time or before may be one of
	// them.
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

// record accepts a proof for the first time, or again for Envoy's own retry. It
// reads the clock again, under the lock: the wait for the limiter may have been
// longer than the proof was valid, and its first use forgotten.
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

// sweep forgets expired proofs, once a second. There are no more lists than
// seconds in which a proof can expire, those of about 11 minutes.
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

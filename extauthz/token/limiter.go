package token

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// limiter bounds the signatures that are verified at once and the number of
// requests that wait for one, so that a flood of forged tokens leaves processor
// time to other requests.
//
// A signature needs a slot of its issuer's queue and a permit of the limiter.
// After a signature that fails, its slot cools down before another request gets
// it: forgeries in the name of one issuer delay the tokens of that issuer alone.
// Permits do not cool down. Queues that have a slot in cooldown, and signatures
// that take long, share a quarter of the permits, so that others find a processor
// free, however long a forgery takes. Those that wait for a slot or a permit get it in the order
// in which they came.
type limiter struct {
	permits    chan struct{} // one for each signature that is being verified
	scarce     chan struct{} // one for each permit of a queue that has a slot in cooldown, or of slow work
	maxWaiting int64
	waiting    atomic.Int64 // for a slot, in all queues
	fastest    sync.Map     // by algorithm, the least time in ns that a failed signature took for each key
	cooling    atomic.Int64 // queues that have a slot in cooldown

	mu     sync.Mutex
	queues map[string]*issuerQueue // by the issuer's ID; only configured issuers have one
}

// issuerQueue is the slots for the tokens of one issuer.
type issuerQueue struct {
	limiter *limiter
	slots   chan struct{} // as many as there are permits; taken or in cooldown
	cooling atomic.Int64  // slots in cooldown; a slot that is handed over counts as taken at once
	waiting atomic.Int64
}

func newLimiter(inFlight, waiting int) *limiter {
	if inFlight <= 0 {
		inFlight = 2 * runtime.GOMAXPROCS(0)
	}
	return &limiter{
		permits:    make(chan struct{}, inFlight),
		scarce:     make(chan struct{}, max(1, inFlight/4)),
		maxWaiting: int64(waiting),
		queues:     map[string]*issuerQueue{},
	}
}

// work is what a signature is verified with.
type work struct {
	algorithm string // alg
	keys      int    // that are tried, at most
}

// verify calls verifies, which tries the keys of the work and returns whether one
// of them is the signer's, once the issuer has a slot and a permit. entered is
// false when too many requests wait already or ctx ended first.
func (l *limiter) verify(ctx context.Context, issuer string, w work, verifies func() bool) (entered, verified bool) {
	permit, entered := l.acquire(ctx, issuer, w)
	if !entered {
		return false, false
	}
	began := time.Now()
	defer func() {
		if verified {
			permit.release()
		} else {
			permit.releaseAfterFailure(time.Since(began), w)
		}
	}()
	return true, verifies()
}

// permit is the right to verify one signature.
type permit struct {
	queue  *issuerQueue
	scarce bool // it is one of limiter.scarce too
}

// acquire takes a slot and a permit. It returns false when too many requests
// wait already or ctx ended first. Each true needs one release or
// releaseAfterFailure.
func (l *limiter) acquire(ctx context.Context, issuer string, w work) (permit, bool) {
	p := permit{queue: l.queueOf(issuer)}
	if !p.queue.takeSlot(ctx) {
		return permit{}, false
	}
	p.scarce = p.queue.cooling.Load() > 0 || l.isSlow(w)
	if p.scarce && !take(ctx, l.scarce) {
		<-p.queue.slots
		return permit{}, false
	}
	if !take(ctx, l.permits) {
		if p.scarce {
			<-l.scarce
		}
		<-p.queue.slots
		return permit{}, false
	}
	return p, true
}

// take waits for room until ctx ends. It succeeds after ctx ended if there is
// room already.
func take(ctx context.Context, room chan<- struct{}) bool {
	select {
	case room <- struct{}{}:
		return true
	default:
	}
	select {
	case room <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (l *limiter) queueOf(issuer string) *issuerQueue {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.queues[issuer]
	if q == nil {
		q = &issuerQueue{limiter: l, slots: make(chan struct{}, cap(l.permits))}
		l.queues[issuer] = q
	}
	return q
}

func (q *issuerQueue) takeSlot(ctx context.Context) bool {
	select {
	case q.slots <- struct{}{}:
		return true
	default:
	}
	defer q.limiter.waiting.Add(-1)
	defer q.waiting.Add(-1)
	if all, here := q.limiter.waiting.Add(1), q.waiting.Add(1); !q.admits(all, here) {
		return false
	}
	return take(ctx, q.slots)
}

// queuePerSlot is how many requests wait for each slot at most during a flood.
const queuePerSlot = 16

// admits reports whether one more request may wait, which is counted already.
// While most slots cool down, forgeries come faster than they are verified, and
// a long queue admits no more genuine tokens than a short one: all wait longer,
// and each garbage collection scans what each of them holds, its stack included.
// With a thousand requests waiting, a collection takes 25 ms instead of 3.
//
// The short queue is that of one issuer, whatever waits in others.
func (q *issuerQueue) admits(all, here int64) bool {
	slots := int64(cap(q.slots))
	if here <= min(q.limiter.maxWaiting, queuePerSlot*slots) {
		return true
	}
	return 2*q.cooling.Load() <= slots && all <= q.limiter.maxWaiting
}

func (p permit) release() {
	p.end()
	<-p.queue.slots
}

func (p permit) end() {
	<-p.queue.limiter.permits
	if p.scarce {
		<-p.queue.limiter.scarce
	}
}

// cooldownFactor is how many times as long as its signature took a slot cools
// down after a failed one. With two slots a core, forgeries get an eighth of the
// processors. A genuine token causes no cooldown.
const cooldownFactor = 15

// maxCooldown bounds the cooldown for each key that was tried, since other work
// may have delayed the signature. It is enough for 2.7 ms; the slowest key, of
// the curve P-521, takes one or two.
const maxCooldown = 40 * time.Millisecond

// A signature that holds a processor for long delays whatever else is to be done
// on it, however seldom that is: where one takes longer than briefWork, the
// cooldown grows by the square, at most by maxGrowth. What counts is the fastest
// signature of the algorithm, which other work did not delay.
const (
	briefWork = 200 * time.Microsecond
	maxGrowth = 25
)

// isSlow reports work that may hold a processor for long: several keys, or an
// algorithm that does with one.
func (l *limiter) isSlow(w work) bool {
	if w.keys > 1 {
		return true
	}
	entry, known := l.fastest.Load(w.algorithm)
	return known && entry.(*atomic.Int64).Load() > int64(briefWork) //nolint:errcheck,forcetypeassert // see growth
}

// growth is by how much the cooldown after work of this time for each key is
// longer than in proportion.
func (l *limiter) growth(algorithm string, took time.Duration) time.Duration {
	took = min(took, time.Second) // its square is a Duration
	entry, _ := l.fastest.LoadOrStore(algorithm, new(atomic.Int64))
	fastest := entry.(*atomic.Int64) //nolint:errcheck,forcetypeassert // nothing else is stored
	for {
		before := fastest.Load()
		if before > 0 && before <= int64(took) {
			took = time.Duration(before)
			break
		}
		if fastest.CompareAndSwap(before, int64(took)) {
			break
		}
	}
	return max(1, min(maxGrowth, took*took/(briefWork*briefWork)))
}

// releaseAfterFailure returns the permit at once and the slot after a cooldown.
// It is longer where slots of several queues cool down, so that forgeries under
// many names get no more time than under one.
func (p permit) releaseAfterFailure(took time.Duration, w work) {
	p.end()
	q := p.queue
	if q.cooling.Add(1) == 1 {
		q.limiter.cooling.Add(1)
	}
	keys := time.Duration(w.keys)
	cooldown := min(cooldownFactor*took, keys*maxCooldown) * q.limiter.growth(w.algorithm, took/keys)
	time.AfterFunc(cooldown*time.Duration(max(1, q.limiter.cooling.Load())), func() {
		if q.cooling.Add(-1) == 0 {
			q.limiter.cooling.Add(-1)
		}
		<-q.slots
	})
}

func (l *limiter) inFlight() int { return len(l.permits) }

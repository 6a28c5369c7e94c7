package exchange

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// The bounds of what is remembered.
const (
	defaultBytes = 16 << 20
	entryBytes   = 256 // of an entry without its token
	// maxLifetime bounds how long an answer is used, whatever the server says.
	maxLifetime = time.Hour
	// unknownLifetime is that of an answer which does not say when it ends.
	unknownLifetime = time.Minute
	// maxMargin is how long before its end an answer is forgotten at most, so that
	// the destination still accepts it; a tenth of a shorter lifetime.
	maxMargin = 30 * time.Second
	// refusalLifetime is how long a refusal by the server is remembered: it bounds
	// the requests that one refused token causes, and what a mended server delays.
	refusalLifetime = 5 * time.Second
)

// Store is what the sources of a process share: the answers that are remembered,
// and the bounds of each authorization server. Make one with [NewStore].
type Store struct {
	answers *otter.Cache[key, remembered]

	mu     sync.Mutex
	queues map[string]*queue // by authorization server; only configured ones have one
}

type remembered struct {
	outcome
	until time.Time
}

// NewStore returns a store that remembers answers of this many bytes in all. Zero:
// 16 MiB.
func NewStore(maxBytes int) *Store {
	return &Store{
		answers: otter.Must(&otter.Options[key, remembered]{
			MaximumWeight: uint64(cmp.Or(max(maxBytes, 0), defaultBytes)), //nolint:gosec // not negative
			Weigher: func(_ key, r remembered) uint32 {
				return uint32(entryBytes + len(r.token.Access)) //nolint:gosec // see maxAnswer
			},
		}),
		queues: map[string]*queue{},
	}
}

func (s *Store) find(k key, now time.Time) (outcome, bool) {
	known, ok := s.answers.GetIfPresent(k)
	if ok && !now.Before(known.until) {
		s.answers.Invalidate(k)
		return outcome{}, false
	}
	return known.outcome, ok
}

// remember keeps an answer until shortly before it ends, and at most until then. It
// keeps the refusals of a server briefly, and no other failure.
func (s *Store) remember(k key, o outcome, now, most time.Time) {
	until := now.Add(refusalLifetime)
	switch {
	case o.err == nil:
		until = o.token.Expiry.Add(-min(maxMargin, o.token.Expiry.Sub(now)/10))
	case !o.isRefusal():
		return
	}
	if most.Before(until) {
		until = most
	}
	if now.Before(until) {
		s.answers.Set(k, remembered{o, until})
	}
}

func (s *Store) forget(k key) { s.answers.Invalidate(k) }

// The bounds of one authorization server.
const (
	maxInFlight = 16
	maxWaiting  = 256
)

// queue bounds the requests to one authorization server.
type queue struct {
	slots   chan struct{}
	waiting atomic.Int64
}

func (s *Store) queueOf(server string) *queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[server]
	if q == nil {
		q = &queue{slots: make(chan struct{}, maxInFlight)}
		s.queues[server] = q
	}
	return q
}

// enter takes a slot, which needs one leave. It returns false when too many requests
// wait already or ctx ended first.
func (q *queue) enter(ctx context.Context) bool {
	select {
	case q.slots <- struct{}{}:
		return true
	default:
	}
	defer q.waiting.Add(-1)
	if q.waiting.Add(1) > maxWaiting {
		return false
	}
	select {
	case q.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (q *queue) leave() { <-q.slots }

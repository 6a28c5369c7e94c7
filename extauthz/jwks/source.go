// Package jwks keeps the public keys with which issuers sign, and refreshes them.
//
// Make a [Source] for each issuer with [NewSource], run [Source.Run] in a
// goroutine, and call [Source.Find] with the kid and alg of a token's header. The
// keys are found by discovery (RFC 8414, OpenID Connect Discovery 1.0), at a
// configured URI, or are part of the configuration. Readers load one atomic
// pointer and take no lock; one goroutine per issuer does every fetch. Package
// token verifies tokens with the keys.
package jwks

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/doorward/doorward/internal/outbound"
)

// Environment is what a [Source] uses besides its options.
type Environment struct {
	// Log gets one line per event, not per request. Nil: nothing is logged.
	Log *slog.Logger
	// Transport takes the place of the network, for tests. Nil: the network, with
	// the system's roots and CAPEM, through the proxy that the environment names.
	Transport http.RoundTripper
	// Refreshed is called with every finished attempt to fetch, by [Source.Run].
	// It must not block. May be nil.
	Refreshed func(Refresh)
}

// Refresh is one finished attempt to fetch an issuer's keys.
type Refresh struct {
	Issuer string
	Result string         // "ok", "not_modified", "kept" (read from CacheDir), "network", "status" or "invalid"
	Cause  outbound.Cause // of a failure, such as "timeout" or "wrong_issuer"; "" for a success
	Keys   int            // usable after it
	At     time.Time      // when it began
}

// Source keeps the keys of one issuer. Its methods may be called from any
// number of goroutines; [Source.Run] is called once.
type Source struct {
	options   Options
	issuer    string
	static    bool
	refresh   refresh
	events    *events
	refreshed func(Refresh)
	jitter    func() float64 // in [0, 1)

	// Run's alone.
	fetcher  *fetcher
	disk     diskCache
	failures int       // in a row, since the last success
	expired  *snapshot // the last one that went stale, logged and withdrawn

	current  atomic.Pointer[snapshot]
	metadata atomic.Pointer[[]byte] // as it came at the last discovery

	mu      sync.Mutex    // never taken for a key that is known
	attempt chan struct{} // closed when the fetch under way, or else the next one, has ended
	asked   bool          // a fetch is under way or requested
	waiting int           // callers of Find that wait for a fetch
	bucket  *rate.Limiter // fetches that requests may cause
	success time.Time     // when the last successful fetch began
	failure *failure      // of the last fetch, nil when it succeeded
	due     time.Time     // of the next fetch, unless a request needs one before

	wake   chan struct{} // requests a fetch of Run; holds one
	closed chan struct{}
	close  func()
}

// snapshot is the result of the last successful fetch.
type snapshot struct {
	set   *Set
	body  []byte    // of set, as it came; nil for a static source
	trust trust     // what the trust in set depends on; zero for a static source
	at    time.Time // when the fetch began: the keys were the issuer's then
	until time.Time // when the set goes stale; zero: never
}

// NewSource returns a source for options that pass [Options.Check]. It does no
// I/O. Static keys are available at once, others after [Source.Run] fetched them.
func NewSource(o Options, env Environment) *Source {
	log := env.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Source{
		options:   o,
		issuer:    o.Issuer,
		static:    o.Static != nil,
		refresh:   o.refresh(),
		events:    newEvents(log, o.Issuer),
		refreshed: env.Refreshed,
		fetcher:   newFetcher(o, env.Transport),
		disk:      newDiskCache(o.CacheDir, o.Issuer),
		jitter:    rand.Float64,
		attempt:   make(chan struct{}),
		bucket:    rate.NewLimiter(rate.Every(bucketInterval), bucketSize),
		wake:      make(chan struct{}, 1),
		closed:    make(chan struct{}),
	}
	s.close = sync.OnceFunc(func() { close(s.closed) })
	if s.static {
		s.Replace(o.Static)
	}
	return s
}

// Inherit starts s with the keys of old, which stay the same objects, for as long
// as the options of s let them serve. Call it before s.Run, then end the context
// of old.Run, and do not close old. Old finds the keys that it has and does
// nothing else: its fetches change no keys, and callers of Find that wait for one
// get [reason.KeysUnavailable].
//
// It returns false if old has no keys, or if the options of s differ in anything
// on which the trust in them depends. Then neither source is changed.
func (s *Source) Inherit(old *Source) bool {
	old.mu.Lock()
	snap := old.usable(time.Now())
	accepted := snap != nil && s.options.accepts(snap.trust)
	if accepted {
		old.close()
	}
	old.mu.Unlock()
	if accepted {
		next := *snap
		next.until = snap.at.Add(s.refresh.maxStale)
		s.metadata.Store(old.metadata.Load())
		s.publish(&next)
	}
	return accepted
}

// Set returns the current set, or nil before the first one and while it is stale.
// It takes no lock.
func (s *Source) Set() *Set {
	if snap := s.usable(time.Now()); snap != nil {
		return snap.set
	}
	return nil
}

func (s *Source) usable(now time.Time) *snapshot {
	snap := s.current.Load()
	if snap == nil || snap.stale(now) {
		return nil
	}
	return snap
}

func (s *snapshot) stale(now time.Time) bool {
	return !s.until.IsZero() && !now.Before(s.until)
}

// Metadata returns the issuer's metadata document (RFC 8414), byte for byte as
// the last discovery found it. It returns nil where the keys are at a configured
// place, before the first discovery, and while there are no usable keys. Do not
// change the slice.
func (s *Source) Metadata() []byte {
	if document := s.metadata.Load(); document != nil && s.Set() != nil {
		return *document
	}
	return nil
}

// Replace sets the keys of a static source to those of a new document. A document
// that is not a JWK Set, or has no usable key, changes nothing, since a file may be
// read half-written. Remove the issuer from the configuration to withdraw all its
// keys. It returns what is not used, with Index -1 for the whole document.
func (s *Source) Replace(static []byte) []Skipped {
	set, skipped, err := parse(static, s.options.keyUse())
	switch {
	case err != nil:
		return []Skipped{{Index: -1, Why: err.Error()}}
	case set.Len() == 0:
		return append([]Skipped{{Index: -1, Why: "no usable key"}}, skipped...)
	}
	s.events.skipped(skipped)
	s.publish(&snapshot{set: set, at: time.Now()})
	return skipped
}

// publish makes next current and logs the change.
func (s *Source) publish(next *snapshot) {
	if c, ok := s.exchange(next); ok {
		s.events.loaded(c)
		s.events.crowded(next.set.crowdedAlgorithms())
	}
}

// change is what a new set changed.
type change struct {
	first                bool
	added, removed, keys int
}

// exchange puts next in the place of the current snapshot. Unchanged keys keep
// their objects; those that left are withdrawn once no reader can find them. It
// returns false, and changes nothing, after Close.
func (s *Source) exchange(next *snapshot) (change, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
		return change{}, false
	default:
	}
	var old *Set
	if snap := s.current.Load(); snap != nil {
		old = snap.set
	}
	set, added, left := next.set.succeed(old)
	now := *next
	now.set = set
	s.current.Store(&now)
	withdraw(left)
	s.success = next.at
	return change{first: old == nil, added: added, removed: len(left), keys: set.Len()}, true
}

// Close withdraws every key of an issuer that leaves the configuration. Find
// returns no key afterwards, and Run returns.
func (s *Source) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.close()
	s.drop()
}

// drop withdraws every key and forgets the set. The caller holds mu.
func (s *Source) drop() {
	if old := s.current.Swap(nil); old != nil {
		withdraw(old.set.keys)
	}
}

// The states of [Status].
const (
	stateMissing = "missing" // no usable keys yet, or the issuer published none
	stateStale   = "stale"   // the last good keys are older than MaxStale
	stateReady   = "well"    // there are keys, whatever the last refresh brought
)

// Status is the state of an issuer, which /readyz shows.
type Status struct {
	Issuer      string
	State       string    // "well", "stale" or "missing"
	Keys        int       // usable now
	Skipped     []Skipped // keys that are published and not used
	Place       string    // URL of the key set without its query; "" for static keys, and without keys
	LastSuccess time.Time // when the last successful fetch began; zero before it
	// Problem is that of the last fetch, "" if it succeeded: a sentence with the
	// URL (without its query), what is wrong, and what to do. Cause is the same
	// for metrics, as in [Refresh].
	Problem string
	Cause   outbound.Cause
	// NextTry is when the next fetch is due, unless a request for an unknown key
	// needs one before. Zero: no fetch has ended, or no fetch is needed.
	NextTry time.Time
}

// Status returns the state now. It takes the lock of the slow path: call it for
// health checks, not for requests.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := Status{
		Issuer: s.issuer, State: stateMissing, Skipped: s.events.unused(),
		LastSuccess: s.success, NextTry: s.due,
	}
	if s.failure != nil {
		status.Problem, status.Cause = s.failure.problem, s.failure.cause
	}
	snap := s.current.Load()
	switch {
	case snap == nil:
	case snap.stale(time.Now()):
		status.State = stateStale
	default:
		status.State, status.Keys = stateReady, snap.set.Len()
		if snap.trust.From != "" {
			status.Place = place(snap.trust.From)
		}
	}
	return status
}

// Run fetches the keys, refreshes them, and does the fetches that requests need.
// It returns when ctx ends or after Close. Fetches run on ctx, so that a caller of
// Find that gives up does not end a fetch for which others wait.
func (s *Source) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	if s.static {
		<-ctx.Done()
		return
	}
	defer s.fetcher.client.CloseIdle()
	s.loadDiskCache(time.Now())
	delay := time.Duration(0)
	for s.sleep(ctx, delay) {
		delay = s.fetch(ctx)
		if err := s.disk.settle(); err != nil {
			s.events.diskCacheFailed(err)
		}
	}
}

// sleep waits for delay or until a fetch is requested. It returns false when ctx
// ended.
func (s *Source) sleep(ctx context.Context, delay time.Duration) bool {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.wake:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

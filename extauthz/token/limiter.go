package token

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// limiter bounds the signatures that are verified at once, and how many more wait
// for their turn: a flood of fresh forged tokens must not take the processor
// from everybody else, so that a slot rests after each of them.
//
// Each issuer has a lane with slots of its own, so that forgeries in its name
// make only its own tokens wait. Turns are what all lanes share, and no turn
// rests. Lanes in which a slot rests have a quarter of the turns among them, so
// that other lanes find a processor free, however long a forgery takes. In a
// lane, and for a turn, those that wait go through in the order they came.
type limiter struct {
	turns      chan struct{} // each is a signature that is being verified
	suspect    chan struct{} // those of them that lanes have in which a slot rests
	maxWaiting int64
	waiting    atomic.Int64 // for a slot, in all lanes
	cooling    atomic.Int64 // lanes in which a slot rests

	mu     sync.Mutex
	queues map[string]*issuerQueue // by the issuer's ID; only configured issuers have one
}

// issuerQueue is the part of a gate that one issuer's tokens go through.
type issuerQueue struct {
	limiter *limiter
	slots   chan struct{} // as many as there are turns; taken, or at rest
	cooling atomic.Int64  // counted, since a slot that is handed over is taken before anybody works in it
	waiting atomic.Int64
}

func newLimiter(inFlight, waiting int) *limiter {
	if inFlight <= 0 {
		inFlight = 2 * runtime.GOMAXPROCS(0)
	}
	return &limiter{
		turns:      make(chan struct{}, inFlight),
		suspect:    make(chan struct{}, max(1, inFlight/4)),
		maxWaiting: int64(waiting),
		queues:     map[string]*issuerQueue{},
	}
}

// try verifies a signature when the issuer's turn comes: verifies tries so many
// keys at most and says whether one of them is the signer's. Where none is, the
// slot rests. entered is false where too many wait already, or ctx ended first.
func (g *limiter) verify(ctx context.Context, issuer string, keys int, verifies func() bool) (entered, verified bool) {
	turn, entered := g.acquire(ctx, issuer)
	if !entered {
		return false, false
	}
	began := time.Now()
	defer func() {
		if verified {
			turn.release()
		} else {
			turn.releaseAfterFailure(time.Since(began), keys)
		}
	}()
	return true, verifies()
}

// turn is a place at the gate.
type turn struct {
	queue   *issuerQueue
	suspect bool // it is one of those that lanes have in which a slot rests
}

// acquire takes a slot and a turn; false means that there was none and too many
// wait already, or that ctx ended first. Each true needs one leave or rest.
func (g *limiter) acquire(ctx context.Context, issuer string) (turn, bool) {
	t := turn{queue: g.queueOf(issuer)}
	if !t.queue.takeSlot(ctx) {
		return turn{}, false
	}
	t.suspect = t.queue.cooling.Load() > 0
	if t.suspect && !take(ctx, g.suspect) {
		<-t.queue.slots
		return turn{}, false
	}
	if !take(ctx, g.turns) {
		if t.suspect {
			<-g.suspect
		}
		<-t.queue.slots
		return turn{}, false
	}
	return t, true
}

// take waits for room until ctx ends. Where there is room it needs no time: ctx
// is not looked at.
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

func (g *limiter) queueOf(issuer string) *issuerQueue {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.queues[issuer]
	if l == nil {
		l = &issuerQueue{limiter: g, slots: make(chan struct{}, cap(g.turns))}
		g.queues[issuer] = l
	}
	return l
}

func (l *issuerQueue) takeSlot(ctx context.Context) bool {
	select {
	case l.slots <- struct{}{}:
		return true
	default:
	}
	defer l.limiter.waiting.Add(-1)
	defer l.waiting.Add(-1)
	if all, here := l.limiter.waiting.Add(1), l.waiting.Add(1); !l.queueLimit(all, here) {
		return false
	}
	return take(ctx, l.slots)
}

// queuePerSlot is how many wait for each slot at most while forgeries come.
const queuePerSlot = 16

// queueLimit says whether one more may wait, which is counted already. Once most
// slots rest, forgeries come faster than they are verified, and a long queue
// lets nobody through who would not get through with a short one: all wait
// longer, and what each of them holds, with its stack, is looked through by
// every garbage collection. A thousand that wait make one take 25 ms instead of
// 3, which is what other requests notice most of such a flood.
//
// The short queue is each lane's own, whatever waits in others.
func (l *issuerQueue) queueLimit(all, here int64) bool {
	slots := int64(cap(l.slots))
	if here <= min(l.limiter.maxWaiting, queuePerSlot*slots) {
		return true
	}
	return 2*l.cooling.Load() <= slots && all <= l.limiter.maxWaiting
}

func (t turn) release() {
	t.end()
	<-t.queue.slots
}

func (t turn) end() {
	<-t.queue.limiter.turns
	if t.suspect {
		<-t.queue.limiter.suspect
	}
}

// cooldownFactor is how many times as long as its signature took a slot rests after a
// forgery. With two slots a core, forgeries get an eighth of the processors. A
// genuine token makes no slot rest.
const cooldownFactor = 15

// maxCooldown bounds it, for each key that was tried: what took long may have
// been held up by others. It is enough for 2.7 ms, and the dearest key there is,
// of the curve P-521, takes one or two.
const maxCooldown = 40 * time.Millisecond

// rest is a leave after work that took so long for nothing: the slot is free
// for others only later. Where slots of several lanes rest, each rests longer,
// so that forgeries under many names get no more than under one.
func (t turn) releaseAfterFailure(took time.Duration, keys int) {
	t.end()
	l := t.queue
	if l.cooling.Add(1) == 1 {
		l.limiter.cooling.Add(1)
	}
	pause := min(cooldownFactor*took, time.Duration(keys)*maxCooldown) * time.Duration(max(1, l.limiter.cooling.Load()))
	time.AfterFunc(pause, func() {
		if l.cooling.Add(-1) == 0 {
			l.limiter.cooling.Add(-1)
		}
		<-l.slots
	})
}

func (g *limiter) inFlight() int { return len(g.turns) }

package decisionlog

import "sync"

// batchBytes is how much is taken at once, and how much waits before the writer
// is called: compressed, not more than the 32 KiB that OPA sends at once.
const batchBytes = 128 << 10

// queue holds the events that wait. Denials and allows have lanes of their own:
// denials leave first, and allows are dropped first.
type queue struct {
	enough  chan struct{} // a batch waits
	limit   int           // bytes
	dropped func(allowed bool)

	mu              sync.Mutex // never held while anything is waited for
	denials, allows list
	taken           []*entry // being delivered: denials, then allows
	takenWeight     int
	number          uint64
	lost            uint64
	closed          bool
}

// list is entries in their order, linked by their next, and what they weigh. A
// list has no step that takes longer than another, whatever it holds.
type list struct {
	first, last *entry
	weight      int
}

func newQueue(limit int, dropped func(allowed bool)) *queue {
	return &queue{enough: make(chan struct{}, 1), limit: limit, dropped: dropped}
}

// put adds e, or drops it.
func (q *queue) put(e *entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.number++
	e.number = q.number
	if q.closed || !q.makeRoom(e) {
		q.drop(e)
		return
	}
	q.laneOf(e).push(e)
	if q.denials.weight+q.allows.weight >= batchBytes {
		select {
		case q.enough <- struct{}{}:
		default:
		}
	}
}

// makeRoom drops the oldest allows, and then, for a denial, the oldest denials.
// It is false, and nothing is dropped, where that would not be enough.
func (q *queue) makeRoom(e *entry) bool {
	room := q.limit - q.takenWeight
	if e.Allowed {
		room -= q.denials.weight
	}
	if e.weight > room {
		return false
	}
	for q.held()+e.weight > q.limit {
		oldest := &q.allows
		if q.allows.first == nil {
			oldest = &q.denials
		}
		q.drop(oldest.shift())
	}
	return true
}

// take returns a batch for the writer: denials first. It calls settle before it takes
// another.
func (q *queue) take() []*entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, from := range []*list{&q.denials, &q.allows} {
		for from.first != nil && q.takenWeight < batchBytes {
			e := from.shift()
			q.taken = append(q.taken, e)
			q.takenWeight += e.weight
		}
	}
	return q.taken
}

// settle removes the first of what was taken, which are delivered. The others go
// back to where they were.
func (q *queue) settle(delivered int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := len(q.taken) - 1; i >= delivered; i-- { // not where they were abandoned meanwhile
		q.laneOf(q.taken[i]).unshift(q.taken[i])
	}
	q.taken, q.takenWeight = nil, 0
}

// close drops everything that is put from now on.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

// abandon drops all that waits and all that is being delivered.
func (q *queue) abandon() (allows, denials int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	lose := func(e *entry) {
		q.drop(e)
		if e.Allowed {
			allows++
		} else {
			denials++
		}
	}
	for _, e := range q.taken {
		lose(e)
	}
	q.taken, q.takenWeight = nil, 0
	for _, from := range []*list{&q.denials, &q.allows} {
		for from.first != nil {
			lose(from.shift())
		}
	}
	return allows, denials
}

// losses is how many events were dropped so far.
func (q *queue) losses() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lost
}

func (q *queue) drop(e *entry) {
	q.lost++
	q.dropped(e.Allowed)
}

func (q *queue) held() int { return q.denials.weight + q.allows.weight + q.takenWeight }

func (q *queue) laneOf(e *entry) *list {
	if e.Allowed {
		return &q.allows
	}
	return &q.denials
}

func (l *list) push(e *entry) {
	if l.first == nil {
		l.first = e
	} else {
		l.last.next = e
	}
	l.last = e
	l.weight += e.weight
}

func (l *list) unshift(e *entry) {
	if l.first == nil {
		l.last = e
	}
	e.next, l.first = l.first, e
	l.weight += e.weight
}

func (l *list) shift() *entry {
	e := l.first
	l.first, e.next = e.next, nil
	l.weight -= e.weight
	return e
}

package decisionlog

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// TestDenialsOutlastAllows goes through many random days of a queue. Whatever
// happens: a denial is dropped only where no allow waits, or where even an
// empty queue had no room; the bytes that wait keep within the limit; every
// event is delivered, dropped or still there, and denials are delivered first.
func TestDenialsOutlastAllows(t *testing.T) {
	for seed := range uint64(300) {
		dice := rand.New(rand.NewPCG(seed, 0))
		d := &day{limit: 1 + dice.IntN(3*batchBytes)}
		d.queue = newQueue(d.limit, d.dropped)
		for range 400 {
			d.step(t, dice)
			if held := d.queue.held(); held > d.limit {
				t.Fatalf("seed %d: %d bytes wait, %d may", seed, held, d.limit)
			}
		}
		allows, denials := d.queue.abandon()
		if d.put != d.delivered+d.lost || d.queue.losses() != uint64(d.lost) || d.queue.held() != 0 {
			t.Fatalf("seed %d: %d put, %d delivered, %d lost (the queue says %d), %d and %d of them at the end",
				seed, d.put, d.delivered, d.lost, d.queue.losses(), allows, denials)
		}
	}
}

// day is a queue and what became of its events.
type day struct {
	queue                *queue
	limit                int
	put, delivered, lost int
	early                int      // denials that were dropped while an allow waited
	taken                []*entry // being delivered
}

func (d *day) dropped(allowed bool) {
	d.lost++
	if !allowed && d.queue.allows.first != nil {
		d.early++
	}
}

func (d *day) step(t *testing.T, dice *rand.Rand) {
	switch {
	case dice.IntN(10) > 0:
		e := &entry{weight: 1 + dice.IntN(batchBytes/2)}
		e.Allowed = dice.IntN(2) == 0
		room := e.weight <= d.limit-d.queue.takenWeight
		d.early = 0
		d.queue.put(e)
		d.put++
		if d.early > 0 && room {
			t.Fatal("a denial was dropped before an allow")
		}
	case d.taken == nil:
		d.taken = d.queue.take()
		allowSeen := false
		for _, e := range d.taken {
			if allowSeen && !e.Allowed {
				t.Fatal("an allow leaves before a denial")
			}
			allowSeen = allowSeen || e.Allowed
		}
		if allowSeen && d.queue.denials.first != nil {
			t.Fatal("an allow leaves while a denial waits")
		}
	default:
		n := dice.IntN(len(d.taken) + 1)
		d.delivered += n
		d.queue.settle(n)
		d.taken = nil
	}
}

// TestOrder: within its lane an event keeps its place, delivered or not.
func TestOrder(t *testing.T) {
	q := newQueue(batchBytes, func(bool) { t.Error("dropped") })
	for i := range 6 {
		e := &entry{weight: batchBytes / 8}
		e.Allowed = i%2 == 0
		q.put(e)
	}
	first := numbers(q.take())
	q.settle(2)
	if again := numbers(q.take()); first != "[2 4 6 1 3 5]" || again != "[6 1 3 5]" {
		t.Errorf("%s, then %s", first, again)
	}
}

func numbers(entries []*entry) string {
	var all []uint64
	for _, e := range entries {
		all = append(all, e.number)
	}
	return fmt.Sprint(all)
}

// TestOldestMakesRoom, of the allows and, where there are none, of the denials.
func TestOldestMakesRoom(t *testing.T) {
	for _, row := range []struct {
		intent  string
		allowed []bool // the last finds the queue full
		want    string
	}{
		{"an allow for an allow", []bool{true, true, true}, "[2 3]"},
		{"an allow for a denial", []bool{false, true, false}, "[1 3]"},
		{"a denial for a denial", []bool{false, false, false}, "[2 3]"},
		{"no denial for an allow", []bool{false, false, true}, "[1 2]"},
	} {
		q := newQueue(2, func(bool) {})
		for _, allowed := range row.allowed {
			e := &entry{weight: 1}
			e.Allowed = allowed
			q.put(e)
		}
		if got := numbers(q.take()); got != row.want {
			t.Errorf("%s: %s, want %s", row.intent, got, row.want)
		}
	}
}

// TestWhatCannotFitDropsNothingElse.
func TestWhatCannotFitDropsNothingElse(t *testing.T) {
	lost := 0
	q := newQueue(10, func(bool) { lost++ })
	q.put(&entry{weight: 9})
	q.put(&entry{weight: 11})
	if got := numbers(q.take()); lost != 1 || got != "[1]" {
		t.Errorf("%d lost, %s left", lost, got)
	}
}

// TestAnEntryWeighsWhatItTakes: the bound on bytes is one on memory.
func TestAnEntryWeighsWhatItTakes(t *testing.T) {
	if size := unsafe.Sizeof(entry{}); size > entryBytes {
		t.Errorf("an entry takes %d bytes", size)
	}
	l := &Log{claims: []string{"groups"}, random: rand.Uint64}
	small, large := l.keep(&Event{}), l.keep(&Event{
		Host: string(make([]byte, 100)), Scopes: []string{string(make([]byte, 100))},
		Claims: map[string]any{"groups": []any{string(make([]byte, 100)), map[string]any{"name": string(make([]byte, 100))}}},
	})
	if large.Claims != nil {
		t.Error("an entry keeps claims that are not on the list")
	}
	if grown := large.weight - small.weight; small.weight < entryBytes || grown < 400 || grown > 1000 {
		t.Errorf("%d bytes, and %d more", small.weight, grown)
	}
}

package decisionlog

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fickle is a place that takes events or refuses them, as a test wills.
type fickle struct {
	mu     sync.Mutex
	broken bool
	ids    map[[16]byte]bool
	so     soFar
}

// soFar is what has happened to a place.
type soFar struct {
	attempts        int
	last            string // the numbers of the last attempt
	allows, denials int    // that it took
}

func newFickle(broken bool) *fickle { return &fickle{broken: broken, ids: map[[16]byte]bool{}} }

func (f *fickle) deliver(_ context.Context, events []*entry) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.so.attempts++
	f.so.last = numbers(events)
	if f.broken {
		return 0, errors.New("the service answered 500 Internal Server Error")
	}
	for _, e := range events {
		if f.ids[e.id] {
			panic("the same event twice")
		}
		f.ids[e.id] = true
		if e.Allowed {
			f.so.allows++
		} else {
			f.so.denials++
		}
	}
	return len(events), nil
}

func (f *fickle) breaks(broken bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = broken
}

func (f *fickle) soFar() soFar {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.so
}

// bubble runs a test with a log whose time is not the world's.
func bubble(t *testing.T, buffer int, to func() place, test func(t *testing.T, l *Log, lost *counted, said *journal)) {
	synctest.Test(t, func(t *testing.T) {
		lost, said := new(counted), new(journal)
		l := start(Options{To: "test", Buffer: buffer, SampleAllows: 1, Log: said.logger(), Dropped: lost.drop}.withDefaults(), to(), usualPace())
		test(t, l, lost, said)
	})
}

// TestAnHourOfRefusals: what a service refuses for an hour waits, allows make
// room, and no denial is lost while there are any. There is one line when it
// begins, one when the room is used up, and one when it is over.
func TestAnHourOfRefusals(t *testing.T) {
	f := newFickle(true)
	bubble(t, 1<<20, func() place { return f.deliver }, func(t *testing.T, l *Log, lost *counted, said *journal) {
		const denials, allows = 600, 6000
		for i := range denials + allows {
			if i%11 == 0 {
				l.Put(denial())
			} else {
				l.Put(allow())
			}
			time.Sleep(time.Hour / (denials + allows))
		}
		if attempts := f.soFar().attempts; attempts < 300 || attempts > 600 {
			t.Errorf("%d attempts in an hour", attempts)
		}
		f.breaks(false)
		time.Sleep(time.Minute)
		so := f.soFar()
		if lost.denials.Load() != 0 || so.denials != denials {
			t.Errorf("of %d denials %d were dropped and %d delivered", denials, lost.denials.Load(), so.denials)
		}
		if lost.allows.Load() == 0 || so.allows+int(lost.allows.Load()) != allows {
			t.Errorf("of %d allows %d were dropped and %d delivered", allows, lost.allows.Load(), so.allows)
		}
		if diff := cmp.Diff([]string{saidFailed, saidDropped, saidDelivered}, said.messages(t)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		closeAll(t, l)
	})
}

// TestDenialsGoFirstAgain: an allow that came back is behind a denial that came
// later.
func TestDenialsGoFirstAgain(t *testing.T) {
	f := newFickle(true)
	bubble(t, 1<<20, func() place { return f.deliver }, func(t *testing.T, l *Log, _ *counted, _ *journal) {
		l.Put(allow())
		time.Sleep(time.Minute)
		l.Put(denial())
		time.Sleep(time.Minute)
		if got := f.soFar().last; got != "[2 1]" {
			t.Errorf("the last attempt was with %s", got)
		}
		closeNow(l)
	})
}

// TestAPlaceThatHangs delays no decision, and is logged.
func TestAPlaceThatHangs(t *testing.T) {
	var release chan struct{}
	to := func() place {
		release = make(chan struct{})
		return func(_ context.Context, events []*entry) (int, error) {
			<-release
			return len(events), nil
		}
	}
	bubble(t, 1<<20, to, func(t *testing.T, l *Log, lost *counted, said *journal) {
		l.Put(allow())
		time.Sleep(time.Second)
		began := time.Now()
		const many = 10_000
		for range many {
			l.Put(denial())
			l.Put(allow())
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("%v of waiting", waited)
		}
		if kept := 2*many + 1 - int(lost.allows.Load()+lost.denials.Load()); kept < 1000 || kept > 1<<20/entryBytes || lost.allows.Load() < many-1 {
			t.Errorf("%d are kept, %d allows and %d denials dropped", kept, lost.allows.Load(), lost.denials.Load())
		}
		time.Sleep(time.Hour)
		if diff := cmp.Diff([]string{saidFailed}, said.messages(t)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		close(release)
		time.Sleep(time.Second)
		if diff := cmp.Diff([]string{saidFailed, saidDelivered, saidDropped}, said.messages(t)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		closeAll(t, l)
	})
}

// TestCloseDeliversWhatWaits at once, also what was refused a moment ago.
func TestCloseDeliversWhatWaits(t *testing.T) {
	f := newFickle(true)
	bubble(t, 8<<20, func() place { return f.deliver }, func(t *testing.T, l *Log, lost *counted, said *journal) {
		const many = 1000 // several batches
		for range many {
			l.Put(denial())
		}
		time.Sleep(time.Minute)
		f.breaks(false)
		began := time.Now()
		closeAll(t, l)
		if so := f.soFar(); time.Since(began) != 0 || so.denials != many || lost.denials.Load() != 0 {
			t.Errorf("after %v %d are delivered, %d dropped", time.Since(began), so.denials, lost.denials.Load())
		}
		l.Put(denial())
		if lost.denials.Load() != 1 {
			t.Error("an event that came too late is not counted")
		}
		if said := said.messages(t); slices.Contains(said, saidAbandoned) {
			t.Errorf("told: %q", said)
		}
	})
}

// TestCloseGivesUp on a place that hangs, when its time is over, and counts.
func TestCloseGivesUp(t *testing.T) {
	var release chan struct{}
	to := func() place {
		release = make(chan struct{})
		return func(ctx context.Context, _ []*entry) (int, error) {
			<-release // whatever ctx says, as a write to a pipe does
			return 0, ctx.Err()
		}
	}
	bubble(t, 1<<20, to, func(t *testing.T, l *Log, lost *counted, said *journal) {
		l.Put(allow())
		time.Sleep(time.Second)
		l.Put(denial())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		l.Close(ctx)
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("%v of waiting", waited)
		}
		if lost.allows.Load() != 1 || lost.denials.Load() != 1 {
			t.Errorf("%d allows and %d denials are dropped", lost.allows.Load(), lost.denials.Load())
		}
		if diff := cmp.Diff([]string{saidAbandoned}, said.messages(t)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		close(release)
		synctest.Wait()
		if lost.allows.Load() != 1 || lost.denials.Load() != 1 {
			t.Error("an event is dropped twice")
		}
	})
}

// TestCloseEndsWhatItCan: a delivery that heeds its context is over with the log.
func TestCloseEndsWhatItCan(t *testing.T) {
	to := func() place {
		return func(ctx context.Context, _ []*entry) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}
	}
	bubble(t, 1<<20, to, func(t *testing.T, l *Log, lost *counted, _ *journal) {
		l.Put(allow())
		time.Sleep(time.Second)
		closeNow(l)
		<-l.writer.ended
		if lost.allows.Load() != 1 {
			t.Errorf("%d allows dropped", lost.allows.Load())
		}
	})
}

// TestSoon: an event is written a moment after it came, and a full batch sooner.
func TestSoon(t *testing.T) {
	f := newFickle(false)
	bubble(t, 8<<20, func() place { return f.deliver }, func(t *testing.T, l *Log, _ *counted, _ *journal) {
		l.Put(allow())
		synctest.Wait()
		if f.soFar().attempts != 0 {
			t.Error("one event is a batch")
		}
		time.Sleep(l.writer.pace.look)
		synctest.Wait()
		if attempts := f.soFar().attempts; attempts != 1 {
			t.Errorf("%d batches after a while", attempts)
		}
		for range batchBytes / entryBytes {
			l.Put(allow())
		}
		synctest.Wait()
		if f.soFar().attempts < 2 {
			t.Error("a full batch waits")
		}
		closeAll(t, l)
	})
}

// TestSampling: each allow by its random number, and every denial.
func TestSampling(t *testing.T) {
	const half = 1 << 63
	for _, row := range []struct {
		share   float64
		dice    uint64
		allowed bool
		want    bool
	}{
		{0, 0, true, false},
		{0, 0, false, true},
		{0.5, half - 1, true, true},
		{0.5, half, true, false},
		{0.5, half, false, true},
		{1, ^uint64(0), true, true},
	} {
		l := &Log{sample: row.share, random: func() uint64 { return row.dice }}
		if got := l.Logs(row.allowed); got != row.want {
			t.Errorf("share %v, dice %x, allowed %v: %v", row.share, row.dice, row.allowed, got)
		}
	}
}

package token

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
)

// RFC 9449, section 11.1.
func TestProofIsSpentOnce(t *testing.T) {
	w, b := newWorld(), binderAt(newClock())
	steps := []struct {
		intent string
		change twist
		want   string // of the detail; "" is accepted
	}{
		{"first", func(*exchange) {}, ""},
		{"the same jti in a new proof", func(*exchange) {}, "jti: used before"},
		{"the same jti at another time", proofClaim("iat", testTime.Add(time.Second).Unix()), "jti: used before"},
		{"the same jti for another method", twists(proofClaim("htm", "GET"), presented(func(p *Presentation) { p.Method = "GET" })), "jti: used before"},
		{"the same jti for another token", twists(proofClaim("ath", hashOf("other")), presented(func(p *Presentation) { p.Compact = "other" })), "jti: used before"},
		{"another jti", proofClaim("jti", "p-2"), ""},
		{"a jti of another case", proofClaim("jti", "P-1"), ""},
		{"the same jti under another key", boundTo(w.keys["ed"], "EdDSA"), ""},
		{"and that again", boundTo(w.keys["ed"], "EdDSA"), "jti: used before"},
	}
	for _, step := range steps {
		_, refusal := newExchange(step.change).prove(t, b)
		if (refusal == nil) != (step.want == "") || refusal != nil && !strings.HasSuffix(refusal.Detail, step.want) {
			t.Errorf("%s: %+v, want %q", step.intent, refusal, step.want)
		}
		if refusal != nil && refusal.Reason != reason.DPoPProofInvalid {
			t.Errorf("%s: %v", step.intent, refusal.Reason)
		}
	}
}

// A refused proof, or one for another token, does not use up a jti.
func TestRefusedProofSpendsNothing(t *testing.T) {
	b := binderAt(newClock())
	for _, row := range proofDefects() {
		if _, refusal := newExchange(row.change).prove(t, b); refusal == nil {
			t.Errorf("%s: accepted", row.name)
		}
	}
	if _, refusal := newExchange().prove(t, b); refusal != nil {
		t.Errorf("the good one: %+v", refusal)
	}
}

// Of any number of simultaneous uses of a proof one wins, unless all are
// attempts at the same Check.
func TestSimultaneousUses(t *testing.T) {
	const uses = 50
	rows := map[string]struct {
		attempt func(i int) string
		want    int32
	}{
		"nameless":             {func(int) string { return "" }, 1},
		"different requests":   {func(i int) string { return fmt.Sprint(i) }, 1},
		"one request, retried": {func(int) string { return "1" }, uses},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			b, x := binderAt(newClock()), newExchange()
			proof := x.proof()
			var won atomic.Int32
			var group sync.WaitGroup
			for i := range uses {
				p := x.presentation
				p.Proofs, p.Attempt = []string{proof}, row.attempt(i)
				group.Go(func() {
					if _, refusal := b.Verify(t.Context(), x.confirmation, p, x.mode, x.rules); refusal == nil {
						won.Add(1)
					}
				})
			}
			group.Wait()
			if won.Load() != row.want {
				t.Errorf("%d of %d accepted, want %d", won.Load(), uses, row.want)
			}
		})
	}
}

// Envoy's own retry of one Check repeats the proof, and is no replay.
func TestRetryIsNoReplay(t *testing.T) {
	const name = "1234567890 10.0.0.7:40312"
	rows := []struct {
		intent        string
		first, second string // names of the attempts
		after         time.Duration
		signedAgain   bool
		want          bool
	}{
		{"at once", name, name, 0, false, true},
		{"10 s later", name, name, retryWindow, false, true},
		{"longer after", name, name, retryWindow + 1, false, false},
		{"another request", name, "1234567891 10.0.0.7:40312", 0, false, false},
		{"another peer", name, "1234567890 10.0.0.7:40313", 0, false, false},
		{"both without a name", "", "", 0, false, false},
		{"the first without a name", "", name, 0, false, false},
		{"the second without a name", name, "", 0, false, false},
		{"the same jti in another proof", name, name, 0, true, false},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			c, x := newClock(), newExchange()
			b := binderAt(c)
			use := func(attempt, proof string) bool {
				p := x.presentation
				p.Proofs, p.Attempt = []string{proof}, attempt
				_, refusal := b.Verify(t.Context(), x.confirmation, p, x.mode, x.rules)
				return refusal == nil
			}
			proof := x.proof()
			if !use(row.first, proof) {
				t.Fatal("the first is refused")
			}
			c.move(row.after)
			if row.signedAgain {
				proof = x.proof()
			}
			if got := use(row.second, proof); got != row.want {
				t.Errorf("accepted is %v, want %v", got, row.want)
			}
		})
	}
}

// A retry does not make the time for the next one longer.
func TestRetriesEnd(t *testing.T) {
	c := newClock()
	r := newReplayCache(c.read, 0, 0)
	name := attempt("1", "proof")
	for range 2 {
		if flaw := r.record("key", "jti", testTime, name, proofWindow); flaw != "" {
			t.Fatal(flaw)
		}
		c.move(retryWindow * 2 / 3)
	}
	if flaw := r.record("key", "jti", testTime, name, proofWindow); flaw == "" {
		t.Error("accepted 13 s after the first")
	}
}

// A proof is remembered for as long as it is fresh, and a minute more for
// clocks that are set back; then it takes no memory.
func TestProofsEnd(t *testing.T) {
	for _, issued := range []time.Time{testTime.Add(-proofWindow), testTime, testTime.Add(proofWindow)} {
		c := newClock()
		r := newReplayCache(c.read, 0, 0)
		expect := func(step, want string) {
			t.Helper()
			if flaw := r.record("key", "jti", issued, fingerprint{}, proofWindow); string(flaw) != want {
				t.Errorf("issued %v, %s: %q, want %q", issued.Sub(testTime), step, flaw, want)
			}
		}
		const used, stale = "jti: used before", "iat: over 5 minutes ago"
		expect("first", "")
		expect("again", used)
		c.move(issued.Add(proofWindow).Sub(testTime))
		expect("in its last instant", used)
		c.move(1)
		expect("after it", stale)
		c.move(retention - 1)
		expect("in the last instant of its afterlife", stale)
		c.move(-retention)
		expect("with a clock set back by a minute", used)
		c.move(retention + time.Second)
		expect("when it is over", stale)
		if len(r.seen)+len(r.live)+len(r.ending) != 0 {
			t.Errorf("%d proofs, %d keys, %d lists are left", len(r.seen), len(r.live), len(r.ending))
		}
	}
}

// What is forgotten does not come to life again when the clock is set back to
// where it was fresh; what is younger is not held up by that.
func TestForgottenProofsStayDead(t *testing.T) {
	c := newClock()
	r := newReplayCache(c.read, 0, 0)
	record := func(id string, issued time.Time) flaw { return r.record("key", id, issued, fingerprint{}, skew) }
	if flaw := record("old", testTime.Add(-time.Minute)); flaw != "" {
		t.Fatal(flaw)
	}
	if flaw := record("older", testTime.Add(-2*time.Minute)); flaw != "" {
		t.Fatal(flaw)
	}
	c.move(time.Hour)
	if flaw := record("much later", c.read()); flaw != "" || len(r.seen) != 1 {
		t.Fatalf("%q, %d proofs are remembered", flaw, len(r.seen))
	}
	c.move(-time.Hour)
	for id, issued := range map[string]time.Time{"old": testTime.Add(-time.Minute), "older": testTime.Add(-2 * time.Minute), "another": testTime.Add(-time.Minute)} {
		if flaw := record(id, issued); flaw != "iat: of a time whose proofs are forgotten, and the clock was set back" {
			t.Errorf("%s: %q", id, flaw)
		}
	}
	if flaw := record("new", testTime.Add(-time.Minute+1)); flaw != "" {
		t.Errorf("new: %q", flaw)
	}
}

// A key may have so many live proofs and no more; others do not notice.
func TestBudgetOfAKey(t *testing.T) {
	c := newClock()
	r := newReplayCache(c.read, 0, 3)
	record := func(key, id string) flaw { return r.record(key, id, c.read(), fingerprint{}, proofWindow) }
	for i := range 3 {
		if flaw := record("busy", fmt.Sprint(i)); flaw != "" {
			t.Fatal(flaw)
		}
	}
	if flaw := record("busy", "3"); flaw != "jti: too many live proofs of this key" {
		t.Errorf("the fourth: %q", flaw)
	}
	for i := range 3 { // refusing the fourth forgot none of the three
		if flaw := record("busy", fmt.Sprint(i)); flaw != "jti: used before" {
			t.Errorf("replay of %d: %q", i, flaw)
		}
	}
	if flaw := record("other", "0"); flaw != "" {
		t.Errorf("another key: %q", flaw)
	}
	c.move(proofWindow + retention + time.Second)
	if flaw := record("busy", "4"); flaw != "" {
		t.Errorf("when the three are over: %q", flaw)
	}
}

// Busy keys share three quarters of the memory, and keys of light use have the
// last quarter to themselves. When that is gone too, every new proof is
// refused; none that is live is ever forgotten.
func TestBudgetOfAll(t *testing.T) {
	const full flaw = "jti: no room for another live proof"
	c := newClock()
	r := newReplayCache(c.read, 1<<20, 10_000)
	id := 0
	fill := func(key string, most int) int { // until it is refused
		for n := range most {
			id++
			if flaw := r.record(key, fmt.Sprint(id), c.read(), fingerprint{}, proofWindow); flaw != "" {
				if flaw != full {
					t.Errorf("%s: %q", key, flaw)
				}
				return n
			}
		}
		return most
	}

	if n := fill("hostile 1", 10_000); r.bytes() > 3<<18 || r.bytes() < 3<<18-proofBytes-keyBytes {
		t.Errorf("one busy key took %d proofs, %d bytes", n, r.bytes())
	}
	if n := fill("hostile 2", 10_000); n != lightUse {
		t.Errorf("a second busy key got %d proofs, want the %d of light use", n, lightUse)
	}
	if n := fill("a user", 20); n != 20 {
		t.Errorf("a user got %d of 20", n)
	}
	keys := 0
	for ; fill(fmt.Sprint("one of many ", keys), lightUse) > 0; keys++ {
		if keys > 1000 {
			t.Fatal("without end")
		}
	}
	if r.bytes() > 1<<20 || r.bytes() < 1<<20-proofBytes-keyBytes {
		t.Errorf("full at %d bytes", r.bytes())
	}
	if n := fill("a user", 1); n != 0 {
		t.Error("a proof went into full memory")
	}
	for old := 1; old <= 100; old++ {
		if flaw := r.record("hostile 1", fmt.Sprint(old), c.read(), fingerprint{}, proofWindow); flaw != "jti: used before" {
			t.Fatalf("proof %d was forgotten: %q", old, flaw)
		}
	}
	c.move(proofWindow + retention + time.Second)
	if n := fill("a user", 20); n != 20 || len(r.live) != 1 {
		t.Errorf("when all is over: %d of 20, %d keys", n, len(r.live))
	}
}

// A key takes room too.
func TestRoomForKeys(t *testing.T) {
	const keys = 5
	r := newReplayCache(newClock().read, keys*(proofBytes+keyBytes), 0)
	for i := range keys + 1 {
		if flaw := r.record(fmt.Sprint("key ", i), "jti", testTime, fingerprint{}, proofWindow); (flaw == "") != (i < keys) {
			t.Errorf("key %d: %q", i, flaw)
		}
	}
}

// A retry needs no room.
func TestRetryInFullMemory(t *testing.T) {
	r := newReplayCache(newClock().read, proofBytes+keyBytes, 0)
	name := attempt("1", "proof")
	for range 2 {
		if flaw := r.record("key", "jti", testTime, name, proofWindow); flaw != "" {
			t.Error(flaw)
		}
	}
	if flaw := r.record("key", "other", testTime, name, proofWindow); flaw == "" {
		t.Error("there was room")
	}
}

// What is counted is not less than what is used.
func TestReplayMemoryIsHonest(t *testing.T) {
	if testing.Short() {
		t.Skip("fills 16 MiB")
	}
	inUse := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for _, perKey := range []int{1, 8, 64} {
		before := inUse()
		r := newReplayCache(newClock().read, 0, 0)
		for i := 0; ; i++ {
			issued := testTime.Add(time.Duration(i%600-300) * time.Second)
			if r.record(fmt.Sprint(i/perKey), fmt.Sprint(i), issued, fingerprint{}, proofWindow) != "" {
				break
			}
		}
		used := inUse() - before
		t.Logf("%d proofs a key: %d proofs, counted %d, used %d", perKey, len(r.seen), r.bytes(), used)
		if used > defaultReplayBytes {
			t.Errorf("%d proofs a key: %d bytes in use, over %d", perKey, used, defaultReplayBytes)
		}
		runtime.KeepAlive(r)
	}
}

package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
)

// sharedKeys are those of a deployment that is replacing one by the other.
var sharedKeys = [][]byte{[]byte("the key that makes nonces, 32 bytes"), []byte("the key before it, of 32 bytes too")}

// started is a verifier whose process starts now.
func started(c *clock) *PossessionVerifier {
	return NewPossessionVerifier(PossessionOptions{Now: c.read, InFlight: 2, Waiting: 100})
}

// handedOut is the nonce that b issues to a client without one.
func handedOut(t *testing.T, b *PossessionVerifier, rules ProofRules) string {
	t.Helper()
	rules.NonceAlways = true
	x := newExchange(func(x *exchange) { x.rules = rules }, proofClaim("jti", "without a nonce"), proofClaim("iat", b.now().Unix()))
	_, refusal := x.prove(t, b)
	if refusal == nil || refusal.Reason != reason.DPoPNonceRequired || refusal.Nonce == "" {
		t.Fatalf("%+v, want dpop_nonce_required and a nonce", refusal)
	}
	return refusal.Nonce
}

// withNonce is an exchange at the time of b, and gives what became of it.
func withNonce(t *testing.T, b *PossessionVerifier, rules ProofRules, nonce any) *Refusal {
	t.Helper()
	x := newExchange(func(x *exchange) { x.rules = rules }, proofClaim("nonce", nonce),
		proofClaim("iat", b.now().Unix()), proofClaim("jti", fmt.Sprint(nonce, b.now())))
	_, refusal := x.prove(t, b)
	return refusal
}

// RFC 9449, section 9. For the window after a start a proof needs a nonce,
// under dpop_nonce: always at any time, and otherwise never.
func TestWhenNonceIsRequired(t *testing.T) {
	for _, row := range []struct {
		intent string
		after  time.Duration
		always bool
		want   bool
	}{
		{"at once", 0, false, true},
		{"in the last instant of the window", proofWindow + skew, false, true},
		{"after it", proofWindow + skew + 1, false, false},
		{"always, at once", 0, true, true},
		{"always, after the window", time.Hour, true, true},
		{"a clock that was set back", -time.Hour, false, true},
	} {
		t.Run(row.intent, func(t *testing.T) {
			c := newClock()
			b, rules := started(c), ProofRules{ClockSkew: skew, NonceAlways: row.always}
			c.move(row.after)
			refusal := withNonce(t, b, rules, nil)
			if (refusal != nil) != row.want {
				t.Fatalf("%+v", refusal)
			}
			if refusal != nil && (refusal.Reason != reason.DPoPNonceRequired || refusal.Nonce == "" || refusal.Detail == "") {
				t.Errorf("%+v", refusal)
			}
			if len(b.replays.seen) > 0 == row.want {
				t.Errorf("%d proofs are remembered", len(b.replays.seen))
			}
			// Who answers is let in, once with each proof.
			if refusal := withNonce(t, b, rules, handedOut(t, b, rules)); refusal != nil {
				t.Errorf("with a nonce: %+v", refusal)
			}
		})
	}
}

// A proof with another defect is refused for that: a nonce would not mend it.
func TestNonceIsRequiredLast(t *testing.T) {
	for _, row := range proofDefects() {
		if strings.HasSuffix(row.detail, "does not verify") || strings.Contains(row.detail, "not of the length") {
			continue // the signature's work comes after the nonce
		}
		if _, refusal := newExchange(row.change).prove(t, started(newClock())); refusal.Reason != reason.DPoPProofInvalid || refusal.Nonce != "" {
			t.Errorf("%s: %+v", row.name, refusal)
		}
	}
}

// Which nonces are valid, and where. Each row has a nonce made at noon by another
// process, or by this one where a key is not named.
func TestWhichNoncesAreValid(t *testing.T) {
	first, second, third := sharedKeys[:1], sharedKeys[1:], [][]byte{[]byte("the key of another deployment, of 32 bytes")}
	for _, row := range []struct {
		intent   string
		maker    [][]byte      // the keys of the process that made it; nil: this process
		reader   [][]byte      // the keys of the process that reads it
		start    time.Duration // of that process, from noon
		read     time.Duration // when it is read, from noon
		want     bool
		restarts bool // the maker is the process before, with a secret of its own
	}{
		{"at once", nil, nil, 0, 0, true, false},
		{"in its last instant", nil, nil, 0, nonceLifetime, true, false},
		{"after it", nil, nil, 0, nonceLifetime + 1, false, false},
		{"from ahead by the clock skew", nil, nil, 0, -skew, true, false},
		{"from further ahead", nil, nil, 0, -skew - 1, false, false},
		{"of the process before, which shared no key", nil, nil, -time.Hour, 0, false, true},
		{"of a replica that shares the key", first, first, -time.Minute, time.Minute, true, false},
		{"of the instant of our start", first, first, 0, time.Minute, true, false},
		{"of a replica, before our start", first, first, 1, time.Minute, false, false},
		{"of a replica under the key before", second, sharedKeys, -time.Minute, time.Minute, true, false},
		{"of a replica under the key that comes", first, [][]byte{sharedKeys[1], sharedKeys[0]}, -time.Minute, time.Minute, true, false},
		{"of a replica under a key that is gone", second, first, -time.Minute, time.Minute, false, false},
		{"of another deployment", third, sharedKeys, -time.Minute, time.Minute, false, false},
		{"of a process that shares no key", third, nil, -time.Minute, time.Minute, false, false},
	} {
		t.Run(row.intent, func(t *testing.T) {
			c := newClock()
			c.move(row.start)
			b := started(c)
			c.move(-row.start)
			maker, rules := b, ProofRules{ClockSkew: skew, NonceKeys: row.reader, NonceAlways: true}
			if row.maker != nil || row.restarts {
				maker = NewPossessionVerifier(PossessionOptions{Now: c.read, InFlight: 1, Since: longAgo})
			}
			nonce := handedOut(t, maker, ProofRules{ClockSkew: skew, NonceKeys: row.maker})
			c.move(row.read)
			refusal := withNonce(t, b, rules, nonce)
			if (refusal == nil) != row.want {
				t.Errorf("%+v", refusal)
			}
			if refusal != nil && (refusal.Reason != reason.DPoPNonceRequired || refusal.Nonce == nonce) {
				t.Errorf("%+v", refusal)
			}
		})
	}
}

// Of a nonce no bit may change, and nothing may be added.
func TestEachNonceDefect(t *testing.T) {
	b, rules := started(newClock()), ProofRules{ClockSkew: skew, NonceKeys: sharedKeys}
	nonce := handedOut(t, b, rules)
	raw, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(raw) != nonceBytes {
		t.Fatalf("%q: %v", nonce, err)
	}
	bad := []any{nil, "", "x", 1, true, []string{nonce}, nonce + "=", nonce + "A", nonce[1:], " " + nonce, nonce + "\n", strings.ToUpper(nonce)}
	for bit := range 8 * len(raw) {
		raw[bit/8] ^= 1 << (bit % 8)
		bad = append(bad, base64.RawURLEncoding.EncodeToString(raw))
		raw[bit/8] ^= 1 << (bit % 8)
	}
	last := nonce[:len(nonce)-1]
	for _, spare := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
		if other := last + string(spare); other != nonce {
			bad = append(bad, other)
		}
	}
	for _, value := range bad {
		if refusal := withNonce(t, b, rules, value); refusal == nil || refusal.Reason != reason.DPoPNonceRequired {
			t.Errorf("%v: %+v", value, refusal)
		}
	}
	if refusal := withNonce(t, b, rules, nonce); refusal != nil {
		t.Errorf("the good one: %+v", refusal)
	}
}

// Whatever the client sends, a nonce is valid only if it is one of ours, by a
// second implementation.
func FuzzNonce(f *testing.F) {
	c := newClock()
	b, rules := started(c), ProofRules{ClockSkew: skew, NonceKeys: sharedKeys, NonceAlways: true}
	made := b.nonces.issue(rules, c.read())
	f.Add(made, int64(0))
	f.Add(made, int64(nonceLifetime+1))
	f.Add(made+"A", int64(1))
	f.Add(made[:20]+"\n"+made[20:], int64(0))
	f.Add("", int64(0))
	f.Fuzz(func(t *testing.T, nonce string, later int64) {
		later %= int64(24 * time.Hour)
		now := testTime.Add(time.Duration(later))
		want := false
		if raw, err := base64.RawURLEncoding.DecodeString(nonce); err == nil && len(raw) == 32 && base64.RawURLEncoding.EncodeToString(raw) == nonce {
			for _, key := range sharedKeys {
				mac := hmac.New(sha256.New, key)
				mac.Write(append([]byte("doorward DPoP nonce\x00"), raw[:16]...))
				want = want || string(mac.Sum(nil)[:16]) == string(raw[16:])
			}
			age := now.UnixNano() - int64(binary.BigEndian.Uint64(raw[:8]))
			want = want && age <= int64(5*time.Minute) && age >= -int64(skew)
			want = want && (string(raw[8:16]) == string(b.nonces.process[:]) || int64(binary.BigEndian.Uint64(raw[:8])) >= testTime.UnixNano())
		}
		if got := b.nonces.valid(nonce, rules, now); got != want {
			t.Errorf("%q, %v later: %v, want %v", nonce, time.Duration(later), got, want)
		}
	})
}

// No proof is accepted twice, over any number of starts, with keys that replicas
// share and without; and a client that answers is always let in.
func TestProofsAreSpentOverRestarts(t *testing.T) {
	for name, keys := range map[string][][]byte{"a secret of the process": nil, "a shared key": sharedKeys[:1]} {
		t.Run(name, func(t *testing.T) {
			const seed, steps = 20261126, 3000
			random := rand.New(rand.NewPCG(seed, seed))
			c, rules := newClock(), ProofRules{ClockSkew: skew, NonceKeys: keys}
			b := started(c)
			present := func(proof string) *Refusal {
				x := newExchange(func(x *exchange) { x.rules = rules })
				x.presentation.Proofs = []string{proof}
				_, refusal := x.prove(t, b)
				return refusal
			}
			sign := func(id string, at time.Time, nonce any) string {
				return newExchange(proofClaim("jti", id), proofClaim("iat", at.Unix()), proofClaim("nonce", nonce)).proof()
			}
			var proofs, given []string
			accepted, restarts, again := map[string]bool{}, 0, 0
			for step := range steps {
				switch random.IntN(10) {
				case 0:
					c.move(time.Duration(random.IntN(90)) * time.Second)
				case 1:
					c.move(time.Nanosecond)
					b, restarts = started(c), restarts+1
				case 2, 3, 4, 5: // a client with a clock of its own, and maybe a nonce that it was given some time
					var nonce any
					if len(given) > 0 && random.IntN(3) > 0 {
						nonce = given[max(0, len(given)-1-random.IntN(4))]
					}
					at := c.read().Add(time.Duration(random.IntN(360)-330) * time.Second)
					proofs = append(proofs, sign(fmt.Sprint(step), at, nonce))
					fallthrough
				default: // the newest, or one of those a thief saw
					if len(proofs) == 0 {
						continue
					}
					proof := proofs[max(0, len(proofs)-1-random.IntN(8))]
					refusal := present(proof)
					if refusal == nil && accepted[proof] {
						t.Fatalf("step %d, after %d starts: accepted again", step, restarts)
					}
					if refusal == nil {
						accepted[proof] = true
						continue
					}
					if accepted[proof] {
						again++
					}
					if refusal.Nonce == "" {
						continue
					}
					given = append(given, refusal.Nonce)
					if refusal := present(sign(fmt.Sprint("answer ", step), c.read(), refusal.Nonce)); refusal != nil {
						t.Fatalf("step %d: a client that answers: %+v", step, refusal)
					}
				}
			}
			if len(accepted) < steps/20 || restarts < steps/20 || again < steps/20 {
				t.Errorf("%d accepted, %d starts, %d replays refused: hardly tried", len(accepted), restarts, again)
			}
		})
	}
}

package token

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// unnamed is an issuer of so many ES256 keys and one of another kind, whose
// tokens name none of them.
type unnamed struct {
	keys   []*jwttest.Key
	server *published
	issuer *Issuer
}

func newUnnamed(keys int) *unnamed {
	u := &unnamed{server: &published{}}
	for n := range keys {
		u.keys = append(u.keys, jwttest.NewKey("ES256", fmt.Sprint("key ", n)))
	}
	u.publish(u.keys...)
	u.issuer = &Issuer{ID: usualID, Algorithms: DefaultAlgorithms(), Keys: jwks.NewSource(
		jwks.Options{Issuer: usualID, JWKSURI: usualID + "/jwks"}, jwks.Environment{Transport: u.server})}
	return u
}

func (u *unnamed) publish(keys ...*jwttest.Key) {
	document := jwttest.JWKS(append([]*jwttest.Key{jwttest.NewKey("EdDSA", "other")}, keys...)...)
	u.server.document.Store(&document)
}

// sign leaves out kid.
func (u *unnamed) sign(key *jwttest.Key) string {
	unnamed := *key
	unnamed.ID = ""
	return unnamed.Sign(goodClaims())
}

func (u *unnamed) verify(t *testing.T, v *Verifier, token string) (*Claims, *Refusal) {
	t.Helper()
	defer synctest.Wait()
	return v.Verify(t.Context(), token, func(string, string) (*Issuer, bool) { return u.issuer, false })
}

// TestWithoutKeyID: each of four keys is found; of five keys, no key is tried.
func TestWithoutKeyID(t *testing.T) {
	for count := range 6 {
		synctest.Test(t, func(t *testing.T) {
			u := newUnnamed(count)
			go u.issuer.Keys.Run(t.Context())
			synctest.Wait()
			for _, key := range u.keys {
				claims, refusal := u.verify(t, at(testTime), u.sign(key))
				switch {
				case count > 4 && (refusal == nil || refusal.Reason != reason.KeyUnknown):
					t.Errorf("%d keys: %+v", count, refusal)
				case count <= 4 && (refusal != nil || claims.KeyID != key.ID || claims.HeaderKeyID != nil):
					t.Errorf("%d keys: %s not found: %+v", count, key.ID, refusal)
				}
			}
			_, refusal := u.verify(t, at(testTime), u.sign(jwttest.NewKey("ES256", "")))
			want := reason.SignatureInvalid
			if count == 0 || count > 4 {
				want = reason.KeyUnknown
			}
			if refusal == nil || refusal.Reason != want {
				t.Errorf("%d keys: a forgery: %+v, want %s", count, refusal, want)
			}
			empty := *jwttest.NewKey("ES256", "")
			token := empty.SignAs(map[string]any{"alg": "ES256", "kid": "", "typ": "at+jwt"}, goodClaims())
			if _, refusal := u.verify(t, at(testTime), token); refusal == nil || refusal.Reason != reason.KeyUnknown {
				t.Errorf("%d keys: an empty kid is a kid: %+v", count, refusal)
			}
		})
	}
}

// paced is a verifier that takes some time on the clock of a test, and counts.
type paced struct {
	jws.Verifier
	takes time.Duration
	tried atomic.Int64
}

func (p *paced) Verify(payload, signature []byte, key any) error {
	p.tried.Add(1)
	time.Sleep(p.takes)
	return p.Verifier.Verify(payload, signature, key)
}

// of returns the algorithm with this verifier.
func (p *paced) of(a algorithm) algorithm {
	p.Verifier, a.verifier = a.verifier, p
	return a
}

// TestSeveralKeysAreOneTrial: a token without kid takes one slot, one cooldown for
// the whole time, one refresh and one entry of the cache of bad signatures,
// whatever the number of keys.
func TestSeveralKeysAreOneTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUnnamed(4)
		go u.issuer.Keys.Run(t.Context())
		synctest.Wait()
		v := NewVerifier(Options{InFlight: 1, Now: func() time.Time { return testTime }})
		slow := &paced{takes: time.Millisecond}
		v.algorithms["ES256"] = slow.of(v.algorithms["ES256"])
		forged := u.sign(jwttest.NewKey("ES256", ""))
		if _, refusal := u.verify(t, v, forged); refusal.Reason != reason.SignatureInvalid || refusal.Remembered {
			t.Fatalf("%+v", refusal)
		}
		if slow.tried.Load() != 4 || u.server.fetches.Load() != 2 {
			t.Errorf("%d keys tried, %d fetches, want 4 and one more than the first", slow.tried.Load(), u.server.fetches.Load())
		}
		if _, refusal := u.verify(t, v, forged); !refusal.Remembered || slow.tried.Load() != 4 {
			t.Errorf("the second time: %+v, %d keys tried", refusal, slow.tried.Load())
		}
		v.limiter.maxWaiting = 1
		if waited := v.limiter.waits(t, usualID); waited != cooldownFactor*4*time.Millisecond*maxGrowth {
			t.Errorf("the slot cooled down for %v", waited)
		}
		// A signature of another length is by no key: no permit, no cooldown.
		if _, refusal := u.verify(t, v, forged[:len(forged)-6]); refusal.Reason != reason.SignatureInvalid || slow.tried.Load() != 4 {
			t.Errorf("of another length: %+v, %d keys tried", refusal, slow.tried.Load())
		}
		if u.server.fetches.Load() != 3 {
			t.Errorf("of another length: %d fetches", u.server.fetches.Load())
		}
	})
}

// TestTrialSkipsKeysOfAnotherLength: jwx would try them.
func TestTrialSkipsKeysOfAnotherLength(t *testing.T) {
	longer, own := jwttest.NewKey("ES384", ""), jwttest.NewKey("ES256", "")
	compact, flaw := parse(own.Sign(goodClaims()), 1<<12)
	if flaw != "" {
		t.Fatal(flaw)
	}
	counted := &paced{}
	keys := []*jwks.Key{{Public: longer.Public()}, {Public: own.Public()}}
	found := signatureCheck{compact, counted.of(newAlgorithms()["ES256"]), keys, nil}.verify()
	if found == nil || found.Public != own.Public() || counted.tried.Load() != 1 {
		t.Errorf("found %v after %d keys", found, counted.tried.Load())
	}
}

// TestRevalidateWithoutKeyID: a remembered token is valid while its key is among
// those that fit, whatever other keys come and go.
func TestRevalidateWithoutKeyID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUnnamed(5)
		others, own := u.keys[:4], u.keys[4]
		u.publish(own)
		go u.issuer.Keys.Run(t.Context())
		synctest.Wait()
		v := at(testTime)
		claims, refusal := u.verify(t, v, u.sign(own))
		if refusal != nil {
			t.Fatalf("%+v", refusal)
		}
		for _, row := range []struct {
			intent string
			keys   []*jwttest.Key
			valid  bool
		}{
			{"a key beside it", others[:1], true},
			{"three keys beside it", others[:3], true},
			{"four keys beside it", others, false},
			{"two left again", others[:2], true},
			{"it left itself", nil, false},
			{"it came back, as another", others[:2], false},
		} {
			time.Sleep(time.Minute)
			published := others[:1]
			if row.keys != nil {
				published = append(slices.Clone(row.keys), own)
			}
			u.publish(published...)
			u.issuer.Keys.RequestRefresh()
			synctest.Wait()
			valid, _ := v.Revalidate(claims, u.issuer, false)
			if valid != row.valid {
				t.Errorf("%s: valid: %t", row.intent, valid)
			}
			// A remembered token has the answer of a new one.
			if anew, _ := u.verify(t, at(testTime), u.sign(own)); valid && (anew == nil || anew.Key != claims.Key) {
				t.Errorf("%s: anew: %+v", row.intent, anew)
			}
		}
	})
}

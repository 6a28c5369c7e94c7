package exchange

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// callers call at once, and return the errors.
func callers(n int, call func(i int) error) []error {
	all := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { all[i] = call(i) })
	}
	group.Wait()
	return all
}

// TestOneInFlight: a thousand calls for one subject are one request.
func TestOneInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, entry())
		w.server.latency = time.Second
		ann := user("ann")
		errs := callers(1000, func(int) error {
			_, err := w.exchange(ann)
			return err
		})
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
		w.wantAsked(1)
		if diff := cmp.Diff(map[Result]int{ResultOK: 1}, w.results); diff != "" {
			t.Error(diff)
		}
	})
}

// TestACallerLeaves, and the request goes on for the others and for the store.
func TestACallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, entry())
		w.server.latency = time.Second // of the discovery, and of the exchange
		ann := user("ann")
		if _, err := w.Exchange(within(t, 1500*time.Millisecond), ann); err == nil {
			t.Error("the caller did not leave")
		}
		time.Sleep(time.Second)
		w.server.change(func(s *server) { s.latency = time.Hour })
		w.mustExchange(ann)
		w.wantAsked(1)
	})
}

// TestBounds of one server: so many requests at once, so many that wait, and none that
// waits for nobody.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, entry())
		w.mustExchange(user("discovers"))
		most := 0 // under the lock of the server
		w.server.change(func(s *server) {
			s.latency = time.Second
			s.answers = func(url.Values) (int, string, string) {
				most = max(most, len(w.queue.slots))
				return 200, "application/json", answerWith(nil)
			}
		})
		const extra = 44
		errs := callers(maxInFlight+maxWaiting+extra, func(i int) error {
			_, err := w.Exchange(within(t, 2500*time.Millisecond), user(fmt.Sprint(i)))
			return err
		})
		crowded, left := 0, 0
		for _, err := range errs {
			switch {
			case errors.Is(err, errCrowded):
				crowded++
			case errors.Is(err, errLeft):
				left++
			case err != nil:
				t.Error(err)
			}
		}
		synctest.Wait()
		if crowded != extra || left != maxWaiting-maxInFlight {
			t.Errorf("%d crowded, %d left", crowded, left)
		}
		time.Sleep(2 * time.Second)
		w.wantIdle()
		w.server.change(func(*server) {
			if most > maxInFlight {
				t.Errorf("%d at once", most)
			}
		})
		w.wantAsked(1 + 3*maxInFlight) // those that had a slot when their callers left end too
		w.server.change(func(s *server) { s.latency = 0 })
		w.mustExchange(user("after"))
	})
}

// TestTheNextCallerOfAnAbandonedRequest gets one of its own.
func TestTheNextCallerOfAnAbandonedRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, entry())
		w.mustExchange(user("discovers"))
		for range maxInFlight {
			w.queue.slots <- struct{}{}
		}
		ann := user("ann")
		if _, err := w.Exchange(within(t, time.Second), ann); !errors.Is(err, errLeft) {
			t.Error(err)
		}
		synctest.Wait()
		if w.queue.waiting.Load() != 0 || len(w.flights) != 0 {
			t.Error("the request still waits for a slot")
		}
		if w.enters(&flight{}) {
			t.Error("a request that no caller waits for gets a slot")
		}
		go func() { <-w.queue.slots }()
		w.mustExchange(ann)
		w.wantAsked(2)
	})
}

// TestRemembered: until shortly before the end of the answer, and never beyond the
// subject's.
func TestRemembered(t *testing.T) {
	for _, row := range []struct {
		intent          string
		answer, subject time.Duration // how long they live
		remembered      time.Duration
	}{
		{"ten minutes", 10 * time.Minute, time.Hour, 10*time.Minute - maxMargin},
		{"a short one", 50 * time.Second, time.Hour, 45 * time.Second},
		{"the subject ends before", 10 * time.Minute, 90 * time.Second, 90 * time.Second},
		{"a subject that has ended", 10 * time.Minute, -time.Second, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, entry())
			w.server.answers = func(url.Values) (int, string, string) {
				return 200, "application/json", answerWith(map[string]any{"access_token": "opaque", "expires_in": row.answer.Seconds()})
			}
			ann := user("ann")
			ann.Expiry = time.Now().Add(row.subject)
			w.mustExchange(ann)
			if row.remembered > 0 {
				time.Sleep(row.remembered - time.Millisecond)
				w.mustExchange(ann)
				time.Sleep(time.Millisecond)
			}
			if w.wantAsked(1); t.Failed() {
				t.Log(row.intent)
			}
			w.mustExchange(ann)
			if w.wantAsked(2); t.Failed() {
				t.Log(row.intent)
			}
		})
	}
}

// TestRefusalsAreRememberedBriefly, and no other failure is.
func TestRefusalsAreRememberedBriefly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, entry())
		ann := user("ann")
		w.server.answer(400, `{"error":"invalid_target"}`)
		for range 3 {
			token, err := w.exchange(ann)
			w.wantError("refused", token, err, "invalid_target", "")
		}
		w.wantAsked(1)
		time.Sleep(refusalLifetime)
		w.server.answer(500, "")
		for range 2 {
			token, err := w.exchange(ann)
			w.wantError("broken", token, err, "", "500")
		}
		w.wantAsked(3)
		w.server.answerWell()
		w.mustExchange(ann)
		if diff := cmp.Diff(map[Result]int{ResultOK: 1, ResultRefused: 1, ResultRemembered: 2, ResultUnavailable: 2}, w.results); diff != "" {
			t.Error(diff)
		}
	})
}

// TestKeys: whatever differs has an answer of its own.
func TestKeys(t *testing.T) {
	store := NewStore(0)
	server := newServer()
	ann := user("ann")
	cut := ann
	cut.Token = ann.Token[:len(ann.Token)-1]
	for i, row := range []struct {
		intent  string
		change  func(*Entry)
		subject Subject
	}{
		{"one", func(*Entry) {}, ann},
		{"one byte less of the signature", func(*Entry) {}, cut},
		{"another user", func(*Entry) {}, user("bob")},
		{"another resource", func(*Entry) {}, Subject{Token: ann.Token, Issuer: serverID, Expiry: ann.Expiry, Resource: "tides"}},
		{"another entry", func(e *Entry) { e.Scope = []string{"read"} }, ann},
	} {
		e := entry()
		row.change(&e)
		s := NewSource(e, Environment{Store: store, IsOurs: ours, Transport: server})
		for range 2 {
			if _, err := s.Exchange(t.Context(), row.subject); err != nil {
				t.Errorf("%s: %v", row.intent, err)
			}
		}
		if server.asked() != i+1 {
			t.Errorf("%s: %d requests", row.intent, server.asked())
		}
	}
}

// TestKeyPartsDoNotRun into each other.
func TestKeyPartsDoNotRun(t *testing.T) {
	s := NewSource(entry(), Environment{})
	if s.key("exchange", "ab", "c") == s.key("exchange", "a", "bc") || s.key("exchange", "", "") == s.key("client_credentials", "", "") {
		t.Error("two calls share a key")
	}
}

// TestStoreIsBounded by bytes, whatever the number of tokens.
func TestStoreIsBounded(t *testing.T) {
	const room = 1 << 20
	store := NewStore(room)
	now := time.Now()
	for i := range 5000 {
		token := Token{Access: fmt.Sprintf("%01000d", i), Expiry: now.Add(time.Hour)}
		store.remember(key{byte(i), byte(i >> 8)}, outcome{token: token}, now, now.Add(time.Hour))
	}
	store.answers.CleanUp()
	if size := store.answers.WeightedSize(); size > room || size < room/2 {
		t.Errorf("%d bytes", size)
	}
}

// TestOursIsJudgedAtEachUse: the configuration may change while an answer is
// remembered, which is forgotten then.
func TestOursIsJudgedAtEachUse(t *testing.T) {
	isOurs := false
	w := newWorld(t, entry())
	environment := w.environment
	environment.IsOurs = func(string) bool { return isOurs }
	w.Source = NewSource(entry(), environment)
	ann := user("ann")
	w.mustExchange(ann)
	isOurs = true
	for range 2 {
		token, err := w.exchange(ann)
		w.wantError("ours", token, err, "", "one of our resources")
	}
	w.wantAsked(2)
	if diff := cmp.Diff(map[Result]int{ResultOK: 1, ResultRemembered: 1, ResultUnavailable: 1}, w.results); diff != "" {
		t.Error(diff)
	}
	isOurs = false
	w.mustExchange(ann)
	w.wantAsked(3)

	w.Source = NewSource(entry(), Environment{Transport: w.server})
	token, err := w.exchange(ann)
	w.wantError("nothing says what is ours", token, err, "", "one of our resources")
}

// TestPanics of a caller's function are answers that cannot be used.
func TestPanics(t *testing.T) {
	e := entry()
	e.Subject, e.AuthorizationServer = SubjectAssertion, serverID
	w := newWorld(t, e)
	ann := user("ann")
	ann.Assertion = func(string) (string, error) { panic("s3cr3t") }
	token, err := w.exchange(ann)
	w.wantError("a panic", token, err, "", "panicked")
	w.wantIdle()
}

// TestAssertions that are none are never replaced by the token.
func TestAssertions(t *testing.T) {
	e := entry()
	e.Subject, e.AuthorizationServer = SubjectAssertion, serverID
	ann := user("ann")
	for intent, mint := range map[string]func(string) (string, error){
		"none":      nil,
		"an error":  func(string) (string, error) { return "x", errors.New("s3cr3t") },
		"empty":     func(string) (string, error) { return "", nil },
		"the token": func(string) (string, error) { return ann.Token, nil },
	} {
		w := newWorld(t, e)
		ann.Assertion = mint
		token, err := w.exchange(ann)
		w.wantError(intent, token, err, "", "no assertion could be signed")
		w.wantAsked(0)
	}
}

// TestTheAssertionIsNoAnswer: what was sent does not come back as a token.
func TestTheAssertionIsNoAnswer(t *testing.T) {
	e := entry()
	e.Subject, e.AuthorizationServer = SubjectAssertion, serverID
	w := newWorld(t, e)
	ann := user("ann")
	ann.Assertion = func(string) (string, error) { return "an-assertion", nil }
	w.server.answer(200, answerWith(map[string]any{"access_token": "an-assertion"}))
	token, err := w.exchange(ann)
	w.wantError("the assertion", token, err, "", "a token that it was sent")
}

// TestOtherIssuers: a token goes to its own issuer and no other.
func TestOtherIssuers(t *testing.T) {
	w := newWorld(t, entry())
	for _, issuer := range []string{"https://other.example", serverID + "/", ""} {
		ann := user("ann")
		ann.Issuer = issuer
		token, err := w.exchange(ann)
		w.wantError(issuer, token, err, CodeIssuer, "no exchange is configured")
	}
	w.wantAsked(0)
}

// TestNoSubject: nothing is asked for without a token.
func TestNoSubject(t *testing.T) {
	w := newWorld(t, entry())
	ann := user("ann")
	ann.Token = ""
	token, err := w.exchange(ann)
	w.wantError("no subject", token, err, "", "no token to exchange")
	w.wantAsked(0)
}

// TestMayAct: the claim names us, or nobody else may be asked for a token.
func TestMayAct(t *testing.T) {
	type claim = map[string]any
	actor := []byte(serverKey.Sign(claim{"sub": "the-actor", "iss": "https://actors.example"}))
	for _, row := range []struct {
		intent string
		claim  any
		actor  []byte
		allows bool
	}{
		{"absent", nil, nil, true},
		{"us", claim{"sub": "door ward"}, nil, true},
		{"us by client_id", claim{"client_id": "door ward"}, nil, true},
		{"us at this server", claim{"sub": "door ward", "iss": serverID}, nil, true},
		{"us and a note", claim{"sub": "door ward", "note": "x"}, nil, true},
		{"another", claim{"sub": "another"}, nil, false},
		{"another client", claim{"sub": "door ward", "client_id": "another"}, nil, false},
		{"us at another server", claim{"sub": "door ward", "iss": "https://other.example"}, nil, false},
		{"a server alone", claim{"iss": serverID}, nil, false},
		{"nobody", claim{}, nil, false},
		{"a number", claim{"sub": 1}, nil, false},
		{"a name", "door ward", nil, false},
		{"a list", []any{claim{"sub": "door ward"}}, nil, false},
		{"the actor", claim{"sub": "the-actor", "iss": "https://actors.example"}, actor, true},
		{"the actor and the client", claim{"sub": "the-actor", "client_id": "door ward"}, actor, true},
		{"the actor of another issuer", claim{"sub": "the-actor", "iss": serverID}, actor, false},
		{"nobody, where the actor token names no actor", claim{"sub": ""}, []byte(serverKey.Sign(claim{})), false},
		{"the client, where an actor acts", claim{"sub": "door ward"}, actor, false},
	} {
		e := entry()
		e.ActorToken = row.actor
		w := newWorld(t, e)
		ann := user("ann")
		ann.MayAct = row.claim
		token, err := w.exchange(ann)
		switch {
		case !row.allows:
			w.wantError(row.intent, token, err, CodeMayAct, "may_act of the token names another actor")
			w.wantAsked(0)
		case err != nil:
			t.Errorf("%s: %v", row.intent, err)
		}
	}
}

// TestClose: calls that began before still end, and those that come late too.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, entry())
		w.server.latency = time.Second
		done := make(chan error)
		go func() {
			_, err := w.Exchange(context.Background(), user("ann"))
			done <- err
		}()
		synctest.Wait()
		w.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
		w.mustExchange(user("late"))
	})
}

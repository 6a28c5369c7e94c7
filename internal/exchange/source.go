// Package exchange gets tokens for destinations: by token exchange (RFC 8693) for
// the user, or by the client credentials grant (RFC 6749, section 4.4) for the
// server itself.
//
// Make a [Source] for each [Entry] with [NewSource], and one [Store] for the process.
// A token is exchanged at its own issuer; any other authorization server gets an
// assertion that the caller makes. An answer is checked before it is used, and there
// is no substitute for it: neither the subject's token nor a call without a token.
package exchange

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"net/http"
	"sync"
	"time"
)

// Environment is what a [Source] uses besides its entry.
type Environment struct {
	// Store is that of the process. Nil: the source makes its own.
	Store *Store
	// IsOurs reports a token that one of our resources would accept; such an answer
	// is refused. It is called at every use of an answer, because the configuration
	// may change meanwhile. Nil: every answer is refused.
	IsOurs func(compact string) bool
	// Observe is called with the issuer of the entry and one of the results. It must
	// not block. May be nil.
	Observe func(issuer string, result Result)
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Transport takes the place of the network, for tests. Nil: the network.
	Transport http.RoundTripper
}

// Result is what became of a call, for metrics.
type Result string

// The results. Calls that wait for one request share its result, which counts once.
const (
	ResultOK          Result = "ok"          // the server issued a token
	ResultRemembered  Result = "remembered"  // an earlier answer was used, a refusal among them
	ResultRefused     Result = "refused"     // the server refused, or the token's may_act
	ResultUnavailable Result = "unavailable" // no answer that may be used
)

// Source gets the tokens of one entry. It may be used by any number of goroutines.
type Source struct {
	entry       Entry
	identity    [sha256.Size]byte // of the entry
	environment Environment
	store       *Store
	queue       *queue
	finder      finder

	mu      sync.Mutex
	flights map[key]*flight // under way
	closed  bool
}

// NewSource makes a source. The entry must have passed its check.
func NewSource(entry Entry, environment Environment) *Source {
	if environment.Store == nil {
		environment.Store = NewStore(0)
	}
	if environment.IsOurs == nil {
		environment.IsOurs = func(string) bool { return true }
	}
	if environment.Observe == nil {
		environment.Observe = func(string, Result) {}
	}
	if environment.Now == nil {
		environment.Now = time.Now
	}
	return &Source{
		entry:       entry,
		identity:    entry.digest(),
		environment: environment,
		store:       environment.Store,
		queue:       environment.Store.queueOf(entry.server()),
		finder:      newFinder(entry, environment),
		flights:     map[key]*flight{},
	}
}

// Entry returns the entry of the source.
func (s *Source) Entry() Entry { return s.entry }

// Close closes the connections of a source that has no new callers. Calls that
// began before, with the configuration that the source belonged to, still end well.
func (s *Source) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if len(s.flights) == 0 {
		s.finder.closeIdle()
	}
}

// Subject is the user that a token is exchanged for, by a token that the caller has
// verified just now. A token that is revoked must be refused before, because answers are remembered.
type Subject struct {
	Token    string    // compact
	Resource string    // name of the resource that the token was sent to
	Issuer   string    // iss
	Expiry   time.Time // exp
	MayAct   any       // the claim may_act, decoded; nil where it is absent
	// Assertion makes an assertion about the subject for this authorization server.
	// It is called for SubjectAssertion alone.
	Assertion func(audience string) (string, error)
}

// Token is an access token for a destination.
type Token struct {
	Access string
	Expiry time.Time // when it ends, as far as the answer says; at most [maxLifetime] after it came
}

// Exchange returns a token for the subject. The error is a [*Refused], or says why
// there is no answer; its text has nothing of a token or a secret. ctx bounds the
// wait; the request to the server goes on for others that wait.
func (s *Source) Exchange(ctx context.Context, subject Subject) (Token, error) {
	switch {
	case subject.Token == "":
		return Token{}, errNoSubject
	case subject.Issuer != s.entry.Issuer:
		return Token{}, s.refuse(CodeIssuer)
	case !s.entry.mayAct(subject.MayAct):
		return Token{}, s.refuse(CodeMayAct)
	}
	return s.get(ctx, request{
		key:        s.key("exchange", subject.Resource, subject.Token),
		until:      subject.Expiry,
		parameters: func() (parameters, error) { return s.entry.exchange(subject) },
	})
}

// refuse is for what no server needs to be asked about.
func (s *Source) refuse(code string) error {
	s.environment.Observe(s.entry.Issuer, ResultRefused)
	return &Refused{code}
}

// ClientCredentials returns a token for the server of this resource itself. Errors
// are as in [Source.Exchange].
func (s *Source) ClientCredentials(ctx context.Context, resource string) (Token, error) {
	return s.get(ctx, request{
		key:        s.key("client_credentials", resource, ""),
		until:      s.environment.Now().Add(maxLifetime),
		parameters: func() (parameters, error) { return s.entry.clientCredentials(), nil },
	})
}

// request is one call.
type request struct {
	key        key
	until      time.Time // when the answer is forgotten at the latest
	parameters func() (parameters, error)
}

// key is what an answer is remembered under.
type key [sha256.Size]byte

// key covers the whole entry, the grant, the calling resource and the whole subject
// token. Each part has its length in front of it.
func (s *Source) key(grant, resource, token string) key {
	hash := sha256.New()
	for _, part := range []string{string(s.identity[:]), grant, resource, token} {
		_, _ = hash.Write(binary.AppendUvarint(nil, uint64(len(part))))
		_, _ = hash.Write([]byte(part))
	}
	return key(hash.Sum(nil))
}

var (
	errNoSubject = errors.New("there is no token to exchange")
	errLeft      = errors.New("no answer came within the time of the call")
)

// get returns the answer that is remembered, or that of the one request which is
// under way for the key.
func (s *Source) get(ctx context.Context, r request) (Token, error) {
	if known, ok := s.store.find(r.key, s.environment.Now()); ok {
		s.environment.Observe(s.entry.Issuer, ResultRemembered)
		return s.use(r.key, known)
	}
	f := s.join(r)
	select {
	case <-f.done:
		return s.use(r.key, f.outcome)
	case <-ctx.Done():
		s.leave(f)
		return Token{}, errLeft
	}
}

// use refuses a token of ours, at each use of an answer.
func (s *Source) use(k key, o outcome) (Token, error) {
	if o.err == nil && s.environment.IsOurs(o.token.Access) {
		s.store.forget(k)
		return Token{}, errOurs
	}
	return o.token, o.err
}

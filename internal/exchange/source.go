// Package exchange gets tokens for destinations: by token exchange (RFC 8693) for
// the user, or by the client credentials grant (RFC 6749, section 4.4) for the
// server itself.
//
// Make a [Source] for each [Entry] with [NewSource], and one [Store] for the process.
// A token is exchanged at its own issuer; any other authorization server gets an
// assertion that the caller mints. An answer is checked before it is used.
package exchange

import (
	"context"
	"errors"
	"net/http"
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
	ResultRefused     Result = "refused"     // the server refused
	ResultUnavailable Result = "unavailable" // no answer that may be used
)

// Store is what the sources of a process share: the answers that are remembered,
// and the bounds of each authorization server. Make one with [NewStore].
type Store struct{}

// NewStore returns a store that remembers answers of this many bytes in all. Zero:
// 16 MiB.
func NewStore(maxBytes int) *Store { return &Store{} }

// Source gets the tokens of one entry. It may be used by any number of goroutines.
type Source struct{ entry Entry }

// NewSource makes a source. The entry must have passed its check.
func NewSource(entry Entry, environment Environment) *Source { return &Source{entry} }

// Entry returns the entry of the source.
func (s *Source) Entry() Entry { return s.entry }

// Close ends the requests under way. The source answers nothing afterwards.
func (s *Source) Close() {}

// Subject is for whom a token is exchanged: a token that the caller has verified just
// now. A token that is revoked must be refused before, because answers are remembered.
type Subject struct {
	Token    string    // compact
	Resource string    // name of the resource that the token was sent to
	Issuer   string    // iss
	Expiry   time.Time // exp
	MayAct   any       // the claim may_act, decoded; nil where it is absent
	// Assertion mints an assertion about the subject for this authorization server.
	// It is called for SubjectAssertion alone.
	Assertion func(audience string) (string, error)
}

// Token is an access token for a destination.
type Token struct {
	Access string
	Expiry time.Time // when it should no longer be used
}

// Refused is the error where the authorization server, or may_act, refuses. Its
// text may be logged.
type Refused struct {
	Code string // of the server (RFC 6749, section 5.2), such as "invalid_target"; or "may_act", "issuer"
}

// Error implements error.
func (r *Refused) Error() string { return "the authorization server refused: " + r.Code }

// Exchange returns a token for the subject. The error is a [*Refused], or says why
// there is no answer. ctx bounds the wait; the request to the server goes on for
// others that wait.
func (s *Source) Exchange(ctx context.Context, subject Subject) (Token, error) {
	return Token{}, errors.ErrUnsupported
}

// ClientCredentials returns a token for the server of this resource itself. Errors
// are as in [Source.Exchange].
func (s *Source) ClientCredentials(ctx context.Context, resource string) (Token, error) {
	return Token{}, errors.ErrUnsupported
}

// Package tokensearch finds the tokens in a request that leaves a server: every piece
// of text that some reader could take for a JWT, however it is written. It verifies
// nothing. Give [Find] the parts of a request and judge each [Candidate] by its claims.
//
// The package reads leniently what package extauthz/token reads strictly: padding,
// white space, the standard alphabet of base64, members that occur twice or in
// another case, and a header that cannot be read do not hide a token.
package tokensearch

import (
	"errors"
	"iter"
)

// MaxCandidates bounds the candidates of one search.
const MaxCandidates = 256

// ErrTooMany ends a search that has found more than [MaxCandidates]. What was not
// looked at may be a token: refuse the request.
var ErrTooMany = errors.New("more text that looks like tokens than one request may have")

// Kind is what a [Part] is of a request.
type Kind uint8

// The kinds. The zero value is the text of a body, of any type: JSON, a form,
// multipart or plain text.
const (
	Body Kind = iota
	HeaderName
	HeaderValue
	Authority
	Path
	Query
)

// Part is a piece of a request, as it was sent.
type Part struct {
	Kind  Kind
	Name  string // of the header whose value it is; "" for another kind
	Value string
}

// Candidate is text that could be a JWS whose payload is a JSON object. A payload
// that two readers could read differently is a candidate for each reading.
type Candidate struct {
	// Compact is the token in one spelling, whatever the request's: base64url without
	// padding. Use it for digests alone. A part that was not found is empty.
	Compact string

	// Place is where the token was, for a log: it has no byte of the token.
	Place string

	Header map[string]any // nil: none that can be read
	Claims map[string]any // numbers are json.Number; aud has all values of all members of that name
}

// Find yields the candidates of a request. It yields [ErrTooMany], once and last, where
// the request has more of them than [MaxCandidates].
func Find(_ iter.Seq[Part]) iter.Seq2[Candidate, error] {
	return func(func(Candidate, error) bool) {}
}

// Message is what says whether the body of a request was shown as it is.
type Message struct {
	Headers func(name string) []string // every value of a header by its lower-case name, in order
	Body    string
}

// Unread is why the body of a request counts as unread, in fixed words; "" for a body
// that [Find] can search, and for a request without one.
func Unread(_ Message) string { return "" }

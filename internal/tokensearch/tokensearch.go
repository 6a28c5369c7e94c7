// Package tokensearch finds the tokens in a request that leaves a server: every piece
// of text that some reader could take for a JWT, however it is written. It verifies
// nothing. Give [Find] the parts of a request and decide on each [Candidate] by its claims;
// ask [Unread] whether its body was shown at all.
//
// The package reads leniently what package extauthz/token reads strictly. Padding,
// white space and other bytes outside of the alphabet, both alphabets of base64,
// members that occur twice or in another case, and a header that cannot be read do not
// hide a token. A part is searched as it is, without the escapes of JSON, percent-decoded
// once, and each of these once base64-decoded.
//
// The time is linear in the bytes, and nothing is allocated for text without a token.
package tokensearch

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"iter"
	"strings"
	"sync"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward/doorward/internal/redact"
)

// Bounds of one search. What is beyond them ends it with an error.
const (
	MaxCandidates = 256      // tokens that differ
	MaxPayload    = 64 << 10 // bytes of a payload, decoded: Envoy itself refuses headers over 60 KiB
)

// The errors with which a search ends. What was not looked at may be a token: refuse
// the request.
var (
	ErrTooMany = errors.New("more text that looks like tokens than one request may have")
	ErrTooLong = errors.New("text that looks like a token and is longer than any")
)

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

// kindNames are the words of the kinds in [Candidate].Place.
var kindNames = [...]string{"body", "name of a header", "header", "authority", "path", "query"}

// Part is a piece of a request, as it was sent.
type Part struct {
	Kind  Kind
	Name  string // of the header whose value it is; "" for another kind
	Value string
}

// Candidate is text that could be a JWS whose payload is a JSON object with iss or aud.
// A payload that two readers could read differently is a candidate for each reading.
type Candidate struct {
	// Compact is the token in one spelling, whatever the request's: a token in its
	// canonical spelling is itself. Use it for digests alone. A part that was not found
	// is empty.
	Compact string
	Digest  [sha256.Size]byte // of Compact: header and claims follow from it

	// Place is where the token was, for a log: it has no byte of the token.
	Place string

	// Header is nil where it cannot be read: suppose then that the token is marked as
	// what you search for.
	Header map[string]any
	Claims map[string]any // numbers are json.Number

	Readings int // how many candidates the token is
}

// Find yields the candidates of a request, each token once. It yields an error once and
// last, where something was not looked at.
func Find(parts iter.Seq[Part]) iter.Seq2[Candidate, error] { return FindOthers(parts, nil) }

// FindOthers is [Find] without the tokens whose digest isForeign is true for. They are not
// read, and count for the bounds as others do. isForeign may be nil.
func FindOthers(parts iter.Seq[Part], isForeign func(digest [sha256.Size]byte) bool) iter.Seq2[Candidate, error] {
	return func(yield func(Candidate, error) bool) {
		s, isSearch := searches.Get().(*search)
		if !isSearch {
			s = &search{seen: map[digest]struct{}{}}
		}
		defer s.release()
		s.yield, s.isForeign = yield, isForeign
		for part := range parts {
			if s.part(&part); s.ended {
				return
			}
		}
	}
}

// searches are those that have ended, with their buffers.
var searches sync.Pool

// search is one call of Find. Its buffers hold what was decoded last.
type search struct {
	yield     func(Candidate, error) bool
	isForeign func(digest) bool // nil: no token is known
	ended     bool
	seen      map[digest]struct{}

	kind    Kind
	name    string // of the header
	reading string // how the text below was made of the part, for Place
	text    string

	buffers
}

// buffers are what one search leaves to the next.
type buffers struct {
	unescaped, decoded, payload, token []byte

	json  jsontext.Decoder
	input bytes.Buffer
}

// keptBuffer bounds the copies of a text that a search which has ended keeps, in bytes.
const keptBuffer = 4 << 20

func (s *search) release() {
	s.yield, s.isForeign, s.name, s.text, s.ended = nil, nil, "", "", false
	clear(s.seen)
	s.input = *bytes.NewBuffer(nil)
	s.json.Reset(&s.input)
	if cap(s.unescaped)+cap(s.decoded) <= keptBuffer {
		searches.Put(s)
	}
}

// part searches every text that a reader could make of a part.
func (s *search) part(p *Part) {
	s.kind, s.name = p.Kind, p.Name
	s.read(p.Value, "", " (percent-encoded)")
	if strings.IndexByte(p.Value, '\\') >= 0 {
		s.unescaped = appendUnescaped(s.unescaped[:0], p.Value)
		s.read(asString(s.unescaped), " (with escapes)", " (with escapes, percent-encoded)")
	}
}

// read searches a text as it is and percent-decoded.
func (s *search) read(text, plain, encoded string) {
	s.reading = plain
	s.scan(text)
	if strings.IndexByte(text, '%') >= 0 {
		s.decoded = appendPercentDecoded(s.decoded[:0], text)
		s.reading = encoded
		s.scan(asString(s.decoded))
	}
}

// asString is a string that is valid until the buffer changes.
func asString(buffer []byte) string {
	return unsafe.String(unsafe.SliceData(buffer), len(buffer)) //nolint:gosec // nothing keeps a part of it
}

// place is where in the request the search is. A client chooses names of headers too.
func (s *search) place(isEncoded bool) string {
	const longest = 64
	place := kindNames[s.kind]
	if s.kind == HeaderValue {
		name := redact.Text(s.name)
		if len(name) > longest || strings.ToValidUTF8(name, "") != name {
			name = redact.Mark
		}
		place += " " + name
	}
	place += s.reading
	if isEncoded {
		place += " (base64)"
	}
	return place
}

// end yields an error and stops.
func (s *search) end(err error) {
	if !s.ended {
		s.ended = true
		s.yield(Candidate{}, err)
	}
}

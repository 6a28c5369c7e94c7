package mcp

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// scanner reads a body once, token by token, and keeps the members that matter.
// It compares the names of every object itself when the object ends: the
// decoder's own sets of names allocate several times the body.
type scanner struct {
	json       jsontext.Decoder
	input      bytes.Buffer
	doc        []byte
	allowBatch bool

	operations    []Operation // of the messages that have ended
	subscriptions []Operation // theirs
	unknown       string      // why one of them has none
	malformed     string      // the rule that one of them breaks
	message       message
	batch         bool
	offset        int  // where the last token ended
	list          int  // where the list of subscriptions begins
	wantsName     bool // a string that comes next is the name of a member
	next          slot // of the member whose value comes next
	objects       [MaxDepth]opened
	depth         int
	names         names
}

// opened is an object or array that has not ended.
type opened struct {
	place    place
	isObject bool
	names    int // index of the first name of an object
}

var scanners = sync.Pool{New: func() any { return new(scanner) }}

func acquire(doc []byte) *scanner {
	s, _ := scanners.Get().(*scanner)
	s.doc, s.input = doc, *bytes.NewBuffer(doc)
	// In place: the decoder reads a Buffer's bytes without a copy, and does not
	// change them.
	s.json.Reset(&s.input, jsontext.AllowDuplicateNames(true))
	return s
}

// release keeps nothing of the document, but a short one in the decoder until the
// next: its Reset costs as much as half of a short document.
func (s *scanner) release() {
	s.input = bytes.Buffer{}
	if len(s.doc) > 4<<10 {
		s.json.Reset(&s.input)
	}
	s.doc, s.message = nil, message{}
	s.operations, s.subscriptions, s.unknown, s.malformed = nil, nil, "", ""
	s.batch, s.offset, s.wantsName, s.next, s.depth = false, 0, false, unnamed, 0
	s.names.reset()
	scanners.Put(s)
}

// The rules of the text, for a log.
const (
	duplicateName = "a member name occurs twice"
	tooDeep       = "the body is nested too deeply"
	caseVariant   = "a member name differs from a known one by case alone"
	nulInName     = "a member name has NUL, which ends it for some readers"
	notMessage    = "the body is no JSON object"
	noBatch       = "the body is a batch, and batches are not allowed here"
	batchSize     = "the batch is empty or has too many messages"
)

// read reads the whole body and returns the rule that it breaks.
func (s *scanner) read() string {
	switch s.json.PeekKind() {
	case '{':
	case '[':
		if !s.allowBatch {
			return noBatch
		}
		s.batch = true
	default:
		if _, err := s.json.ReadToken(); err != nil {
			return s.fault(err)
		}
		return notMessage
	}
	for {
		if detail := s.token(); detail != "" {
			return detail
		}
		if s.depth == 0 {
			break
		}
	}
	if _, err := s.json.ReadToken(); !errors.Is(err, io.EOF) {
		return "the body has more than one JSON value"
	}
	if len(s.operations) == 0 {
		return batchSize
	}
	return s.malformed
}

// token reads the next token.
func (s *scanner) token() string {
	begin := s.offset
	token, err := s.json.ReadToken()
	if err != nil {
		return s.fault(err)
	}
	s.offset = int(s.json.InputOffset())
	switch kind := token.Kind(); kind {
	case '{', '[':
		return s.open(kind == '{')
	case '}', ']':
		return s.shut()
	case '"':
		if s.wantsName {
			return s.name(trimmed(s.doc[begin:s.offset]))
		}
	case '0':
		if s.offset-begin > maxNumber {
			return "a number is too long"
		}
	default:
	}
	if s.next == unnamed && !s.batch {
		s.wantsName = s.objects[s.depth-1].isObject
		return ""
	}
	return s.value(trimmed(s.doc[begin:s.offset]))
}

// trimmed removes what may be between two tokens.
func trimmed(raw []byte) []byte {
	for raw[0] <= ' ' || raw[0] == ',' || raw[0] == ':' {
		raw = raw[1:]
	}
	return raw
}

// value takes a value, or the first byte of one.
func (s *scanner) value(raw []byte) string {
	if s.depth > 0 {
		in := &s.objects[s.depth-1]
		if in.place == inBatch && raw[0] != '{' {
			return "a message of the batch is no JSON object"
		}
		s.wantsName = in.isObject
	}
	if s.next != unnamed {
		s.message[s.next] = raw
		s.next = unnamed
	}
	return ""
}

func (s *scanner) open(isObject bool) string {
	if s.depth == MaxDepth {
		return tooDeep
	}
	place := inMessage
	switch {
	case s.depth > 0 && s.objects[s.depth-1].place != inBatch:
		place = s.objects[s.depth-1].place.inside(s.next)
	case s.depth == 0 && s.batch:
		place = inBatch
	}
	if place == inSubscribed {
		s.list = s.offset - 1
		if isObject {
			place = elsewhere
		}
	}
	if detail := s.value(s.doc[s.offset-1 : s.offset]); detail != "" {
		return detail
	}
	s.objects[s.depth] = opened{place, isObject, s.names.count()}
	s.depth++
	s.wantsName = isObject
	return ""
}

// shut ends an object or array.
func (s *scanner) shut() string {
	s.depth--
	ended := s.objects[s.depth]
	s.wantsName = s.depth > 0 && s.objects[s.depth-1].isObject
	if ended.isObject && s.names.duplicate(s.doc, ended.names) {
		return duplicateName
	}
	switch ended.place {
	case inMessage:
		return s.end()
	case inSubscribed:
		s.message[subscribed] = s.doc[s.list:s.offset]
	default: // nothing to keep
	}
	return ""
}

// end reads the message that has ended. Its faults do not stop the reading,
// since the body as a whole may break a rule that comes first.
func (s *scanner) end() string {
	if len(s.operations)+len(s.subscriptions) >= MaxBatch {
		return batchSize
	}
	operation, f, detail := s.message.operation()
	if f == NoFault && operation.Listens() {
		var more []Operation
		more, f, detail = s.message.subscriptions()
		s.subscriptions = append(s.subscriptions, more...)
	}
	switch {
	case f == Malformed && s.malformed == "":
		s.malformed = detail
	case f == Unknown && s.unknown == "":
		s.unknown = detail
	}
	s.operations = append(s.operations, operation)
	if s.batch {
		s.message = message{}
	}
	return ""
}

// name takes the name of a member, with its quotes.
func (s *scanner) name(quoted []byte) string {
	s.wantsName = false
	text := s.names.add(quoted, s.offset)
	members := members[s.objects[s.depth-1].place]
	for i := range members {
		if string(text) == members[i].name {
			s.next = members[i].slot
			return ""
		}
	}
	if len(members) > 0 && bytes.IndexByte(text, 0) >= 0 {
		return nulInName
	}
	for i := range members {
		if strings.EqualFold(string(text), members[i].name) {
			return caseVariant
		}
	}
	return ""
}

// fault replaces the decoder's words, which may repeat the body.
func (s *scanner) fault(err error) string {
	switch at := s.json.InputOffset(); {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the body ends in the middle"
	case at == 0 && bytes.HasPrefix(s.doc, []byte("\ufeff")):
		return "the body begins with a byte-order mark"
	}
	return "the body is no JSON in UTF-8"
}

// Package strictjson reads JSON that has only one reading. A member name twice,
// invalid UTF-8 (half a surrogate pair included), more than [MaxDepth] levels
// and anything after the value are errors, so that no other reader of the same
// bytes can understand them in another way (RFC 8259, section 4; RFC 7515,
// section 4; RFC 7517, section 4).
//
// [Value] decodes a whole document, [Scan] checks one without decoding it,
// [ReadMembers] and [Elements] read one level, and a [Reader] reads token by
// token. Errors have fixed words and repeat
// nothing of the document, so that they may be logged.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth bounds nested objects and arrays, the outermost included.
const MaxDepth = 64

// The errors of this package. A [Reader] wraps them in an [Error].
var (
	ErrSyntax        = errors.New("a syntax error")
	ErrTruncated     = errors.New("it ends in the middle")
	ErrDuplicateName = errors.New("a member name occurs twice")
	ErrUTF8          = errors.New("invalid UTF-8")
	ErrDepth         = errors.New("nested too deeply")
	ErrTooLong       = errors.New("2 GiB or more")
	ErrTrailing      = errors.New("more than one JSON value")
	ErrNotObject     = errors.New("not a JSON object")
	ErrNotArray      = errors.New("not a JSON array")
)

// Error is one of the errors above with its place.
type Error struct {
	Offset int // in bytes from the start of the document
	Reason error
}

// Error returns the words of the reason alone.
func (e *Error) Error() string { return e.Reason.Error() }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Reason }

// Value decodes a document that is one value: nil, bool, string, json.Number,
// []any or map[string]any.
func Value(doc []byte) (any, error) {
	d := acquire()
	defer d.release()
	r := d.read(doc)
	value, err := r.value()
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, err
	}
	return value, nil
}

// Elements returns the elements of an array, undecoded, as Members does.
func Elements(doc []byte) ([]json.RawMessage, error) {
	if !utf8.Valid(doc) {
		return nil, ErrUTF8
	}
	var elements []json.RawMessage
	d := acquire()
	defer d.release()
	r := d.read(doc, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if token, err := r.Token(); err != nil {
		return nil, err
	} else if token.Kind() != '[' {
		return nil, ErrNotArray
	}
	for r.Kind() != ']' {
		raw, err := r.raw()
		if err != nil {
			return nil, err
		}
		elements = append(elements, raw)
	}
	if _, err := r.Token(); err != nil {
		return nil, err
	}
	if err := r.End(); err != nil {
		return nil, err
	}
	return elements, nil
}

// Reader reads the tokens of one document, without recursion.
type Reader struct {
	doc  []byte
	json *jsontext.Decoder
}

// NewReader reads doc, which must not change meanwhile.
func NewReader(doc []byte) *Reader {
	r := new(decoder).read(doc)
	return &r
}

// decoder is a decoder with its input, which it reads in place.
type decoder struct {
	json  jsontext.Decoder
	input bytes.Buffer
	names [32]span // room for the names of an ordinary document
}

// decoders are those of functions that return nothing of theirs.
var decoders sync.Pool

func acquire() *decoder {
	if d, isDecoder := decoders.Get().(*decoder); isDecoder {
		return d
	}
	return new(decoder)
}

// release lets go of the document.
func (d *decoder) release() {
	d.read(nil)
	decoders.Put(d)
}

// read returns a value, so that the reader of one call is no allocation.
func (d *decoder) read(doc []byte, options ...jsontext.Options) Reader {
	d.input = *bytes.NewBuffer(doc)
	d.json.Reset(&d.input, options...)
	return Reader{doc, &d.json}
}

// Kind is that of the next token, 0 where there is no valid one.
func (r *Reader) Kind() jsontext.Kind { return r.json.PeekKind() }

// Offset is where the next token begins, or the end of the document.
func (r *Reader) Offset() int {
	at := int(r.json.InputOffset())
	for at < len(r.doc) && bytes.IndexByte([]byte(" \t\r\n,:"), r.doc[at]) >= 0 {
		at++
	}
	return at
}

// Token reads the next token, which is void after the next read. Its error is an
// [Error].
func (r *Reader) Token() (jsontext.Token, error) {
	token, err := r.json.ReadToken()
	if err != nil {
		return token, r.fault(err)
	}
	if r.json.StackDepth() > MaxDepth {
		return token, &Error{int(r.json.InputOffset()) - 1, ErrDepth}
	}
	return token, nil
}

// End refuses anything after the value but white space.
func (r *Reader) End() error {
	at := r.Offset()
	if _, err := r.json.ReadToken(); !errors.Is(err, io.EOF) {
		return &Error{at, ErrTrailing}
	}
	return nil
}

// fault replaces the decoder's words, which may repeat the document.
func (r *Reader) fault(err error) error {
	at := r.Offset()
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		at = min(int(syntax.ByteOffset), len(r.doc))
	}
	char, size := utf8.DecodeRune(r.doc[at:])
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &Error{at, ErrTruncated}
	case errors.Is(err, jsontext.ErrDuplicateName):
		return &Error{at, ErrDuplicateName}
	case char == utf8.RuneError && size == 1:
		return &Error{at, ErrUTF8}
	}
	return &Error{at, ErrSyntax}
}

// raw reads one value without decoding it.
func (r *Reader) raw() ([]byte, error) {
	begin, outside := r.Offset(), r.json.StackDepth()
	for {
		if _, err := r.Token(); err != nil {
			return nil, err
		}
		if r.json.StackDepth() <= outside {
			return r.doc[begin:r.json.InputOffset()], nil
		}
	}
}

func (r *Reader) value() (any, error) {
	token, err := r.Token()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case '{':
		return r.object()
	case '[':
		return r.array()
	case '"':
		return token.String(), nil
	case '0':
		return json.Number(token.String()), nil
	case 't', 'f':
		return token.Bool(), nil
	default: // null: the decoder allows no closing token here
		return nil, nil
	}
}

func (r *Reader) object() (map[string]any, error) {
	object := map[string]any{}
	for r.Kind() != '}' {
		token, err := r.Token()
		if err != nil {
			return nil, err
		}
		name := token.String()
		value, err := r.value()
		if err != nil {
			return nil, err
		}
		object[name] = value
	}
	_, err := r.Token()
	return object, err
}

func (r *Reader) array() ([]any, error) {
	array := []any{}
	for r.Kind() != ']' {
		value, err := r.value()
		if err != nil {
			return nil, err
		}
		array = append(array, value)
	}
	_, err := r.Token()
	return array, err
}

package strictjson

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// Member is the undecoded value of a member, nil where the object has none of
// that name. Its methods decode a value of a [Document]; those of [ReadMembers]
// may have faults inside, which [Value] and EachString find.
type Member []byte

// Present reports whether the object has the member, which may be null.
func (m Member) Present() bool { return m != nil }

// Is reports whether the value is of a kind: one of '"', '0', '{', '[', 't',
// 'f' and 'n'.
func (m Member) Is(kind jsontext.Kind) bool {
	if len(m) == 0 {
		return false
	}
	if m[0] == '-' || '0' <= m[0] && m[0] <= '9' {
		return kind == '0'
	}
	return m[0] == byte(kind)
}

// Text returns a string, or false for a value that is none.
func (m Member) Text() (string, bool) {
	if !m.Is('"') {
		return "", false
	}
	if bytes.IndexByte(m, '\\') < 0 {
		return string(m[1 : len(m)-1]), true
	}
	text, err := jsontext.AppendUnquote(nil, m)
	return string(text), err == nil
}

// EachString calls each with the elements of an array, in order, and returns
// false when the value is no array of strings.
func (m Member) EachString(each func(text string)) bool {
	if !m.Is('[') {
		return false
	}
	d := acquire()
	defer d.release()
	r := d.read(m)
	_, err := r.Token()
	for err == nil && r.Kind() == '"' {
		var token jsontext.Token
		if token, err = r.Token(); err == nil {
			each(token.String())
		}
	}
	return err == nil && r.Kind() == ']'
}

package tokensearch

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// digest is of a whole token.
type digest = [sha256.Size]byte

// found yields the readings of the payload in the buffer, if it is one, and has not
// been found before.
func (s *search) found(header, signature string, isEncoded bool) {
	s.token = append(append(s.token[:0], header...), '.')
	s.token = append(base64.RawURLEncoding.AppendEncode(s.token, s.payload), '.')
	s.token = append(s.token, signature...)
	key := sha256.Sum256(s.token)
	if _, isKnown := s.seen[key]; isKnown {
		return
	}
	isForeign := s.isForeign != nil && s.isForeign(key)
	var members []member
	if !isForeign {
		var err error
		members, err = s.readObject(s.payload)
		switch {
		case errors.Is(err, ErrTooLong):
			s.end(err)
			return
		case err != nil || !names(members, "iss") && !names(members, "aud"):
			return
		}
	}
	if len(s.seen) == MaxCandidates {
		s.end(ErrTooMany)
		return
	}
	s.seen[key] = struct{}{}
	if !isForeign {
		s.yieldReadings(header, key, members, isEncoded)
	}
}

func (s *search) yieldReadings(header string, key digest, members []member, isEncoded bool) {
	all := readings(members)
	candidate := Candidate{
		Compact: string(s.token), Digest: key, Place: s.place(isEncoded),
		Header: s.readHeader(header), Readings: len(all),
	}
	for _, claims := range all {
		candidate.Claims = claims
		if !s.yield(candidate, nil) {
			s.ended = true
			return
		}
	}
}

// mayName reports whether a payload may have a member iss or aud, in any case. An
// escape, or a letter beyond ASCII, could be a part of its name.
func mayName(payload []byte) bool {
	for at := range payload {
		switch c := payload[at]; {
		case c == '\\', c >= utf8.RuneSelf:
			return true
		case c|0x20 == 'i':
			if hasLetters(payload[at:], "iss") {
				return true
			}
		case c|0x20 == 'a':
			if hasLetters(payload[at:], "aud") {
				return true
			}
		}
	}
	return false
}

func hasLetters(text []byte, word string) bool {
	if len(text) < len(word) {
		return false
	}
	for i := range len(word) {
		if text[i]|0x20 != word[i] {
			return false
		}
	}
	return true
}

// readHeader is nil for what is no JSON object, and for one that two readers could read
// differently.
func (s *search) readHeader(part string) map[string]any {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return nil
	}
	members, err := s.readObject(text)
	if err != nil {
		return nil
	}
	if all := readings(members); len(all) == 1 {
		return all[0]
	}
	return nil
}

// member is one of an object, in the order of the text.
type member struct {
	name  string
	value any
}

// readObject reads the object that a text begins with. What is behind it is not looked
// at, since some readers do the same.
func (s *search) readObject(text []byte) ([]member, error) {
	text = bytes.TrimLeftFunc(text, func(r rune) bool { return r <= ' ' || r == '\ufeff' })
	s.input = *bytes.NewBuffer(text)
	s.json.Reset(&s.input, lenient...)
	members, err := readMembers(&s.json, 0)
	if err != nil && len(text) > MaxPayload && errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, ErrTooLong
	}
	return members, err
}

var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

func readMembers(d *jsontext.Decoder, depth int) (members []member, err error) {
	token, err := d.ReadToken()
	if err == nil && token.Kind() != '{' {
		err = errors.New("no object")
	}
	for err == nil && d.PeekKind() != '}' {
		var m member
		if token, err = d.ReadToken(); err != nil {
			break
		}
		m.name = token.String()
		m.value, err = readValue(d, depth)
		members = append(members, m)
	}
	if err == nil {
		_, err = d.ReadToken()
	}
	return members, err
}

// Bounds of a value. What is beyond them is read as null: no claim that says what
// a token is for has it.
const (
	maxDepth  = 32
	maxNumber = 32 // bytes
)

func readValue(d *jsontext.Decoder, depth int) (any, error) {
	if depth == maxDepth {
		return nil, d.SkipValue()
	}
	switch d.PeekKind() {
	case '{':
		members, err := readMembers(d, depth+1)
		object := map[string]any{}
		for _, m := range members {
			object[m.name] = m.value
		}
		return object, err
	case '[':
		return readArray(d, depth+1)
	default:
		token, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		return scalar(token), nil
	}
}

func readArray(d *jsontext.Decoder, depth int) (any, error) {
	array := []any{}
	_, err := d.ReadToken()
	for err == nil && d.PeekKind() != ']' {
		var value any
		value, err = readValue(d, depth)
		array = append(array, value)
	}
	if err == nil {
		_, err = d.ReadToken()
	}
	return array, err
}

func scalar(token jsontext.Token) any {
	switch token.Kind() {
	case '"':
		return token.String()
	case 't', 'f':
		return token.Bool()
	default: // null, or a number
		if number := token.String(); isNumber(number) {
			return json.Number(number)
		}
	}
	return nil
}

// decisive are the members that say what a token is for and what it is: those that a
// reader could take in another case for them (encoding/json of Go does) count too.
var decisive = []string{"iss", "aud", "sub", "client_id", "azp", "cid", "appid", "scope", "typ"}

func decisiveName(name string) string {
	for _, known := range decisive {
		if strings.EqualFold(name, known) {
			return known
		}
	}
	return name
}

func names(members []member, name string) bool {
	for _, m := range members {
		if decisiveName(m.name) == name {
			return true
		}
	}
	return false
}

// readings are the objects that readers could make of the members: with the first or
// the last of those with one name, with names as they are or in any case, and with
// every value of aud. Nearly all have one.
func readings(members []member) (objects []map[string]any) {
	if !isAmbiguous(members) {
		return []map[string]any{reading(members, false, false)}
	}
	add := func(object map[string]any) {
		isSame := func(other map[string]any) bool { return reflect.DeepEqual(object, other) }
		if !slices.ContainsFunc(objects, isSame) {
			objects = append(objects, object)
		}
	}
	all, count := audiences(members)
	for _, folds := range []bool{false, true} {
		for _, first := range []bool{false, true} {
			object := reading(members, folds, first)
			add(object)
			if count > 1 {
				object = maps.Clone(object)
				object["aud"] = all
				add(object)
			}
		}
	}
	return objects
}

func isAmbiguous(members []member) bool {
	seen := make(map[string]struct{}, len(members))
	for _, m := range members {
		name := decisiveName(m.name)
		if _, isKnown := seen[name]; isKnown || name != m.name {
			return true
		}
		seen[name] = struct{}{}
	}
	return false
}

func reading(members []member, folds, first bool) map[string]any {
	object := make(map[string]any, len(members))
	for _, m := range members {
		name := m.name
		if folds {
			name = decisiveName(name)
		}
		if _, isKnown := object[name]; !isKnown || !first {
			object[name] = m.value
		}
	}
	return object
}

// audiences are all values of aud, in the order of the text, and how many members have
// them.
func audiences(members []member) (all []any, count int) {
	for _, m := range members {
		if decisiveName(m.name) != "aud" {
			continue
		}
		count++
		if list, isList := m.value.([]any); isList {
			all = append(all, list...)
		} else {
			all = append(all, m.value)
		}
	}
	return all, count
}

// isNumber leaves out exponents: a few bytes of them are a number of a billion digits.
func isNumber(text string) bool {
	return len(text) <= maxNumber && strings.Trim(text, "-.0123456789") == ""
}

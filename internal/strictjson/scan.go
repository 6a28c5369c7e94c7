package strictjson

import (
	"bytes"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Document is a text that [Scan] found to be one object with one reading.
type Document struct {
	Members // those that Scan was asked for
}

// Members are the asked-for members of an object, undecoded.
type Members struct {
	text   []byte
	names  []string
	values []span // of the members with these names, empty where they are absent
}

// Get returns a member by one of the names that were asked for. It panics for
// another name, whose member would pass for absent.
func (m Members) Get(name string) Member {
	i := slices.Index(m.names, name)
	if i < 0 {
		panic("strictjson: the member " + name + " was not asked for")
	}
	if value := m.values[i]; value.end > 0 {
		return Member(m.text[value.begin:value.end])
	}
	return nil
}

// Scan checks a whole document as strictly as [Value] does, demands an object,
// and returns the members with these names. It builds no tree, so that the
// memory it takes is a small multiple of the document, whatever its shape: use
// it for what an attacker may have written, and [Document.Object] once the
// author is known. Neither text nor names may change afterwards.
func Scan(text []byte, names ...string) (Document, error) {
	found, err := scan(text, names, false)
	if err != nil {
		return Document{}, err
	}
	return Document{found}, nil
}

// ReadMembers returns the members of an object with these names. The names of
// this object alone are checked: a fault inside a value leaves the others
// usable, and shows when [Value] decodes that value.
func ReadMembers(text []byte, names ...string) (Members, error) {
	if !utf8.Valid(text) {
		return Members{}, ErrUTF8
	}
	return scan(text, names, true)
}

// Object returns all members, decoded as [Value] decodes them.
func (d Document) Object() map[string]any {
	json := acquire()
	defer json.release()
	r := json.read(d.text, jsontext.AllowDuplicateNames(true)) // Scan found none
	value, err := r.value()
	object, isObject := value.(map[string]any)
	if err != nil || !isObject {
		return nil // the text changed after Scan
	}
	return object
}

// scanner compares the names of an object when it ends, sorted. The decoder's
// own check keeps a map of strings, many times the document in the worst case.
type scanner struct {
	Reader
	found   Members
	shallow bool  // only the names of the outermost object are compared
	wanted  int   // index in found of the member whose value comes next, or -1
	begin   int32 // where that value begins

	names    []span          // of the objects that have not ended, outermost first
	unquoted []byte          // the names that have escapes, decoded
	objects  int             // that have not ended
	first    [MaxDepth]int32 // index in names of the first name of each of them
}

// span is a part of the document: a value, or a name without its quotes. Where
// begin is the bitwise complement of a place, it is a name in unquoted.
type span struct{ begin, end int32 }

// place is an offset that fits, as scan has checked.
func place(offset int) int32 { return int32(offset) } //nolint:gosec // see there

// end is where the last token ended.
func (s *scanner) end() int32 { return place(int(s.json.InputOffset())) }

func scan(text []byte, names []string, shallow bool) (Members, error) {
	if len(text) > math.MaxInt32 { // see span
		return Members{}, ErrTooLong
	}
	d := acquire()
	defer d.release()
	s := scanner{
		Reader:  d.read(text, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(shallow)),
		found:   Members{text, names, make([]span, len(names))},
		shallow: shallow,
		wanted:  -1,
	}
	s.names = d.names[:0]
	kind := s.Kind()
	if err := s.value(); err != nil {
		return Members{}, err
	}
	if err := s.End(); err != nil {
		return Members{}, err
	}
	if kind != '{' {
		return Members{}, ErrNotObject
	}
	return s.found, nil
}

// value reads the outermost value to its end.
func (s *scanner) value() error {
	for {
		at := s.Offset()
		token, err := s.Token()
		if err == nil {
			err = s.next(token.Kind(), at)
		}
		if err != nil {
			return s.earliest(err)
		}
		if s.json.StackDepth() == 0 {
			return nil
		}
	}
}

// next takes a token that begins at this offset.
func (s *scanner) next(kind jsontext.Kind, at int) error {
	depth := s.json.StackDepth()
	switch {
	case kind == '{':
		s.first[s.objects] = place(len(s.names))
		s.objects++
	case kind == '}':
		s.objects--
		begin := s.first[s.objects]
		if s.duplicate(s.names[begin:]) {
			return ErrDuplicateName
		}
		s.names = s.names[:begin]
	case kind == '"' && s.isName(depth):
		return s.name(depth, s.doc[at:s.json.InputOffset()])
	}
	if depth == 1 && s.wanted >= 0 {
		s.found.values[s.wanted] = span{s.begin, s.end()}
		s.wanted = -1
	}
	return nil
}

// isName is about a string that was just read.
func (s *scanner) isName(depth int) bool {
	kind, length := s.json.StackIndex(depth)
	return kind == '{' && length%2 == 1
}

// name remembers the name of a member and whether its value is wanted.
func (s *scanner) name(depth int, quoted []byte) error {
	if s.shallow && depth > 1 {
		return nil
	}
	name := span{s.end() - place(len(quoted)) + 1, s.end() - 1}
	if bytes.IndexByte(quoted, '\\') >= 0 {
		begin := place(len(s.unquoted))
		var err error
		if s.unquoted, err = jsontext.AppendUnquote(s.unquoted, quoted); err != nil {
			return ErrSyntax // half a surrogate pair, which a shallow decoder lets through
		}
		name = span{^begin, place(len(s.unquoted))}
	}
	s.names = append(s.names, name)
	if depth == 1 {
		text := s.bytes(name)
		s.wanted = slices.IndexFunc(s.found.names, func(wanted string) bool { return wanted == string(text) })
		s.begin = place(s.Offset())
	}
	return nil
}

func (s *scanner) bytes(name span) []byte {
	if name.begin < 0 {
		return s.unquoted[^name.begin:name.end]
	}
	return s.doc[name.begin:name.end]
}

// earliest is a name that occurred twice before an error, or the error.
func (s *scanner) earliest(err error) error {
	for ; s.objects > 0; s.objects-- {
		begin := s.first[s.objects-1]
		if s.duplicate(s.names[begin:]) {
			return ErrDuplicateName
		}
		s.names = s.names[:begin]
	}
	return err
}

// duplicate sorts the names of one object.
func (s *scanner) duplicate(names []span) bool {
	slices.SortFunc(names, func(a, b span) int { return bytes.Compare(s.bytes(a), s.bytes(b)) })
	for i := 1; i < len(names); i++ {
		if bytes.Equal(s.bytes(names[i-1]), s.bytes(names[i])) {
			return true
		}
	}
	return false
}

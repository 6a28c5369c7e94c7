package revocation

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward/doorward/internal/strictjson"
)

// place is a member of the document, as messages write it: revoked[2].jti. The
// zero place is the file.
type place struct {
	member string // of the document
	index  int    // of an entry, from 1 on; zero: not in an entry
	within string // member of that entry
}

func (p place) in(name string) place {
	p.within = name
	return p
}

func (p place) String() string {
	if p.member == "" {
		return "the file"
	}
	var s strings.Builder
	s.WriteString(p.member)
	if p.index > 0 {
		s.WriteString("[" + strconv.Itoa(p.index-1) + "]")
	}
	if p.within != "" {
		s.WriteString("." + p.within)
	}
	return s.String()
}

// reader reads the document token by token and reports places in it.
type reader struct {
	doc  []byte
	json *strictjson.Reader
}

// fail returns the error for a fault at this offset. It names members of the
// format alone, since those of the document may be anything.
func (r *reader) fail(at int, where place, message string) error {
	before := string(r.doc[:min(at, len(r.doc))])
	line := 1 + strings.Count(before, "\n")
	column := 1 + utf8.RuneCountInString(before[1+strings.LastIndexByte(before, '\n'):])
	return errors.New(strconv.Itoa(line) + ":" + strconv.Itoa(column) + ": " + where.String() + ": " + message)
}

// token returns the next token, which is valid until the next read, and its offset.
func (r *reader) token(where place) (jsontext.Token, int, error) {
	at := r.json.Offset()
	token, err := r.json.Token()
	if err != nil {
		return token, at, r.broken(where, err)
	}
	return token, at, nil
}

// broken returns the error for a document that is not strict JSON.
func (r *reader) broken(where place, err error) error {
	var fault *strictjson.Error
	if !errors.As(err, &fault) {
		return r.fail(r.json.Offset(), where, err.Error())
	}
	message := "not valid JSON: look for a comma, quote or bracket too few or too many"
	switch {
	case errors.Is(err, strictjson.ErrTruncated):
		message = "the file ends in the middle: write it whole beside the old one, then rename it"
	case errors.Is(err, strictjson.ErrDuplicateName):
		message = "has a member twice: keep one"
	case errors.Is(err, strictjson.ErrUTF8):
		message = "not valid UTF-8: save the file as UTF-8"
	}
	return r.fail(fault.Offset, where, message)
}

// object reads an object and calls member after each name, to read the value.
// at is the offset of the name.
func (r *reader) object(where place, member func(name string, at int) error) error {
	token, at, err := r.token(where)
	switch {
	case err != nil:
		return err
	case token.Kind() != '{':
		return r.fail(at, where, "is not an object: write it in braces")
	}
	for r.json.Kind() != '}' {
		name, at, err := r.token(where)
		if err != nil {
			return err
		}
		if err := member(name.String(), at); err != nil {
			return err
		}
	}
	_, _, err = r.token(where)
	return err
}

// array reads an array and calls element before each element, to read it.
func (r *reader) array(where place, element func(place) error) error {
	token, at, err := r.token(where)
	switch {
	case err != nil:
		return err
	case token.Kind() != '[':
		return r.fail(at, where, "is not an array: write it in brackets, [] for none")
	}
	for where.index = 1; r.json.Kind() != ']'; where.index++ {
		if err := element(where); err != nil {
			return err
		}
	}
	where.index = 0
	_, _, err = r.token(where)
	return err
}

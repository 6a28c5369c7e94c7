package jwks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// The ways in which a document can fail to be the JSON object it should be.
// Fixed words: they go to logs, and nothing of the document may.
var (
	errNotUTF8       = errors.New("not valid UTF-8")
	errNotObject     = errors.New("not a JSON object")
	errDuplicateName = errors.New("a member name stands twice")
)

// members reads one JSON object strictly: UTF-8 throughout, no name twice
// (RFC 7517, section 4, lets us refuse them; two readers that pick different
// ones is how keys get confused), nothing after it. encoding/json alone would
// fold the case of names and let the last one win.
func members(doc []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(doc) {
		return nil, errNotUTF8
	}
	d := json.NewDecoder(bytes.NewReader(doc))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, errNotObject
	}
	found := map[string]json.RawMessage{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, errNotObject
		}
		name, ok := token.(string)
		if !ok {
			return nil, errNotObject
		}
		if _, again := found[name]; again {
			return nil, errDuplicateName
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, errNotObject
		}
		found[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, errNotObject
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotObject
	}
	return found, nil
}

// text reads a member that must be a string where it is present. A null is
// present, and no string.
func text(from map[string]json.RawMessage, name string) (value string, present bool, err error) {
	raw, present := from[name]
	if !present {
		return "", false, nil
	}
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &value) != nil {
		return "", true, fmt.Errorf("%s is not a string", name)
	}
	return value, true, nil
}

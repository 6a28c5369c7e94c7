package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func nested(levels int) string {
	return strings.Repeat("[", levels) + strings.Repeat("]", levels)
}

// Each reason for which a document is refused, where the fault is at the
// outermost level (read by Members too) and where it lies inside a value.
func TestObject(t *testing.T) {
	rows := []struct {
		intent, doc   string
		want, members error
	}{
		{"an object", `{"a":[1,true,null,"x"]}`, nil, nil},
		{"white space around", " {} \r\n\t", nil, nil},
		{"nothing", ``, ErrTruncated, ErrTruncated},
		{"cut short", `{"a":`, ErrTruncated, ErrTruncated},
		{"a syntax error", `{"a";1}`, ErrSyntax, ErrSyntax},
		{"a name that is no string", `{1:2}`, ErrSyntax, ErrSyntax},
		{"a comma too many", `{"a":1,}`, ErrSyntax, ErrSyntax},
		{"an array", `[]`, ErrNotObject, ErrNotObject},
		{"null", `null`, ErrNotObject, ErrNotObject},
		{"a second value", `{}{}`, ErrTrailing, ErrTrailing},
		{"a byte behind", `{}x`, ErrTrailing, ErrTrailing},
		{"a name twice", `{"a":1,"a":2}`, ErrDuplicateName, ErrDuplicateName},
		{"a name twice, once escaped", `{"a":1,"\u0061":2}`, ErrDuplicateName, ErrDuplicateName},
		{"a name twice in a value", `{"a":{"b":1,"b":2}}`, ErrDuplicateName, nil},
		{"names that differ in case", `{"a":1,"A":2}`, nil, nil},
		{"invalid UTF-8", "{\"a\":\"\xff\"}", ErrUTF8, ErrUTF8},
		{"half a surrogate pair", `{"a":"\ud800"}`, ErrSyntax, nil},
		{"half a surrogate pair in a name", `{"\ud800":1}`, ErrSyntax, ErrSyntax},
		{"as deep as allowed", `{"a":` + nested(MaxDepth-1) + `}`, nil, nil},
		{"one level deeper", `{"a":` + nested(MaxDepth) + `}`, ErrDepth, ErrDepth},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			object, err := Object([]byte(row.doc))
			if !errors.Is(err, row.want) || (object == nil) != (err != nil) {
				t.Errorf("object %v, error %v; want %v", object, err, row.want)
			}
			members, err := Members([]byte(row.doc))
			if !errors.Is(err, row.members) || (members == nil) != (err != nil) {
				t.Errorf("members %v, error %v; want %v", members, err, row.members)
			}
		})
	}
}

func TestElements(t *testing.T) {
	got, err := Elements([]byte(` [ {"a":1,"a":2} , 7,null ] `))
	if diff := cmp.Diff([]json.RawMessage{[]byte(`{"a":1,"a":2}`), []byte(`7`), []byte(`null`)}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for doc, want := range map[string]error{`{}`: ErrNotArray, ``: ErrTruncated, `[1`: ErrTruncated, `[1]1`: ErrTrailing, "[\"\xff\"]": ErrUTF8} {
		if _, err := Elements([]byte(doc)); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", doc, err, want)
		}
	}
}

func TestErrorsHaveAPlace(t *testing.T) {
	r := NewReader([]byte("{\"a\":1,\n\"a\":2}"))
	var err error
	for err == nil {
		_, err = r.Token()
	}
	var fault *Error
	if !errors.As(err, &fault) || fault.Offset != 8 || !errors.Is(err, ErrDuplicateName) {
		t.Errorf("%#v", err)
	}
}

// What is read is JSON for encoding/json too, which reads the same out of it; no
// object in it has a name twice by a count of its own; Members and Object agree.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,-0.5e3,true,null,"\u00e9"],"b":{"c":{}}}`, `{"a":1,"\u0061":2}`, `{"a":{"b":1,"b":2}}`,
		`{"a":"\ud800"}`, `{}{}`, `[]`, `{"a":` + nested(MaxDepth-1) + `}`, `{"a":` + nested(MaxDepth) + `}`, "{\"\xff\":1}", ` {"":""} `,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		object, err := Object(doc)
		members, shallow := Members(doc)
		if err != nil {
			if object != nil || strings.Contains(err.Error(), "marker") {
				t.Fatalf("%v beside %v", object, err)
			}
			return
		}
		want := map[string]any{}
		decoder := json.NewDecoder(bytes.NewReader(doc))
		decoder.UseNumber()
		if err := decoder.Decode(&want); err != nil || !json.Valid(doc) {
			t.Fatalf("read, and no JSON: %q: %v", doc, err)
		}
		if !reflect.DeepEqual(want, object) { // cmp takes exponential time on nested arrays
			t.Errorf("%q: encoding/json reads %v, and %v was read", doc, want, object)
		}
		if names := countNames(t, doc); names != countMembers(object) {
			t.Errorf("%q has %d names, and %d were read", doc, names, countMembers(object))
		}
		if shallow != nil || len(members) != len(object) {
			t.Fatalf("%q: Members gives %d and %v", doc, len(members), shallow)
		}
		for name, raw := range members {
			if value, err := Value(raw); err != nil || !reflect.DeepEqual(value, object[name]) {
				t.Errorf("%q: member %q is %v, %v", doc, name, value, err)
			}
		}
	})
}

// countNames counts the names in a document by the tokens of encoding/json.
func countNames(t *testing.T, doc []byte) int {
	t.Helper()
	names := 0
	decoder := json.NewDecoder(bytes.NewReader(doc))
	type level struct {
		object bool
		tokens int
	}
	var levels []level
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		delim, isDelim := token.(json.Delim)
		if isDelim && (delim == '}' || delim == ']') {
			levels = levels[:len(levels)-1]
			continue
		}
		if len(levels) > 0 {
			top := &levels[len(levels)-1]
			if top.object && top.tokens%2 == 0 {
				names++
			}
			top.tokens++
		}
		if isDelim {
			levels = append(levels, level{object: delim == '{'})
		}
	}
}

func countMembers(value any) int {
	total := 0
	switch v := value.(type) {
	case map[string]any:
		total = len(v)
		for _, member := range v {
			total += countMembers(member)
		}
	case []any:
		for _, element := range v {
			total += countMembers(element)
		}
	}
	return total
}

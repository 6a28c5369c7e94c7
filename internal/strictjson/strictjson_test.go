package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func nested(levels int) string {
	return strings.Repeat("[", levels) + strings.Repeat("]", levels)
}

// Each reason for which a document is refused, where the fault is at the
// outermost level (read by ReadMembers too) and where it lies inside a value.
func TestScan(t *testing.T) {
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
			document, err := Scan([]byte(row.doc), "a")
			if object := document.Object(); !errors.Is(err, row.want) || err == nil && object == nil {
				t.Errorf("object %v, error %v; want %v", object, err, row.want)
			}
			members, err := ReadMembers([]byte(row.doc), "a")
			if !errors.Is(err, row.members) || err == nil && members.Get("a").Present() != strings.Contains(row.doc, `"a"`) {
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

// TestScanFindsMembers: the values of the outermost object alone, undecoded, and
// the first fault of several.
func TestScanFindsMembers(t *testing.T) {
	doc := []byte(` { "x" : {"a":1} , "\u0061" : [ 1 ] ,"n":null,"t":"\u00e9\"","u":"plain", "l":["b","c"] } `)
	document, err := Scan(doc, "a", "n", "t", "u", "l", "absent")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, name := range []string{"a", "n", "t", "u", "l", "absent"} {
		if document.Get(name).Present() {
			got[name] = string(document.Get(name))
		}
	}
	want := map[string]string{"a": "[ 1 ]", "n": "null", "t": `"\u00e9\""`, "u": `"plain"`, "l": `["b","c"]`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	text, isText := document.Get("t").Text()
	var list []string
	isList := document.Get("l").EachString(func(text string) { list = append(list, text) })
	if text != `é"` || !isText || !slices.Equal(list, []string{"b", "c"}) || !isList {
		t.Errorf("%q, %v, %q, %v", text, isText, list, isList)
	}
	if document.Get("a").EachString(func(string) {}) {
		t.Error("an array of numbers is a list of strings")
	}
	defer func() {
		if recover() == nil {
			t.Error("a member that was not asked for passes for absent")
		}
	}()
	document.Get("x")
}

// TestFirstFault: a name that occurs twice is found when its object ends, and is
// the reason all the same if it comes first.
func TestFirstFault(t *testing.T) {
	if _, err := Scan([]byte(`{"a":1,"a":{"b":[1,}`)); !errors.Is(err, ErrDuplicateName) {
		t.Errorf("a name twice before a syntax error: %v", err)
	}
}

// FuzzScan: what Scan accepts is JSON for encoding/json too, which reads the same
// out of it, and no object in it has a name twice by a count of its own. What it
// refuses, the decoder refuses for the same reason, which compares names in
// another way. ReadMembers agrees with both.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,-0.5e3,true,null,"\u00e9"],"b":{"c":{}}}`, `{"a":1,"\u0061":2}`, `{"a":{"b":1,"b":2}}`,
		`{"a":"\ud800"}`, `{}{}`, `[]`, `{"a":` + nested(MaxDepth-1) + `}`, `{"a":` + nested(MaxDepth) + `}`,
		"{\"\xff\":1}", ` {"":""} `, `{"b":1,"\u0062":2,"c":[}`, `{"a":{"b":1},"b":{"a":[{"b":{}}]}}`,
		`[{"a":1,"b":2,"a":3`, `{"a":1,"b":{"a":1},"b":2}`, `{"\ud800":1,"a":1}`, `{"a":["b","c"],"a":"d"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		document, err := Scan(doc, "a", "b")
		value, reference := Value(doc)
		if _, isObject := value.(map[string]any); reference == nil && !isObject {
			reference = ErrNotObject
		}
		var fault *Error
		if errors.As(reference, &fault) {
			reference = fault.Reason
		}
		if !errors.Is(err, reference) || err == nil && reference != nil {
			t.Fatalf("%q: %v, and %v by the decoder", doc, err, reference)
		}
		if err != nil {
			return
		}
		object := document.Object()
		want := map[string]any{}
		decoder := json.NewDecoder(bytes.NewReader(doc))
		decoder.UseNumber()
		if err := decoder.Decode(&want); err != nil || !json.Valid(doc) {
			t.Fatalf("accepted, and no JSON: %q: %v", doc, err)
		}
		if !reflect.DeepEqual(want, object) { // cmp takes exponential time on nested arrays
			t.Errorf("%q: encoding/json reads %v, and Object %v", doc, want, object)
		}
		if names := countNames(t, doc); names != countMembers(object) {
			t.Errorf("%q has %d names, and %d were read", doc, names, countMembers(object))
		}
		members, err := ReadMembers(doc, "a", "b")
		if err != nil {
			t.Fatalf("%q: ReadMembers: %v", doc, err)
		}
		for _, name := range []string{"a", "b"} {
			raw := document.Get(name)
			value, present := object[name]
			if raw.Present() != present || !bytes.Equal(raw, members.Get(name)) {
				t.Errorf("%q: member %q is %q, and %q by ReadMembers", doc, name, raw, members.Get(name))
			}
			sameMember(t, raw, value)
		}
	})
}

// sameMember compares the methods of a member with its decoded value.
func sameMember(t *testing.T, raw Member, value any) {
	t.Helper()
	if !raw.Present() {
		return
	}
	decoded, err := Value(raw)
	if err != nil || !reflect.DeepEqual(decoded, value) {
		t.Errorf("member %q is %v, %v; want %v", raw, decoded, err, value)
	}
	text, isText := value.(string)
	if got, ok := raw.Text(); got != text || ok != isText {
		t.Errorf("member %q: text %q, %v", raw, got, ok)
	}
	array, isList := value.([]any)
	for _, element := range array {
		_, isText := element.(string)
		isList = isList && isText
	}
	got := []any{}
	if ok := raw.EachString(func(text string) { got = append(got, text) }); ok != isList || ok && !reflect.DeepEqual(got, array) {
		t.Errorf("member %q: strings %q, %v", raw, got, ok)
	}
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

package config

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/extauthz/finding"
)

func TestNearest(t *testing.T) {
	keys := []string{"jwks", "jwks_uri", "jwks_file", "issuer", "clock_skew", "warn"}
	for _, test := range []struct{ intent, word, want string }{
		{"a letter left out", "isuer", "issuer"},
		{"a letter too many", "issuers", "issuer"},
		{"a letter replaced", "jwks_url", "jwks_uri"},
		{"two letters swapped", "jwsk", "jwks"},
		{"capitals and hyphens", "Clock-Skew", "clock_skew"},
		{"the longer word", "warning", "warn"},
		{"the shorter word", "clock", "clock_skew"},
		{"nothing like it", "telemetry", ""},
		{"nothing", "", ""},
	} {
		if got := Nearest(test.word, keys); got != test.want {
			t.Errorf("%s: Nearest(%q) = %q, want %q", test.intent, test.word, got, test.want)
		}
	}
}

func TestSizeString(t *testing.T) {
	for size, want := range map[Size]string{0: "0B", 1: "1B", 1 << 10: "1KiB", 1<<10 + 1: "1025B", 64 << 20: "64MiB", 3 << 30: "3GiB"} {
		if got := size.String(); got != want {
			t.Errorf("%d = %s, want %s", int64(size), got, want)
		}
	}
}

func TestParent(t *testing.T) {
	var got []string
	for path := "resources[1].also_at[0]"; path != ""; path = parent(path) {
		got = append(got, path)
	}
	want := []string{"resources[1].also_at[0]", "resources[1].also_at", "resources[1]", "resources"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestProblemsAreSorted(t *testing.T) {
	got := finding.List{
		{File: "b", Line: 1, Column: 1, Message: "last"},
		{File: "a", Line: 10, Column: 1, Message: "line"},
		{File: "a", Line: 9, Column: 2, Message: "column", Fix: "mend it", Severity: finding.Warning},
		{File: "a", Line: 9, Column: 1, Message: "first"},
		{File: "a", Line: 9, Column: 1, Message: "first"},
	}.Sorted()
	var lines []string
	for _, p := range got {
		lines = append(lines, p.String())
	}
	want := []string{"a:9:1: first", "a:9:2: warning: column: mend it", "a:10:1: line", "b:1:1: last"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(got.Errors()) != 3 || len(got.Warnings()) != 1 {
		t.Errorf("%d errors and %d warnings, want 3 and 1", len(got.Errors()), len(got.Warnings()))
	}
}

// TestSchemaIsReadable: each field of the schema has a key, and a type that
// the decoder knows; it panics on others.
func TestSchemaIsReadable(t *testing.T) {
	var walk func(at reflect.Type)
	walk = func(at reflect.Type) {
		for i, f := range fieldsOf(at) {
			if f.key == "" {
				t.Errorf("%v.%s has no key", at, at.Field(i).Name)
			}
			switch of := at.Field(i).Type; {
			case of.Kind() == reflect.Struct:
				walk(of)
			case of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Struct:
				walk(of.Elem())
			default:
				if !readableTypes()[of] {
					t.Errorf("%v.%s has the type %v, which nothing reads", at, at.Field(i).Name, of)
				}
			}
		}
	}
	walk(reflect.TypeFor[document]())
}

func readableTypes() map[reflect.Type]bool {
	var all Config
	types := map[reflect.Type]bool{reflect.TypeFor[jsonText](): true}
	for _, v := range []any{
		"", true, 0, 0.0, time.Duration(0), Size(0), all.Listen.SocketMode, all.Log.Level,
		[]string(nil), [][]string(nil), map[string]any(nil), map[string]string(nil), scopeSets(nil), textLists(nil),
	} {
		types[reflect.TypeOf(v)] = true
	}
	return types
}

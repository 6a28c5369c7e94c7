package checkwire

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestBytesThatAreNoUTF8(t *testing.T) {
	for raw, want := range map[string]string{"a": "a", "é": "é", "\xff\xfe": "!!", "a\xe9b": "a!b", "\xef\xbf\xbd": "\uFFFD"} {
		if got := ReplaceInvalidUTF8(raw); got != want || !utf8.ValidString(got) {
			t.Errorf("%q: got %q, want %q", raw, got, want)
		}
	}
}

// TestJoinKey: what a client may write into our log is short and visible.
func TestJoinKey(t *testing.T) {
	for given, want := range map[string]string{
		"": "stream", "abc-1": "abc-1", "a b": "stream", "a\nb": "stream", "é": "stream",
		strings.Repeat("a", 128): strings.Repeat("a", 128), strings.Repeat("a", 129): "stream",
	} {
		for form, a := range map[string]*Attributes{
			"headers":    {ID: "stream", mapped: []Header{{"x-other", "o"}, {"x-request-id", given}}},
			"header_map": {ID: "stream", listed: Headers{{"x-request-id", given}}},
		} {
			if got := a.JoinKey(); got != want {
				t.Errorf("%s: %q: got %q, want %q", form, given, got, want)
			}
		}
	}
	for want, values := range map[string][]string{
		"a,b": {"a", "b"}, "a,,b": {"a", "", "b"}, "stream": {"a", strings.Repeat("b", 127)}, ",": {"", ""},
		strings.Repeat("a", 126) + ",b": {strings.Repeat("a", 126), "b"},
	} {
		repeated := &Attributes{ID: "stream"}
		for _, value := range values {
			repeated.listed = append(repeated.listed, Header{"x-request-id", value})
		}
		if got := repeated.JoinKey(); got != want {
			t.Errorf("repeated %q: got %q, want %q", values, got, want)
		}
	}
}

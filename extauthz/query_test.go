package extauthz

import (
	"net/url"
	"testing"
	"unicode/utf8"
)

func (q query) has(name string) bool {
	for _, p := range q {
		if p.name == name {
			return true
		}
	}
	return false
}

func pathUnescape(t *testing.T, s string) string {
	t.Helper()
	decoded, err := url.PathUnescape(s)
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}

func TestBytesThatAreNoUTF8(t *testing.T) {
	for raw, want := range map[string]string{"a": "a", "é": "é", "\xff\xfe": "!!", "a\xe9b": "a!b", "\xef\xbf\xbd": "\uFFFD"} {
		if got := replaceInvalidUTF8(raw); got != want || !utf8.ValidString(got) {
			t.Errorf("%q: got %q, want %q", raw, got, want)
		}
	}
}

// TestJoinKey: what a client may write into our log is short and visible.
func TestJoinKey(t *testing.T) {
	for given, want := range map[string]string{
		"": "stream", "abc-1": "abc-1", "a b": "stream", "a\nb": "stream", "é": "stream",
		string(make([]byte, 129)): "stream",
	} {
		if got := joinKey(given, "stream"); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
}

package extauthz

import (
	"net/url"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/policy"
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

// TestPolicyIsShownWhatItReads and nothing else, however it is spelled.
func TestPolicyIsShownWhatItReads(t *testing.T) {
	q := splitQuery("a=1&b=2&%61=3&access_token=t&c")
	for _, row := range []struct {
		reads policy.Reads
		want  map[string][]string
	}{
		{policy.Reads{}, nil},
		{policy.Reads{Query: []string{"a", "z"}}, map[string][]string{"a": {"1", "3"}}},
		{policy.Reads{Query: []string{"access_token", "b"}}, map[string][]string{"b": {"2"}}},
		{policy.Reads{AllQuery: true}, map[string][]string{"a": {"1", "3"}, "b": {"2"}, "c": {""}}},
	} {
		if diff := cmp.Diff(row.want, q.values(row.reads)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", row.reads, diff)
		}
	}
}

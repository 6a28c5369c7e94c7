package extauthz

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/policy"
)

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
		strings.Repeat("a", 128): strings.Repeat("a", 128), strings.Repeat("a", 129): "stream",
	} {
		for form, a := range map[string]*attributes{
			"headers":    {id: "stream", mapped: []header{{"x-other", "o"}, {"x-request-id", given}}},
			"header_map": {id: "stream", listed: headers{{"x-request-id", given}}},
		} {
			if got := a.joinKey(); got != want {
				t.Errorf("%s: %q: got %q, want %q", form, given, got, want)
			}
		}
	}
	for want, values := range map[string][]string{
		"a,b": {"a", "b"}, "a,,b": {"a", "", "b"}, "stream": {"a", strings.Repeat("b", 127)}, ",": {"", ""},
		strings.Repeat("a", 126) + ",b": {strings.Repeat("a", 126), "b"},
	} {
		repeated := &attributes{id: "stream"}
		for _, value := range values {
			repeated.listed = append(repeated.listed, header{"x-request-id", value})
		}
		if got := repeated.joinKey(); got != want {
			t.Errorf("repeated %q: got %q, want %q", values, got, want)
		}
	}
}

// TestPolicyIsShownWhatItReads and nothing else, however it is spelled.
func TestPolicyIsShownWhatItReads(t *testing.T) {
	const raw = "a=1&b=2&%61=3&access_token=t&c&access.token=t&&+access%5btoken=t"
	for _, row := range []struct {
		reads policy.Reads
		want  map[string][]string
	}{
		{policy.Reads{}, nil},
		{policy.Reads{Query: []string{"a", "z"}}, map[string][]string{"a": {"1", "3"}}},
		{policy.Reads{Query: []string{"access_token", "b", "access.token"}}, map[string][]string{"b": {"2"}}},
		{policy.Reads{AllQuery: true}, map[string][]string{"a": {"1", "3"}, "b": {"2"}, "c": {""}}},
	} {
		if diff := cmp.Diff(row.want, queryValues(raw, row.reads)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", row.reads, diff)
		}
	}
}

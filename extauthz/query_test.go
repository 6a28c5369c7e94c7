package extauthz

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
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

// TestPolicyReadsParameters: each under its decoded name, and no token in
// whatever spelling.
func TestPolicyReadsParameters(t *testing.T) {
	r := &request{rawQuery: "a=1&b=2&%61=3&access_token=t&c&access.token=t&&+access%5btoken=t"}
	for name, want := range map[string][]string{
		"": nil, "z": nil, "a": {"1", "3"}, "b": {"2"}, "c": {""}, "access_token": nil, "access.token": nil,
	} {
		if diff := cmp.Diff(want, parametersNamed(r.rawQuery, name)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(map[string][]string{"a": {"1", "3"}, "b": {"2"}, "c": {""}}, allParameters(r.rawQuery)); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
}

// allParameters is the query as a policy reads it.
func allParameters(raw string) map[string][]string {
	all := map[string][]string{}
	r := &request{rawQuery: raw}
	for name, value, at := r.AnyParameter(0); at > 0; name, value, at = r.AnyParameter(at) {
		all[name] = append(all[name], value)
	}
	return all
}

// parametersNamed are the values of one parameter as a policy reads it.
func parametersNamed(raw, name string) (values []string) {
	r := &request{rawQuery: raw}
	for value, at := r.Parameter(name, 0); at > 0; value, at = r.Parameter(name, at) {
		values = append(values, value)
	}
	return values
}

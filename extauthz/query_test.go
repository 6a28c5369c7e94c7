package extauthz

import (
	"net/url"
	"testing"

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

package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/policy"
)

// TestManyParametersAndHeaders: rules that read all of them get at most 500;
// rules that read some by name get these of any request.
func TestManyParametersAndHeaders(t *testing.T) {
	const byName = `require["a"] if {
	input.request.query.n7[0] == "1"
	input.request.headers.n7[0] == "1"
}`
	many := func(n int) map[string][]string {
		all := map[string][]string{}
		for i := range n {
			all[fmt.Sprintf("n%d", i)] = []string{"1"}
		}
		return all
	}
	for _, tt := range []struct {
		intent, rule        string
		parameters, headers int
		fails               string
	}{
		{"500 parameters", `require["a"] if count(input.request.query) == 500`, 500, 1, ""},
		{"501 parameters", `require["a"] if count(input.request.query) > 0`, 501, 1, "more than 500 query parameters"},
		{"500 headers", `require["a"] if count(input.request.headers) == 500`, 1, 500, ""},
		{"501 headers", `require["a"] if count(input.request.headers) > 0`, 1, 501, "more than 500 headers"},
		{"by way of all of the request", `require["a"] if count(input.request) > 0`, 501, 1, "more than 500 query parameters"},
		{"read by name", byName, 1000, 1000, ""},
	} {
		in := request()
		in.Request = &policy.RequestValues{Query: many(tt.parameters), Headers: many(tt.headers)}
		d, err := decide(t.Context(), authz(t, tt.rule), in)
		if tt.fails == "" && (err != nil || d.Outcome != policy.Allowed) {
			t.Errorf("%s: outcome %v, error %v", tt.intent, d.Outcome, err)
		}
		if tt.fails != "" && (err == nil || d.Outcome != policy.Failed || !strings.Contains(err.Error(), tt.fails)) {
			t.Errorf("%s: outcome %v, error %v", tt.intent, d.Outcome, err)
		}
	}
}

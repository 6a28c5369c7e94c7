package extauthz

import (
	"testing"

	"github.com/doorward/doorward/internal/checkwire"
	"github.com/doorward/doorward/internal/policy"
)

// TestRemovesCredentials is PT-1: a decision that leaves a credential on the
// request is no allow, whatever the policy package promises of an allow.
func TestRemovesCredentials(t *testing.T) {
	const header = "authorization"
	for _, row := range []struct {
		intent string
		strip  policy.Strip
		tokens []string
		want   bool
	}{
		{"no removals", policy.Strip{}, nil, false},
		{"the header", policy.Strip{Headers: []string{header}}, nil, true},
		{"another header", policy.Strip{Headers: []string{"dpop"}, Query: []string{checkwire.QueryToken}}, nil, false},
		{"the header, not the query's token", policy.Strip{Headers: []string{header}}, []string{checkwire.QueryToken}, false},
		{"both", policy.Strip{Headers: []string{header}, Query: []string{checkwire.QueryToken}}, []string{"access%5Ftoken"}, true},
	} {
		if got := removesCredentials(policy.Decision{Strip: row.strip}, &request{tokens: row.tokens}); got != row.want {
			t.Errorf("%s: %v, not %v", row.intent, got, row.want)
		}
	}
}

package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/policy"
)

// TestRulesOfADenial are named in one bounded line; one alone is named by Rule.
func TestRulesOfADenial(t *testing.T) {
	d := policy.Decision{Denials: []policy.Message{{Rule: "authz.deny", Code: "closed"}}}
	if got := d.Rules(); got != "" {
		t.Errorf("one rule: %q", got)
	}
	d.Denials = append(d.Denials, policy.Message{Rule: "authz.require.a"})
	if got := d.Rules(); got != "authz.deny:closed authz.require.a" {
		t.Errorf("two rules: %q", got)
	}
	for i := range 1000 {
		d.Denials = append(d.Denials, policy.Message{Rule: fmt.Sprintf("authz.require.a%d", i)})
	}
	got := d.Rules()
	named := len(strings.Fields(got)) - 3
	if len(got) > 1100 || !strings.HasSuffix(got, fmt.Sprintf(" and %d more", len(d.Denials)-named)) {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

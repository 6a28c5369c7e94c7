package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// Two requests that are allowed only together: the outcome that comes first wins, and
// nothing of an allow is left beside a refusal.
func TestDecisionsTogether(t *testing.T) {
	strip := policy.Strip{Headers: []string{"authorization"}}
	allowed := policy.Decision{Outcome: policy.Allowed, Strip: strip, Scopes: []string{"a", "b"}, Headers: map[string]string{"x-a": "1"}}
	other := policy.Decision{Outcome: policy.Allowed, Strip: strip, Scopes: []string{"b", "c"}, Headers: map[string]string{"x-b": "2"}}
	both := policy.Decision{
		Outcome: policy.Allowed, Strip: strip, Scopes: []string{"a", "b", "c"}, Headers: map[string]string{"x-a": "1", "x-b": "2"},
	}
	got, err := allowed.And(other)
	if diff := cmp.Diff(both, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if len(allowed.Headers) != 1 {
		t.Error("the first decision was changed")
	}
	denied := policy.Decision{
		Outcome: policy.Denied, Rule: "authz.deny", Code: "a", Message: "b", Denials: []policy.Message{{Rule: "authz.deny", Code: "a", Message: "b"}},
	}
	for outcome := policy.Failed; outcome <= policy.AllowedAnonymous; outcome++ {
		another := policy.Decision{Outcome: outcome, Strip: strip, Headers: map[string]string{"x-a": "2"}}
		for _, pair := range [][2]policy.Decision{{denied, another}, {another, denied}} {
			got, err := pair[0].And(pair[1])
			if err != nil || got.Outcome != min(outcome, policy.Denied) || got.Headers != nil || got.Strip.Headers != nil {
				t.Errorf("%v and denied: %+v, %v", outcome, got, err)
			}
			if (got.Code == "a") != (outcome >= policy.Denied) && outcome != policy.Denied {
				t.Errorf("%v and denied: code %q", outcome, got.Code)
			}
		}
	}
	other.Headers = map[string]string{"x-a": "2"}
	if got, err := allowed.And(other); err == nil || got.Outcome != policy.Failed {
		t.Errorf("two values of one header: %+v, %v", got, err)
	}
}

package extauthz

import (
	"fmt"
	"testing"

	"github.com/doorward/doorward/internal/policy"
)

// TestRuleLabelsAreBounded over any number of policies; a label that is in use
// stays.
func TestRuleLabelsAreBounded(t *testing.T) {
	var labels ruleLabels
	for i := range 2 * maxRuleSeries {
		labels.bounded("weather", policy.Message{Rule: fmt.Sprintf("authz.require.a%d", i)})
	}
	if len(labels.used) != maxRuleSeries {
		t.Errorf("%d rules have a label", len(labels.used))
	}
	if rule, _ := labels.bounded("weather", policy.Message{Rule: "authz.require.a0"}); rule != "authz.require.a0" {
		t.Errorf("one that was in use became %s", rule)
	}
	if rule, code := labels.bounded("weather", policy.Message{Rule: "authz.deny", Label: "late"}); rule != "other" || code != "" {
		t.Errorf("a new one is %s %s", rule, code)
	}
}

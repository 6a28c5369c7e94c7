package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/policy"
)

// manyTargets are resources that differ in name and URL alone.
func manyTargets(n int) []policy.Target {
	targets := make([]policy.Target, n)
	for i := range targets {
		targets[i] = policy.Target{Issuer: "https://as.example.com", Resource: policy.Resource{
			Name: fmt.Sprintf("r%d", i), URI: fmt.Sprintf("https://mcp%d.example.com/mcp", i), Scopes: []string{"mcp:read"},
		}}
	}
	return targets
}

// TestATrialOfEachResourceThatRulesDistinguish: a rule that fails for the last of
// many resources alone is found, whatever it tells that resource by.
func TestATrialOfEachResourceThatRulesDistinguish(t *testing.T) {
	const fails = "; time.parse_rfc3339_ns(\"x\") > 0 }\n"
	for _, condition := range []string{
		`input.resource.name == "r9"`,
		`input.resource.uri == "https://mcp9.example.com/mcp"`,
		`input.request.host == "mcp9.example.com"`,
		`input.request.path == "/nine"`,
		`input.claims.aud == "https://mcp9.example.com/nine"`,
		`object.get(input, ["resource", "name"], "") == "r9"`,
		`some key, value in input.resource; key == "name"; value == "r9"`,
		`input.resource.labels.team == "nine"`,
		`"api-9" in input.resource.audiences`,
		`"mcp:nine" in input.resource.scopes`,
		`"mcp:nine" in input.token.scopes`,
		`input.token.issuer == "https://as9.example.com"`,
	} {
		targets := manyTargets(10)
		last := &targets[9]
		switch {
		case strings.Contains(condition, "nine\""):
			last.Resource.URI = "https://mcp9.example.com/nine"
			last.Resource.Labels = map[string]string{"team": "nine"}
			last.Resource.Scopes = []string{"mcp:nine"}
		case strings.Contains(condition, "api-9"):
			last.Resource.Audiences = []string{"api-9"}
		case strings.Contains(condition, "as9"):
			last.Issuer = "https://as9.example.com"
		}
		problems := authz(t, "require.a if { "+condition+fails).SelfTest(t.Context(), time.Minute, targets)
		if len(problems) != 1 || !strings.Contains(problems[0].Message, "a trial request to r9") {
			t.Errorf("%s: %v", condition, problems)
		}
	}
}

// TestSharedRulesAreTriedOnce: resources that no rule distinguishes cost no
// evaluation each.
func TestSharedRulesAreTriedOnce(t *testing.T) {
	e := authz(t, "require.a if input.claims.tenant == input.resource.labels.tenant\n")
	cost := func(n int) float64 {
		targets := manyTargets(n)
		return testing.AllocsPerRun(1, func() {
			if problems := e.SelfTest(t.Context(), time.Minute, targets); problems != nil {
				t.Error(problems)
			}
		})
	}
	one, more := cost(1), cost(101)
	if each := (more - one) / 100; each > one/10 {
		t.Errorf("%v allocations for the first of many resources, %v for each other", one, each)
	}
}

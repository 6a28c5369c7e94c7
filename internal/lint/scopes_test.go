package lint_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestScopesThatNoClientLearns: a rule that denies without a scope is warned about
// where neither a challenge nor a document names the scope.
func TestScopesThatNoClientLearns(t *testing.T) {
	warning := func(at string) []string {
		return []string{at + `: no challenge and no document names "mcp:admin", so that no client learns to ask for it: ` +
			`write scopes contains "mcp:admin" if … in place of this rule, or name it in scopes, operations or metadata.scopes_supported`}
	}
	deny := "deny contains " + element + " if "
	for _, row := range []struct {
		intent, rules string
		want          []string
	}{
		{"a deny", deny + `not "mcp:admin" in input.token.scopes`, warning("3:48")},
		{"a requirement", `require.a if "mcp:admin" in input.token.scopes`, warning("3:14")},
		{"in a variable", "require.a if {\n\theld := input.token.scopes\n\t\"mcp:admin\" in held\n}", warning("5:2")},
		{"one that a challenge names", `require.a if "mcp:read" in input.token.scopes`, nil},
		{"one that a rule demands", deny + `not "mcp:admin" in input.token.scopes` + "\n\nscopes contains \"mcp:admin\" if input.claims.a", nil},
		{"beside another that a rule demands", `require.a if "mcp:admin" in input.token.scopes` + "\n\nscopes contains \"mcp:write\"", warning("3:14")},
		{"where rules demand what the request has", `require.a if "mcp:admin" in input.token.scopes` + "\n\nscopes contains s if some s in input.claims.needed", nil},
		{"a warn", "warn contains " + element + ` if not "mcp:admin" in input.token.scopes`, nil},
		{"a header", `headers["x-admin"] := "1" if "mcp:admin" in input.token.scopes`, nil},
		{"a condition of a demand", `scopes contains "mcp:write" if "mcp:admin" in input.token.scopes`, nil},
	} {
		t.Run(row.intent, func(t *testing.T) {
			known := configured()
			known.Scopes = []string{"mcp:read"}
			if diff := cmp.Diff(row.want, foundBy(t, known, row.rules)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := found(t, row.rules); len(got) > 0 {
				t.Errorf("without a configuration: %q", got)
			}
		})
	}
}

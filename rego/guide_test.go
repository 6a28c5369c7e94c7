package rego_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/internal/regotest"
	"github.com/doorward/doorward/rego"
	"github.com/doorward/doorward/rego/library"
)

// recipe is one numbered section of the guide, as files.
type recipe struct {
	title string
	files map[string]string
}

var fence = regexp.MustCompile("(?ms)^```(rego|json)\n(.*?)^```")

func recipes(t testing.TB) []recipe {
	t.Helper()
	guide, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []recipe
	for _, section := range strings.Split(string(guide), "\n## ")[1:] {
		title, body, _ := strings.Cut(section, "\n")
		if !regexp.MustCompile(`^\d\. `).MatchString(title) {
			continue
		}
		r := recipe{title, map[string]string{}}
		for _, block := range fence.FindAllStringSubmatch(body, -1) {
			switch {
			case block[1] == "json":
				r.files["data.json"] = block[2]
			case strings.HasPrefix(block[2], "package authz_test\n"):
				r.files["authz_test.rego"] = block[2]
			default:
				r.files["authz.rego"] = block[2]
			}
		}
		all = append(all, r)
	}
	return all
}

// Every recipe of the guide compiles without a warning, and its tests pass; they
// allow something and refuse something, and evaluate every line.
func TestRecipes(t *testing.T) {
	all := recipes(t)
	if len(all) != 8 {
		t.Fatalf("%d recipes", len(all))
	}
	for _, r := range all {
		t.Run(r.title, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range r.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			src := policy.Sources{Library: rego.Files, Paths: []string{dir}}
			if engine, problems := policy.Compile(t.Context(), src); engine == nil || len(problems) > 0 {
				t.Fatal(problems)
			}
			report, problems, err := regotest.Run(t.Context(), src, library.Files, true)
			if err != nil || len(problems) > 0 {
				t.Fatal(problems, err)
			}
			passed, failed, skipped := report.Count()
			if passed < 3 || failed+skipped > 0 {
				t.Errorf("%d passed, %d failed, %d skipped: %+v", passed, failed, skipped, report.Results)
			}
			for _, c := range report.Coverage {
				if c.Percent < 100 {
					t.Error(c)
				}
			}
			tests := r.files["authz_test.rego"]
			if !strings.Contains(tests, `== "allowed"`) || !strings.Contains(tests, `== "policy_denied"`) && !strings.Contains(tests, "warn") {
				t.Error("the tests do not allow something and refuse something")
			}
		})
	}
}

// TestTheOperationsPageShowsTheRecipe of consent, whose tests are in the guide.
func TestTheOperationsPageShowsTheRecipe(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recipes(t) {
		if strings.Contains(r.title, "Consent") && strings.Contains(string(page), r.files["authz.rego"]) {
			return
		}
	}
	t.Error("docs/operations.md does not show the rule of the recipe")
}

// TestTheOperationsPageRuleOnGroups decides as the page says, also on what has no name.
func TestTheOperationsPageRuleOnGroups(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "Where a group decides")
	_, rest, _ = strings.Cut(rest, "```rego\n")
	rule, _, shown := strings.Cut(rest, "```")
	if !shown {
		t.Fatal("no rule")
	}
	const tests = `package authz_test

import data.doorward

outcome(changes) := decision if {
	decision := doorward.decision.outcome with input as doorward.request(changes)
}

test_admin if outcome({"mcp": {"name": "admin_drop"}, "claims": {"groups": ["admins"]}}) == "allowed"

test_another_group if outcome({"mcp": {"name": "admin_drop"}, "claims": {"groups": ["staff"]}}) == "policy_denied"

test_no_group if outcome({"mcp": {"name": "admin_drop"}}) == "policy_denied"

test_another_tool if outcome({"mcp": {"name": "search"}}) == "allowed"

test_list if outcome({"mcp": {"method": "tools/list", "name": null}}) == "allowed"

test_stream if outcome({"method": "GET", "mcp": {"method": null, "name": null, "source": "none"}}) == "allowed"
`
	helper := "not calls_an_admin_tool"
	direct := strings.Replace(rule, helper, `not startswith(input.mcp.name, "admin_")`, 1)
	if got := failures(t, rule, tests); len(got) > 0 || !strings.Contains(rule, helper) {
		t.Errorf("the rule fails %v", got)
	}
	if got := failures(t, direct, tests); !slices.Equal(got, []string{"test_list", "test_stream"}) {
		t.Errorf("without the helper it fails %v", got)
	}
}

// failures are the names of the tests that a rule fails.
func failures(t *testing.T, rule, tests string) (names []string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"authz.rego": rule, "authz_test.rego": tests} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	report, problems, err := regotest.Run(t.Context(), policy.Sources{Library: rego.Files, Paths: []string{dir}}, library.Files, false)
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	for _, result := range report.Results {
		if !result.Passed {
			names = append(names, result.Name[strings.LastIndex(result.Name, ".")+1:])
		}
	}
	return names
}

// The failure that the guide shows is what a failure looks like.
func TestTheGuideShowsARealFailure(t *testing.T) {
	guide, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range recipes(t)[1].files {
		if name == "authz_test.rego" {
			content = strings.Replace(content, `{"host": "acme.mcp`, `{"host": "globex.mcp`, 1)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	report, problems, err := regotest.Run(t.Context(), policy.Sources{Library: rego.Files, Paths: []string{dir}}, library.Files, false)
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	for _, result := range report.Results {
		for _, line := range result.Why {
			if line = strings.ReplaceAll(line, dir+"/", ""); !strings.Contains(string(guide), "        "+line+"\n") {
				t.Errorf("the guide does not show: %s", line)
			}
		}
	}
	if _, failed, _ := report.Count(); failed != 1 {
		t.Errorf("%d failed", failed)
	}
}

// What the guide says of require and deny.
func TestRequireAndDenyWhereAClaimIsMissing(t *testing.T) {
	for rules, want := range map[string]policy.Outcome{
		`require.tenant if input.claims.tenant == "acme"`:                                       policy.Denied,
		`deny contains {"code": "a", "message": ""} if input.claims.tenant != "acme"`:           policy.Allowed,
		`deny contains {"code": "a", "message": ""} if not startswith(input.claims.email, "a")`: policy.Allowed,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "authz.rego"), []byte("package authz\n\n"+rules+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		engine, problems := policy.Compile(t.Context(), policy.Sources{Library: rego.Files, Paths: []string{dir}})
		if warned := len(problems) == 1 && problems[0].Severity == finding.Warning; engine == nil || warned != (want == policy.Allowed) {
			t.Errorf("%s: %v", rules, problems)
		}
		d, _, err := engine.For("").Decide(t.Context(), policy.Input{
			Resource: policy.Resource{URI: "https://mcp.example.com/mcp"},
			Claims:   map[string]any{"aud": "https://mcp.example.com/mcp"}, Token: policy.Token{Recent: true, Profile: "standard", BoundBy: "aud"},
		})
		if err != nil || d.Outcome != want {
			t.Errorf("%s: %v, %v", rules, d.Outcome, err)
		}
	}
}

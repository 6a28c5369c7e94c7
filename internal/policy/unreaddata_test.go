package policy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/rego"
)

const unreadEnd = " read by no rule that a decision depends on: correct the name in the data or in the rule, or remove the data"

// TestUnreadData: a file of data is warned about, with the paths that it fills,
// where no decision reads any of them.
func TestUnreadData(t *testing.T) {
	for _, tt := range []struct {
		intent, rules string
		files         map[string]string
		want          []string
	}{
		{"a name misspelt in the data", `require["a"] if input.claims.sub in data.roles`, map[string]string{"data.json": `{"rolse": ["a"]}`}, []string{
			"data.json: warning: data.rolse is" + unreadEnd,
		}},
		{"a name misspelt below the first", `require["a"] if data.team.roles[input.claims.sub]`, map[string]string{"data.json": `{"team": {"rolse": {}, "x-y": 1}}`}, []string{
			`data.json: warning: data.team.rolse, data.team["x-y"] are` + unreadEnd,
		}},
		{"more paths than one warning names", "", map[string]string{"data.json": `{"a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1, "g": 1}`}, []string{
			"data.json: warning: data.a, data.b, data.c, data.d, data.e and 2 more are" + unreadEnd,
		}},
		{"one file of two, of YAML and in a folder", `require["a"] if data.roles[input.claims.sub]`, map[string]string{"data.json": `{"roles": {}}`, "old/data.yaml": "clients: [a]"}, []string{
			"old/data.yaml: warning: data.old is" + unreadEnd,
		}},
		{"data of a rule that no decision reads", "require[\"a\"] if fine\n\nfine if input.claims.a\n\nidle(x) if x in data.roles", map[string]string{"data.json": `{"roles": []}`}, []string{
			"a.rego:7:1: warning: idle decides nothing, no rule reads it: write require[\"NAME\"] if … for what must hold, or deny contains … for what must not",
			"data.json: warning: data.roles is" + unreadEnd,
		}},
		{"in place of a package that nothing has", "", map[string]string{"data.json": `{"authz": {"weather": {"limits": 1}}}`}, []string{
			"data.json: warning: data.authz.weather is" + unreadEnd,
		}},
		{"one path of several is read", `require["a"] if data.roles[input.claims.sub]`, map[string]string{"data.json": `{"roles": {}, "clients": []}`}, nil},
		{"by a helper", "require[\"a\"] if fine\n\nfine if input.claims.sub in data.roles", map[string]string{"data.json": `{"roles": []}`}, nil},
		{"by a branch of else", "require[\"a\"] if input.claims.a\n\nelse := true if input.claims.sub in data.roles", map[string]string{"data.json": `{"roles": []}`}, nil},
		{"by a variable", `require["a"] if data.teams[_].members[_] == input.claims.sub`, map[string]string{"data.json": `{"teams": {"x": {"other": 1}}}`}, nil},
		{"as a whole", `require["a"] if count(data.teams) > 0`, map[string]string{"teams/a/data.json": `{"b": 1}`}, nil},
		{"deeper than it goes", `require["a"] if data.teams.a.b`, map[string]string{"data.json": `{"teams": {}, "other": 1}`}, nil},
		{"by an import", "import data.teams as groups\n\nrequire[\"a\"] if groups.a", map[string]string{"data.json": `{"teams": {"a": true}}`}, nil},
		{"an empty document", "", map[string]string{"data.json": `{}`}, nil},
	} {
		t.Run(tt.intent, func(t *testing.T) {
			tt.files["a.rego"] = "package authz\n\n" + tt.rules + "\n"
			if diff := cmp.Diff(tt.want, problemsOf(t, tt.files)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestUnreadDataOfBundles: a bundle is named as a whole; what doorward itself
// reads of it is not warned about, and neither is anything while one is missing.
func TestUnreadDataOfBundles(t *testing.T) {
	const rule = "package authz.require\n\ntenant if input.claims.tenant == \"acme\"\n"
	for _, tt := range []struct {
		intent   string
		dataRead []string
		missing  []string
		want     []string
	}{
		{"no rule reads it", nil, nil, []string{"bundle:weather: warning: data.weather is" + unreadEnd}},
		{"doorward reads it", []string{"weather/tenants"}, nil, nil},
		{"doorward reads something else", []string{"weather/revocations"}, nil, []string{"bundle:weather: warning: data.weather.tenants is" + unreadEnd}},
		{"a missing bundle may bring the rule", nil, []string{"other"}, nil},
	} {
		src := policy.Sources{Library: rego.Files, Bundles: []policy.Bundle{weather(rule)}, DataRead: tt.dataRead, Missing: tt.missing}
		_, problems := policy.Compile(t.Context(), src)
		var got []string
		for _, p := range problems {
			got = append(got, line(p))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.intent, diff)
		}
	}
}

// TestUnreadDataOfAPackage: the packages of resources are readers too.
func TestUnreadDataOfAPackage(t *testing.T) {
	files := map[string]string{
		"a.rego":    "package authz.weather\n\nrequire[\"a\"] if input.claims.sub in data.roles\n",
		"data.json": `{"roles": []}`,
	}
	src := policy.Sources{Library: rego.Files, Paths: []string{folder(t, files)}, Packages: map[string]string{"weather": "authz.weather"}}
	if _, problems := policy.Compile(t.Context(), src); len(problems) > 0 {
		t.Error(problems)
	}
}

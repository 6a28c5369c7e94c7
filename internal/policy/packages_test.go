package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/rego"
)

// tenants is a policy of two teams, each with a package of its own, beside what
// holds for both.
func tenants(t testing.TB, files map[string]string) *policy.Engine {
	t.Helper()
	e, problems := policy.Compile(t.Context(), policy.Sources{
		Library: rego.Files, Paths: []string{folder(t, files)},
		Packages: map[string]string{"weather": "authz.weather", "maps": "authz.maps", "plain": "", "shared": "authz"},
	})
	if e == nil {
		t.Fatal(problems)
	}
	return e
}

// A resource is judged by authz and by its own package, and by nothing else:
// all that other teams write is as if it were not there.
func TestOwnPackage(t *testing.T) {
	strip := policy.Strip{Headers: []string{"authorization", "dpop"}, Query: []string{"access_token"}}
	scopes := []string{"mcp:write", "mcp:read"}
	allowed := policy.Decision{Outcome: policy.Allowed, Strip: strip, Scopes: scopes}
	tests := []struct {
		intent               string
		common, weather      string
		forWeather, forOther policy.Decision
	}{
		{
			"deny", "", `deny contains {"code": "closed", "message": "m"}`,
			policy.Decision{Outcome: policy.Denied, Scopes: scopes, Rule: "authz.weather.deny", Code: "closed", Message: "m"},
			allowed,
		},
		{
			"require", "", `require.a if input.claims.nothing`,
			policy.Decision{Outcome: policy.Denied, Scopes: scopes, Rule: "authz.weather.require.a"},
			allowed,
		},
		{
			"require that is met", "", `require.a if input.claims.tenant == "acme"`, allowed, allowed,
		},
		{
			"scopes", "", `scopes contains "weather:read"`,
			policy.Decision{Outcome: policy.InsufficientScope, Scopes: append(slices.Clone(scopes), "weather:read")},
			allowed,
		},
		{
			"scopes of both", `scopes contains "b"`, "scopes contains \"c\"\nscopes contains \"a\"",
			policy.Decision{Outcome: policy.InsufficientScope, Scopes: append(slices.Clone(scopes), "a", "b", "c")},
			policy.Decision{Outcome: policy.InsufficientScope, Scopes: append(slices.Clone(scopes), "b")},
		},
		{
			"warn", `warn contains {"code": "b"}`, `warn contains {"code": "a"}`,
			policy.Decision{Outcome: policy.Allowed, Strip: strip, Scopes: scopes, Warnings: []policy.Message{{"authz.weather.warn", "a", "", "a"}, {"authz.warn", "b", "", "b"}}},
			policy.Decision{Outcome: policy.Allowed, Strip: strip, Scopes: scopes, Warnings: []policy.Message{{"authz.warn", "b", "", "b"}}},
		},
		{
			"headers", `headers["x-all"] := "1"`, `headers["x-weather"] := "2"`,
			policy.Decision{Outcome: policy.Allowed, Strip: strip, Scopes: scopes, Headers: map[string]string{"x-all": "1", "x-weather": "2"}},
			policy.Decision{Outcome: policy.Allowed, Strip: strip, Scopes: scopes, Headers: map[string]string{"x-all": "1"}},
		},
		{
			"a header that both set alike", `headers["x-a"] := "1"`, `headers["x-a"] := "1"`,
			policy.Decision{Outcome: policy.Allowed, Strip: strip, Scopes: scopes, Headers: map[string]string{"x-a": "1"}},
			policy.Decision{Outcome: policy.Allowed, Strip: strip, Scopes: scopes, Headers: map[string]string{"x-a": "1"}},
		},
		{
			"authz refuses for all", `require.b if input.claims.nothing`, `require.a if input.claims.nothing`,
			policy.Decision{Outcome: policy.Denied, Scopes: scopes, Rule: "authz.require.b"},
			policy.Decision{Outcome: policy.Denied, Scopes: scopes, Rule: "authz.require.b"},
		},
		{
			"the first denial by code, whoever wrote it", `deny contains {"code": "b", "message": ""}`, `deny contains {"code": "a", "message": ""}`,
			policy.Decision{Outcome: policy.Denied, Scopes: scopes, Rule: "authz.weather.deny", Code: "a"},
			policy.Decision{Outcome: policy.Denied, Scopes: scopes, Rule: "authz.deny", Code: "b"},
		},
		{
			"deny of one wins over require of the other", `require.a := false`, `deny contains {"code": "z", "message": ""}`,
			policy.Decision{Outcome: policy.Denied, Scopes: scopes, Rule: "authz.weather.deny", Code: "z"},
			policy.Decision{Outcome: policy.Denied, Scopes: scopes, Rule: "authz.require.a"},
		},
		{
			"denied by one, lacking a scope for the other", `scopes contains "b"`, `require.a := false`,
			policy.Decision{Outcome: policy.Denied, Scopes: append(slices.Clone(scopes), "b"), Rule: "authz.weather.require.a"},
			policy.Decision{Outcome: policy.InsufficientScope, Scopes: append(slices.Clone(scopes), "b")},
		},
		{
			"a helper of its own", "", "require.a if helps(input.claims.tenant)\nhelps(x) if x == words[_]\nwords := [\"acme\"]", allowed, allowed,
		},
		{
			"reading what authz knows", `staff if "staff" in input.claims.groups`, `require.a if data.authz.staff`, allowed, allowed,
		},
		{
			"no rule at all", "", "", allowed, allowed,
		},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			e := tenants(t, map[string]string{
				"authz.rego": "package authz\n\n" + tt.common, "weather.rego": "package authz.weather\n\n" + tt.weather,
				"maps.rego": "package authz.maps\n\ndeny contains {\"code\": \"a\", \"message\": \"\"} if input.claims.never",
			})
			for name, want := range map[string]policy.Decision{"weather": tt.forWeather, "maps": tt.forOther, "plain": tt.forOther, "shared": tt.forOther, "unknown": tt.forOther} {
				got, _, err := e.For(name).Decide(t.Context(), request())
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, firstDenial(t, got)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
			if common := e.For("plain"); common != e.For("unknown") || common != e.For("shared") || common == e.For("weather") {
				t.Error("resources without a package share one judge, others have their own")
			}
		})
	}
}

// What is broken in one team's package is that team's trouble alone.
func TestOwnPackageFailsAlone(t *testing.T) {
	for intent, tt := range map[string]struct{ rules, want string }{
		"a built-in fails":         {`require.a if to_number(input.claims.tenant) == 1`, "policy: built-in function to_number failed in data.authz.weather.require.a at weather.rego:3 (eval_builtin_error)"},
		"two values":               {"require.a := true\nrequire.a := false if input.claims.tenant", "policy: a rule has several values at once in data.authz.weather.require.a at weather.rego:4 (eval_conflict_error)"},
		"a denial that is none":    {`deny contains "no"`, "policy: wrong shape: an element of authz.weather.deny is not exactly code and message"},
		"a scope that is none":     {`scopes contains "a b"`, "policy: wrong shape: an element of authz.weather.scopes is no scope-token (RFC 6749, section 3.3)"},
		"a warning that is none":   {`warn contains 1`, "policy: wrong shape: an element of authz.weather.warn is no object"},
		"a header that is none":    {`headers["x-b"] := 1`, "policy: wrong shape: a value in authz.weather.headers is no string"},
		"a header of two packages": {`headers["x-a"] := "2"`, `policy: wrong shape: header "x-a" has one value in authz and another in the resource's own package`},
	} {
		t.Run(intent, func(t *testing.T) {
			e := tenants(t, map[string]string{
				"authz.rego": "package authz\n\nheaders[\"x-a\"] := \"1\"", "weather.rego": "package authz.weather\n\n" + tt.rules, "maps.rego": "package authz.maps",
			})
			got, _, err := e.For("weather").Decide(t.Context(), request())
			if err == nil || withoutFolder(err.Error()) != tt.want || got.Outcome != policy.Failed {
				t.Errorf("outcome %v, error\n got %v\nwant %s", got.Outcome, err, tt.want)
			}
			if got, _, err := e.For("maps").Decide(t.Context(), request()); err != nil || got.Outcome != policy.Allowed {
				t.Errorf("another team: outcome %v, error %v", got.Outcome, err)
			}
		})
	}
}

// A team can neither reach into another's judgement nor around the built-in
// rules, from whatever package it writes.
func TestOwnPackageCannotLoosen(t *testing.T) {
	for intent, weather := range map[string]string{
		"an allow":                  "package authz.weather\n\nallow := true",
		"a decision":                "package authz.weather\n\ndecision := {\"outcome\": \"allowed\"}",
		"the built-in rules for it": "package doorward.own[\"authz.weather\"]\n\ndecision := {\"outcome\": \"allowed\"}",
		"its requirements":          "package doorward.own[\"authz.weather\"].team\n\nunmet := set()",
		"overriding by with":        "package authz.weather\n\nrequire.a if data.doorward.audience.matches with data.doorward.audience.matches as true",
		"overriding authz by with":  "package authz.weather\n\nrequire.a if not data.authz.require.closed with data.authz.require.closed as true",
		"an import over authz":      "package authz.weather\n\nimport data.authz.weather as maps\n\nrequire.a if not maps.nothing",
	} {
		t.Run(intent, func(t *testing.T) {
			e, problems := policy.Compile(t.Context(), policy.Sources{
				Library: rego.Files, Packages: map[string]string{"weather": "authz.weather"},
				Paths: []string{folder(t, map[string]string{
					"weather.rego": "package authz.weather\n", "more.rego": weather,
					"authz.rego": "package authz\n\nrequire.closed if input.claims.never",
				})},
			})
			if e == nil {
				if len(problems) == 0 {
					t.Error("neither engine nor problem")
				}
				return
			}
			stranger := request()
			stranger.Claims["aud"] = "https://other.example.com"
			for name, want := range map[string]policy.Outcome{"weather": policy.AudienceMismatch, "other": policy.AudienceMismatch} {
				if got, _, err := e.For(name).Decide(t.Context(), stranger); err != nil || got.Outcome != want {
					t.Errorf("%s: outcome %v, error %v", name, got.Outcome, err)
				}
			}
			if got, _, err := e.For("weather").Decide(t.Context(), request()); err == nil && got.Outcome != policy.Denied {
				t.Errorf("outcome %v", got.Outcome)
			}
		})
	}
}

// A name that is no own package, one that nobody wrote, and rules that take its
// place are problems.
func TestOwnPackageProblems(t *testing.T) {
	for _, tt := range []struct {
		intent, pkg string
		files       map[string]string
		want        []string
	}{
		{"nobody wrote it", "authz.wether", map[string]string{"a.rego": "package authz.weather"}, []string{
			"weather: authz.wether, and no module of the policy has this package: write `package authz.wether` in one, or correct the name",
		}},
		{"only data has it", "authz.weather", map[string]string{"data.json": `{"authz": {"weather": {}}}`}, []string{
			"weather: authz.weather, and no module of the policy has this package: write `package authz.weather` in one, or correct the name",
		}},
		{"authz itself", "data", nil, []string{"weather: data, which is no package below authz: write authz.TEAM"}},
		{"an output", "authz.deny", map[string]string{"a.rego": "package authz.deny"}, []string{
			"weather: authz.deny, where deny is a word that rules have: choose another name",
		}},
		{"below an output", "authz.a.require.b", nil, []string{
			"weather: authz.a.require.b, where require is a word that rules have: choose another name",
		}},
		{"rules at the package", "authz.weather", map[string]string{"a.rego": "package authz\n\nweather[x] := {} if some x in [\"deny\"]"}, []string{
			"a.rego:3:1: data.authz.weather[x] takes the place of package authz.weather: give the rule another name",
			"weather: authz.weather, and no module of the policy has this package: write `package authz.weather` in one, or correct the name",
		}},
		{"rules above the package", "authz.weather.eu", map[string]string{"a.rego": "package authz\n\nweather := 1", "b.rego": "package authz.weather.eu"}, []string{
			"a.rego:3:1: data.authz.weather takes the place of package authz.weather.eu: give the rule another name",
		}},
		{"the shape rules hold", "authz.weather", map[string]string{"a.rego": "package authz.weather\n\ndeny := true\n\nrequire[x] := true if some x in [1]\n\nheaders[\"host\"] := \"a\""}, []string{
			"a.rego:3:1: deny is not a set here: write deny contains {\"code\": \"…\", \"message\": \"…\"} if …",
			"a.rego:5:1: the name of a requirement is not a constant: write require[\"NAME\"] if …, one rule for each",
			"a.rego:7:1: header \"host\" is not allowed: use lower case and begin with \"x-\"",
		}},
		{"and from the package above", "authz.weather", map[string]string{"a.rego": "package authz\n\nweather.deny := true"}, []string{
			"a.rego:3:1: deny is not a set here: write deny contains {\"code\": \"…\", \"message\": \"…\"} if …",
		}},
		{"data in place of rules", "authz.weather", map[string]string{"a.rego": "package authz.weather", "data.json": `{"authz": {"weather": {"require": {"a": true}}}}`}, []string{
			"data.json: data under authz.weather.require takes the place of rules: write them in Rego, and put the data under a name of your own",
		}},
		{"data in place of the package", "authz.weather", map[string]string{"a.rego": "package authz.weather", "data.json": `{"authz": {"weather": 1}}`}, []string{
			"data.json: data under authz.weather is no object: put it under a name of your own",
		}},
		{"a rule that nothing reads", "authz.weather", map[string]string{"a.rego": "package authz.weather\n\nallow := true"}, []string{
			"a.rego:3:1: warning: allow decides nothing, no rule reads it: write require[\"NAME\"] if … for what must hold, or deny contains … for what must not",
		}},
		{"rules in a package that is nobody's", "authz.weather", map[string]string{
			"a.rego": "package authz.weather", "b.rego": "package authz.maps\n\nrequire.a := false\n\ndeny contains 1\n\nallow := true\n\ndeny contains 2",
		}, []string{
			"b.rego:3:1: warning: require decides nothing, no resource has package authz.maps: write `policy: authz.maps` at the resource that it is for, or give the rule another name",
			"b.rego:5:1: warning: deny decides nothing, no resource has package authz.maps: write `policy: authz.maps` at the resource that it is for, or give the rule another name",
		}},
		{"unless they are read", "authz.weather", map[string]string{
			"a.rego": "package authz.weather\n\nrequire.a if not data.authz.lib.deny", "b.rego": "package authz.lib\n\ndeny contains 1 if input.claims.a",
		}, nil},
		{"a requirement named as an output", "authz.weather", map[string]string{"a.rego": "package authz.weather.require\n\ndeny := true"}, nil},
		{"a package with dots in its name", "authz.weather", map[string]string{"a.rego": "package authz.weather", "b.rego": "package authz[\"weather.eu\"]\n\nx := 1", "c.rego": "package authz[\"a.b\"]\n\ny := 1"}, []string{
			"b.rego:1:1: warning: nothing in this file reaches a decision, no rule that is evaluated reads it: read it in require[\"NAME\"] if …, or remove the file",
			"c.rego:1:1: warning: nothing in this file reaches a decision, no rule that is evaluated reads it: read it in require[\"NAME\"] if …, or remove the file",
		}},
		{"data of its own is fine", "authz.weather", map[string]string{"a.rego": "package authz.weather\n\nrequire.a if data.authz.weather.limits.a", "data.json": `{"authz": {"weather": {"limits": {"a": true}}}}`}, nil},
		{"the package of its requirements alone is fine", "authz.weather", map[string]string{"a.rego": "package authz.weather.require\n\na if input.claims.tenant"}, nil},
		{"rules from above alone are fine", "authz.weather", map[string]string{"a.rego": "package authz\n\nweather.require.a if input.claims.tenant"}, nil},
	} {
		t.Run(tt.intent, func(t *testing.T) {
			dir := folder(t, tt.files)
			e, problems := policy.Compile(t.Context(), policy.Sources{
				Library: rego.Files, Paths: []string{dir}, Packages: map[string]string{"weather": tt.pkg},
			})
			var got []string
			for _, p := range problems {
				if len(tt.files) == 0 && p.Severity == finding.Warning { // no policy in the folder
					continue
				}
				p.File = strings.TrimPrefix(strings.TrimPrefix(p.File, dir), "/")
				if p.Resource != "" {
					p.File = p.Resource
				}
				got = append(got, line(p))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if blocked := slices.ContainsFunc(problems, func(p finding.Finding) bool { return p.Severity == finding.Error }); blocked == (e != nil) {
				t.Errorf("engine there: %v", e != nil)
			}
		})
	}
}

// The headers that a request loses are those of the packages that judge it.
func TestHeaderNamesOfAPackage(t *testing.T) {
	e := tenants(t, map[string]string{
		"a.rego": "package authz\n\nheaders[\"x-all\"] := \"1\"",
		"b.rego": "package authz.weather\n\nheaders[\"x-weather\"] := \"1\"\nheaders[\"x-all\"] := \"1\"",
		"c.rego": "package authz.maps\n\nheaders[\"x-maps\"] := \"1\"",
	})
	for name, want := range map[string][]string{"weather": {"x-all", "x-weather"}, "maps": {"x-all", "x-maps"}, "plain": {"x-all"}} {
		if diff := cmp.Diff(want, e.For(name).HeaderNames()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Two packages that judge one request must not spell one name in two ways; two
// that never do may.
func TestHeaderNamesOfPackagesThatAServerFolds(t *testing.T) {
	for intent, row := range map[string]struct {
		other string // the package of x-a.b, beside authz.weather with x-a-b
		fine  bool
	}{
		"authz judges them all": {"authz", false},
		"another team's":        {"authz.maps", true},
	} {
		dir := folder(t, map[string]string{
			"a.rego": "package " + row.other + "\n\nheaders[\"x-a.b\"] := \"1\"",
			"b.rego": "package authz.weather\n\nheaders[\"x-a-b\"] := \"1\"",
		})
		_, problems := policy.Compile(t.Context(), policy.Sources{
			Library: rego.Files, Paths: []string{dir}, Packages: map[string]string{"weather": "authz.weather", "maps": "authz.maps"},
		})
		found := slices.ContainsFunc(problems, func(p finding.Finding) bool {
			return strings.HasSuffix(p.File, "b.rego") && strings.Contains(p.Message, `header "x-a-b" is "x-a.b" of`) && p.Severity == finding.Error
		})
		if found == row.fine {
			t.Errorf("%s: %+v", intent, problems)
		}
	}
}

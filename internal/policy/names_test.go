package policy_test

import (
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/policy"
)

// What a team may try with names that are not its own: told at load.
func TestNamesOfOthers(t *testing.T) {
	for source, want := range map[string]string{
		"package authz\n\ninput := {}\n":                                                           "a.rego:3:1: rules must not shadow input (use a different rule name): ",
		"package authz\n\nrequire.a if {\n\tdata := 1\n\tdata == 1\n}\n":                           "a.rego:4:2: variables must not shadow data (use a different variable name): ",
		"package authz\n\ncount(_) := 0\n\nrequire.a if count([]) == 0\n":                          "a.rego:3:1: warning: count takes the place of the built-in function in this package: ",
		"package data.authz\n":                                                                     "",
		"package data.authz\n\nrequire.a if input.claims.a\n":                                      "a.rego:1:1: warning: package data.authz is evaluated for no resource, so its require decides nothing: write package authz",
		"package policy\n\ndeny contains {\"code\": \"a\", \"message\": \"\"} if input.claims.a\n": "a.rego:1:1: warning: package policy is evaluated for no resource, so its deny decides nothing: write package authz",
		"package policy\n\ndeny := \"a word\"\n":                                                   "a.rego:1:1: warning: package policy is evaluated for no resource, and no other package reads it, so nothing in this file decides: write package authz",
		"package doorward.own\n":                                                                   "a.rego:1:1: package doorward is reserved: ",
		"package authz\n\nimport data.doorward.team\n\nrequire.a if team.agrees\n":                 "a.rego:5:1: rule data.authz.require.a may be recursive: ",
	} {
		if got := strings.Join(problemsOf(t, map[string]string{"a.rego": source}), "\n"); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%s\n got %s\nwant %s", source, got, want)
		}
	}
}

// Ten megabytes, wherever a rule says them, are an error and not an answer.
func TestTenMegabytes(t *testing.T) {
	const large = `concat("", [s | some i in numbers.range(1, 100); s := sprintf("%0100000d", [i])])`
	for name, rule := range map[string]string{
		"a message": `deny contains {"code": "a", "message": m} if m := ` + large,
		"a warning": `warn contains {"code": "a", "message": m} if m := ` + large,
		"a scope":   `scopes contains s if s := ` + large,
		"a header":  `headers["x-a"] := ` + large,
		"a member":  `deny contains {"code": "a", "message": "", m: ""} if m := ` + large,
	} {
		t.Run(name, func(t *testing.T) {
			d, err := decide(t.Context(), authz(t, rule), request())
			if err == nil || d.Outcome != policy.Failed {
				t.Fatalf("outcome %v, error %v", d.Outcome, err)
			}
			if len(err.Error()) > 200 {
				t.Errorf("the error is %d bytes long", len(err.Error()))
			}
		})
	}
}

// A package that another reads is a library, whatever its rules are called.
func TestALibraryIsReadElsewhere(t *testing.T) {
	for _, reading := range []string{
		"package authz\n\nimport data.teams.lib\n\nrequire.a if count(lib.deny) == 0\n",
		"package authz\n\nrequire.a if count(data.teams.lib.deny) == 0\n",
	} {
		got := problemsOf(t, map[string]string{"a.rego": reading, "lib.rego": "package teams.lib\n\ndeny contains 1 if input.claims.a\n"})
		if len(got) > 0 {
			t.Errorf("%s: %q", reading, got)
		}
	}
}

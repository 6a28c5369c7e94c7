package regotest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/internal/regotest"
	"github.com/doorward/doorward/rego"
	"github.com/doorward/doorward/rego/library"
)

const (
	rules = `package authz

require.tenant if input.claims.tenant in data.tenants

deny contains {"code": "read_only", "message": "no writes"} if {
	input.request.method == "DELETE"
	not "admin" in object.get(input.claims, "groups", [])
}
`
	head = `package authz_test

import data.authz
import data.doorward

`
)

// written makes a folder of files: authz.rego and data.json as above, and more.
func written(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	all := map[string]string{"authz.rego": rules, "data.json": `{"tenants": ["acme"]}`}
	for name, content := range files {
		all[name] = content
	}
	for name, content := range all {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// said runs the tests of a folder and lists what is said, without the folder.
func said(t testing.TB, dir string, coverage bool) []string {
	t.Helper()
	report, problems, err := regotest.Run(context.Background(), policy.Sources{Library: rego.Files, Paths: []string{dir}}, library.Files, coverage)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, p := range problems {
		word := "problem"
		if p.Severity == finding.Warning {
			word = "warning"
		}
		lines = append(lines, fmt.Sprintf("%s %s:%d:%d: %s: %s", word, p.File, p.Line, p.Column, p.Message, p.Fix))
	}
	for _, r := range report.Results {
		word := "FAIL"
		switch {
		case r.Skipped:
			word = "SKIP"
		case r.Passed:
			word = "PASS"
		}
		lines = append(lines, fmt.Sprintf("%s %s:%d %s", word, r.File, r.Line, r.Name))
		if r.Output != "" {
			lines = append(lines, "printed "+strings.TrimSpace(r.Output))
		}
		lines = append(lines, r.Why...)
	}
	for _, c := range report.Coverage {
		lines = append(lines, c.String())
	}
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], dir+"/", "")
	}
	return lines
}

func TestRun(t *testing.T) {
	const rest = "; the rest as of doorward.request({})"
	tests := []struct {
		intent, test string
		want         []string
	}{
		{
			"the line that a test is written in", `test_delete if {"code": "read_only", "message": "no writes"} in authz.deny with input as doorward.request({"method": "DELETE", "claims": {"groups": ["staff"]}})`,
			[]string{"PASS a_test.rego:6 authz_test.test_delete"},
		},
		{
			"the whole decision, with data as served", `test_acme if doorward.decision.outcome == "allowed" with input as doorward.request({"claims": {"tenant": "acme"}})`,
			[]string{"PASS a_test.rego:6 authz_test.test_acme"},
		},
		{
			"a requirement that is undefined denies", `test_none if doorward.decision.team.unmet == {"tenant"} with input as doorward.request({})`,
			[]string{"PASS a_test.rego:6 authz_test.test_none"},
		},
		{
			"a requirement that is not met", `test_other if authz.require.tenant with input as doorward.request({"claims": {"tenant": "other"}})`,
			[]string{
				"FAIL a_test.rego:6 authz_test.test_other",
				`false:    authz.rego:3: input.claims.tenant in data.tenants  ["other" in ["acme"]]`,
				`false:    a_test.rego:6: authz.require.tenant with input as doorward.request({"claims": {"tenant": "other"}})`,
				`input:    claims.tenant "other"` + rest,
				`decision: {"outcome":"policy_denied","team":{"unmet":["tenant"]}}`,
			},
		},
		{
			"a rule that the index passes over", `test_get if count(authz.deny) == 1 with input as doorward.request({"method": "GET"})`,
			[]string{
				"FAIL a_test.rego:6 authz_test.test_get",
				`false:    authz.rego:6: input.request.method == "DELETE"  ["GET" == "DELETE"]`,
				`false:    a_test.rego:6: count(authz.deny) == 1 with input as doorward.request({"method": "GET"})  [0 == 1]`,
				`input:    request.method "GET"` + rest,
				`decision: {"outcome":"policy_denied","team":{"unmet":["tenant"]}}`,
			},
		},
		{
			"a request without a token", `test_open if doorward.decision.outcome == "allowed_anonymous" with input as doorward.request({"resource": {"anonymous": true}})`,
			[]string{
				"FAIL a_test.rego:6 authz_test.test_open",
				`false:    authz.rego:6: input.request.method == "DELETE"  ["POST" == "DELETE"]`,
				"false:    authz.rego:3: input.claims.tenant",
				`false:    a_test.rego:6: doorward.decision.outcome == "allowed_anonymous" with input as doorward.request({"resource": {"anonymous": true}})`,
				`input:    no token, resource.anonymous true` + rest,
				`decision: {"outcome":"policy_denied","team":{"unmet":["tenant"]}}`,
			},
		},
		{
			"a line after the one with an input", "test_later if {\n\tgot := doorward.decision with input as doorward.request({\"claims\": {\"sub\": null}})\n\tgot.outcome == \"allowed\"\n}",
			[]string{
				"FAIL a_test.rego:6 authz_test.test_later",
				`false:    a_test.rego:8: got.outcome == "allowed"  ["policy_denied" == "allowed"]`,
				"input:    claims.sub left out" + rest,
				`decision: {"outcome":"policy_denied","team":{"unmet":["tenant"]}}`,
			},
		},
		{
			"an input of its own", `test_own if authz.require.tenant with input as {"claims": {}}`,
			[]string{
				"FAIL a_test.rego:6 authz_test.test_own",
				"false:    authz.rego:3: input.claims.tenant",
				`false:    a_test.rego:6: authz.require.tenant with input as {"claims": {}}`,
				`input:    {"claims":{}}`,
				`decision: {"outcome":"audience_mismatch"}`,
			},
		},
		{
			"data of its own, which the decision sees too", `test_data if authz.require.tenant with input as doorward.request({"claims": {"tenant": "acme"}}) with data.tenants as ["other"]`,
			[]string{
				"FAIL a_test.rego:6 authz_test.test_data",
				`false:    authz.rego:3: input.claims.tenant in data.tenants  ["acme" in ["other"]]`,
				`false:    a_test.rego:6: authz.require.tenant with input as doorward.request({"claims": {"tenant": "acme"}}) with data.tenants as ["other"]`,
				`input:    claims.tenant "acme"` + rest,
				`with:     data.tenants as ["other"]`,
				`decision: {"outcome":"policy_denied","team":{"unmet":["tenant"]}}`,
			},
		},
		{
			"data around a helper that gives the input, and the inner of two", "asked(given) := outcome if {\n\toutcome := doorward.decision.outcome with input as doorward.request(given) with data.tenants as [\"inner\"]\n}\n\n" +
				`test_around if asked({"claims": {"tenant": "inner"}}) == "policy_denied" with data.tenants as ["outer"] with data.more as {"a": 1}`,
			[]string{
				"FAIL a_test.rego:10 authz_test.test_around",
				`false:    authz.rego:6: input.request.method == "DELETE"  ["POST" == "DELETE"]`,
				`false:    a_test.rego:10: asked({"claims": {"tenant": "inner"}}) == "policy_denied" with data.tenants as ["outer"] with data.more as {"a": 1}  ["allowed" == "policy_denied"]`,
				`input:    claims.tenant "inner"` + rest,
				`with:     data.more as {"a": 1}`,
				`with:     data.tenants as ["inner"]`,
				`decision: {"outcome":"allowed"}`,
			},
		},
		{
			"a function of its own", `test_mocked if count(authz.deny) == 1 with input as doorward.request({"method": "DELETE", "claims": {"tenant": "acme"}}) with object.get as ["admin"]`,
			[]string{
				"FAIL a_test.rego:6 authz_test.test_mocked",
				`false:    authz.rego:7: not "admin" in object.get(input.claims, "groups", [])  ["admin" in ["admin"]]`,
				`false:    a_test.rego:6: count(authz.deny) == 1 with input as doorward.request({"method": "DELETE", "claims": {"tenant": "acme"}}) with object.get as ["admin"]  [0 == 1]`,
				`input:    claims.tenant "acme", request.method "DELETE"` + rest,
				`with:     object.get as ["admin"]`,
				`decision: {"outcome":"allowed"}`,
			},
		},
		{
			"no longer in force in the next line", "test_next if {\n\tauthz.require.tenant with input as doorward.request({\"claims\": {\"tenant\": \"a\"}}) with data.tenants as [\"a\"]\n\tauthz.require.tenant with input as doorward.request({\"claims\": {\"tenant\": \"b\"}})\n}",
			[]string{
				"FAIL a_test.rego:6 authz_test.test_next",
				`false:    authz.rego:3: input.claims.tenant in data.tenants  ["b" in ["acme"]]`,
				`false:    a_test.rego:8: authz.require.tenant with input as doorward.request({"claims": {"tenant": "b"}})`,
				`input:    claims.tenant "b"` + rest,
				`decision: {"outcome":"policy_denied","team":{"unmet":["tenant"]}}`,
			},
		},
		{"without an input", `test_plain if 1 == 2`, []string{"FAIL a_test.rego:6 authz_test.test_plain", "false:    a_test.rego:6: 1 == 2  [1 == 2]"}},
		{
			"one of several cases", "test_cases[name] if {\n\tsome name, n in {\"a\": 0, \"b\": 1}\n\tcount(authz.deny) == n with input as doorward.request({})\n}",
			[]string{
				"FAIL a_test.rego:6 authz_test.test_cases",
				"case b failed",
				`false:    authz.rego:6: input.request.method == "DELETE"  ["POST" == "DELETE"]`,
				"false:    a_test.rego:8: count(authz.deny) == n with input as doorward.request({})  [0 == 1]",
				"input:    as of doorward.request({})",
				`decision: {"outcome":"policy_denied","team":{"unmet":["tenant"]}}`,
			},
		},
		{
			"an error is not a pass", `test_error if not to_number("a") == 1`,
			[]string{"FAIL a_test.rego:6 authz_test.test_error", `error: a_test.rego:6: eval_builtin_error: to_number: strconv.ParseFloat: parsing "a": invalid syntax`},
		},
		{"a test that is not done", "todo_test_later if false", []string{"SKIP a_test.rego:6 authz_test.todo_test_later"}},
		{"what a test prints", "test_prints if print(\"hello\")", []string{"PASS a_test.rego:6 authz_test.test_prints", "printed hello"}},
		{"no test", "helps := 1", nil},

		{"a member misspelt", `test_a if authz.require.tenant with input as doorward.request({"methd": "GET", "token": {"bound": 1}, "claims": {"any": 1}})`, []string{
			`problem a_test.rego:6:64: doorward.request does not know "methd": write one of claims, client_address, destination, direction, headers, host, id, mcp, method, path, query, request, resource, scheme, source_address, source_principal, token, version`,
			`problem a_test.rego:6:90: doorward.request does not know "bound": write one of binding, bound_by, client, client_id_pattern, dedicated, generic_audiences, issuer, marked, no_scopes, profile, recent, scopes, self_asserted, subject_accepted, tenant, trusted`,
		}},
		{"a set is never false", "test_a if {\n\tauthz.deny with input as doorward.request({})\n\tnot authz.scopes with input as doorward.request({})\n}", []string{
			"warning a_test.rego:7:2: authz.deny is a set, and an empty set is not false, so this line always holds: write count(authz.deny) > 0",
			"warning a_test.rego:8:2: authz.scopes is a set, and an empty set is not false, so this line never holds: write count(authz.scopes) == 0",
			"PASS a_test.rego:6 authz_test.test_a",
		}},
		{"a test that does not compile", `test_a if input.request.methd == "GET"`, []string{
			"problem a_test.rego:6:11: input.request.methd is never there: input.request has client_address, headers, host, id, method, path, query, scheme, source_address, source_principal",
		}},
		{"a built-in that serve refuses", `test_a if http.send({"url": "http://a", "method": "get"})`, []string{
			"problem a_test.rego:6:11: built-in function http.send is not allowed: network, files and environment are closed to policies, put the facts into data.json",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			got := said(t, written(t, map[string]string{"a_test.rego": head + tt.test + "\n"}), false)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What would be true in tests alone is refused.
func TestTestsAddNothing(t *testing.T) {
	for test, want := range map[string]string{
		"package authz\n\nrequire.a := true\n":            "problem a_test.rego:3:1: serve does not read this file, so authz.require.a would be evaluated in tests alone: move it to a file without _test, or begin the test with package authz_test",
		"package authz.require\n\na := true\n":            "problem a_test.rego:3:1: serve does not read this file, so authz.require.a would be evaluated in tests alone: move it to a file without _test, or begin the test with package authz_test",
		"package doorward\n\nrequest(_) := {}\n":          "problem a_test.rego:1:1: package doorward is reserved: write package authz_test",
		"package authz_test\n\ntest_a if {\n":             "problem a_test.rego:4:1: unexpected eof token: correct the syntax (Rego v1: `if` before a body, `contains` for a set)",
		"package authz\n\ntest_in_the_package if 1 > 0\n": "PASS a_test.rego:3 authz.test_in_the_package",
	} {
		if diff := cmp.Diff([]string{want}, said(t, written(t, map[string]string{"a_test.rego": test}), false)); diff != "" {
			t.Errorf("%s(-want +got):\n%s", test, diff)
		}
	}
	t.Run("a rule that does not compile", func(t *testing.T) {
		got := said(t, written(t, map[string]string{"authz.rego": "package authz\n\ndeny := true\n", "a_test.rego": head + "test_a if true\n"}), false)
		if len(got) != 1 || !strings.HasPrefix(got[0], "problem authz.rego:3:1: deny is not a set") {
			t.Errorf("%q", got)
		}
	})
}

// A decision that fails says what the door would say.
func TestADecisionThatFails(t *testing.T) {
	dir := written(t, map[string]string{
		"authz.rego":  "package authz\n\nrequire.a if to_number(input.claims.sub) == 1\n",
		"a_test.rego": head + "test_a if doorward.request({}).claims.sub == \"bob\" with input as doorward.request({})\n",
	})
	got := said(t, dir, false)
	if last := got[len(got)-1]; !strings.HasPrefix(last, "decision: policy_error: authz.rego:3: eval_builtin_error: to_number") {
		t.Errorf("%q", got)
	}
}

// A resource's own package is judged beside authz, with its requirements.
func TestOwnPackage(t *testing.T) {
	dir := written(t, map[string]string{
		"weather.rego": "package authz.weather\n\nrequire.a if input.claims.a\n",
		"lib.rego":     "package authz.lib\n\nhelps := 1\n",
		"a_test.rego":  head + "test_a if authz.weather.require.a with input as doorward.request({\"claims\": {\"tenant\": \"acme\"}})\n",
	})
	want := []string{
		"FAIL a_test.rego:6 authz_test.test_a",
		"false:    weather.rego:3: input.claims.a",
		`false:    a_test.rego:6: authz.weather.require.a with input as doorward.request({"claims": {"tenant": "acme"}})`,
		`input:    claims.tenant "acme"; the rest as of doorward.request({})`,
		`decision of authz: {"outcome":"allowed"}`,
		`decision of authz.weather: {"outcome":"policy_denied","team":{"unmet":["a"]}}`,
	}
	if diff := cmp.Diff(want, said(t, dir, false)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got := said(t, written(t, map[string]string{
		"weather.rego": "package authz.weather\n\nrequire.a if input.claims.a\n",
		"a_test.rego":  "package authz.weather\n\nrequire.b := true\n",
	}), false)
	if len(got) != 1 || !strings.Contains(got[0], "authz.weather.require.b would be evaluated in tests alone") {
		t.Errorf("%q", got)
	}
}

func TestCoverage(t *testing.T) {
	dir := written(t, map[string]string{
		"a_test.rego":    head + "test_a if authz.require.tenant with input as doorward.request({\"claims\": {\"tenant\": \"acme\"}})\n",
		"never.rego":     "package never\n\na if {\n\tinput.claims.a\n\tinput.claims.b\n}\n\nb if input.claims.c\n",
		"only/data.json": "{}",
		"empty.rego":     "package empty\n",
	})
	want := []string{
		"PASS a_test.rego:6 authz_test.test_a",
		" 25.0%  authz.rego  not evaluated: 5-7",
		"100.0%  empty.rego",
		"  0.0%  never.rego  not evaluated: 3-5, 8",
	}
	if diff := cmp.Diff(want, said(t, dir, true)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Tests of several files come in the order of the files, whatever ran first.
func TestOrderAndCount(t *testing.T) {
	dir := written(t, map[string]string{
		"b_test.rego": head + "test_a := true\n\ntest_b := false\n",
		"a_test.rego": "package a_test\n\ntest_z := true\n\ntest_a := true\n\ntodo_test_b := true\n",
	})
	report, problems, err := regotest.Run(t.Context(), policy.Sources{Library: rego.Files, Paths: []string{dir}}, library.Files, false)
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	var names []string
	for _, r := range report.Results {
		names = append(names, r.Name)
	}
	if diff := cmp.Diff([]string{"a_test.test_z", "a_test.test_a", "a_test.todo_test_b", "authz_test.test_a", "authz_test.test_b"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if passed, failed, skipped := report.Count(); passed != 3 || failed != 1 || skipped != 1 {
		t.Errorf("%d passed, %d failed, %d skipped", passed, failed, skipped)
	}
}

// A run that is cancelled says so.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := written(t, map[string]string{"a_test.rego": head + "test_a := true\n"})
	if _, _, err := regotest.Run(ctx, policy.Sources{Library: rego.Files, Paths: []string{dir}}, library.Files, false); err == nil {
		t.Error("no error")
	}
}

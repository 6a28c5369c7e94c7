package lint_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/lint"
)

// configured is what a small configuration says.
func configured() lint.Known {
	return lint.Known{
		Hidden: func(header string) bool { return header == "authorization" || header == "cookie" },
		Values: map[string][]string{
			"input.token.profile": {"standard", "rfc9068"},
			"input.claims.aud":    {"https://mcp.example.com/mcp", "api://app"},
			"input.resource.name": {"weather"},
			"input.token.issuer":  {"a", "b", "c", "d", "e", "f"},
		},
		Labels: []string{"team"},
	}
}

// found parses rules of package authz, from line 3 on, and lists the findings.
func found(t testing.TB, rules string) []string {
	t.Helper()
	return foundBy(t, configured(), rules)
}

// foundBy is [found] under another configuration.
func foundBy(t testing.TB, known lint.Known, rules string) []string {
	t.Helper()
	m, err := ast.ParseModuleWithOpts("a.rego", "package authz\n\n"+rules, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		t.Fatalf("%s: %v", rules, err)
	}
	var lines []string
	for _, f := range lint.Check(map[string]*ast.Module{"a.rego": m}, known) {
		line := fmt.Sprintf("%d:%d: %s: %s", f.Line, f.Column, f.Message, f.Fix)
		if f.Severity == finding.Error {
			line = "fatal: " + line
		}
		lines = append(lines, line)
	}
	return lines
}

const (
	never   = " carries a credential and is never in input: use input.claims and input.token, which have been verified"
	element = `{"code": "a", "message": "b"}`
)

func silent(path, rule string) string {
	return path + " may be missing, and then this " + rule + " is silent: write require[\"NAME\"] if … for what must hold, or one more rule with `not " + path + "`"
}

func through(path, helper string, row int) string {
	return strings.Replace(silent(path, "deny"), path, fmt.Sprintf("%s, which %s reads (a.rego:%d),", path, helper, row), 1)
}

func TestFindings(t *testing.T) {
	const apart = "methods are case-sensitive, and clients send them in upper case: write \"DELETE\""
	tests := []struct {
		intent, rules string
		want          []string
	}{
		// What is never in input.
		{"a credential", `require.a if input.request.headers.authorization`, []string{"fatal: 3:14: the header authorization" + never}},
		{"a credential in capitals", `require.a if input.request.headers["Cookie"][0] == "a=b"`, []string{"fatal: 3:14: the header cookie" + never}},
		{"a credential by object.get", `require.a if object.get(input.request.headers, "authorization", "") == ""`, []string{"fatal: 3:14: the header authorization" + never}},
		{"a credential by another name", "import input.request as asked\n\nrequire.a if asked.headers.authorization", []string{"fatal: 5:14: the header authorization" + never}},
		{"a credential in a head", `headers["x-a"] := input.request.headers.authorization[0]`, []string{"fatal: 3:19: the header authorization" + never}},
		{"a token in the query", `require.a if input.request.query.access_token`, []string{"fatal: 3:14: the parameter access_token, in any spelling," + never}},
		{"a token in the query, as PHP reads it", `require.a if input.request.query["access.token"]`, []string{"fatal: 3:14: the parameter access_token, in any spelling," + never}},
		{"a header in capitals", `require.a if input.request.headers["X-Team"][0] == "a"`, []string{
			`fatal: 3:14: header names are in lower case, "X-Team" is never there: write input.request.headers["x-team"]`,
		}},
		{"a pseudo header", `require.a if input.request.headers[":path"][0] == "/"`, []string{
			"fatal: 3:14: :path is no header here: write input.request.method, scheme, host or path",
		}},

		// What a path never is.
		{"a method in lower case", `require.a if input.request.method == "delete"`, []string{"3:14: " + apart}},
		{"a method on the left", `require.a if "delete" == input.request.method`, []string{"3:14: " + apart}},
		{"a method that is unequal", `require.a if input.request.method != "delete"`, []string{"3:14: " + apart}},
		{"a method among others", `require.a if input.request.method in {"GET", "delete"}`, []string{"3:14: " + apart}},
		{"a method in a variable", "require.a if {\n\tm := input.request.method\n\tm == \"delete\"\n}", []string{"5:2: " + apart}},
		{"a method by another name", "import input.request as asked\n\nrequire.a if asked.method == \"delete\"", []string{"5:14: " + apart}},
		{"a method in a value", `require.a := input.request.method == "delete"`, []string{"3:14: " + apart}},
		{"an unknown profile", `require.a if input.token.profile == "rfc9086"`, []string{
			`3:14: input.token.profile is never "rfc9086": it is "standard" or "rfc9068"`,
		}},
		{"an unknown resource", `require.a if input.resource.name == "wether"`, []string{`3:14: input.resource.name is never "wether": it is "weather"`}},
		{"an audience of nobody", `require.a if input.claims.aud == "https://other.example.com"`, []string{
			`3:14: input.claims.aud is never "https://other.example.com": no configured resource has this audience, they have "https://mcp.example.com/mcp" or "api://app"`,
		}},
		{"one of many", `require.a if input.token.issuer == "g"`, []string{`3:14: input.token.issuer is never "g": it is "a", "b", "c", "d", "e", …`}},
		{"a query in the path", `require.a if input.request.path == "/mcp?a=b"`, []string{
			"3:14: input.request.path ends before the question mark: write input.request.query for what follows it",
		}},
		{"a header is a list", `require.a if input.request.headers["x-team"] == "a"`, []string{
			`3:14: input.request.headers["x-team"] is a list of values and never equals a string: write input.request.headers["x-team"][0], or "a" in input.request.headers["x-team"]`,
		}},
		{"a parameter is a list", `require.a if startswith(input.request.query.page, "1")`, []string{
			"3:14: input.request.query.page is a list of values, and startswith takes a string: write input.request.query.page[0]",
		}},
		{"one of several scopes", `require.a if input.claims.scope == "mcp:read"`, []string{
			`3:14: input.claims.scope is one string of all scopes, and equals "mcp:read" only where there is no other: write "mcp:read" in input.token.scopes`,
		}},
		{"in the string of scopes", `require.a if "mcp:read" in input.claims.scope`, []string{
			`3:14: input.claims.scope is one string, not a list, and "mcp:read" is never in it: write "mcp:read" in input.token.scopes`,
		}},
		{"part of the string of scopes", `require.a if contains(input.claims.scope, "mcp:read")`, []string{
			`3:14: contains finds "mcp:read" in longer scopes too: write "mcp:read" in input.token.scopes`,
		}},

		// What is never true.
		{"false", "deny contains " + element + " if {\n\tinput.request.method == \"GET\"\n\tfalse\n}", []string{
			"5:2: this is never true, so the rule has no effect: remove the rule, or the line",
		}},
		{"two constants", "deny contains " + element + " if 1 > 2", []string{
			"3:48: this compares two constants and is never true, so the rule has no effect: compare with a value of input or data",
		}},
		{"two values at once", "require.a if {\n\tinput.request.method == \"GET\"\n\tinput.request.method == \"POST\"\n}", []string{
			"5:2: input.request.method has one value, which a line before compares with another, and every line of a body must be true: write two rules, or input.request.method in {…}",
		}},
		{"a value that is excluded", "require.a if {\n\tinput.request.method != \"GET\"\n\tinput.request.method == \"GET\"\n}", []string{
			"5:2: input.request.method has one value, which a line before compares with another, and every line of a body must be true: write two rules, or input.request.method in {…}",
		}},
		{"a value that is none of these", "require.a if {\n\tinput.request.method in {\"GET\", \"HEAD\"}\n\tinput.request.method == \"POST\"\n}", []string{
			"5:2: input.request.method has one value, which a line before compares with another, and every line of a body must be true: write two rules, or input.request.method in {…}",
		}},
		{"a negated value", "require.a if {\n\tnot input.claims.role == \"a\"\n\tinput.claims.role == \"a\"\n}", []string{
			"5:2: input.claims.role has one value, which a line before compares with another, and every line of a body must be true: write two rules, or input.claims.role in {…}",
		}},
		{"in an else", "require.a if {\n\tinput.claims.a\n} else if {\n\tfalse\n}", []string{
			"6:2: this is never true, so the rule has no effect: remove the rule, or the line",
		}},

		{"a built-in's name", "count(_) := 0", []string{"3:1: count takes the place of the built-in function in this package: give it another name"}},

		// What is silent where something is missing.
		{"unequal", "deny contains " + element + " if input.claims.tenant != \"acme\"", []string{"3:48: " + silent("input.claims.tenant", "deny")}},
		{"unequal, on both sides", "deny contains " + element + " if input.claims.tenant != input.resource.labels.tenant", []string{
			"3:48: " + silent("input.claims.tenant", "deny"), "3:48: " + silent("input.resource.labels.tenant", "deny"),
		}},
		{"in the element", "deny contains {\"code\": \"a\", \"message\": input.claims.email} if input.request.method == \"DELETE\"", []string{"3:15: " + silent("input.claims.email", "deny")}},
		{"in the element, inside a function", "deny contains {\"code\": \"a\", \"message\": sprintf(\"%v\", [input.claims.email])} if input.request.method == \"DELETE\"", []string{"3:15: " + silent("input.claims.email", "deny")}},
		{"in the element, and asked for", "deny contains {\"code\": \"a\", \"message\": input.claims.email} if is_string(input.claims.email)", nil},
		{"in the element, and always there", "deny contains {\"code\": \"a\", \"message\": input.request.method}", nil},
		{"an order", "warn contains " + element + " if input.claims.level < 2", []string{"3:48: " + silent("input.claims.level", "warn")}},
		{"not true", "deny contains " + element + " if input.claims.email_verified == false", []string{"3:48: " + silent("input.claims.email_verified", "deny")}},
		{"inside a function", "scopes contains \"a\" if lower(input.claims.tenant) != \"acme\"", []string{"3:24: " + silent("input.claims.tenant", "scopes")}},
		{"not of a function is undefined", "deny contains " + element + " if not startswith(input.claims.email, \"a\")", []string{"3:48: " + silent("input.claims.email", "deny")}},
		{"not in is undefined", "deny contains " + element + " if not \"a\" in input.claims.groups", []string{"3:48: " + silent("input.claims.groups", "deny")}},
		{"not of a function that is compared", "deny contains " + element + " if not lower(input.claims.a) == \"a\"", []string{"3:48: " + silent("input.claims.a", "deny")}},
		{"a variable", "deny contains " + element + " if {\n\tt := input.claims.tenant\n\tt != \"acme\"\n}", []string{"5:2: " + silent("input.claims.tenant", "deny")}},
		{"a header", "deny contains " + element + " if input.request.headers[\"x-a\"][0] != \"b\"", []string{"3:48: " + silent(`input.request.headers["x-a"][0]`, "deny")}},
		{"a header, any of its values", "deny contains " + element + " if input.request.headers[\"x-a\"][_] != \"b\"", []string{"3:48: " + silent(`input.request.headers["x-a"]`, "deny")}},
		{"a header, each of its values", "deny contains " + element + " if {\n\tsome v in input.request.headers[\"x-a\"]\n\tv != \"b\"\n}", []string{"5:2: " + silent(`input.request.headers["x-a"]`, "deny")}},
		{"a header, while all of them are read elsewhere", "require.a if count(input.request.headers) < 9\n\ndeny contains " + element + " if input.request.headers[\"x-a\"][0] != \"b\"", []string{"5:48: " + silent(`input.request.headers["x-a"][0]`, "deny")}},

		// What is silent in a helper.
		{"a helper", "deny contains " + element + " if foreign\n\nforeign if input.claims.tenant != \"acme\"", []string{"3:48: " + through("input.claims.tenant", "foreign", 5)}},
		{"a header in a helper", "deny contains " + element + " if foreign\n\nforeign if input.request.headers[\"x-a\"][0] != \"b\"", []string{"3:48: " + through(`input.request.headers["x-a"][0]`, "foreign", 5)}},
		{"a helper of a helper", "deny contains " + element + " if a\n\na if b\n\nb if input.claims.tenant != \"acme\"", []string{"3:48: " + through("input.claims.tenant", "b", 7)}},
		{"a helper by its whole name", "deny contains " + element + " if data.authz.foreign\n\nforeign if input.claims.tenant != \"acme\"", []string{"3:48: " + through("input.claims.tenant", "foreign", 5)}},
		{"not a helper that is not so", "deny contains " + element + " if not fine\n\nfine if not foreign\n\nforeign if input.claims.tenant != \"acme\"", []string{"3:48: " + through("input.claims.tenant", "foreign", 7)}},
		{"the value of a helper", "deny contains " + element + " if tenant != \"acme\"\n\ntenant := input.claims.tenant", []string{"3:48: " + silent("input.claims.tenant", "deny")}},
		{"a helper in the element", "deny contains {\"code\": \"a\", \"message\": who}\n\nwho := input.claims.sub", []string{"3:15: " + silent("input.claims.sub", "deny")}},
		{"a function", "deny contains " + element + " if differs(input.claims.tenant, \"acme\")\n\ndiffers(a, b) if a != b", []string{"3:48: " + through("input.claims.tenant", "differs", 5)}},
		{"a function of all claims", "deny contains " + element + " if foreign(input.claims)\n\nforeign(c) if {\n\tt := c.tenant\n\tt != \"acme\"\n}", []string{"3:48: " + through("input.claims.tenant", "foreign", 5)}},
		{"the value of a function", "deny contains " + element + " if tenant_of(input.claims) != \"acme\"\n\ntenant_of(c) := c.tenant", []string{"3:48: " + silent("input.claims.tenant", "deny")}},
		{"not of a function of our own", "deny contains " + element + " if not ours(input.claims.tenant)\n\nours(t) if t == \"acme\"", []string{"3:48: " + silent("input.claims.tenant", "deny")}},
		{"a helper with a default of false", "deny contains " + element + " if foreign\n\ndefault foreign := false\n\nforeign if input.claims.tenant != \"acme\"", []string{"3:48: " + through("input.claims.tenant", "foreign", 7)}},
		{"a client", "deny contains " + element + " if input.token.client != \"a\"", []string{"3:48: " + silent("input.token.client", "deny")}},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, found(t, tt.rules)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Each of these is what somebody may mean: no finding.
func TestNoFalseAlarm(t *testing.T) {
	for intent, rules := range map[string]string{
		"a header":                                  `require.a if input.request.headers["x-team"][0] == "a"`,
		"a value among a header's":                  `require.a if "a" in input.request.headers["x-team"]`,
		"a header with a default":                   `require.a if object.get(input.request.headers, "x-team", ["a"])[0] == "a"`,
		"a header under a variable":                 "require.a if {\n\tsome name\n\tinput.request.headers[name]\n}",
		"claims named like a header":                `require.a if input.claims.authorization == "a"`,
		"a method of our own":                       `require.a if input.request.method == "M-SEARCH"`,
		"an audience in another spelling":           `require.a if input.claims.aud == "HTTPS://MCP.example.com:443/mcp/"`,
		"an audience among several":                 `require.a if "https://other.example.com" in input.claims.aud`,
		"an audience that is an array":              `require.a if input.claims.aud == ["https://other.example.com"]`,
		"a configured resource":                     `require.a if input.resource.name == "weather"`,
		"a whole string of scopes":                  `require.a if input.claims.scope == "a b"`,
		"scopes":                                    `require.a if "mcp:read" in input.token.scopes`,
		"another input":                             `require.a if input.token.profile == "x" with input as {"token": {"profile": "x"}}`,
		"another input in a body":                   "require.a if {\n\tinput.claims.a == 1 with input as {\"claims\": {\"a\": 1}}\n\tinput.claims.a == 2\n}",
		"two rules are two ways":                    "require.a if input.request.method == \"GET\"\n\nrequire.a if input.request.method == \"POST\"",
		"any of a list, twice":                      "require.a if {\n\tsome g in input.claims.groups\n\tg == \"a\"\n\tsome h in input.claims.groups\n\th == \"b\"\n}",
		"elements under a wildcard":                 "require.a if {\n\tinput.claims.groups[_] == \"a\"\n\tinput.claims.groups[_] == \"b\"\n}",
		"the same twice":                            "require.a if {\n\tinput.request.method == \"GET\"\n\tinput.request.method == \"GET\"\n}",
		"narrower and narrower":                     "require.a if {\n\tinput.request.method in {\"GET\", \"HEAD\"}\n\tinput.request.method != \"GET\"\n}",
		"a default of false":                        "default require.a := false\n\nrequire.a if input.claims.a",
		"a value named like a built-in":             "max := 5",
		"a value of false":                          "require.a := false if input.claims.a\n\nelse := true",
		"a variable given twice":                    "helps(x) if {\n\tx == \"delete\"\n}\n\nrequire.a if {\n\tx := input.request.method\n\thelps(x)\n}",
		"a name with two meanings":                  "require.a if {\n\tcount([1 | m := input.request.method; m == \"GET\"]) == 1\n\tcount([1 | m := input.claims.m; m == \"delete\"]) == 0\n}",
		"two types are the type checker's":          `require.a if 1 == "a"`,
		"a helper is not silent by itself":          "helps if input.claims.tenant != \"acme\"\n\nrequire.a if helps",
		"deny of what is there":                     "deny contains " + element + " if input.claims.role == \"guest\"",
		"deny of what is always there":              "deny contains " + element + " if input.request.method != \"GET\"",
		"deny of a claim that is always there":      "deny contains " + element + " if input.claims.iss != \"a\"",
		"deny of a label that all have":             "deny contains " + element + " if input.resource.labels.team != \"a\"",
		"deny with a presence test":                 "deny contains " + element + " if {\n\tinput.claims.tenant\n\tinput.claims.tenant != \"acme\"\n}",
		"deny with a presence test of the header":   "deny contains " + element + " if {\n\tinput.request.headers[\"x-a\"]\n\tinput.request.headers[\"x-a\"][0] != \"b\"\n}",
		"deny with a test of its type":              "deny contains " + element + " if {\n\tis_string(input.claims.tenant)\n\tinput.claims.tenant != \"acme\"\n}",
		"deny of what is missing, beside":           "deny contains " + element + " if not input.claims.tenant\n\ndeny contains " + element + " if input.claims.tenant != \"acme\"",
		"deny of a part of what is missing, beside": "deny contains " + element + " if not input.request.headers[\"x-a\"]\n\ndeny contains " + element + " if input.request.headers[\"x-a\"][0] != \"b\"",
		"deny of what is required, beside":          "require.a if input.claims.tenant\n\ndeny contains " + element + " if input.claims.tenant != \"acme\"",
		"deny with not of a comparison":             "deny contains " + element + " if not input.claims.tenant == \"acme\"",
		"deny with a default":                       "deny contains " + element + " if object.get(input.claims, \"tenant\", \"\") != \"acme\"",
		"require is not silent":                     "require.a if input.claims.tenant != \"acme\"",
		"an order of what was found":                "deny contains " + element + " if {\n\tsome level in input.claims.levels\n\tlevel < 2\n}",
		"deny without a helper that holds":          "deny contains " + element + " if not admin\n\nadmin if \"admins\" in input.claims.groups",
		"not a helper that looks at something else": "deny contains " + element + " if not fine\n\nfine if input.claims.tenant != \"acme\"",
		"a helper that finds something":             "deny contains " + element + " if guest\n\nguest if input.claims.role == \"guest\"",
		"a helper that holds by itself":             "deny contains " + element + " if foreign\n\ndefault foreign := true\n\nforeign := false if input.claims.tenant != \"acme\"",
		"a helper with a default value":             "deny contains " + element + " if tenant != \"acme\"\n\ndefault tenant := \"\"\n\ntenant := input.claims.tenant",
		"a helper with an else":                     "deny contains " + element + " if tenant != \"acme\"\n\ntenant := input.claims.tenant if input.request.method == \"GET\"\n\nelse := \"\"",
		"a helper behind a presence test":           "deny contains " + element + " if {\n\tinput.claims.tenant\n\tforeign\n}\n\nforeign if input.claims.tenant != \"acme\"",
		"a presence test in the helper":             "deny contains " + element + " if foreign\n\nforeign if {\n\tinput.claims.tenant\n\tinput.claims.tenant != \"acme\"\n}",
		"what a helper asks for, beside":            "deny contains " + element + " if not has_tenant\n\ndeny contains " + element + " if input.claims.tenant != \"acme\"\n\nhas_tenant if input.claims.tenant",
		"what a requirement's helper asks for":      "require.a if has_tenant\n\ndeny contains " + element + " if input.claims.tenant != \"acme\"\n\nhas_tenant if input.claims.tenant",
		"a variable named like a rule":              "deny contains " + element + " if {\n\tforeign := input.request.method\n\tforeign == \"A\"\n}\n\nforeign if input.claims.tenant != \"acme\"",
		"helpers in a circle":                       "deny contains " + element + " if a\n\na if b\n\nb if a",
		"one of two values of a helper":             "deny contains " + element + " if tenant != \"acme\"\n\ntenant := input.claims.tenant\n\ntenant := input.request.host",
		"a comprehension over what may be none":     "deny contains " + element + " if count([1 | some g in input.claims.groups; g == \"a\"]) > 2",
	} {
		t.Run(intent, func(t *testing.T) {
			if got := found(t, rules); len(got) > 0 {
				t.Errorf("%s\n%s", rules, strings.Join(got, "\n"))
			}
		})
	}
}

// FuzzCheck: whatever parses is looked at without a panic, twice alike.
func FuzzCheck(f *testing.F) {
	f.Add("require.a if { x := input.request.headers; x[\"A\"] == \"b\"; not f(x) }")
	f.Add("deny contains x if { every y in input.claims.a { y != 1 }; x := {\"code\": y | some y in input.b} }")
	f.Add("import input as i\nrequire.a if i.request.method in [1, {\"a\"}, i]")
	f.Add("f(x) := y if { y := x } else := false")
	f.Fuzz(func(t *testing.T, rules string) {
		m, err := ast.ParseModuleWithOpts("a.rego", "package authz\n\n"+rules, ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil || m == nil {
			return
		}
		first := lint.Check(map[string]*ast.Module{"a.rego": m}, configured())
		second := lint.Check(map[string]*ast.Module{"a.rego": m}, configured())
		if diff := cmp.Diff(fmt.Sprint(first), fmt.Sprint(second)); diff != "" {
			t.Error(diff)
		}
		for _, f := range first {
			if f.File == "" || f.Line == 0 || f.Message == "" || f.Fix == "" {
				t.Errorf("%+v", f)
			}
		}
	})
}

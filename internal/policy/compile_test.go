package policy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/rego"
)

const (
	allowedNowhere = ": network, files and environment are closed to policies, put the facts into data.json"
	typeRemedy     = ": correct the name or the type; `opa check` shows more"
)

// What is wrong with a module is told with its place and what to write instead.
func TestModuleProblems(t *testing.T) {
	tests := []struct {
		intent, source string
		want           []string
	}{
		{"syntax", "package authz\n\nrequire.a if {\n", []string{
			"a.rego:4:1: unexpected eof token: correct the syntax (Rego v1: `if` before a body, `contains` for a set)",
		}},
		{"Rego v0", "package authz\n\ndeny[x] { x := 1 }\n", []string{
			"a.rego:3:1: `contains` keyword is required for partial set rules: correct the syntax (Rego v1: `if` before a body, `contains` for a set)",
			"a.rego:3:1: `if` keyword is required before rule body: correct the syntax (Rego v1: `if` before a body, `contains` for a set)",
		}},
		{"no module", "# nothing\n", []string{
			"a.rego: empty module: begin with `package authz`, or remove the file",
		}},
		{"unsafe variable", "package authz\n\nrequire.a if x == 1\n", []string{
			"a.rego:3:14: var x is unsafe: give the variable a value first, for instance with `some x in …`",
		}},
		{"unknown function", "package authz\n\nrequire.a if nope(1)\n", []string{
			"a.rego:3:14: undefined function nope" + typeRemedy,
		}},
		{"types that never match", "package authz\n\nrequire.a if 1 == \"a\"\n", []string{
			"a.rego:3:14: a number never equals a string: correct the name or the value",
		}},
		{"recursion", "package authz\n\nrequire.a if not require.b\n\nrequire.b if not require.a\n", []string{
			"a.rego:3:1: rule data.authz.require.a is recursive: data.authz.require.a -> data.authz.require.b -> data.authz.require.a: break the circle; a team's rules cannot read data.doorward or all of data",
			"a.rego:5:1: rule data.authz.require.b is recursive: data.authz.require.b -> data.authz.require.a -> data.authz.require.b: break the circle; a team's rules cannot read data.doorward or all of data",
		}},
		{"http.send", "package authz\n\nrequire.a if http.send({\"method\": \"get\", \"url\": \"http://a\"}).status_code == 200\n", []string{
			"a.rego:3:14: built-in function http.send is not allowed" + allowedNowhere,
		}},
		{"name look-up", "package authz\n\nrequire.a if net.lookup_ip_addr(\"a\")\n", []string{
			"a.rego:3:14: built-in function net.lookup_ip_addr is not allowed" + allowedNowhere,
		}},
		{"environment", "package authz\n\nrequire.a if opa.runtime().env.HOME\n", []string{
			"a.rego:3:14: built-in function opa.runtime is not allowed" + allowedNowhere,
		}},
		{"a schema's $ref reads files", "package authz\n\nrequire.a if json.match_schema({}, {\"$ref\": \"file:///etc/hostname\"})[0]\n", []string{
			"a.rego:3:14: built-in function json.match_schema is not allowed" + allowedNowhere,
		}},
		{"reserved package", "package doorward\n\ndecision := {\"outcome\": \"allowed\"}\n", []string{
			"a.rego:1:1: package doorward is reserved: write package authz, or a package of your own",
		}},
		{"below the reserved package", "package doorward.audience\n\nmatches := true\n", []string{
			"a.rego:1:1: package doorward is reserved: write package authz, or a package of your own",
		}},
		{"reserved package in brackets", "package doorward[\"team\"]\n\nagrees := true\n", []string{
			"a.rego:1:1: package doorward is reserved: write package authz, or a package of your own",
		}},
		{"deny as a boolean", "package authz\n\ndeny := true\n", []string{
			"a.rego:3:1: deny is not a set here: write deny contains {\"code\": \"…\", \"message\": \"…\"} if …",
		}},
		{"deny by condition", "package authz\n\ndeny if input.a\n", []string{
			"a.rego:3:1: deny is not a set here: write deny contains {\"code\": \"…\", \"message\": \"…\"} if …",
		}},
		{"deny as a function", "package authz\n\ndeny(x) if x\n", []string{
			"a.rego:3:1: deny is not a set here: write deny contains {\"code\": \"…\", \"message\": \"…\"} if …",
		}},
		{"deny as an object", "package authz\n\ndeny[x] := 1 if some x in [1]\n", []string{
			"a.rego:3:1: deny is not a set here: write deny contains {\"code\": \"…\", \"message\": \"…\"} if …",
		}},
		{"deny deeper", "package authz\n\ndeny.a contains 1\n", []string{
			"a.rego:3:1: deny is not a set here: write deny contains {\"code\": \"…\", \"message\": \"…\"} if …",
		}},
		{"deny as a package", "package authz.deny\n\nclosed := true\n", []string{
			"a.rego:3:1: deny is not a set here: write deny contains {\"code\": \"…\", \"message\": \"…\"} if …",
		}},
		{"scopes as an array", "package authz\n\nscopes := [\"a\"]\n", []string{
			"a.rego:3:1: scopes is not a set here: write scopes contains \"…\" if …",
		}},
		{"warn as a default", "package authz\n\ndefault warn := {}\n", []string{
			"a.rego:3:1: warn is not a set here: write warn contains {\"code\": \"…\", \"message\": \"…\"} if …",
		}},
		{"require as a boolean", "package authz\n\nrequire if input.a\n", []string{
			"a.rego:3:1: require is no rule itself: write require[\"NAME\"] if …",
		}},
		{"require as a set", "package authz\n\nrequire contains \"a\"\n", []string{
			"a.rego:3:1: require is no rule itself: write require[\"NAME\"] if …",
		}},
		{"require under a variable", "package authz\n\nrequire[x] := true if some x in [\"a\"]\n", []string{
			"a.rego:3:1: the name of a requirement is not a constant: write require[\"NAME\"] if …, one rule for each",
		}},
		{"require under a number", "package authz\n\nrequire[1] := true\n", []string{
			"a.rego:3:1: the name of a requirement is not a constant: write require[\"NAME\"] if …, one rule for each",
		}},
		{"require deeper", "package authz\n\nrequire.a.b := true\n", []string{
			"a.rego:3:1: data.authz.require.a.b is deeper than one level: write require[\"NAME\"] if …",
		}},
		{"require deeper, as a package", "package authz.require.a\n\nb := true\n", []string{
			"a.rego:3:1: data.authz.require.a.b is deeper than one level: write require[\"NAME\"] if …",
		}},
		{"require as a function", "package authz\n\nrequire.a(x) if x\n", []string{
			"a.rego:3:1: a requirement is not a function, nothing would call it: write require[\"a\"] if …",
		}},
		{"require as a function in its package", "package authz.require\n\na(x) if x\n", []string{
			"a.rego:3:1: a requirement is not a function, nothing would call it: write require[\"a\"] if …",
		}},
		{"a requirement as a set", "package authz.require\n\na contains 1\n", []string{
			"a.rego:3:1: a requirement is not a set, it must be true: write require[\"a\"] if …",
		}},
		{"headers as an object", "package authz\n\nheaders := {\"x-a\": \"b\"}\n", []string{
			"a.rego:3:1: the name of a header is not a constant: write headers[\"x-…\"] := \"…\" if …, one rule for each",
		}},
		{"headers under a variable", "package authz\n\nheaders[name] := \"b\" if some name in [\"authorization\"]\n", []string{
			"a.rego:3:1: the name of a header is not a constant: write headers[\"x-…\"] := \"…\" if …, one rule for each",
		}},
		{"a header as a set", "package authz\n\nheaders[\"x-a\"] contains \"b\"\n", []string{
			"a.rego:3:1: the name of a header is not a constant: write headers[\"x-…\"] := \"…\" if …, one rule for each",
		}},
		{"a header under a variable", "package authz\n\nheaders[\"x-a\"][x] := \"b\" if some x in [1]\n", []string{
			"a.rego:3:1: the name of a header is not a constant: write headers[\"x-…\"] := \"…\" if …, one rule for each",
		}},
		{"a rule that nothing reads", "package authz\n\ndefault allow := false\n\nallow if input.claims.a\n\nrequires.a := true\n", []string{
			"a.rego:3:1: warning: allow decides nothing, no rule reads it: write require[\"NAME\"] if … for what must hold, or deny contains … for what must not",
			"a.rego:7:1: warning: requires decides nothing, no rule reads it: write require[\"NAME\"] if … for what must hold, or deny contains … for what must not",
		}},
		{"a helper is read", "package authz\n\nrequire.a if allow\n\nallow if helps(1)\n\nhelps(x) if x == 1\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, problemsOf(t, map[string]string{"a.rego": tt.source})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// All problems of all files come at once, sorted by place.
func TestAllProblemsAtOnce(t *testing.T) {
	got := problemsOf(t, map[string]string{
		"b.rego":    "package authz\n\ndeny := true\n\nheaders[\"a\"] := \"b\"\n",
		"a.rego":    "package authz\n\nrequire if\n",
		"data.json": "{\"doorward\": {}}",
		"c.rego":    "package doorward\n",
	})
	var places []string
	for _, l := range got {
		places = append(places, strings.SplitN(l, ": ", 2)[0])
	}
	if diff := cmp.Diff([]string{"a.rego:4:1", "b.rego:3:1", "b.rego:5:1", "c.rego:1:1", "data.json"}, places); diff != "" {
		t.Errorf("places (-want +got):\n%s\n%s", diff, strings.Join(got, "\n"))
	}
}

func TestHeaderNames(t *testing.T) {
	for name, good := range map[string]bool{
		"x-tenant": true, "x-a1": true, "x-tenant_id": true, "x-a.b": true, "x-mcp-session": true,
		"x-mcp-authority": true, "x-forwardedness": true,
		"": false, "x-": false, "tenant": false, "authorization": false, "host": false, ":path": false, "cookie": false,
		"X-Tenant": false, "x-Tenant": false, "x-ten ant": false, "x-tenant:": false, "x-tenant\n": false, "x-té": false, " x-a": false, "x-a,b": false,
		"x-mcp-auth-subject": false, "x-mcp-auth-": false, "x-mcp_auth_subject": false, "x_tenant": false,
		"x-envoy-original-path": false, "x-envoy_original_path": false, "x-forwarded-for": false, "x-forwarded_for": false,
	} {
		got := problemsOf(t, map[string]string{"a.rego": "package authz\n\nheaders[" + quoted(name) + "] := \"a\"\n"})
		if (len(got) == 0) != good {
			t.Errorf("header %q: %q", name, got)
		}
	}
	e := authz(t, "headers[\"x-b\"] := \"1\"\nheaders[\"x-a\"] := \"1\" if input.claims.never\nheaders[\"x-b\"] := \"1\" if input.version == 1")
	if diff := cmp.Diff([]string{"x-a", "x-b"}, e.For("").HeaderNames()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// TestHeaderNamesThatAReaderFolds: a ban holds for every byte that some server
// reads as '-', wherever it stands, and two names that are one to it are too many.
func TestHeaderNamesThatAReaderFolds(t *testing.T) {
	rules, want := "package authz\n", 0
	for _, c := range "!#$%&'*+-.^_`|~" {
		for _, name := range []string{"x-mcp%cauth-a", "x-mcp-auth%csubject", "x-envoy%ca", "x-forwarded%cfor"} {
			rules += fmt.Sprintf("\nheaders[%q] := \"a\"\n", fmt.Sprintf(name, c))
			want++
		}
	}
	if got := problemsOf(t, map[string]string{"a.rego": rules}); len(got) != want {
		t.Errorf("%d problems, want %d:\n%s", len(got), want, strings.Join(got, "\n"))
	}
	rule := func(name string) string { return "headers[\"" + name + "\"] := \"a\" if input.version == 1\n" }
	const again = " to servers that read every byte which is no letter or digit as one: write one name for both, or another"
	for intent, row := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"one name twice": {map[string]string{"a.rego": "package authz\n\n" + rule("x-a.b") + "\n" + rule("x-a.b")}, nil},
		"in one file": {map[string]string{"a.rego": "package authz\n\n" + rule("x-a.b") + "\n" + rule("x-a_b")}, []string{
			`a.rego:5:1: header "x-a_b" is "x-a.b" of a.rego:3` + again,
		}},
		"in two files": {map[string]string{"a.rego": "package authz\n\n" + rule("x-admin"), "b.rego": "package authz\n\n" + rule("x-admi~") + "\n" + rule("x-admi!")}, []string{
			`b.rego:5:1: header "x-admi!" is "x-admi~" of b.rego:3` + again,
		}},
	} {
		got := problemsOf(t, row.files)
		for i := range got {
			got[i] = withoutFolder(got[i])
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", intent, diff)
		}
	}
}

// Both forms of a requirement count, wherever they stand, and so does a
// requirement that is never true.
func TestRequireForms(t *testing.T) {
	tests := []struct {
		intent string
		files  map[string]string
		want   string // the rule that denies, "" for allowed
	}{
		{"a reference in authz", map[string]string{"a.rego": "package authz\n\nrequire.a if input.claims.never"}, "authz.require.a"},
		{"a reference in brackets", map[string]string{"a.rego": "package authz\n\nrequire[\"a b\"] if input.claims.never"}, "authz.require.a b"},
		{"a package", map[string]string{"a.rego": "package authz.require\n\na if input.claims.never"}, "authz.require.a"},
		{"a package in brackets", map[string]string{"a.rego": "package authz[\"require\"]\n\na if input.claims.never"}, "authz.require.a"},
		{"a default in a package", map[string]string{"a.rego": "package authz.require\n\ndefault a := false"}, "authz.require.a"},
		{"a rule with else", map[string]string{"a.rego": "package authz\n\nrequire.a if input.claims.never\n\nelse := false"}, "authz.require.a"},
		{"both forms, both true", map[string]string{
			"a.rego": "package authz\n\nrequire.a := true", "b.rego": "package authz.require\n\nb := true",
		}, ""},
		{"both forms, one undefined", map[string]string{
			"a.rego": "package authz\n\nrequire.a := true", "b.rego": "package authz.require\n\nb if input.claims.never",
		}, "authz.require.b"},
		{"in a folder below", map[string]string{"x/y/a.rego": "package authz\n\nrequire.a if input.claims.never"}, "authz.require.a"},
		{"a library is not judged", map[string]string{
			"a.rego": "package teams.lib\n\nrequire.a := false\n\ndeny contains 1", "b.rego": "package authz.lib\n\nrequire.a := false",
		}, ""},
		{"a test is not loaded", map[string]string{"a_test.rego": "package authz\n\nrequire.a := false"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			d, err := decide(t.Context(), team(t, tt.files), request())
			if err != nil {
				t.Fatal(err)
			}
			want := policy.Denied
			if tt.want == "" {
				want = policy.Allowed
			}
			if d.Outcome != want || d.Rule != tt.want {
				t.Errorf("outcome %v by %q, want %v by %q", d.Outcome, d.Rule, want, tt.want)
			}
		})
	}
}

// Whatever a team tries, the built-in rules hold: it does not compile, or a
// token for another server and one without scope are refused all the same.
func TestTeamCannotLoosen(t *testing.T) {
	for intent, files := range map[string]map[string]string{
		"its own decision":          {"a.rego": "package authz\n\ndecision := {\"outcome\": \"allowed\"}"},
		"an allow of its own":       {"a.rego": "package authz\n\nallow := true\n\nrequire.a if allow"},
		"redefining a rule":         {"a.rego": "package doorward.audience\n\nmatches := true"},
		"adding to the decision":    {"a.rego": "package doorward\n\ndecision := {} if true"},
		"a package in between":      {"a.rego": "package doorward.audience.matches\n\nx := true"},
		"shadowing by import":       {"a.rego": "package authz\n\nimport data.doorward.audience as input_audience\n\nrequire.a if input_audience.matches"},
		"overriding by with":        {"a.rego": "package authz\n\nrequire.a if data.doorward.audience.matches with data.doorward.audience.matches as true"},
		"overriding input by with":  {"a.rego": "package authz\n\nrequire.a if input.x with input as {\"x\": true, \"claims\": {\"aud\": \"https://mcp.example.com/mcp\"}}"},
		"overriding a built-in":     {"a.rego": "package authz\n\nrequire.a if count([]) == 5 with count as 5"},
		"a built-in's name":         {"a.rego": "package authz\n\ncount(_) := 0\n\nis_string(_) := true\n\nrequire.a if count([1]) == 0"},
		"reading the decision":      {"a.rego": "package authz\n\nrequire.a if data.doorward.decision.outcome == \"allowed\""},
		"reading all of data":       {"a.rego": "package authz\n\nrequire.a if data[_].decision"},
		"data over a rule":          {"data.json": `{"doorward": {"audience": {"matches": true}}}`},
		"data over the list":        {"data.json": `{"doorward": {"requirements": []}}`, "a.rego": "package authz\n\nrequire.a := true"},
		"data in a folder":          {"doorward/audience/data.json": `{"matches": true}`},
		"data over the team's own":  {"data.yaml": "authz: {require: {a: true}}", "a.rego": "package authz\n\nrequire.b := true"},
		"a negative scope":          {"a.rego": "package authz\n\nscopes contains \"mcp:read\""},
		"a header for the token":    {"a.rego": "package authz\n\nheaders[\"authorization\"] := \"a\""},
		"removing an empty library": {"a.rego": "package authz"},
	} {
		t.Run(intent, func(t *testing.T) {
			e, problems := policy.Compile(t.Context(), policy.Sources{Library: rego.Files, Paths: []string{folder(t, files)}})
			if e == nil {
				if len(problems) == 0 {
					t.Error("no engine, and no problem")
				}
				return
			}
			stranger, scopeless := request(), request()
			stranger.Claims["aud"] = "https://other.example.com"
			scopeless.Token.Scopes = nil
			if d, err := decide(t.Context(), e, stranger); err != nil || d.Outcome != policy.AudienceMismatch {
				t.Errorf("a token for another resource: outcome %v, error %v", d.Outcome, err)
			}
			if d, err := decide(t.Context(), e, scopeless); err != nil || (d.Outcome != policy.InsufficientScope && d.Outcome != policy.Denied) {
				t.Errorf("a token without scope: outcome %v, error %v", d.Outcome, err)
			}
		})
	}
}

// A refused built-in stays out when another is replaced by it.
func TestRefusedBuiltInByWith(t *testing.T) {
	got := problemsOf(t, map[string]string{"a.rego": "package authz\n\nrequire.a if json.marshal({}) with json.marshal as http.send\n"})
	if len(got) == 0 {
		t.Error("json.marshal can be replaced by http.send")
	}
}

// Data is rooted by folder, as `opa run` does.
func TestData(t *testing.T) {
	e := team(t, map[string]string{
		"authz.rego":            "package authz\n\nrequire.tenant if input.claims.tenant in data.tenants.known\n\nrequire.limit if data.limit == 7\n\nrequire.yaml if data.a.b.c",
		"data.json":             `{"limit": 7}`,
		"tenants/data.json":     `{"known": ["acme"]}`,
		"a/b/data.yaml":         "c: true",
		"..2026/tenants/x.rego": "package broken {",
		".git/data.json":        `{"limit": 8}`,
		".hidden.rego":          "package broken {",
		"README.md":             "words",
		"authz_test.rego":       "package broken {",
	})
	if d, err := decide(t.Context(), e, request()); err != nil || d.Outcome != policy.Allowed {
		t.Errorf("outcome %v by %q, error %v", d.Outcome, d.Rule, err)
	}
}

func TestDataProblems(t *testing.T) {
	tests := []struct {
		intent string
		files  map[string]string
		want   []string
	}{
		{"under doorward", map[string]string{"doorward/data.json": "{}"}, []string{
			"doorward/data.json: data under doorward is reserved: put it under a name of your own",
		}},
		{"under what rules say", map[string]string{"data.json": `{"authz": {"deny": [], "require": {}, "scopes": [], "warn": [], "headers": {}, "fine": 1}}`}, []string{
			"data.json: data under authz.deny takes the place of rules: write them in Rego, and put the data under a name of your own",
			"data.json: data under authz.headers takes the place of rules: write them in Rego, and put the data under a name of your own",
			"data.json: data under authz.require takes the place of rules: write them in Rego, and put the data under a name of your own",
			"data.json: data under authz.scopes takes the place of rules: write them in Rego, and put the data under a name of your own",
			"data.json: data under authz.warn takes the place of rules: write them in Rego, and put the data under a name of your own",
		}},
		{"authz is no object", map[string]string{"data.json": `{"authz": true}`}, []string{
			"data.json: data under authz is no object: put it under a name of your own",
		}},
		{"no JSON", map[string]string{"data.json": "{\n  \"a\": 1,\n}"}, []string{
			"data.json:3:1: not JSON: invalid character '}' looking for beginning of object key string: correct the data file",
		}},
		{"no object", map[string]string{"data.json": "[]"}, []string{
			"data.json: document must be of type object: write an object, or put the file into a folder that names it",
		}},
		{"a file that is not read", map[string]string{"a.rego": "package authz", "limits.json": "{}"}, []string{
			"limits.json: warning: this file is not read: name it data.json or data.yaml, in the folder where it belongs",
		}},
		{"a bundle beside", map[string]string{"a.rego": "package authz", "b.tar.gz": ""}, []string{
			"b.tar.gz: warning: bundles are not read from policy.paths: name it in policy.bundles, or unpack it",
		}},
		{"nothing", nil, []string{
			": warning: no policy here: put *.rego, data.json or data.yaml there, or leave the path out",
		}},
		{"tests alone", map[string]string{"a_test.rego": "package a"}, []string{
			": warning: no policy here: put *.rego, data.json or data.yaml there, or leave the path out",
		}},
		{"data where a rule is", map[string]string{"data.json": `{"lib": {"a": 1}}`, "a.rego": "package lib\n\na := 1\n"}, []string{
			"a.rego:1:1: warning: package lib is evaluated for no resource, and no other package reads it, so nothing in this file decides: write package authz",
			"a.rego:3:1: conflicting rule for data path lib/a found: correct the module; `opa check` shows more",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, problemsOf(t, tt.files)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	t.Run("no YAML", func(t *testing.T) {
		got := problemsOf(t, map[string]string{"data.yaml": "a: 1\nb: [\n"})
		if len(got) != 1 || !strings.HasPrefix(got[0], "data.yaml:") || !strings.HasSuffix(got[0], ": correct the data file") {
			t.Errorf("%q", got)
		}
	})
	t.Run("values in two places", func(t *testing.T) {
		got := problemsOf(t, map[string]string{"data.json": `{"a": {"b": 1}}`, "a/data.json": `{"b": 2}`})
		if len(got) != 1 || !strings.HasSuffix(got[0], ": give each value one place") {
			t.Errorf("%q", got)
		}
	})
	t.Run("no such path", func(t *testing.T) {
		_, problems := policy.Compile(t.Context(), policy.Sources{Library: rego.Files, Paths: []string{"/nowhere/policy", folder(t, map[string]string{"a.rego": "package doorward"})}})
		if len(problems) != 2 || line(problems[0]) != "/nowhere/policy: no such file or directory: name a file or folder that exists and that doorward may read" {
			t.Errorf("%+v", problems)
		}
	})
}

func TestFiles(t *testing.T) {
	dir := folder(t, map[string]string{
		"b/a.rego": "", "b/data.yaml": "", "data.json": "", "a.rego": "", "a_test.rego": "", "other.json": "", "README.md": "", "..data/a.rego": "", ".x/data.json": "",
	})
	// A mounted ConfigMap: every file is a link into a dot-folder.
	if err := os.Symlink(filepath.Join("..data", "a.rego"), filepath.Join(dir, "linked.rego")); err != nil {
		t.Fatal(err)
	}
	got, err := policy.Files(nil, []string{dir, filepath.Join(dir, "b"), filepath.Join(dir, "other.json")})
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i], _ = filepath.Rel(dir, got[i])
	}
	slices.Sort(got)
	want := []string{"a.rego", "b/a.rego", "b/data.yaml", "data.json", "linked.rego", "other.json"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got, err = policy.Files(nil, []string{"/nowhere", filepath.Join(dir, "a.rego")})
	if err == nil || len(got) != 1 {
		t.Errorf("files %q, error %v", got, err)
	}
	if got, err := policy.Files(nil, nil); err != nil || len(got) != 0 {
		t.Errorf("files %q, error %v", got, err)
	}
}

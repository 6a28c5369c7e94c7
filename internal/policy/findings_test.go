package policy_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/rego"
)

// What OPA's type checker finds by the schema of input, in our words.
func TestUnknownPaths(t *testing.T) {
	tests := []struct{ intent, rule, want string }{
		{"a name misspelt", `require.a if input.request.methd == "GET"`, "a.rego:3:14: input.request.methd is never there: input.request has client_address, headers, host, id, method, path, query, scheme, source_address, source_principal"},
		{"at the top", `require.a if input.user == "a"`, "a.rego:3:14: input.user is never there: input has claims, destination, direction, mcp, request, resource, token, version"},
		{"below a variable", "require.a if {\n\tr := input.resource\n\tr.label.team == \"a\"\n}", "a.rego:5:2: r.label is never there: r has acr_values, aliases, anonymous, audiences, clients, labels, max_age, name, operation_scopes, parameters, scopes, scopes_any, uri"},
		{"in a head", `headers["x-a"] := input.resource.id`, "a.rego:3:19: input.resource.id is never there: input.resource has acr_values, aliases, anonymous, audiences, clients, labels, max_age, name, operation_scopes, parameters, scopes, scopes_any, uri"},
		{"below a string", `require.a if input.request.host.name == "a"`, "a.rego:3:14: input.request.host is a string and has no members: compare it as it is"},
		{"another type", `require.a if input.request.method == 1`, "a.rego:3:14: a string never equals a number: correct the name or the value"},
		{"a function of another type", `require.a if plus(input.request.method, 1) == 2`, "a.rego:3:14: plus does not take these arguments, have: (string, number, ???): want: (x: number, y: number, z: number)"},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			got := problemsOf(t, map[string]string{"a.rego": "package authz\n\n" + tt.rule + "\n"})
			if diff := cmp.Diff([]string{tt.want}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A rule that says what decide would refuse each time is told of it at load.
func TestElements(t *testing.T) {
	const (
		end   = ", and every request for which this rule holds gets 503: write "
		shape = "an element of deny is exactly code and message" + end + `deny contains {"code": "…", "message": "…"}`
		form  = " is not of the form ^[a-z0-9_]{1,64}$" + end
	)
	for rule, want := range map[string]string{
		`deny contains "closed"`:                                     shape,
		`deny contains {"code": "a"}`:                                shape,
		`deny contains {"code": "a", "msg": "b"}`:                    shape,
		`deny contains {"code": "Read-Only", "message": ""}`:         `the code "Read-Only"` + form + `"read_only"`,
		`deny contains {"code": 1, "message": ""}`:                   `the code 1` + form + `lower-case letters, digits and "_", at most 64`,
		`warn contains "closed"`:                                     "an element of warn is an object" + end + `warn contains {"code": "…", "message": "…"}`,
		`scopes contains "a b"`:                                      `"a b" is no scope (RFC 6749, section 3.3)` + end + "one scope, without spaces and quotes",
		`deny contains {"code": "a", "message": "b"}`:                "",
		`deny contains {"code": input.token.issuer, "message": "b"}`: "",
		`deny contains x if some x in data.a`:                        "",
		`warn contains {}`:                                           "",
		`scopes contains "a"`:                                        "",
	} {
		got := strings.Join(problemsOf(t, map[string]string{"a.rego": "package authz\n\n" + rule + "\n"}), "\n")
		if want != "" {
			want = "a.rego:3:1: warning: " + want
		}
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", rule, got, want)
		}
	}
}

// What the configuration says decides which constants can be met.
func TestFindingsKnowTheConfiguration(t *testing.T) {
	rules := `package authz

require.a if input.resource.name == "wether"

require.b if input.claims.aud == "https://mcp.example.com"

require.c if input.token.issuer == "https://as.example.org"

require.d if input.claims.aud == "api://app"

deny contains {"code": "a", "message": ""} if input.resource.labels.team != "a"

deny contains {"code": "b", "message": ""} if input.resource.labels.tier != "a"
`
	dir := folder(t, map[string]string{"a.rego": rules})
	src := policy.Sources{
		Library: rego.Files, Paths: []string{dir},
		Issuers: []string{"https://as.example.com"},
		Resources: []policy.Resource{
			{Name: "weather", URI: "https://mcp.example.com/mcp", Labels: map[string]string{"team": "a", "tier": "b"}},
			{Name: "other", URI: "https://other.example.com", Audiences: []string{"api://app"}, Labels: map[string]string{"team": "b"}},
		},
	}
	want := []string{
		`3:14: input.resource.name is never "wether": it is "weather" or "other"`,
		`5:14: input.claims.aud is never "https://mcp.example.com": no configured resource has this audience, they have "https://mcp.example.com/mcp", "https://other.example.com" or "api://app"`,
		`7:14: input.token.issuer is never "https://as.example.org": it is "https://as.example.com"`,
		"13:47: input.resource.labels.tier may be missing, and then this deny is silent: write require[\"NAME\"] if … for what must hold, or one more rule with `not input.resource.labels.tier`",
	}
	if diff := cmp.Diff(want, told(t, src, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	src.Issuers, src.Resources = nil, nil
	if got := told(t, src, dir); len(got) != 2 { // the labels alone: nobody knows which there are
		t.Errorf("without a configuration: %q", got)
	}
}

// TestFindingsKnowOfAnonymous: of every package that decides on requests without a
// token, and of no other.
func TestFindingsKnowOfAnonymous(t *testing.T) {
	rule := "deny contains {\"code\": \"a\", \"message\": \"\"} if input.claims.role == \"guest\"\n"
	dir := folder(t, map[string]string{
		"a.rego": "package authz\n\n" + rule, "b.rego": "package authz.open\n\n" + rule, "c.rego": "package authz.closed\n\n" + rule,
	})
	src := policy.Sources{
		Library: rego.Files, Paths: []string{dir}, Packages: map[string]string{"open": "authz.open", "closed": "authz.closed"},
	}
	for _, row := range []struct{ anonymous, want []string }{
		{nil, nil},
		{[]string{"open"}, []string{"a.rego", "b.rego"}},
		{[]string{"other"}, []string{"a.rego"}},
		{[]string{"closed", "open"}, []string{"a.rego", "b.rego", "c.rego"}},
	} {
		src.Anonymous = row.anonymous
		e, problems := policy.Compile(context.Background(), src)
		if e == nil {
			t.Fatal(problems)
		}
		var files []string
		for _, p := range problems {
			if strings.Contains(p.Message, "is not there for a request without a token") {
				files = append(files, strings.TrimPrefix(p.File, dir+"/"))
			}
		}
		if !slices.Equal(files, row.want) {
			t.Errorf("%q: %q, want %q", row.anonymous, files, row.want)
		}
	}
}

// told are the warnings of an engine, by line and column.
func told(t *testing.T, src policy.Sources, dir string) []string {
	t.Helper()
	e, problems := policy.Compile(context.Background(), src)
	if e == nil {
		t.Fatal(problems)
	}
	var lines []string
	for _, p := range problems {
		lines = append(lines, strings.TrimPrefix(strings.Replace(line(p), ": warning: ", ": ", 1), dir+"/a.rego:"))
	}
	return lines
}

// A rule that reads a credential does not compile.
func TestCredentialsAreRefused(t *testing.T) {
	for _, path := range []string{
		"input.request.headers.authorization", `input.request.headers["dpop"]`, "input.request.headers.Cookie[0]",
		`input.request.headers["proxy-authorization"]`, "input.request.query.access_token",
	} {
		got := problemsOf(t, map[string]string{"a.rego": "package authz\n\nrequire.a if " + path + "\n"})
		if len(got) != 1 || !strings.Contains(got[0], "carries a credential") || strings.Contains(got[0], "warning") {
			t.Errorf("%s: %q", path, got)
		}
	}
}

// What serves has no builder: a rule that asks for one does not compile.
func TestServeHasNoBuilder(t *testing.T) {
	got := problemsOf(t, map[string]string{"a.rego": "package authz\n\nrequire.a if data.doorward.request({}).claims\n"})
	if len(got) != 1 || !strings.HasPrefix(got[0], "a.rego:3:14: undefined function data.doorward.request") {
		t.Errorf("%q", got)
	}
}

// What the checks, the compiler and its type checker find comes together.
func TestOneProblemHidesNoOther(t *testing.T) {
	got := problemsOf(t, map[string]string{"a.rego": `package authz

require.a if http.send({"method": "get", "url": "https://a"}).status_code == 200

require.b if input.request.methd == "GET"

require.c if input.request.headers.authorization

require.d if nonsense(1)

require.e if input.claims.scope == "a"
`})
	want := []string{"a.rego:3:14: built-in function http.send", "a.rego:5:14: input.request.methd", "a.rego:7:14: the header authorization", "a.rego:9:14: undefined function nonsense", "a.rego:11:14: warning: input.claims.scope"}
	if len(got) != len(want) {
		t.Fatalf("%q", got)
	}
	for i := range got {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("got %s\nwant %s", got[i], want[i])
		}
	}
}

package lint_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestHeadersOfTheOperation: however a rule names the headers Mcp-Method and
// Mcp-Name, it is warned about.
func TestHeadersOfTheOperation(t *testing.T) {
	warning := func(at, header string) string {
		return at + ": the header mcp-" + header + " is what the client writes, maybe twice or in base64, and a server may run " +
			"another operation: write input.mcp." + header
	}
	for _, row := range []struct {
		intent, rules string
		want          []string
	}{
		{"the method", `require.a if input.request.headers["mcp-method"][0] == "tools/list"`, []string{warning("3:14", "method")}},
		{"the name", `require.a if "search" in input.request.headers["mcp-name"]`, []string{warning("3:26", "name")}},
		{"with underscores", `require.a if input.request.headers.mcp_name[0] == "a"`, []string{warning("3:14", "name")}},
		{"with a dot", `require.a if input.request.headers["mcp.name"][0] == "a"`, []string{warning("3:14", "name")}},
		{"in capitals", `require.a if input.request.headers["Mcp-Name"][0] == "a"`, []string{warning("3:14", "name")}},
		{"by another name", "import input.request as asked\n\nrequire.a if asked.headers[\"mcp-name\"][0] == \"a\"", []string{warning("5:14", "name")}},
		{"by object.get", `require.a if object.get(input.request.headers, "mcp-name", [])[0] == "a"`, []string{warning("3:48", "name")}},
		{"in a variable", "require.a if {\n\tall := input.request.headers\n\tall[\"mcp-name\"][0] == \"a\"\n}", []string{warning("5:2", "name")}},
		{"as an argument", "require.a if value(\"Mcp-Method\") == \"a\"\n\nvalue(name) := input.request.headers[lower(name)][0]", []string{warning("3:20", "method")}},
		{"of an argument", "require.a if named(input.request)\n\nnamed(of) if of.headers[\"mcp-name\"][0] == \"a\"", []string{warning("5:14", "name")}},
		{"compared", "require.a if {\n\tsome name, values in input.request.headers\n\tname == \"mcp-name\"\n\tvalues[0] == \"a\"\n}", []string{warning("5:10", "name")}},
		{"in a value", `headers["x-tool"] := input.request.headers["mcp-name"][0]`, []string{warning("3:22", "name")}},
		{"in an element", `deny contains {"code": "a", "message": input.request.headers["mcp-name"][0]} if input.request.headers["mcp-name"]`, []string{warning("3:81", "name"), warning("3:40", "name")}},
		{"in an else", "require.a if {\n\tinput.claims.a\n} else if {\n\tinput.request.headers[\"mcp-name\"][0] == \"a\"\n}", []string{warning("6:2", "name")}},
		{"the operation itself", `require.a if input.mcp.name == "search"`, nil},
		{"another header", `require.a if input.request.headers["mcp-session-id"][0] == "a"`, nil},
		{"a parameter", `require.a if input.request.headers["mcp-param-mcp-name"][0] == "a"`, nil},
		{"a code", `deny contains {"code": "mcp_name", "message": "the name"} if input.mcp.name == "delete"`, nil},
		{"a header for the server", `headers["mcp-name"] := input.claims.sub`, nil},
		{"another input", `require.a if input.request.headers["x-a"][0] == "b" with input.request.headers["mcp-name"] as ["a"]`, nil},
		{"a name that may be missing", `deny contains {"code": "a", "message": "b"} if input.mcp.name != "search"`, []string{
			"3:48: " + silent("input.mcp.name", "deny"),
		}},
		{"a tool's name", "deny contains {\"code\": \"a\", \"message\": \"b\"} if {\n\tinput.mcp.method == \"tools/call\"\n\tstartswith(input.mcp.name, \"delete_\")\n}", nil},
	} {
		t.Run(row.intent, func(t *testing.T) {
			if diff := cmp.Diff(row.want, found(t, row.rules)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestDenialsWithoutAToken: a deny that reads what a request without a token does not
// have is warned about where the package decides on such requests.
func TestDenialsWithoutAToken(t *testing.T) {
	deny := "deny contains " + element + " if "
	warning := func(at, path string) []string {
		return []string{at + ": " + path + " is not there for a request without a token, which anonymous lets in, so this deny is silent or " +
			"denies all of them: write `not input.resource.anonymous` in it, and one more rule with `input.resource.anonymous` for what else must hold"}
	}
	for _, row := range []struct {
		intent, rules string
		want          []string
	}{
		{"a claim", deny + `input.claims.role == "guest"`, warning("3:48", "input.claims.role")},
		{"a claim that is always in a token", deny + `input.claims.iss == "a"`, warning("3:48", "input.claims.iss")},
		{"not a claim", deny + `not input.claims.role == "admin"`, warning("3:52", "input.claims.role")},
		{"the token", deny + `not "admin" in input.token.scopes`, warning("3:63", "input.token.scopes")},
		{"in a helper", deny + "guest\n\nguest if input.claims.role == \"guest\"", warning("3:48", "input.claims.role")},
		{"in a function", deny + "guest(input.claims)\n\nguest(c) if c.role == \"guest\"", warning("3:54", "input.claims")},
		{"in a comprehension", deny + "count([1 | some g in input.claims.groups; g == \"a\"]) > 2", warning("3:69", "input.claims.groups")},
		{"in a variable", deny + "{\n\tc := input.claims\n\tc.role == \"guest\"\n}", warning("4:2", "input.claims")},
		{"in the element", `deny contains {"code": "a", "message": input.claims.sub} if input.request.method == "DELETE"`, append([]string{"3:15: " + silent("input.claims.sub", "deny")}, warning("3:40", "input.claims.sub")...)},
		{"for tokens alone", deny + "{\n\tnot input.resource.anonymous\n\tinput.claims.role == \"guest\"\n}", nil},
		{"for every request", deny + `input.request.method == "DELETE"`, nil},
		{"beside one that reads a claim", deny + `input.request.method == "DELETE"` + "\n\nguest if input.claims.role == \"guest\"", nil},
		{"a requirement", `require.a if input.claims.role == "admin"`, nil},
	} {
		t.Run(row.intent, func(t *testing.T) {
			known := configured()
			known.Anonymous = []string{"authz"}
			if diff := cmp.Diff(row.want, foundBy(t, known, row.rules)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			known.Anonymous = []string{"authz.weather"}
			for _, line := range foundBy(t, known, row.rules) {
				if strings.Contains(line, "without a token") {
					t.Errorf("for a package of another resource: %s", line)
				}
			}
		})
	}
}

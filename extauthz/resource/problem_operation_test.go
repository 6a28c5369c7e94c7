package resource

import (
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/extauthz/finding"
)

// TestOperationProblems, each at its path. Where want begins with "warning", the
// table is built.
func TestOperationProblems(t *testing.T) {
	operations := func(all ...Operation) func(*Spec) { return func(s *Spec) { s.Operations = all } }
	anonymous := func(all ...Operation) func(*Spec) { return func(s *Spec) { s.Anonymous = all } }
	call, read := "tools/call", "resources/read"
	for _, row := range []struct {
		intent     string
		change     func(*Spec)
		path, want string
	}{
		{"two tools", operations(Operation{Method: call, Name: "a"}, Operation{Method: call, Name: "b"}), "", ""},
		{"a tool, then any", operations(Operation{Method: call, Name: "a"}, Operation{Method: call}), "", ""},
		{"a prefix, then a shorter one", operations(Operation{Method: call, Name: "ab*"}, Operation{Method: call, Name: "a*"}), "", ""},
		{"a prefix that is the tool's name", operations(Operation{Method: call, Name: "a"}, Operation{Method: call, Name: "a*"}), "", ""},
		{"a prefix, then the tool", operations(Operation{Method: call, Name: "a*"}, Operation{Method: call, Name: "a"}), "operations[1]", "is never reached"},
		{"a prefix, then a longer one", operations(Operation{Method: call, Name: "a*"}, Operation{Method: call, Name: "ab*"}), "operations[1]", "is never reached"},
		{"a prefix, then any", operations(Operation{Method: call, Name: "a*"}, Operation{Method: call}), "", ""},
		{"any, then a prefix", operations(Operation{Method: call}, Operation{Method: call, Name: "a*"}), "operations[1]", "is never reached"},
		{"any prefix, then any", operations(Operation{Method: call, Name: "*"}, Operation{Method: call}), "operations[1]", "is never reached"},
		{"every method, then one", operations(Operation{Method: "*"}, Operation{Method: call}), "operations[1]", "is never reached"},
		{"one method, then every one", operations(Operation{Method: call}, Operation{Method: "*"}), "", ""},
		{"read, then subscribe of its own", operations(Operation{Method: read}, Operation{Method: "resources/subscribe"}), "", ""},
		{"the same twice", operations(Operation{Method: call}, Operation{Method: call}), "operations[1]", "has the method and the name of"},
		{"no method", operations(Operation{Name: "a"}), "operations[0].method", "is missing"},
		{"a part of a method", operations(Operation{Method: "tools/*"}), "operations[0].method", "has * beside other text"},
		{"a method of HTTP", operations(Operation{Method: "get"}), "operations[0].method", "is a method of HTTP"},
		{"a space in a method", operations(Operation{Method: "tools/call "}), "operations[0].method", "is no method"},
		{"a star in a name", operations(Operation{Method: call, Name: "a*b"}), "operations[0].name", "has * before its end"},
		{"two stars", operations(Operation{Method: call, Name: "a**"}), "operations[0].name", "has * before its end"},
		{"no scope", operations(Operation{Method: call, Scopes: []string{"a b"}}), "operations[0].scopes[0]", "is not one scope"},
		{"offline_access", operations(Operation{Method: call, Scopes: []string{"offline_access"}}), "operations[0].scopes[0]", "is offline_access"},
		{"acr with a space", operations(Operation{Method: call, ACRValues: []string{"a b"}}), "operations[0].acr_values[0]", "is not one value"},
		{"acr with a quote", operations(Operation{Method: call, ACRValues: []string{`a"b`}}), "operations[0].acr_values[0]", "is not one value"},
		{"acr without text", operations(Operation{Method: call, ACRValues: []string{""}}), "operations[0].acr_values[0]", "is not one value"},
		{"acr twice", operations(Operation{Method: call, ACRValues: []string{"a", "a"}}), "operations[0].acr_values[1]", "is listed twice"},
		{"a negative age", operations(Operation{Method: call, MaxAge: -time.Second}), "operations[0].max_age", "is not a number of whole seconds"},
		{"a part of a second", operations(Operation{Method: call, MaxAge: time.Millisecond}), "operations[0].max_age", "is not a number of whole seconds"},
		{"a default", func(s *Spec) { s.OperationsDefault = "Deny" }, "operations_default", `is "Deny": write resource or deny`},
		{"what a challenge names", func(s *Spec) { s.ChallengeScopes = "granted" }, "challenge_scopes", `is "granted"`},

		{"a URI", operations(Operation{Method: read, Name: "file:///a/b"}), "", ""},
		{"a template", operations(Operation{Method: "completion/complete", Name: "file:///{path}"}), "", ""},
		{"a prompt", operations(Operation{Method: "completion/complete", Name: "greeting"}), "", ""},
		{"a tool with a slash", operations(Operation{Method: call, Name: "a//b"}), "", ""},
		{"the beginning of a scheme", operations(Operation{Method: read, Name: "fi*"}), "", ""},
		{"a scheme", operations(Operation{Method: read, Name: "file:*"}), "", ""},
		{"a scheme with slashes", operations(Operation{Method: read, Name: "https://*"}), "", ""},
		{"a host", operations(Operation{Method: read, Name: "https://h.example*"}), "", ""},
		{"a folder", operations(Operation{Method: read, Name: "file:///a/*"}), "", ""},
		{"any URI", operations(Operation{Method: read, Name: "*"}), "", ""},
		{"a dot segment", operations(Operation{Method: read, Name: "file:///a/../b"}), "operations[0].name", "is no URI in canonical form"},
		{"a dot segment before a star", operations(Operation{Method: read, Name: "file:///a/../*"}), "operations[0].name", "is no URI in canonical form"},
		{"two slashes", operations(Operation{Method: read, Name: "file:///a//b"}), "operations[0].name", "is no URI in canonical form"},
		{"an escaped letter", operations(Operation{Method: read, Name: "file:///%61"}), "operations[0].name", "is no URI in canonical form"},
		{"a host in capitals", operations(Operation{Method: "*", Name: "https://H.example/a"}), "operations[0].name", "is no URI in canonical form"},
		{"a scheme in capitals", operations(Operation{Method: read, Name: "FILE:///*"}), "operations[0].name", "is no URI in canonical form"},
		{"no URI", operations(Operation{Method: "resources/subscribe", Name: "a"}), "operations[0].name", "is no URI in canonical form"},
		{"a prefix of no URI", operations(Operation{Method: "resources/unsubscribe", Name: "a b*"}), "operations[0].name", "is no URI in canonical form"},

		{"open", anonymous(Operation{Method: "initialize"}, Operation{Method: call, Name: "search"}), "", ""},
		{"open resources", anonymous(Operation{Method: read}), "", ""},
		{"everything open", anonymous(Operation{Method: "*"}), "anonymous[0]", "has *"},
		{"a part of a method open", anonymous(Operation{Method: "tools/*"}), "anonymous[0]", "has *"},
		{"every tool open", anonymous(Operation{Method: call}), "anonymous[0]", "opens every tool"},
		{"every tool open by a star", anonymous(Operation{Method: call, Name: "*"}), "anonymous[0].name", "has *"},
		{"a prefix open", anonymous(Operation{Method: call, Name: "a*"}), "anonymous[0].name", "has *"},
		{"GET open", anonymous(Operation{Method: "GET"}), "anonymous[0]", "is a method of HTTP"},
		{"DELETE open", anonymous(Operation{Method: "DELETE"}), "anonymous[0]", "is a method of HTTP"},
		{"no method open", anonymous(Operation{}), "anonymous[0].method", "is missing"},
		{"open twice", anonymous(Operation{Method: "ping"}, Operation{Method: "ping"}), "anonymous[1]", "is open by an earlier entry"},
		{"open by a wider one", anonymous(Operation{Method: read}, Operation{Method: read, Name: "file:///a"}), "anonymous[1]", "is open by an earlier entry"},
		{"a wrong URI open", anonymous(Operation{Method: read, Name: "file:///a//b"}), "anonymous[0].name", "is no URI in canonical form"},
		{"open and closed", func(s *Spec) {
			s.Anonymous, s.Operations = []Operation{{Method: call, Name: "a"}}, []Operation{{Method: "*", Scopes: []string{"x"}}}
		}, "anonymous[0]", "warning: is open without a token, and resources[0].operations[0] asks for more"},
		{"open and closed to all", func(s *Spec) {
			s.Anonymous, s.Operations = []Operation{{Method: "tools/list"}}, []Operation{{Method: call}}
			s.OperationsDefault = "deny"
		}, "anonymous[0]", "warning: has no effect, because no entry of operations matches it"},
		{"open and exempt", func(s *Spec) {
			s.Anonymous, s.Operations = []Operation{{Method: "initialize"}}, []Operation{{Method: call}}
			s.OperationsDefault = "deny"
		}, "", ""},
		{"everything closed", func(s *Spec) { s.OperationsDefault = "deny" }, "operations_default", "warning: refuses every operation"},
		{"open to any page", func(s *Spec) { s.Anonymous, s.Origins = []Operation{{Method: "ping"}}, []string{"*"} }, "origins[0]", "lets any web page call"},
		{"open to sandboxes", func(s *Spec) { s.Anonymous, s.Origins = []Operation{{Method: "ping"}}, []string{"null"} }, "origins[0]", "lets any web page call"},
		{"sandboxes", func(s *Spec) { s.Origins = []string{"null"} }, "origins[0]", "warning: is what every sandboxed page sends"},
	} {
		s := spec("https://h.example")
		row.change(&s)
		table, problems := NewTable([]Spec{s}, nil)
		if row.want == "" {
			if table == nil || len(problems) > 0 {
				t.Errorf("%s: %v", row.intent, problems)
			}
			continue
		}
		want, isWarning := strings.CutPrefix(row.want, "warning: ")
		if len(problems) != 1 || problems[0].Path != "resources[0]."+row.path || !strings.HasPrefix(problems[0].Message, want) ||
			isWarning != (problems[0].Severity == finding.Warning) || isWarning != (table != nil) {
			t.Errorf("%s: %v, want %s: %s", row.intent, problems, row.path, row.want)
		}
	}
}

// TestOriginsOfApplications are compared byte for byte, as those of pages are.
func TestOriginsOfApplications(t *testing.T) {
	origins := []string{
		"vscode-webview://0f1g2h3jk4", "vscode-file://vscode-app", "app://obsidian.md", "capacitor://localhost",
		"chrome-extension://abcdefghijklmnopabcdefghijklmnop", "moz-extension://8b0b4c2e-3a6f-4a4e-9a43-0d2a1c6f1f6a",
		"tauri://localhost", "vscode-remote://wsl.example:8080",
	}
	s := spec("https://h.example/mcp")
	s.Origins = origins
	table := table(t, s)
	r := table.Find("h.example", "/mcp")
	for _, origin := range origins {
		_, rest, _ := strings.Cut(origin, "://")
		if !r.AllowsOrigin(origin, "h.example") {
			t.Errorf("%s is not allowed", origin)
		}
		for _, other := range []string{
			origin + "/", origin + ":1", origin + ".example", strings.ToUpper(origin), "https://" + rest, "x" + origin, "null", rest,
		} {
			if r.AllowsOrigin(other, "h.example") {
				t.Errorf("%s is allowed, for %s", other, origin)
			}
		}
	}
	for _, origin := range []string{
		"vscode-webview://*", "app://", "app://obsidian.md/", "App://obsidian.md", "app://Obsidian.md", "app:obsidian.md",
		"chrome-extension://a b",
	} {
		s := spec("https://h.example")
		s.Origins = []string{origin}
		if _, problems := NewTable([]Spec{s}, nil); len(problems.Errors()) != 1 {
			t.Errorf("%s: %v", origin, problems)
		}
	}
}

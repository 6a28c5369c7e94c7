package policy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/rego"
)

const resourceURI = "https://mcp.example.com/mcp"

// request is an input that the built-in rules allow.
func request() policy.Input {
	return policy.Input{
		Request: &policy.RequestValues{
			ID: "r-1", Method: "POST", Scheme: "https", Host: "mcp.example.com", Path: "/mcp",
			Query:   map[string][]string{"page": {"1", "2"}},
			Headers: map[string][]string{"content-type": {"application/json"}, "user-agent": {"test"}},
		},
		Resource: policy.Resource{
			Name: "example", URI: resourceURI, Scopes: []string{"mcp:write", "mcp:read"},
			Labels: map[string]string{"team": "weather"},
		},
		Claims: map[string]any{
			"aud": resourceURI, "scope": "mcp:read mcp:write", "tenant": "acme",
			"exp": json.Number("1700000000"), "groups": []any{"staff"}, "email_verified": true,
		},
		Token: policy.Token{
			Issuer: "https://as.example.com", Client: "client-1",
			Scopes: []string{"mcp:read", "mcp:write"}, Profile: "standard", BoundBy: "aud", Marked: true, Recent: true,
		},
	}
}

// folder writes a team's files and returns the path to them.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// team compiles files that must be free of problems.
func team(t testing.TB, files map[string]string) *policy.Engine {
	t.Helper()
	e, problems := policy.Compile(context.Background(), policy.Sources{Library: rego.Files, Paths: []string{folder(t, files)}})
	for _, p := range problems {
		if p.Severity == finding.Error {
			t.Fatalf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
		}
	}
	return e
}

// authz is a team with one module of package authz.
func authz(t testing.TB, rules string) *policy.Engine {
	t.Helper()
	return team(t, map[string]string{"authz.rego": "package authz\n\n" + rules})
}

// decide asks the judge of a resource without a package of its own.
func decide(ctx context.Context, e *policy.Engine, in policy.Input) (policy.Decision, error) {
	d, _, err := e.For("").Decide(ctx, in)
	return d, err
}

func alone(t testing.TB) *policy.Engine {
	t.Helper()
	e, problems := policy.Compile(context.Background(), policy.Sources{Library: rego.Files})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return e
}

// problemsOf compiles files and returns what is said about them, one line each:
// "file:line:col: message", with "warning: " before those that are one.
func problemsOf(t testing.TB, files map[string]string) []string {
	t.Helper()
	dir := folder(t, files)
	e, problems := policy.Compile(context.Background(), policy.Sources{Library: rego.Files, Paths: []string{dir}})
	blocked := false
	var lines []string
	for _, p := range problems {
		p.File = strings.TrimPrefix(strings.TrimPrefix(p.File, dir), "/")
		lines = append(lines, line(p))
		blocked = blocked || p.Severity == finding.Error
	}
	if blocked == (e != nil) {
		t.Errorf("engine there: %v, with problems %q", e != nil, lines)
	}
	return lines
}

func line(p finding.Finding) string {
	at := p.File
	if p.Line > 0 {
		at = fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
	}
	if p.Severity == finding.Warning {
		at += ": warning"
	}
	if p.Fix == "" {
		return at + ": " + p.Message
	}
	return at + ": " + p.Message + ": " + p.Fix
}

// withoutFolder drops the temporary folder from an error's text.
func withoutFolder(text string) string {
	return regexp.MustCompile(`/\S*/`).ReplaceAllString(text, "")
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func jsonNumber(s string) json.Number { return json.Number(s) }

// requestOf is the request of an Input that a test made.
func requestOf(in *policy.Input) *policy.RequestValues { return in.Request.(*policy.RequestValues) }

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckPrintsRoutes: routes alone are on standard output, so that it can be
// applied; what is wrong is on standard error.
func TestCheckPrintsRoutes(t *testing.T) {
	const good = "issuers: [{issuer: https://as.example.com}]\nresources: [{resource: https://mcp.example.com/mcp, name: weather}]\n"
	split := strings.Replace(good, "https://mcp.example.com/mcp,", `"https://a.{b}.example.com/mcp", parameters: {b: org},`, 1)
	for _, row := range []struct {
		intent, config, mesh string
		code                 int
		stdout, stderr       string // what each has, "" for nothing at all
	}{
		{"routes", good, "istio", 0, "prefix: \"/.well-known/oauth-protected-resource\"", ""},
		{"in another mesh's words", good, "contour", 0, "kind: HTTPProxy", ""},
		{"an unknown mesh", good, "nginx", exitUsage, "", `no mesh "nginx": write one of contour, envoy`},
		{"a configuration with a fault", good + "nonsense: 1\n", "istio", exitFailure, "", "nonsense"},
		{"a host that no mesh expresses", split, "istio", exitFailure, "", "no mesh has routes for a.{b}.example.com"},
	} {
		file := filepath.Join(t.TempDir(), "doorward.yaml")
		if err := os.WriteFile(file, []byte("version: 1\n"+row.config), 0o600); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := command(t, "check", "--config", file, "--routes", row.mesh)
		has := func(text, part string) bool { return strings.Contains(text, part) && (part != "" || text == "") }
		if code != row.code || !has(stdout, row.stdout) || !has(stderr, row.stderr) {
			t.Errorf("%s: exit %d\n%s\n%s", row.intent, code, stdout, stderr)
		}
	}
}

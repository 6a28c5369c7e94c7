package main

import (
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// TestCheckWarnsOfOperations: of what operations leave open, and of rules that are
// passed by or that a request without a token does not meet, each at its place.
func TestCheckWarnsOfOperations(t *testing.T) {
	f := newFolder(t)
	f.write(t, "keys.json", string(jwttest.JWKS(f.key)))
	f.write(t, "doorward.yaml", `issuers:
- {issuer: "https://as.example.com", jwks_file: keys.json}
resources:
- resource: https://mcp.example.com/mcp
  name: weather
  operations:
  - {method: tools/call, name: "delete_*", scopes: [mcp:write]}
  mcp: {filter_metadata: trusted}
  anonymous: [tools/list]
policy: {paths: [policy]}
`)
	f.write(t, "policy/a.rego", `package authz

deny contains {"code": "tool", "message": ""} if input.request.headers["mcp-name"][0] == "delete_repo"

deny contains {"code": "guest", "message": ""} if input.claims.role == "guest"

deny contains {"code": "member", "message": ""} if {
	not input.resource.anonymous
	input.claims.role == "guest"
}
`)
	t.Chdir(f.dir)
	code, stdout, _ := command(t, "check", "--config", "doorward.yaml")
	if code != 0 {
		t.Fatalf("exit %d\n%s", code, stdout)
	}
	var warnings []string
	for line := range strings.Lines(stdout) {
		if strings.Contains(line, ": warning: ") {
			warnings = append(warnings, line)
		}
	}
	wanted := []string{
		"doorward.yaml:7:3: warning: resources[0].operations leaves what no entry matches",
		"doorward.yaml:7:3: warning: resources[0].operations needs mcp:write",
		"doorward.yaml:8:26: warning: resources[0].mcp.filter_metadata trusts",
		"doorward.yaml:9:14: warning: resources[0].anonymous lets in requests without a token: tools/list",
		"policy/a.rego:3:50: warning: the header mcp-name is what the client writes",
		"policy/a.rego:5:51: warning: input.claims.role is not there for a request without a token",
	}
	if len(warnings) != len(wanted) {
		t.Fatalf("%d warnings\n%s", len(warnings), stdout)
	}
	for i, want := range wanted {
		if !strings.HasPrefix(warnings[i], want) {
			t.Errorf("%s\nwant %s", warnings[i], want)
		}
	}
}

package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCheckListsTheRulesInForce by resource, with the place of each.
func TestCheckListsTheRulesInForce(t *testing.T) {
	f := newFolder(t)
	f.write(t, "doorward.yaml", `
issuers: [{issuer: "https://as.example.com"}]
resources:
- {resource: "https://a.example.com/mcp", name: a}
- {resource: "https://b.example.com/mcp", name: b, policy: authz.b}
policy: {paths: [policy]}
`)
	f.write(t, "policy/a.rego", `package authz

default require.z := false

require.z if input.claims.z

require["z"] if input.claims.y

deny contains {"code": "closed", "message": input.request.path} if input.request.method == "DELETE"

deny contains {"code": lower(input.request.method), "message": ""} if input.request.path == "/"

headers["x-a"] := "b"
`)
	f.write(t, "policy/b.rego", "package authz.b\n\nrequire[\"b\"] if input.claims.b\n\nscopes contains \"mcp:more\"\n")
	t.Chdir(f.dir)
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"check", "--config", "doorward.yaml"}, &stdout, &stderr)
	const common = `  authz.require.z  policy/a.rego:5:1
  authz.require.z  policy/a.rego:7:1
  authz.deny:closed  policy/a.rego:9:1
  authz.deny  policy/a.rego:11:1
  authz.headers.x-a  policy/a.rego:13:1
`
	want := "a: decisions are cached\n" + common + "b: decisions are cached\n" + common + `  authz.b.require.b  policy/b.rego:3:1
  authz.b.scopes  policy/b.rego:5:1
`
	listed, _, _ := strings.Cut(stdout.String(), "ok: ")
	if diff := cmp.Diff(want, listed); code != 0 || diff != "" {
		t.Errorf("exit %d, %s (-want +got):\n%s", code, &stderr, diff)
	}
}

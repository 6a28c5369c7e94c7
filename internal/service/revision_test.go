package service

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/internal/bundles"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/snapshot"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// TestPolicySourcesNameTheRevocationList: doorward reads the list itself, so no
// warning says that no rule reads it.
func TestPolicySourcesNameTheRevocationList(t *testing.T) {
	cfg := &config.Config{Resources: &resource.Table{}, Bundles: []bundles.Options{{Name: "rules"}, {Name: "lists", Revocations: "security/revocations"}}}
	if got := PolicySources(cfg, nil, config.Packages{}).DataRead; !slices.Equal(got, []string{"security/revocations"}) {
		t.Errorf("%q", got)
	}
}

// TestPatternsAndTemplatesAreFilledIn where rules are tried and compared with the
// configuration: no request shows a placeholder.
func TestPatternsAndTemplatesAreFilledIn(t *testing.T) {
	f := newFolder(t)
	f.write(t, "keys.json", string(jwttest.JWKS(f.key)))
	f.write(t, "doorward.yaml", `
issuers: [{issuer: "https://as.example.com/{tenant}", tenants: [one, two], jwks_file: keys.json}]
resources: [{resource: "https://{tenant}.mcp.example.com/mcp", parameters: {tenant: org}, name: tenants}]
policy: {paths: [team.rego]}
`)
	for condition, want := range map[string]string{
		`input.token.issuer == "https://as.example.com/one"`:             "wrong shape",
		`input.claims.iss == "https://as.example.com/two"`:               "",
		`input.request.host == "trial.mcp.example.com"`:                  "wrong shape",
		`input.resource.uri == "https://trial.mcp.example.com/mcp"`:      "wrong shape",
		`input.resource.uri == "https://acme.mcp.example.com/mcp"`:       "",
		`input.claims.aud == "https://acme.mcp.example.com/mcp"`:         "",
		`input.token.issuer == "https://as.example.com/three"`:           "is never",
		`input.token.issuer == "https://as.example.com/{tenant}"`:        "is never",
		`startswith(input.resource.uri, "https://{tenant}.mcp.example")`: "",
	} {
		f.write(t, "team.rego", "package authz\n\ndeny contains {\"code\": upper(\"no\"), \"message\": \"\"} if "+condition+"\n")
		_, problems := Load(t.Context(), Source{Read: func(files *snapshot.Snapshot) (*config.Config, finding.List) {
			return config.LoadFrom(files, []string{f.path("doorward.yaml")})
		}})
		if text := fmt.Sprint(problems); (want == "") != (len(problems) == 0) || !strings.Contains(text, want) {
			t.Errorf("%s: %s, want %q", condition, text, want)
		}
	}
}

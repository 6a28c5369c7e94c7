package extauthz_test

import (
	"strings"
	"testing"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/internal/policy"
)

func tenants() resource.Spec {
	return resource.Spec{
		URI: "https://{tenant}.mcp.example.com/mcp", Name: "tenants", Issuers: []string{issuerURL}, Scopes: []string{"mcp:read"},
		Audiences: []string{"api://{tenant}.1"},
	}
}

func newDecisionCache() *policy.DecisionCache {
	cache := policy.NewDecisionCache()
	cache.SetMaximum(1 << 20)
	return cache
}

// TestATokenIsForOneTenant: whatever was asked before with the same token, at
// which tenant, and with which caches, a token opens the tenant that aud names.
func TestATokenIsForOneTenant(t *testing.T) {
	caches := map[string]func(*plan){
		"no cache":       func(p *plan) {},
		"token cache":    func(p *plan) { p.cache = 1 << 20 },
		"decision cache": func(p *plan) { p.memory = newDecisionCache() },
		"both": func(p *plan) {
			p.cache = 1 << 20
			p.memory = newDecisionCache()
		},
	}
	for name, cache := range caches {
		d := startService(t, cache, func(p *plan) { p.resources = []resource.Spec{tenants()} })
		for audience, opens := range map[string]string{
			"https://a.mcp.example.com/mcp":        "a",
			"https://b.mcp.example.com/mcp":        "b",
			"api://a.1":                            "a",
			"https://{tenant}.mcp.example.com/mcp": "none",
			"tenants":                              "none",
		} {
			signed := d.token(map[string]any{"aud": audience})
			for _, tenant := range []string{"a", "b", "a", "a", "b", "b", "a"} {
				ask := bearer(signed)
				ask.host = tenant + ".mcp.example.com"
				got := readResponse(t, d.check(t, ask.joined()))
				want := "audience_mismatch"
				if tenant == opens {
					want = "allowed"
				}
				if got.reason != want {
					t.Errorf("%s, aud %s at tenant %s: %s, want %s", name, audience, tenant, got.reason, want)
				}
				document := `resource_metadata="https://` + tenant + `.mcp.example.com/.well-known/oauth-protected-resource/mcp"`
				if got.reason != "allowed" && !strings.Contains(got.challenge, document) {
					t.Errorf("%s, aud %s at tenant %s: %s", name, audience, tenant, got.challenge)
				}
			}
		}
	}
}

// TestAMeshNamesAPattern by its name where the authority fills it, and by the
// filled-in URL where the path does.
func TestAMeshNamesAPattern(t *testing.T) {
	servers := tenants()
	servers.URI, servers.Name, servers.Audiences = "https://mcp.example.com/servers/{server}/mcp", "servers", nil
	d := startService(t, func(p *plan) { p.resources = []resource.Spec{tenants(), servers} })
	for _, row := range []struct{ name, host, path, aud, reason string }{
		{"tenants", "a.mcp.example.com", "/mcp", "https://a.mcp.example.com/mcp", "allowed"},
		{"tenants", "b.mcp.example.com", "/mcp", "https://a.mcp.example.com/mcp", "audience_mismatch"},
		{"servers", "mcp.example.com", "/servers/x/mcp", "https://mcp.example.com/servers/x/mcp", "misconfigured"},
		{"https://mcp.example.com/servers/x/mcp", "mcp.example.com", "/x", "https://mcp.example.com/servers/x/mcp", "allowed"},
		{"https://mcp.example.com/servers/y/mcp", "mcp.example.com", "/x", "https://mcp.example.com/servers/x/mcp", "audience_mismatch"},
		{"https://a.mcp.example.com/mcp", "b.mcp.example.com", "/mcp", "https://a.mcp.example.com/mcp", "no_resource"},
	} {
		ask := bearer(d.token(map[string]any{"aud": row.aud}))
		ask.host, ask.path, ask.extensions = row.host, row.path, map[string]string{"resource": row.name}
		if got := readResponse(t, d.check(t, ask.joined())); got.reason != row.reason {
			t.Errorf("%s at %s%s: %s, want %s", row.name, row.host, row.path, got.reason, row.reason)
		}
	}
}

// TestALiteralKeepsItsRules where the mesh names the pattern around it: neither
// that request nor one after it from the caches is judged by those of the pattern.
func TestALiteralKeepsItsRules(t *testing.T) {
	vip := tenants()
	vip.URI, vip.Name, vip.Audiences, vip.Scopes = "https://vip.mcp.example.com/mcp", "vip", nil, []string{"mcp:admin"}
	d := startService(t, func(p *plan) {
		p.resources, p.cache, p.memory = []resource.Spec{tenants(), vip}, 1<<20, newDecisionCache()
	})
	signed := d.token(map[string]any{"aud": vip.URI})
	for _, named := range []bool{true, false, true} {
		ask := bearer(signed)
		ask.host = "vip.mcp.example.com"
		if named {
			ask.extensions = map[string]string{"resource": "tenants"}
		}
		if got := readResponse(t, d.check(t, ask.joined())); got.reason != "insufficient_scope" {
			t.Errorf("named %t: %s", named, got.reason)
		}
	}
}

// TestChallengeOfAnAlias names the document of the URL that was asked, and the
// scopes as clients must ask for them.
func TestChallengeOfAnAlias(t *testing.T) {
	s := weather()
	s.Aliases, s.ScopePrefix = []string{"https://mcp.internal.example/weather"}, "api://6f1c/"
	s.ScopesAny = [][]string{{"mcp:list"}, {"svc.reader"}}
	d := startService(t, func(p *plan) { p.resources, p.cache = []resource.Spec{s}, 1<<20 })
	signed := d.token(map[string]any{"aud": "https://else.example.com"})
	for range 2 {
		for host, document := range map[string]string{
			"mcp.example.com":      "https://mcp.example.com/.well-known/oauth-protected-resource/mcp",
			"mcp.internal.example": "https://mcp.internal.example/.well-known/oauth-protected-resource/weather",
		} {
			ask := bearer(signed)
			ask.host, ask.path = host, map[string]string{"mcp.example.com": "/mcp", "mcp.internal.example": "/weather"}[host]
			got := readResponse(t, d.check(t, ask.joined()))
			want := `Bearer resource_metadata="` + document + `", scope="api://6f1c/mcp:read api://6f1c/mcp:list", error=`
			if got.reason != "audience_mismatch" || !strings.HasPrefix(got.challenge, want) {
				t.Errorf("%s: %s %s", host, got.reason, got.challenge)
			}
		}
	}
}

package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/config"
)

// TestAdvertised: the document names the issuers that are URLs and advertised, those
// of a template for each tenant, or what authorization_servers says.
func TestAdvertised(t *testing.T) {
	const (
		one      = "- issuer: https://one.example.com\n"
		hidden   = "- issuer: https://machines.example.com\n  advertise: false\n"
		name     = "- issuer: kubernetes/serviceaccount\n  jwks_uri: https://kube.example.com/keys\n"
		plain    = "- issuer: http://adfs.example.com/trust\n  discovery_url: https://adfs.example.com/metadata\n"
		template = "- issuer: https://login.example.com/{tenant}/v2.0\n  tenants: [a, b]\n  jwks_uri: https://login.example.com/keys\n"
		hosts    = "- issuer: https://{tenant}.login.example.com\n  tenants: [a]\n  jwks_uri: https://login.example.com/keys\n"
		literal  = "- resource: https://mcp.example.com/mcp\n"
		tenants  = "- resource: https://{tenant}.mcp.example.com/mcp\n"
		other    = "- resource: https://{team}.mcp.example.com/mcp\n"
	)
	for _, row := range []struct{ intent, issuers, resource, want string }{
		{"one issuer", one, literal, "the issuers"},
		{"an issuer that is not advertised", one + hidden, literal, "https://one.example.com"},
		{"none that is advertised", hidden, literal, ""},
		{"a name", one + name, literal, "https://one.example.com"},
		{"an http name", plain, literal, ""},
		{"a template", one + template, literal, "https://one.example.com https://login.example.com/a/v2.0 https://login.example.com/b/v2.0"},
		{"a template in the host", hosts, literal, "https://a.login.example.com"},
		{"a template, for a pattern of tenants", template, tenants, "https://login.example.com/{tenant}/v2.0"},
		{"a template, for another pattern", template, other, "https://login.example.com/a/v2.0 https://login.example.com/b/v2.0"},
		{"a list", one + hidden, literal + "  authorization_servers: [https://x.example.com]\n", "https://x.example.com"},
	} {
		dir := write(t, map[string]string{"a.yaml": "issuers:\n" + row.issuers + "resources:\n" + row.resource})
		spec := specs(mustLoad(t, dir))[0]
		got := strings.Join(spec.AuthorizationServers, " ")
		if spec.AuthorizationServers == nil {
			got = "the issuers"
		}
		if got != row.want {
			t.Errorf("%s: %q, want %q", row.intent, got, row.want)
		}
	}
}

// TestNames: an issuer is known by each iss that it may have.
func TestNames(t *testing.T) {
	for _, row := range []struct {
		issuer config.Issuer
		want   []string
	}{
		{issuerOf("https://as.example.com", nil, ""), []string{"https://as.example.com"}},
		{issuerOf("https://as.example.com/{realm}", []string{"a", "b"}, ""), []string{"https://as.example.com/a", "https://as.example.com/b"}},
		{issuerOf("https://as.example.com", nil, "example.org"), []string{"https://as.example.com", "spiffe://example.org"}},
	} {
		if got := row.issuer.Names(); !slices.Equal(got, row.want) {
			t.Errorf("%q, want %q", got, row.want)
		}
	}
}

func issuerOf(id string, tenants []string, domain string) config.Issuer {
	i := config.Issuer{Tenants: tenants, TrustDomain: domain}
	i.Keys.Issuer = id
	return i
}

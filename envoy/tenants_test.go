package envoy_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// TestTenantsBehindOneEnvoy follows README: a token for one tenant reaches that
// tenant, and no request with it reaches another, however its host is written.
func TestTenantsBehindOneEnvoy(t *testing.T) {
	testenv.RequireEnvoy(t)
	text, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, tenants, _ := strings.Cut(string(text), "**Many tenants or servers**")
	key := jwttest.NewKey("ES256", "key-1")
	server := startUpstream(t)
	h := startEnvironment(t, server.address, hangUp)
	h.activate(t, stateOf(t, yamlBlocks(string(text))[0]+yamlBlocks(tenants)[0], key))

	tokenOf := func(tenant, org string) string {
		return key.Sign(claims(map[string]any{"aud": "https://" + tenant + ".mcp.example.com/mcp", "org": org}))
	}
	acme := tokenOf("acme", "acme")
	for _, row := range []struct {
		intent, token, host string
		status              int
		reason              string
	}{
		{"its tenant", acme, "acme.mcp.example.com", http.StatusOK, "allowed"},
		{"in capitals", acme, "ACME.mcp.example.com", http.StatusOK, "allowed"},
		{"with the port", acme, "acme.mcp.example.com:443", http.StatusOK, "allowed"},
		{"another tenant", acme, "other.mcp.example.com", http.StatusUnauthorized, "audience_mismatch"},
		{"its tenant again", acme, "acme.mcp.example.com", http.StatusOK, "allowed"},
		{"the other resource", acme, "mcp.example.com", http.StatusUnauthorized, "audience_mismatch"},
		{"a tenant whose user is of another", tokenOf("other", "acme"), "other.mcp.example.com", http.StatusUnauthorized, "audience_mismatch"},
		{"two labels", acme, "acme.acme.mcp.example.com", http.StatusForbidden, "no_resource"},
		{"an A-label", acme, "xn--acme.mcp.example.com", http.StatusForbidden, "no_resource"},
		{"a trailing dot", acme, "acme.mcp.example.com.", http.StatusForbidden, "no_resource"},
		{"another port", acme, "acme.mcp.example.com:8443", http.StatusForbidden, "no_resource"},
		{"a name that ends so", acme, "acme.mcp.example.com.evil.example", http.StatusForbidden, "no_resource"},
	} {
		got := h.send(t, bearer(row.token).on(row.host))
		if got.status != row.status {
			t.Errorf("%s: %v, want %d", row.intent, got, row.status)
		}
		if access := h.logged(t, got); access["reason"] != row.reason {
			t.Errorf("%s: the reason is %v, want %s", row.intent, access["reason"], row.reason)
		}
		if n := len(server.take()); (n == 1) != (row.status == http.StatusOK) {
			t.Errorf("%s: %d requests reached the server", row.intent, n)
		}
		if challenge := got.header.Get("Www-Authenticate"); row.status == http.StatusUnauthorized &&
			!strings.Contains(challenge, "https://"+strings.ToLower(row.host)+"/.well-known/oauth-protected-resource/mcp") {
			t.Errorf("%s: %s", row.intent, challenge)
		}
	}
}

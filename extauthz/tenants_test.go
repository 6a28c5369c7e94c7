package extauthz_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
)

const loginTemplate = "https://login.example.com/{tenant}/v2.0"

// ofTenants replaces the usual issuer by a template with these tenants.
func ofTenants(d *testService, tenants ...string) func(t *testing.T) {
	return func(t *testing.T) {
		t.Helper()
		next := *d.state
		next.Issuers = map[string]*token.Issuer{loginTemplate: {
			ID: loginTemplate, Tenants: tenants, Algorithms: token.DefaultAlgorithms(), Keys: d.state.Issuers[issuerURL].Keys,
		}}
		d.swap(t, &next)
	}
}

// TestTenantsShrinkUnderLoad: once a Swap has returned, no Check that starts lets
// in a token of a tenant that left, whatever is cached; those that stay are let in
// throughout.
func TestTenantsShrinkUnderLoad(t *testing.T) {
	d := startService(t, func(p *plan) {
		p.cache, p.memory = 1<<20, newDecisionCache()
		p.resources = []resource.Spec{{URI: resourceURI, Name: "weather", Issuers: []string{loginTemplate}}}
	})
	ofTenants(d, "stays", "leaves")(t)
	ask := func(tenant string) string {
		signed := d.token(map[string]any{"iss": "https://login.example.com/" + tenant + "/v2.0"})
		return readResponse(t, d.check(t, bearer(signed).joined())).reason
	}
	var left, done atomic.Bool
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for !done.Load() {
				if got := ask("stays"); got != "allowed" {
					t.Errorf("a tenant that stays: %s", got)
				}
				after := left.Load()
				if got := ask("leaves"); after && got != "issuer_unknown" || !after && got != "allowed" && got != "issuer_unknown" {
					t.Errorf("a tenant that leaves, after the Swap %t: %s", after, got)
				}
			}
		})
	}
	for range 50 {
		ask("leaves")
	}
	ofTenants(d, "stays")(t)
	left.Store(true)
	for range 50 {
		ask("stays")
	}
	done.Store(true)
	running.Wait()
}

// TestATenantsTokenIsForItsTenant: a name that is in the issuer's template and in
// the resource has one value in a request.
func TestATenantsTokenIsForItsTenant(t *testing.T) {
	d := startService(t, func(p *plan) {
		s := tenants()
		s.Issuers = []string{loginTemplate}
		p.cache, p.resources = 1<<20, []resource.Spec{s}
	})
	ofTenants(d, "a", "b")(t)
	for _, row := range []struct{ of, at, aud, reason string }{
		{"a", "a", "a", "allowed"},
		{"b", "a", "a", "issuer_unknown"},
		{"a", "b", "b", "issuer_unknown"},
		{"a", "b", "a", "issuer_unknown"},
		{"a", "a", "b", "audience_mismatch"},
		{"b", "b", "b", "allowed"},
	} {
		for range 2 { // the second time from the cache
			ask := bearer(d.token(map[string]any{
				"iss": "https://login.example.com/" + row.of + "/v2.0", "aud": "https://" + row.aud + ".mcp.example.com/mcp",
			}))
			ask.host = row.at + ".mcp.example.com"
			if got := readResponse(t, d.check(t, ask.joined())); got.reason != row.reason {
				t.Errorf("of %s for %s at %s: %s, want %s", row.of, row.aud, row.at, got.reason, row.reason)
			}
		}
	}
}

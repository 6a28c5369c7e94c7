package extauthz_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/resource"
	tokens "github.com/doorward/doorward/extauthz/token"
)

// warm is a change of one rule, and a request whose answer it changes.
type warm struct {
	before func(*plan)
	ask    func(d *testService) clientRequest
	issuer func(*tokens.Issuer)
	spec   func(*resource.Spec)
}

// warmCaches asks the same before and after a change, of a server with every cache
// and of one that starts with the change and has none: their answers are the same,
// and are others than before.
func warmCaches(t *testing.T, name string, row warm) {
	t.Helper()
	changes := []func(*plan){
		unscoped, func(p *plan) { p.cache, p.memory, p.timeout = 1<<20, newDecisionCache(), time.Minute },
	}
	if row.before != nil {
		changes = append(changes, row.before)
	}
	var specs []resource.Spec
	d := startService(t, append(changes, func(p *plan) {
		specs = slices.Clone(p.resources)
	})...)
	check := row.ask(d).joined()
	before := d.check(t, check)
	d.check(t, check)

	after := *d.state
	if row.issuer != nil {
		after.Issuers = maps.Clone(after.Issuers)
		for id, old := range d.state.Issuers {
			changed := *old
			row.issuer(&changed)
			delete(after.Issuers, id)
			after.Issuers[changed.ID] = &changed
		}
	}
	if row.spec != nil {
		row.spec(&specs[0])
		table, problems := resource.NewTable(specs, nil)
		if table == nil {
			t.Fatal(name, problems)
		}
		after.Resources = table
	}
	d.swap(t, &after)
	fresh := after
	fresh.TokenCache = 0
	uncached := newServer(t, extauthz.Options{})
	swap(t, uncached, &fresh)
	want := uncached.Check(t.Context(), check)
	for range 2 {
		if got := d.check(t, check); !proto.Equal(got, want) {
			t.Errorf("%s: with a warm cache\n%v\nwithout\n%v", name, got, want)
		}
	}
	if proto.Equal(before, want) {
		t.Errorf("%s: the change does not change the answer\n%v", name, want)
	}
	d.swap(t, d.state)
	if again := d.check(t, check); !proto.Equal(again, before) {
		t.Errorf("%s: changed back\n%v\nbefore\n%v", name, again, before)
	}
}

// covers fails the test where a field of a configuration has no row.
func covers(t *testing.T, of reflect.Type, rows map[string]warm, without ...string) {
	t.Helper()
	for i := range of.NumField() {
		if name := of.Field(i).Name; slices.Contains(without, name) == (rows[name].ask != nil) {
			t.Errorf("%s.%s has no row, or needs none", of, name)
		}
	}
}

// TestEachIssuerRuleUnderAWarmCache.
func TestEachIssuerRuleUnderAWarmCache(t *testing.T) {
	ask := func(typ string, changes map[string]any) func(*testService) clientRequest {
		return func(d *testService) clientRequest { return d.presents(presented{typ: typ, claims: changes}) }
	}
	aud := func(more map[string]any) map[string]any {
		all := map[string]any{"aud": resourceURI}
		maps.Copy(all, more)
		return all
	}
	dedicated := rules(func(i *tokens.Issuer) { i.Dedicated = true })
	rows := map[string]warm{
		"ID": {nil, ask("", aud(nil)), func(i *tokens.Issuer) { i.ID = "https://other.example.com" }, nil},
		"Tenants": {fromTemplate, func(d *testService) clientRequest {
			return d.presents(patternBounds()[1].asked[0])
		}, func(i *tokens.Issuer) { i.Tenants = []string{"b"} }, nil},
		"Profile":     {nil, ask("", aud(nil)), func(i *tokens.Issuer) { i.Profile = tokens.RFC9068 }, nil},
		"Algorithms":  {nil, ask("", aud(nil)), func(i *tokens.Issuer) { i.Algorithms = []string{"RS256"} }, nil},
		"TrustDomain": {nil, ask("", aud(nil)), func(i *tokens.Issuer) { i.TrustDomain = "td.example" }, nil},
		"ScopeClaims": {
			func(p *plan) { p.resources[0].Scopes = []string{"a"} }, ask("", aud(map[string]any{"scope": "a", "roles": "b"})),
			func(i *tokens.Issuer) { i.ScopeClaims = []string{"roles"} }, nil,
		},
		"NoScopes": {nil, ask("at+jwt", map[string]any{"aud": "app-1"}), func(i *tokens.Issuer) { i.NoScopes = true }, nil},
		"AccessTokenClaims": {
			withClients, ask("", map[string]any{"azp": "abc", "role": "a"}), func(i *tokens.Issuer) { i.AccessTokenClaims = []string{"role"} }, nil,
		},
		"Accepts": {nil, ask("at+jwt", aud(map[string]any{"nonce": "n"})), func(i *tokens.Issuer) { i.Accepts = []string{"nonce"} }, nil},
		"GenericAudiences": {
			withClients, ask("at+jwt", map[string]any{"azp": "abc", "aud": "account"}),
			func(i *tokens.Issuer) { i.GenericAudiences = []string{"account"} }, nil,
		},
		"Dedicated": {nil, ask("at+jwt", nil), func(i *tokens.Issuer) { i.Dedicated = true }, nil},
		"ClientIDPattern": {
			dedicated, ask("at+jwt", map[string]any{"aud": "x"}), func(i *tokens.Issuer) { i.ClientIDPattern = "x" }, nil,
		},
		"SelfAssertedAudience": {nil, ask("", aud(nil)), func(i *tokens.Issuer) { i.SelfAssertedAudience = true }, nil},
	}
	covers(t, reflect.TypeFor[tokens.Issuer](), rows, "Keys")
	for name, row := range rows {
		warmCaches(t, name, row)
	}
	warmCaches(t, "Dedicated, no more", warm{dedicated, ask("at+jwt", nil), func(i *tokens.Issuer) { i.Dedicated = false }, nil})
	warmCaches(t, "AccessTokenClaims, no more", warm{
		together(withClients, rules(func(i *tokens.Issuer) { i.AccessTokenClaims = []string{"role"} })),
		ask("", map[string]any{"azp": "abc", "role": "a"}), func(i *tokens.Issuer) { i.AccessTokenClaims = nil }, nil,
	})
}

// TestEachResourceKeyUnderAWarmCache.
func TestEachResourceKeyUnderAWarmCache(t *testing.T) {
	ask := func(typ string, changes map[string]any) func(*testService) clientRequest {
		return func(d *testService) clientRequest { return d.presents(presented{typ: typ, claims: changes}) }
	}
	plain := ask("", map[string]any{"aud": resourceURI, "scope": "a"})
	at := func(host, path, origin string) func(*testService) clientRequest {
		return func(d *testService) clientRequest {
			a := plain(d)
			a.host, a.path = host, path
			if origin != "" {
				a.headers = append(a.headers, [2]string{"origin", origin})
			}
			return a
		}
	}
	document := func(path string) func(*testService) clientRequest {
		return func(*testService) clientRequest { return clientRequest{method: "GET", path: "/.well-known/" + path} }
	}
	resourceDocument := document("oauth-protected-resource/mcp")
	spec := func(before func(*plan), ask func(*testService) clientRequest, change func(*resource.Spec)) warm {
		return warm{before, ask, nil, change}
	}
	team := func(p *plan) {
		p.policy = []string{writeFile(t, "package authz\n\nrequire.team if input.resource.labels.team == \"weather\"\n")}
	}
	dpop := func(mode string) func(*plan) {
		return func(p *plan) { p.resources[0].DPoP, p.resources[0].ProofAlgorithms = mode, []string{"ES256"} }
	}
	certificate := func(d *testService) clientRequest {
		a := bearer(d.token(map[string]any{"cnf": map[string]any{"x5t#S256": strings.Repeat("A", 43)}}))
		a.headers = append(a.headers, [2]string{"x-forwarded-client-cert", "Hash=" + strings.Repeat("00", 32)})
		return a
	}
	calling := func(tool string) func(*testService) clientRequest {
		return func(d *testService) clientRequest { return post(d.token(), call(tool)) }
	}
	rows := map[string]warm{
		"URI":    spec(nil, plain, func(s *resource.Spec) { s.URI = "https://mcp.example.com/mcp2" }),
		"Name":   spec(nil, plain, func(s *resource.Spec) { s.Name = "climate" }),
		"AlsoAt": spec(nil, at("weather.ns.svc:8443", "/mcp", ""), func(s *resource.Spec) { s.AlsoAt = nil }),
		"Aliases": spec(nil, ask("", map[string]any{"aud": "https://a.example.com/mcp"}), func(s *resource.Spec) {
			s.Aliases = []string{"https://a.example.com/mcp"}
		}),
		"Audiences": spec(nil, ask("at+jwt", map[string]any{"aud": "app-1", "scope": "a"}), func(s *resource.Spec) { s.Audiences = nil }),
		"Issuers":   spec(nil, plain, func(s *resource.Spec) { s.Issuers = []string{"https://elsewhere.example.com"} }),
		"Scopes":    spec(nil, plain, func(s *resource.Spec) { s.Scopes = []string{"b"} }),
		"CORS":      spec(nil, at("", "", "https://app.example.com"), func(s *resource.Spec) { s.CORS = true }),
		"Origins":   spec(nil, at("", "", "https://app.example.com"), func(s *resource.Spec) { s.Origins = nil }),
		"Metadata":  spec(nil, resourceDocument, func(s *resource.Spec) { s.Metadata = map[string]any{"resource_name": "Weather"} }),
		"Labels":    spec(team, plain, func(s *resource.Spec) { s.Labels = nil }),
		"Clients":   spec(withClients, ask("at+jwt", map[string]any{"azp": "xyz"}), func(s *resource.Spec) { s.Clients = []string{"abc"} }),
		"Subjects":  spec(selfAsserted([]string{"alice"}, nil), plain, func(s *resource.Spec) { s.Subjects = []string{"bob"} }),
		"Claims": spec(selfAsserted(nil, map[string][]string{"sub": {"alice"}}), plain, func(s *resource.Spec) {
			s.Claims = map[string][]string{"sub": {"bob"}}
		}),
		"Parameters": spec(tied, func(d *testService) clientRequest { return d.presents(patternBounds()[0].asked[0]) },
			func(s *resource.Spec) { s.Parameters = map[string]string{"tenant": "company"} }),
		"ScopePrefix": spec(nil, ask("", map[string]any{"aud": resourceURI, "scope": "x/a"}), func(s *resource.Spec) { s.ScopePrefix = "x/" }),
		"ScopeImplies": spec(func(p *plan) { p.resources[0].Scopes = []string{"b"} }, plain, func(s *resource.Spec) {
			s.ScopeImplies = map[string][]string{"a": {"b"}}
		}),
		"ScopesAny": spec(nil, plain, func(s *resource.Spec) { s.ScopesAny = [][]string{{"b"}, {"c"}} }),
		"AuthorizationServers": spec(nil, resourceDocument, func(s *resource.Spec) {
			s.AuthorizationServers = []string{"https://facade.example.com"}
		}),
		"MirrorMetadata": spec(nil, document("oauth-authorization-server/mcp"), func(s *resource.Spec) { s.MirrorMetadata = true }),
		"MetadataMaxAge": spec(nil, resourceDocument, func(s *resource.Spec) { s.MetadataMaxAge = time.Minute }),
		"DPoP":           spec(dpop("optional"), plain, func(s *resource.Spec) { s.DPoP = "required" }),
		"ProofAlgorithms": spec(dpop("optional"), func(*testService) clientRequest { return clientRequest{} }, func(s *resource.Spec) {
			s.ProofAlgorithms = []string{"EdDSA"}
		}),
		"ClientCertificate": spec(nil, certificate, func(s *resource.Spec) { s.ClientCertificate = "xfcc" }),
		"Operations": spec(byOperation(nil), calling("search"), func(s *resource.Spec) {
			s.Operations = []resource.Operation{{Method: "tools/call", Scopes: []string{"mcp:admin"}}}
		}),
		"OperationsDefault": spec(byOperation(nil), calling("search"), func(s *resource.Spec) { s.OperationsDefault = "deny" }),
		"ChallengeScopes": spec(byOperation(func(s *resource.Spec) {
			s.Operations = append(s.Operations, resource.Operation{Method: "tools/call", Scopes: []string{"mcp:write"}})
		}), calling("delete_repo"), func(s *resource.Spec) { s.ChallengeScopes = "operation_and_granted" }),
		"MCP": spec(byOperation(nil), func(d *testService) clientRequest {
			return post(d.token(), "").withHeaders("tools/call", "search")
		}, func(s *resource.Spec) { s.MCP.HeadersChecked = true }),
		"Anonymous": spec(byOperation(nil), func(*testService) clientRequest { return post("", call("search")) }, func(s *resource.Spec) {
			s.Anonymous = []resource.Operation{{Method: "tools/call", Name: "search"}}
		}),
		"AnonymousSessions": spec(byOperation(func(s *resource.Spec) {
			s.Anonymous = []resource.Operation{{Method: "tools/call", Name: "search"}}
		}), func(*testService) clientRequest {
			a := post("", call("search"))
			a.headers = append(a.headers, [2]string{"mcp-session-id", "1"})
			return a
		}, func(s *resource.Spec) { s.AnonymousSessions = true }),
		"ExpiresHeader": spec(nil, plain, func(s *resource.Spec) { s.ExpiresHeader = true }),
	}
	covers(t, reflect.TypeFor[resource.Spec](), rows)
	for name, row := range rows {
		warmCaches(t, name, row)
	}
}

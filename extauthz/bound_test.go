package extauthz_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/resource"
	tokens "github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/policy"
)

// mayNotLeave fails the test where a token that came in at a resource is not bound to it
// on the way out, with its claims as they are and as another decoder has them.
func mayNotLeave(t *testing.T, server *extauthz.Server, at *resource.Resource, claims map[string]any, intent string) {
	t.Helper()
	encoded, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	var floats map[string]any
	if err := json.Unmarshal(encoded, &floats); err != nil {
		t.Fatal(err)
	}
	for _, all := range []map[string]any{claims, floats} {
		bound, err := server.BoundTo(t.Context(), all)
		is := func(res *resource.Resource) bool { return res.Name == at.Name }
		if err != nil || !slices.ContainsFunc(bound.Resources, is) {
			t.Errorf("%s: came in at %s and may leave: %+v, %v", intent, at.URI, bound, err)
		}
	}
}

func leaving(p *plan) { p.egress = true }

// many are resources of every kind: by URL, alias, further name, client, dedicated
// issuer, pattern and template.
func many(p *plan) {
	p.issuer = func(i *tokens.Issuer) { i.GenericAudiences = []string{"account"} }
	p.resources = []resource.Spec{
		{
			URI: resourceURI, Name: "weather", Issuers: []string{issuerURL}, Audiences: []string{"app-1", "shared"},
			Aliases: []string{"https://alias.example.com/mcp"}, Clients: []string{"abc", "xyz"},
		},
		{URI: other, Name: "other", Issuers: []string{"https://elsewhere.example.com"}, Clients: []string{"abc"}},
		{
			URI: "https://{tenant}.mcp.example.com/mcp", Name: "tenants", Issuers: []string{issuerURL},
			Audiences: []string{"api://{tenant}"}, Clients: []string{"tenant-client"}, Parameters: map[string]string{"tenant": "tenant"},
		},
	}
}

func dedicated(p *plan) {
	p.resources = p.resources[:1]
	p.issuer = func(i *tokens.Issuer) { i.Dedicated, i.ClientIDPattern = true, "c-[0-9]+" }
}

// TestForeignAtManyResources: what is foreign at one resource is so at any number of them.
func TestForeignAtManyResources(t *testing.T) {
	for _, dedicated := range []bool{false, true} {
		d := startService(t, leaving, func(p *plan) {
			p.issuer = func(i *tokens.Issuer) { i.Dedicated = dedicated }
			p.resources = nil
			for i := range 20 {
				uri := fmt.Sprintf("https://mcp.example.com/%d/mcp", i)
				p.resources = append(p.resources, resource.Spec{URI: uri, Issuers: []string{issuerURL}, Clients: []string{"abc"}})
			}
		})
		for client, ours := range map[string]bool{"api-client": false, "abc": false, "": true} {
			claims := map[string]any{"iss": issuerURL, "aud": "https://api.example.net", "client_id": client}
			if ours {
				claims = map[string]any{"iss": issuerURL, "client_id": "abc"}
			}
			bound, err := d.server.BoundTo(t.Context(), claims)
			if err != nil || len(bound.Resources) > 0 != ours {
				t.Errorf("dedicated %v, %v: %d resources, %v", dedicated, claims, len(bound.Resources), err)
			}
		}
	}
}

func TestBoundTo(t *testing.T) {
	foreign := "https://api.example.net"
	for _, group := range []struct {
		change func(*plan)
		rows   map[string]any // by claims
	}{
		{many, map[string]any{
			`{"iss": "` + issuerURL + `", "aud": "` + resourceURI + `"}`:                 "weather only",
			`{"aud": "` + resourceURI + `"}`:                                             "weather only",
			`{"iss": "https://evil.example", "aud": "HTTPS://MCP.example.com:443/mcp"}`:  "weather only",
			`{"iss": "https://evil.example", "aud": "https://alias.example.com/mcp"}`:    "weather only",
			`{"aud": ["` + resourceURI + `", "` + foreign + `"]}`:                        "weather",
			`{"aud": ["` + resourceURI + `", "` + other + `"]}`:                          "weather other",
			`{"aud": ["` + resourceURI + `", 7]}`:                                        "weather",
			`{"iss": "` + issuerURL + `", "aud": ["` + resourceURI + `", "account"]}`:    "weather only",
			`{"iss": "https://evil.example", "aud": ["` + resourceURI + `", "account"]}`: "weather",
			`{"iss": "` + issuerURL + `", "aud": "app-1"}`:                               "weather only",
			`{"iss": "https://evil.example", "aud": "app-1"}`:                            "",
			`{"aud": "app-1"}`: "",
			`{"iss": 7, "sub": "spiffe://as.example.com/a", "aud": "app-1"}`:                 "",
			`{"iss": "` + issuerURL + `", "client_id": "abc"}`:                               "weather only",
			`{"iss": "` + issuerURL + `", "aud": "abc"}`:                                     "weather only",
			`{"iss": "` + issuerURL + `", "aud": ["account", "xyz"], "azp": "xyz"}`:          "weather only",
			`{"iss": "` + issuerURL + `", "aud": "` + foreign + `", "client_id": "abc"}`:     "",
			`{"iss": "` + issuerURL + `", "client_id": "abc", "azp": "xyz"}`:                 "",
			`{"iss": "` + issuerURL + `", "client_id": ["abc"], "azp": {"a": "abc"}}`:        "",
			`{"iss": "https://evil.example", "client_id": "abc", "aud": "abc"}`:              "",
			`{"iss": "https://evil.example", "aud": "https://acme.mcp.example.com/mcp"}`:     "tenants only",
			`{"iss": "https://evil.example", "aud": "https://ACME.mcp.example.com:443/mcp"}`: "tenants only",
			`{"iss": "https://evil.example", "aud": "https://a.b.mcp.example.com/mcp"}`:      "tenants only",
			`{"iss": "` + issuerURL + `", "aud": "api://acme"}`:                              "tenants only",
			`{"iss": "https://evil.example", "aud": "api://acme"}`:                           "",
			`{"iss": "` + issuerURL + `", "client_id": "tenant-client"}`:                     "tenants only",
			`{"iss": "` + issuerURL + `", "aud": "https://mcp.example.com"}`:                 "",
			`{"iss": "` + issuerURL + `", "aud": "` + resourceURI + `/tools"}`:               "",
			`{"iss": "` + issuerURL + `"}`:                                                   "",
			`{}`:                                                                             "",
			`{"aud": null}`:                                                                  "",
			`{"aud": {"a": "` + resourceURI + `"}}`:                                          "",
			`{"aud": [["` + resourceURI + `"]]}`:                                             "",
			`{"aud": {"a": {"a": [[[[[1e999]]]]]}}}`:                                         "",
			`{"iss": {"a": [1]}, "sub": [], "aud": 7}`:                                       "",
		}},
		{dedicated, map[string]any{
			`{"iss": "` + issuerURL + `"}`:                                            "weather only",
			`{"iss": "` + issuerURL + `", "aud": "c-7"}`:                              "weather only",
			`{"iss": "` + issuerURL + `", "aud": ["a", "b"], "azp": "a", "cid": "b"}`: "weather only",
			`{"iss": "` + issuerURL + `", "aud": 7}`:                                  "weather",
			`{"iss": "` + issuerURL + `", "aud": "` + foreign + `"}`:                  "",
			`{"iss": "https://evil.example"}`:                                         "",
			`{"iss": "https://evil.example", "client_id": "a", "aud": "a"}`:           "",
		}},
	} {
		d := startService(t, group.change, leaving)
		for text, want := range group.rows {
			decoder := json.NewDecoder(strings.NewReader(text))
			decoder.UseNumber()
			var claims map[string]any
			if err := decoder.Decode(&claims); err != nil {
				t.Fatal(text, err)
			}
			bound, err := d.server.BoundTo(t.Context(), claims)
			var names []string
			for _, res := range bound.Resources {
				names = append(names, res.Name)
			}
			if bound.Only {
				names = append(names, "only")
			}
			if got := strings.Join(names, " "); got != want || err != nil {
				t.Errorf("%s: %q, %v, want %q", text, got, err, want)
			}
		}
	}
}

// TestBoundToThePatternsValues: the exact exception is for one tenant.
func TestBoundToThePatternsValues(t *testing.T) {
	d := startService(t, leaving, many)
	bound, err := d.server.BoundTo(t.Context(), map[string]any{"aud": "https://acme.mcp.example.com/mcp"})
	if err != nil || len(bound.Resources) != 1 || bound.Resources[0].URI != "https://acme.mcp.example.com/mcp" {
		t.Errorf("%+v, %v", bound, err)
	}
	bound, err = d.server.BoundTo(t.Context(), map[string]any{"aud": []any{"https://a.mcp.example.com/mcp", "https://b.mcp.example.com/mcp"}})
	if err != nil || len(bound.Resources) != 2 || bound.Only {
		t.Errorf("%+v, %v", bound, err)
	}
}

// What cannot be known is an error, which is refused: before the first State, and where
// the policy cannot be asked.
func TestBoundToFailsClosed(t *testing.T) {
	none := startService(t, leaving, func(p *plan) { p.unconfigured = true })
	if _, err := none.server.BoundTo(t.Context(), map[string]any{}); err == nil {
		t.Error("without a State")
	}
	d := startService(t, leaving, many)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	asked := map[string]any{"iss": issuerURL, "client_id": "abc", "aud": "https://api.example.net"}
	if _, err := d.server.BoundTo(ended, asked); err == nil {
		t.Error("past the deadline")
	}
	many := []any{"abc"}
	for i := range 300 {
		many = append(many, fmt.Sprintf("https://%d.example.net", i))
	}
	bound, err := d.server.BoundTo(t.Context(), map[string]any{"iss": issuerURL, "aud": many})
	if err != nil || len(bound.Resources) != 1 {
		t.Errorf("more audiences than are asked about: %+v, %v", bound, err)
	}
}

// A token costs no more than a few questions, however much it names.
func TestBoundToIsBounded(t *testing.T) {
	d := startService(t, leaving, func(p *plan) {
		p.resources = nil
		for i := range 50 {
			p.resources = append(p.resources, resource.Spec{
				URI: fmt.Sprintf("https://%d.mcp.example.com", i), Issuers: []string{issuerURL}, Clients: []string{fmt.Sprintf("c%d", i)},
			})
		}
	})
	var clients, urls []any
	for i := range 50 {
		clients, urls = append(clients, fmt.Sprintf("c%d", i)), append(urls, fmt.Sprintf("https://%d.mcp.example.com", i))
	}
	for want, audience := range map[int][]any{0: clients, 8: urls} { // a token of several clients is of none
		bound, err := d.server.BoundTo(t.Context(), map[string]any{"iss": issuerURL, "aud": audience})
		if err != nil || len(bound.Resources) != want || bound.Only {
			t.Errorf("%d resources, want %d, %v", len(bound.Resources), want, err)
		}
	}
}

var foreignTokens = flag.Int("foreign", 20_000, "generated tokens for TestNoForeignTokenIsOurs")

// No foreign token is ours. A token is foreign that has no URL of ours in aud, and is of
// an issuer that no resource trusts, or names another audience. For such a token nothing
// can match by chance: a URL of ours is compared as a whole, not by a prefix or a part;
// the texts that may be anyone's (a further name, a client, no aud at all) count for an
// issuer of the resource alone; and of that issuer a token with an audience of others is
// for the others.
//
//	go test ./extauthz -run TestNoForeignTokenIsOurs -foreign 1000000
func TestNoForeignTokenIsOurs(t *testing.T) {
	d := startService(t, leaving, many)
	random := rand.New(rand.NewPCG(14, 26))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	text := func() string {
		return pick("app-1", "abc", "xyz", "account", "shared", "api://acme", "tenant-client", "api://"+pick("a", "b"), "",
			resourceURI+pick("/", "/x", "?a", "#a", "x"), "https://mcp.example.com", "https://mcp.example.com.evil.example/mcp",
			"https://evil.example/"+resourceURI, "http://mcp.example.com/mcp", "https://alias.example.com", "mcp.example.com/mcp")
	}
	for range *foreignTokens {
		all := map[string]any{"sub": pick("alice", "spiffe://as.example.com/a"), "exp": json.Number("1")}
		audience := []any{}
		for range random.IntN(4) {
			audience = append(audience, text())
		}
		switch random.IntN(4) {
		case 0: // of an issuer of ours, for others
			all["iss"] = issuerURL
			audience = slices.DeleteFunc(audience, func(a any) bool { return a == "app-1" || a == "shared" || strings.HasPrefix(a.(string), "api://") })
			audience = append(audience, pick("https://api.example.net", "https://mcp.example.com/", resourceURI+"/x"))
		case 1:
		default: // of others
			all["iss"] = pick("https://evil.example", "https://as.example.com/", "https://AS.example.com", "", "elsewhere")
		}
		if len(audience) == 1 && random.IntN(2) == 0 {
			all["aud"] = audience[0]
		} else if len(audience) > 0 || random.IntN(2) == 0 {
			all["aud"] = audience
		}
		for _, name := range []string{"client_id", "azp", "cid", "appid"} {
			if random.IntN(4) == 0 {
				all[name] = text()
			}
		}
		if bound, err := d.server.BoundTo(t.Context(), all); err != nil || len(bound.Resources) > 0 {
			t.Fatalf("%v: %+v, %v", all, bound, err)
		}
	}
}

// to is a destination that exchanges.
var to = policy.Destination{Host: "api.example.com", Token: "exchange"}

// A token that a Check allows is verified for the server of its resource too, and a
// token that a Check refuses for whatever reason is not allowed to leave for another.
func TestCallerDecidesAsCheckDoes(t *testing.T) {
	for _, row := range []struct {
		intent string
		change map[string]any
		want   string
	}{
		{"good", nil, "allowed"},
		{"expired", map[string]any{"exp": 1}, "token_expired"},
		{"not yet valid", map[string]any{"nbf": testTime.Unix() + 3600}, "token_not_yet_valid"},
		{"another issuer", map[string]any{"iss": "https://elsewhere.example.com"}, "issuer_unknown"},
		{"revoked", map[string]any{"jti": "gone"}, "token_revoked"},
		{"another audience", map[string]any{"aud": other}, "audience_mismatch"},
		{"no scope", map[string]any{"scope": nil}, "insufficient_scope"},
		{"bound to a key", map[string]any{"cnf": map[string]any{"jkt": "a"}}, "allowed"},
		{"denied by the team", map[string]any{"sub": "bob"}, "policy_denied"},
	} {
		file := writeFile(t, "package authz\n\nrequire.alice if input.claims.sub == \"alice\"\n\n"+
			"deny contains {\"code\": \"in\", \"message\": \"\"} if input.direction == \"inbound\"\n\nheaders[\"x-team\"] := \"a\"\n")
		d := startService(t, leaving, func(p *plan) {
			p.policy, p.revocations, p.cache = []string{file}, `{"serial": 1, "revoked": [{"issuer": "`+issuerURL+`", "jti": "gone"}]}`, 1<<20
		})
		compact := d.token(row.change)
		for range 2 {
			caller := d.server.Caller("weather")
			_, refusal := caller.Verify(t.Context(), resourceURI, compact)
			why := reason.Allowed
			if refusal != nil {
				why = refusal.Reason
			} else {
				var decision policy.Decision
				var err error
				decision, why, err = caller.Decide(t.Context(), &policy.RequestValues{Method: "GET"}, to)
				if err != nil || len(decision.Headers) > 0 {
					t.Errorf("%s: %v, headers %v", row.intent, err, decision.Headers)
				}
			}
			if why.String() != row.want {
				t.Errorf("%s: %v, want %s", row.intent, why, row.want)
			}
		}
	}
}

func TestCallerWithoutAToken(t *testing.T) {
	for rules, want := range map[string]reason.Reason{
		"": reason.Allowed,
		`require.a if input.direction == "egress"`:                                            reason.Allowed,
		`require.a if input.destination.host == "api.example.com"`:                            reason.Allowed,
		`require.a if input.request.method == "GET"`:                                          reason.Allowed,
		`require.a if input.resource.name == "weather"`:                                       reason.Allowed,
		`require.a if input.claims.sub`:                                                       reason.PolicyDenied,
		`scopes contains "a"`:                                                                 reason.InsufficientScope,
		`deny contains {"code": "a", "message": ""} if input.destination.token == "exchange"`: reason.PolicyDenied,
		`require.a if to_number(input.request.method) == 1`:                                   reason.PolicyError,
	} {
		d := startService(t, leaving, func(p *plan) { p.policy = []string{writeFile(t, "package authz\n\n"+rules)} })
		decision, why, err := d.server.Caller("weather").Decide(t.Context(), &policy.RequestValues{Method: "GET"}, to)
		if why != want || (err != nil) != (want == reason.PolicyError) {
			t.Errorf("%s: %v, %v, %+v", rules, why, err, decision)
		}
	}
}

func TestCallerOfAPattern(t *testing.T) {
	d := startService(t, leaving, many, func(p *plan) {
		p.policy = []string{writeFile(t, `package authz

require.tenant if input.resource.parameters.tenant == "acme"`)}
		p.memory = newDecisionCache()
	})
	compact := d.token(map[string]any{"aud": "https://acme.mcp.example.com/mcp", "tenant": "acme"})
	for url, want := range map[string]string{
		"https://acme.mcp.example.com/mcp":   "allowed",
		"https://globex.mcp.example.com/mcp": "audience_mismatch",
		resourceURI:                          "no_resource",
		"https://evil.example/mcp":           "no_resource",
		"":                                   "no_resource",
	} {
		caller := d.server.Caller("tenants")
		_, refusal := caller.Verify(t.Context(), url, compact)
		if refusal != nil {
			if refusal.Reason.String() != want {
				t.Errorf("%s: %+v", url, refusal)
			}
			continue
		}
		if _, why, err := caller.Decide(t.Context(), &policy.RequestValues{}, to); why.String() != want || caller.Resource.Asked != url {
			t.Errorf("%s: %v, %v", url, why, err)
		}
	}
	if _, why, _ := d.server.Caller("tenants").Decide(t.Context(), &policy.RequestValues{}, to); why != reason.PolicyDenied {
		t.Errorf("without values: %v", why)
	}
	if d.server.Caller("nothing") != nil || newServer(t, extauthz.Options{}).Caller("weather") != nil {
		t.Error("a caller without a resource")
	}
}

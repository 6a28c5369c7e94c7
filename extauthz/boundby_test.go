package extauthz_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	tokens "github.com/doorward/doorward/extauthz/token"
)

// presented is one token at one URL, and what it has to get.
type presented struct {
	intent string
	host   string         // "" is that of weather
	typ    string         // of the header; "" is JWT, which is no mark
	claims map[string]any // changes to those of a token without scope, client_id and aud
	want   string         // "aud", "client" or "dedicated" where it is allowed, or else the reason
}

// bounds are configurations, each with the tokens that it allows and refuses.
type bounds struct {
	intent string
	change func(*plan)
	asked  []presented
}

// unscoped lets a token in that has no scope.
func unscoped(p *plan) { p.resources[0].Scopes = nil }

func together(changes ...func(*plan)) func(*plan) {
	return func(p *plan) {
		for _, change := range changes {
			change(p)
		}
	}
}

func rules(change func(*tokens.Issuer)) func(*plan) { return func(p *plan) { p.issuer = change } }

const (
	mismatch = "audience_mismatch"
	missing  = "claims_missing"
	other    = "https://mcp.example.com/other"
)

func allBounds() []bounds {
	return slices.Concat(audienceBounds(), clientBounds(), issuerBounds(), patternBounds(), scopeBounds())
}

func audienceBounds() []bounds {
	// A token of Entra ID for an application alone: roles, no scope.
	appOnly := map[string]any{"aud": "app-1", "roles": []string{"reader"}, "azp": "app-1"}
	return []bounds{
		{"aud, as ever", unscoped, []presented{
			{"the URI", "", "", map[string]any{"aud": resourceURI}, "aud"},
			{"another spelling", "", "", map[string]any{"aud": "HTTPS://mcp.example.com:443/mcp"}, "aud"},
			{"one of several", "", "", map[string]any{"aud": []string{"a", resourceURI}}, "aud"},
			{"another", "", "", map[string]any{"aud": "https://a.example"}, mismatch},
			{"another resource", "", "at+jwt", map[string]any{"aud": other}, mismatch},
			{"none", "", "at+jwt", nil, missing},
			{"null", "", "at+jwt", map[string]any{"aud": json.RawMessage("null")}, missing},
			{"its own client", "", "at+jwt", map[string]any{"aud": "abc", "client_id": "abc"}, mismatch},
		}},
		{"audiences", unscoped, []presented{
			{"with scp", "", "", map[string]any{"aud": "app-1", "scp": "a"}, "aud"},
			{"an ID token", "", "", map[string]any{"aud": "app-1"}, mismatch},
			{"an ID token with roles", "", "", appOnly, mismatch},
			{"an ID token with permissions", "", "", map[string]any{"aud": "app-1", "permissions": []string{"a"}}, mismatch},
			{"at+jwt with roles", "", "at+jwt", appOnly, "aud"},
			{"at+jwt with nothing granted", "", "at+jwt", map[string]any{"aud": "app-1"}, mismatch},
			{"token_use", "", "", map[string]any{"aud": "app-1", "token_use": "access", "roles": []string{"a"}}, "aud"},
		}},
		{
			"access_token_claims", together(unscoped, rules(func(i *tokens.Issuer) { i.AccessTokenClaims = []string{"idtyp"} })),
			[]presented{
				{"with the claim", "", "", map[string]any{"aud": "app-1", "roles": []string{"a"}, "idtyp": "app"}, "aud"},
				{"the claim is empty", "", "", map[string]any{"aud": "app-1", "roles": []string{"a"}, "idtyp": ""}, mismatch},
				{"without", "", "", appOnly, mismatch},
				{"without a permission", "", "", map[string]any{"aud": "app-1", "idtyp": "app"}, mismatch},
			},
		},
		{"scopes: none", together(unscoped, rules(func(i *tokens.Issuer) { i.NoScopes, i.AccessTokenClaims = true, []string{"idtyp"} })), []presented{
			{"marked", "", "", map[string]any{"aud": "app-1", "idtyp": "app"}, "aud"},
			{"marked by its type", "", "at+jwt", map[string]any{"aud": "app-1"}, "aud"},
			{"unmarked", "", "", map[string]any{"aud": "app-1"}, mismatch},
			{"unmarked, with roles", "", "", appOnly, mismatch},
			{"another", "", "at+jwt", map[string]any{"aud": "app-2"}, mismatch},
		}},
		{"aliases", together(unscoped, func(p *plan) { p.resources[0].Aliases = []string{"https://mcp.internal.example/mcp"} }), []presented{
			{"an alias", "", "", map[string]any{"aud": "https://mcp.internal.example/mcp"}, "aud"},
			{"an alias, asked there", "mcp.internal.example", "", map[string]any{"aud": "https://mcp.internal.example/mcp"}, "aud"},
			{"the URI, asked at an alias", "mcp.internal.example", "", map[string]any{"aud": resourceURI}, "aud"},
			{"below an alias", "", "", map[string]any{"aud": "https://mcp.internal.example/mcp/x"}, mismatch},
		}},
		{"self-asserted with subjects", together(unscoped, selfAsserted([]string{"repo:acme/app:ref:*"}, nil)), []presented{
			{"the subject", "", "", map[string]any{"aud": resourceURI, "sub": "repo:acme/app:ref:main"}, "aud"},
			{"another subject", "", "at+jwt", map[string]any{"aud": resourceURI, "sub": "repo:evil/app:ref:main"}, mismatch},
			{"a subject that is longer", "", "", map[string]any{"aud": resourceURI, "sub": "repo:acme/app:ref:main:x"}, mismatch},
			{"no subject", "", "", map[string]any{"aud": resourceURI, "sub": nil}, mismatch},
			{"the subject and another aud", "", "", map[string]any{"aud": "a", "sub": "repo:acme/app:ref:main"}, mismatch},
		}},
		{"self-asserted with claims", together(unscoped, selfAsserted(nil, map[string][]string{"repository_id": {"1", "2"}, "env": {"prod"}})), []presented{
			{"the values", "", "", map[string]any{"aud": resourceURI, "repository_id": "2", "env": "prod"}, "aud"},
			{"a number", "", "", map[string]any{"aud": resourceURI, "repository_id": 2, "env": "prod"}, "aud"},
			{"one of two", "", "", map[string]any{"aud": resourceURI, "repository_id": "2"}, mismatch},
			{"another value", "", "", map[string]any{"aud": resourceURI, "repository_id": "3", "env": "prod"}, mismatch},
			{"a list", "", "", map[string]any{"aud": resourceURI, "repository_id": []string{"2"}, "env": "prod"}, mismatch},
		}},
		{"self-asserted, and nothing else", together(unscoped, selfAsserted(nil, nil), withClients), []presented{
			{"aud alone", "", "at+jwt", map[string]any{"aud": resourceURI}, mismatch},
			{"a listed client", "", "at+jwt", map[string]any{"client_id": "abc"}, mismatch},
		}},
	}
}

func clientBounds() []bounds {
	clients := together(unscoped, withClients, rules(func(i *tokens.Issuer) {
		i.GenericAudiences, i.AccessTokenClaims = []string{"account", "authenticated"}, []string{"role"}
	}))
	return []bounds{{"clients", clients, []presented{
		{"no aud", "", "at+jwt", map[string]any{"client_id": "abc"}, "client"},
		{"azp", "", "at+jwt", map[string]any{"azp": "xyz"}, "client"},
		{"appid", "", "at+jwt", map[string]any{"appid": "xyz"}, "client"},
		{"marked by token_use", "", "", map[string]any{"client_id": "abc", "token_use": "access"}, "client"},
		{"marked by typ in the payload", "", "", map[string]any{"azp": "abc", "typ": "Bearer"}, "client"},
		{"marked by scope", "", "", map[string]any{"client_id": "abc", "scope": "a"}, "client"},
		{"marked by scp", "", "", map[string]any{"client_id": "abc", "scp": []string{"a"}}, "client"},
		{"marked by a claim", "", "", map[string]any{"client_id": "abc", "role": "authenticated"}, "client"},
		{"aud is the client", "", "at+jwt", map[string]any{"client_id": "abc", "aud": "abc"}, "client"},
		{"aud is the client, and nothing else says so", "", "at+jwt", map[string]any{"aud": []string{"abc"}}, "client"},
		{"a generic aud", "", "at+jwt", map[string]any{"client_id": "abc", "aud": "account"}, "client"},
		{"generic audiences and the client", "", "at+jwt", map[string]any{"azp": "abc", "aud": []string{"account", "abc"}}, "client"},
		{"the URI", "", "", map[string]any{"client_id": "other", "aud": resourceURI}, "aud"},
		{"unmarked", "", "", map[string]any{"client_id": "abc"}, mismatch},
		{"roles are no mark", "", "", map[string]any{"client_id": "abc", "roles": []string{"a"}, "permissions": []string{"a"}}, mismatch},
		{"an empty scope is no mark", "", "", map[string]any{"client_id": "abc", "scope": " "}, mismatch},
		{"not listed", "", "at+jwt", map[string]any{"client_id": "other"}, mismatch},
		{"not listed in aud", "", "at+jwt", map[string]any{"aud": "other"}, mismatch},
		{"no client", "", "at+jwt", nil, mismatch},
		{"a generic aud and no client", "", "at+jwt", map[string]any{"aud": "account"}, mismatch},
		{"clients that disagree", "", "at+jwt", map[string]any{"client_id": "abc", "azp": "xyz"}, mismatch},
		{"an empty client beside it", "", "at+jwt", map[string]any{"client_id": "", "azp": "abc"}, mismatch},
		{"another listed client in aud", "", "at+jwt", map[string]any{"client_id": "abc", "aud": "xyz"}, mismatch},
		{"another aud", "", "at+jwt", map[string]any{"client_id": "abc", "aud": "https://a.example"}, mismatch},
		{"another aud beside the client", "", "at+jwt", map[string]any{"client_id": "abc", "aud": []string{"abc", "https://a.example"}}, mismatch},
		{"another resource beside the client", "", "at+jwt", map[string]any{"client_id": "abc", "aud": []string{"abc", other}}, mismatch},
		{"another resource", "", "at+jwt", map[string]any{"client_id": "abc", "aud": other}, mismatch},
		{"aud is null", "", "at+jwt", map[string]any{"client_id": "abc", "aud": json.RawMessage("null")}, missing},
		{"aud is empty", "", "at+jwt", map[string]any{"client_id": "abc", "aud": []string{}}, missing},
		{"aud is a number", "", "at+jwt", map[string]any{"client_id": "abc", "aud": 7}, missing},
		{"an ID token of the client", "", "", map[string]any{"aud": "abc", "azp": "abc", "nonce": "n", "role": "a"}, "type_not_allowed"},
	}}, {"a client that is an audience too", together(clients, func(p *plan) { p.resources[0].Audiences = []string{"abc"} }), []presented{
		{"aud alone decides", "", "", map[string]any{"aud": "abc", "azp": "abc", "role": "a"}, mismatch},
		{"with a scope", "", "", map[string]any{"aud": "abc", "azp": "abc", "scope": "a"}, "aud"},
		{"without aud", "", "", map[string]any{"azp": "abc", "role": "a"}, "client"},
	}}}
}

func issuerBounds() []bounds {
	return []bounds{{"dedicated", together(unscoped, rules(func(i *tokens.Issuer) {
		i.Dedicated, i.ClientIDPattern, i.GenericAudiences = true, "dcr_[a-z]{4}|x", []string{"account"}
	})), []presented{
		{"no aud and no client", "", "at+jwt", nil, "dedicated"},
		{"its client", "", "at+jwt", map[string]any{"client_id": "any", "aud": []string{"any", "account"}}, "dedicated"},
		{"a client that registered itself", "", "at+jwt", map[string]any{"aud": "dcr_abcd"}, "dedicated"},
		{"a client that registered itself, and another", "", "at+jwt", map[string]any{"client_id": "any", "aud": []string{"any", "x"}}, "dedicated"},
		{"the URI", "", "", map[string]any{"aud": resourceURI}, "aud"},
		{"unmarked", "", "", map[string]any{"client_id": "any", "roles": []string{"a"}}, mismatch},
		{"another aud", "", "at+jwt", map[string]any{"client_id": "any", "aud": "https://a.example"}, mismatch},
		{"another aud and no client", "", "at+jwt", map[string]any{"aud": "https://a.example"}, mismatch},
		{"more than the pattern", "", "at+jwt", map[string]any{"aud": "dcr_abcdx"}, mismatch},
		{"the pattern and a line break", "", "at+jwt", map[string]any{"aud": "x\n"}, mismatch},
		{"another resource", "", "at+jwt", map[string]any{"client_id": "any", "aud": other}, mismatch},
		{"another resource as its client", "", "at+jwt", map[string]any{"client_id": other, "aud": other}, mismatch},
		{"clients that disagree", "", "at+jwt", map[string]any{"client_id": "any", "appid": "dcr_abcd"}, mismatch},
		{"an audience without a permission", "", "at+jwt", map[string]any{"aud": "app-1", "client_id": "app-1"}, mismatch},
	}}, {"dedicated, without a pattern", together(unscoped, rules(func(i *tokens.Issuer) { i.Dedicated = true })), []presented{
		{"its client", "", "at+jwt", map[string]any{"client_id": "any", "aud": "any"}, "dedicated"},
		{"another", "", "at+jwt", map[string]any{"client_id": "any", "aud": "dcr_abcd"}, mismatch},
	}}, {"dedicated, with clients", together(unscoped, withClients, rules(func(i *tokens.Issuer) { i.Dedicated = true })), []presented{
		{"a listed client", "", "at+jwt", map[string]any{"client_id": "abc"}, "client"},
		{"another client", "", "at+jwt", map[string]any{"client_id": "any"}, "dedicated"},
	}}}
}

func patternBounds() []bounds {
	a, b := "a.mcp.example.com", "b.mcp.example.com"
	aud := func(tenant string, more map[string]any) map[string]any {
		claims := map[string]any{"aud": "https://" + tenant + ".mcp.example.com/mcp", "scope": "mcp:read"}
		maps.Copy(claims, more)
		return claims
	}
	iss := func(tenant string) map[string]any {
		return map[string]any{"iss": strings.ReplaceAll(templateID, "{tenant}", tenant)}
	}
	orgA := map[string]any{"org": "a", "client_id": "abc", "scope": "mcp:read"}
	return []bounds{{"parameters", tied, []presented{
		{"aud and org a at a", a, "", aud("a", map[string]any{"org": "a"}), "aud"},
		{"aud and org a at b", b, "", aud("a", map[string]any{"org": "a"}), mismatch},
		{"aud b and org a at b", b, "", aud("b", map[string]any{"org": "a"}), mismatch},
		{"aud and no org at a", a, "", aud("a", nil), mismatch},
		{"org in another case", a, "", aud("a", map[string]any{"org": "A"}), mismatch},
		{"org in a list", a, "", aud("a", map[string]any{"org": []string{"a"}}), mismatch},
		{"the client of org a at a", a, "", orgA, "client"},
		{"the client of org a at b", b, "", orgA, mismatch},
		{"the client without an org", a, "", map[string]any{"client_id": "abc", "scope": "mcp:read"}, mismatch},
		{"a filled-in audience", a, "", map[string]any{"aud": "api://a.1", "scope": "mcp:read", "org": "a"}, "aud"},
		{"another's filled-in audience beside the client", a, "", map[string]any{
			"aud": []string{"abc", "api://b.1"}, "client_id": "abc", "scope": "mcp:read", "org": "a",
		}, mismatch},
	}}, {"tenants", fromTemplate, []presented{
		{"tenant a at a", a, "", aud("a", iss("a")), "aud"},
		{"tenant a at b", b, "", aud("b", iss("a")), "issuer_unknown"},
		{"tenant b at b", b, "", aud("b", iss("b")), "aud"},
		{"tenant a at a, for b", a, "", aud("b", iss("a")), mismatch},
		{"another tenant", a, "", aud("a", iss("c")), "issuer_unknown"},
		{"the template", a, "", aud("a", map[string]any{"iss": templateID}), "issuer_unknown"},
	}}}
}

func scopeBounds() []bounds {
	needs := func(p *plan) {
		s := &p.resources[0]
		s.Scopes, s.ScopesAny, s.ScopePrefix = []string{"mcp:use"}, [][]string{{"mcp:read"}, {"svc.reader"}}, "api://6f1c/"
		s.ScopeImplies = map[string][]string{"mcp:admin": {"mcp:write", "mcp:use"}, "mcp:write": {"mcp:read"}}
		p.issuer = func(i *tokens.Issuer) { i.ScopeClaims = []string{"scope", "roles"} }
	}
	with := func(scope string, roles ...string) map[string]any {
		return map[string]any{"aud": resourceURI, "scope": scope, "roles": roles}
	}
	const lacks = "insufficient_scope"
	return []bounds{{"alternatives, a prefix and scopes that include others", needs, []presented{
		{"the first alternative", "", "", with("mcp:use mcp:read"), "aud"},
		{"with the prefix", "", "", with("api://6f1c/mcp:use api://6f1c/mcp:read"), "aud"},
		{"the second alternative, from roles", "", "", with("mcp:use", "svc.reader"), "aud"},
		{"included, directly and through another", "", "", with("mcp:admin"), "aud"},
		{"included in one alternative", "", "", with("mcp:use mcp:write"), "aud"},
		{"no alternative", "", "", with("mcp:use"), lacks},
		{"the alternative alone", "", "", with("mcp:read"), lacks},
		{"another prefix", "", "", with("api://other/mcp:use mcp:read"), lacks},
		{"what includes is not included", "", "", with("mcp:use svc"), lacks},
	}}}
}

// presents signs the token of a row.
func (d *testService) presents(row presented) clientRequest {
	changes := map[string]any{"scope": nil, "client_id": nil, "aud": nil}
	maps.Copy(changes, row.claims)
	signed := d.plainToken(changes)
	if row.typ != "" {
		signed = d.token(changes)
	}
	ask := bearer(signed)
	ask.host = row.host
	return ask
}

func (row presented) reason() string {
	if slices.Contains([]string{"aud", "client", "dedicated"}, row.want) {
		return "allowed"
	}
	return row.want
}

// TestEachWayIsHeld: what is allowed by which way, and what is refused, for every
// configuration, whatever was asked before in either order, with each cache and
// without. Explain says by which way.
func TestEachWayIsHeld(t *testing.T) {
	caches := map[string]func(*plan){
		"no cache":                 func(p *plan) {},
		"tokens and verdicts":      func(p *plan) { p.cache = 1 << 20 },
		"decisions":                func(p *plan) { p.memory = newDecisionCache() },
		"tokens and all decisions": func(p *plan) { p.cache, p.memory = 1<<20, newDecisionCache() },
	}
	for _, group := range allBounds() {
		for name, cache := range caches {
			d := startService(t, group.change, cache, leaving)
			asked := make([]clientRequest, len(group.asked))
			for i, row := range group.asked {
				asked[i] = d.presents(row)
			}
			for n := range 2*len(asked) + 2 {
				i := n % (len(asked) + 1) // forth, the last once more, and back
				if n > len(asked) {
					i = 2*len(asked) + 1 - n
				}
				i = min(i, len(asked)-1)
				row := group.asked[i]
				if got := readResponse(t, d.check(t, asked[i].joined())); got.reason != row.reason() {
					t.Errorf("%s, %s, %s: %s, want %s", group.intent, name, row.intent, got.reason, row.want)
				}
			}
			for i, row := range group.asked {
				explained := d.server.Explain(t.Context(), asked[i].apart(), time.Now)
				if explained.Reason.String() == "allowed" {
					mayNotLeave(t, d.server, explained.Resource, explained.Claims.All, group.intent+", "+row.intent)
				}
				if allowed := row.reason() == "allowed"; allowed && explained.BoundBy != row.want ||
					!allowed && explained.Reason.String() == mismatch && explained.BoundBy != "" {
					t.Errorf("%s, %s, %s: explained as bound by %q", group.intent, name, row.intent, explained.BoundBy)
				}
			}
		}
	}
}

// TestBoundTokensAreCounted once for each decision that is not the last one over
// the same token, and not where the token is for somebody else.
func TestBoundTokensAreCounted(t *testing.T) {
	d := startService(t, unscoped, withClients, func(p *plan) { p.cache = 1 << 20 })
	for _, row := range []presented{
		{"", "", "at+jwt", map[string]any{"client_id": "abc"}, "client"},
		{"", "", "at+jwt", map[string]any{"client_id": "other"}, mismatch},
		{"", "", "at+jwt", map[string]any{"aud": resourceURI}, "aud"},
	} {
		ask := d.presents(row)
		for range 3 {
			d.check(t, ask.joined())
		}
	}
	want := strings.NewReader(`
# HELP doorward_tokens_bound_total Decisions by how the token showed that it is for the resource (aud, client, dedicated); a decision that is repeated from the last verdict over the token is counted once.
# TYPE doorward_tokens_bound_total counter
doorward_tokens_bound_total{by="aud",resource="weather"} 1
doorward_tokens_bound_total{by="client",resource="weather"} 1
`)
	if err := testutil.GatherAndCompare(d.registry, want, "doorward_tokens_bound_total"); err != nil {
		t.Error(err)
	}
}

// TestScopesOfThePrefix: the server gets the names of the configuration, and no
// scope that another one includes.
func TestScopesOfThePrefix(t *testing.T) {
	d := startService(t, scopeBounds()[0].change)
	got := d.check(t, bearer(d.token(map[string]any{"scope": "api://6f1c/mcp:admin other"})).joined())
	if scope := okHeaders(got)["x-mcp-auth-scope"]; scope != "mcp:admin other" {
		t.Errorf("x-mcp-auth-scope is %q", scope)
	}
	refused := readResponse(t, d.check(t, bearer(d.token(map[string]any{"scope": "svc.reader"})).joined()))
	if want := `scope="api://6f1c/mcp:use api://6f1c/mcp:read"`; !strings.Contains(refused.challenge, want) {
		t.Errorf("%s, want %s", refused.challenge, want)
	}
	explained := d.server.Explain(t.Context(), bearer(d.token(map[string]any{"scope": "svc.reader"})).apart(), time.Now)
	if got := fmt.Sprint(explained.Granted, explained.Missing); got != "[svc.reader] [mcp:use]" {
		t.Errorf("granted and missing: %s", got)
	}
}

package extauthz_test

import (
	"strings"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/resource"
	tokens "github.com/doorward/doorward/extauthz/token"
)

const templateID = "https://login.example/{tenant}/v2.0"

// withClients makes the resource one of two clients, dedicatedIssuer the issuer one
// of this resource alone.
func withClients(p *plan) { p.resources[0].Clients = []string{"abc", "xyz"} }

func dedicatedIssuer(p *plan) {
	p.issuer = func(i *tokens.Issuer) { i.Dedicated, i.ClientIDPattern = true, "dcr_[a-z]{4}" }
}

// selfAsserted makes the issuer one whose callers choose aud, with the subjects and
// claims that the resource accepts.
func selfAsserted(subjects []string, claims map[string][]string) func(*plan) {
	return func(p *plan) {
		p.issuer = func(i *tokens.Issuer) { i.SelfAssertedAudience = true }
		p.resources[0].Subjects, p.resources[0].Claims = subjects, claims
	}
}

// tied is a pattern whose placeholder is tied to a claim.
func tied(p *plan) {
	pattern := tenants()
	pattern.Parameters, pattern.Clients = map[string]string{"tenant": "org"}, []string{"abc"}
	p.resources = []resource.Spec{pattern}
}

// fromTemplate makes the issuer a template with two tenants, and the resource a
// pattern with the same placeholder.
func fromTemplate(p *plan) {
	p.issuer = func(i *tokens.Issuer) { i.ID, i.Tenants = templateID, []string{"a", "b"} }
	pattern := tenants()
	pattern.Issuers = []string{templateID}
	p.resources = []resource.Spec{pattern}
}

// boundByAccounts are refusals of tokens that could be for the resource by another
// way than aud.
func boundByAccounts() []accountRow {
	present := func(host string, changes map[string]any) func(*testService) clientRequest {
		return func(d *testService) clientRequest {
			a := bearer(d.token(changes))
			a.host = host
			return a
		}
	}
	client := func(changes map[string]any) func(*testService) clientRequest {
		if _, has := changes["aud"]; !has {
			changes["aud"] = nil
		}
		return present("", changes)
	}
	plain := func(changes map[string]any) func(*testService) clientRequest {
		return func(d *testService) clientRequest { return bearer(d.plainToken(changes)) }
	}
	at := func(tenant string, changes map[string]any) func(*testService) clientRequest {
		return present(tenant+".mcp.example.com", changes)
	}
	issuedBy := func(tenant string) string { return strings.ReplaceAll(templateID, "{tenant}", tenant) }
	spiffe := func(p *plan) { p.issuer = func(i *tokens.Issuer) { i.TrustDomain = "td.example" } }
	return []accountRow{
		{
			"a client that is not listed", withClients, client(map[string]any{"client_id": "other"}), reason.AudienceMismatch,
			map[string]string{"client_id": "other", "audience": ""},
			[]string{"not one of the resource's clients", "registered for this resource alone"},
		},
		{
			"a client in aud that is not listed", withClients, client(map[string]any{"client_id": nil, "aud": "other"}), reason.AudienceMismatch,
			map[string]string{"audience": "other"},
			[]string{"not one of the resource's clients"},
		},
		{
			"a listed client and another", withClients, client(map[string]any{"client_id": "abc", "azp": "xyz"}), reason.AudienceMismatch,
			map[string]string{"clients": "abc xyz"},
			[]string{"name different clients"},
		},
		{
			"a listed client without a mark", withClients, plain(map[string]any{"client_id": "abc", "aud": nil, "scope": nil}), reason.AudienceMismatch, nil,
			[]string{"nothing shows that this is an access token", "access_token_claims"},
		},
		{
			"a listed client and another aud", withClients, client(map[string]any{"client_id": "abc", "aud": []string{"abc", "https://a.example"}}),
			reason.AudienceMismatch, nil,
			[]string{"issued for another audience", "!clients"},
		},
		{
			"another aud where scopes choose it", func(p *plan) { p.resources[0].ScopePrefix = "api://6f1c/" },
			client(map[string]any{"aud": "https://graph.example"}), reason.AudienceMismatch, nil,
			[]string{"ask for the scopes of the challenge, api://6f1c/mcp:read", "!RFC 8707"},
		},
		{
			"a listed client and another resource", withClients,
			client(map[string]any{"client_id": "abc", "aud": []string{"abc", "https://mcp.example.com/other"}}), reason.AudienceMismatch, nil,
			[]string{"another resource of this doorward", "!clients"},
		},
		{
			"a foreign aud of a dedicated issuer", dedicatedIssuer, client(map[string]any{"client_id": "abc", "aud": "https://a.example"}),
			reason.AudienceMismatch,
			map[string]string{"audience": "https://a.example"},
			[]string{"dedicated to the resource", "client_id_pattern"},
		},
		{
			"an unmarked token of a dedicated issuer", dedicatedIssuer, plain(map[string]any{"aud": nil, "scope": nil}), reason.AudienceMismatch, nil,
			[]string{"nothing shows that this is an access token"},
		},
		{
			"another subject of an issuer whose callers choose aud", selfAsserted([]string{"repo:acme/app:*"}, nil),
			present("", map[string]any{"sub": "repo:evil/app:main"}), reason.AudienceMismatch,
			map[string]string{"audience": resourceURI},
			[]string{"choose aud themselves", "subjects and claims"},
		},
		{
			"another value of a tied claim", tied, at("acme", map[string]any{"aud": "https://acme.mcp.example.com/mcp", "org": "globex"}),
			reason.AudienceMismatch,
			map[string]string{"parameter": "tenant=acme", "claim": "org"},
			[]string{"the URL is that of tenant=acme", "log in there"},
		},
		{
			"another tenant than the URL's", fromTemplate, at("b", map[string]any{"iss": issuedBy("a"), "aud": "https://b.mcp.example.com/mcp"}),
			reason.IssuerUnknown,
			map[string]string{"iss": issuedBy("a"), "accepted": templateID},
			[]string{"of tenant a, and the URL is that of b"},
		},
		{
			"a tenant that is not listed", fromTemplate, at("c", map[string]any{"iss": issuedBy("c"), "aud": "https://c.mcp.example.com/mcp"}),
			reason.IssuerUnknown, nil,
			[]string{"iss fills " + templateID, "add it to tenants"},
		},
		{
			"two tenants in one token", fromTemplate,
			at("a", map[string]any{"iss": issuedBy("a"), "tid": "b", "aud": "https://a.mcp.example.com/mcp"}), reason.IssuerUnknown,
			map[string]string{"cause": "tid: not the tenant in iss"},
			[]string{"tid and iss name different tenants"},
		},
		{
			"a subject of another trust domain", spiffe, present("", map[string]any{"sub": "spiffe://other.example/a"}), reason.IssuerUnknown, nil,
			[]string{"no SPIFFE ID of the issuer's trust domain td.example"},
		},
	}
}

package extauthz_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/doorward/doorward/extauthz/resource"
)

const listTools = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`

// lazy lets a client look before it logs in.
func lazy(s *resource.Spec) {
	s.MCP = resource.MCP{AllowBatch: true}
	s.Anonymous = []resource.Operation{{Method: "initialize"}, {Method: "tools/list"}, {Method: "tools/call", Name: "search"}}
}

// TestWhatNeedsNoToken, and that everything else without one gets the challenge that
// starts a login, whatever is wrong with it.
func TestWhatNeedsNoToken(t *testing.T) {
	with := func(a clientRequest, headers ...string) clientRequest {
		for i := 0; i < len(headers); i += 2 {
			a.headers = append(a.headers, [2]string{headers[i], headers[i+1]})
		}
		return a
	}
	by := func(a clientRequest, method string) clientRequest { a.method = method; return a }
	sessions := func(s *resource.Spec) { s.AnonymousSessions = true }
	for _, row := range []struct {
		intent string
		change func(*resource.Spec)
		ask    func(d *testService) clientRequest
		want   string
	}{
		{"an operation of the list", nil, func(*testService) clientRequest { return post("", listTools) }, "allowed_anonymous"},
		{"a tool of the list", nil, func(*testService) clientRequest { return post("", call("search")) }, "allowed_anonymous"},
		{"a batch of them", nil, func(*testService) clientRequest { return post("", "["+listTools+","+call("search")+"]") }, "allowed_anonymous"},
		{"another scheme", nil, func(*testService) clientRequest { return with(post("", listTools), "authorization", "Basic dTpw") }, "allowed_anonymous"},
		{"a token in the query", nil, func(d *testService) clientRequest {
			a := post("", listTools)
			a.path = "/mcp?access_token=" + d.token()
			return a
		}, "allowed_anonymous"},
		{"in a session that may have none", sessions, func(*testService) clientRequest { return with(post("", listTools), "mcp-session-id", "1") }, "allowed_anonymous"},
		{"another tool", nil, func(*testService) clientRequest { return post("", call("delete_repo")) }, "no_credentials"},
		{"a longer name", nil, func(*testService) clientRequest { return post("", call("search_all")) }, "no_credentials"},
		{"another method", nil, func(*testService) clientRequest {
			return post("", `{"jsonrpc":"2.0","id":1,"method":"resources/list"}`)
		}, "no_credentials"},
		{"a method that is exempt from scopes", nil, func(*testService) clientRequest { return post("", `{"jsonrpc":"2.0","id":1,"method":"ping"}`) }, "no_credentials"},
		{"a batch of which one is not listed", nil, func(*testService) clientRequest { return post("", "["+listTools+","+call("delete_repo")+"]") }, "no_credentials"},
		{"an empty batch", nil, func(*testService) clientRequest { return post("", "[]") }, "no_credentials"},
		{"a response", nil, func(*testService) clientRequest { return post("", `{"jsonrpc":"2.0","id":1,"result":{}}`) }, "no_credentials"},
		{"a body that two readers read in two ways", nil, func(*testService) clientRequest {
			return post("", `{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}`)
		}, "no_credentials"},
		{"no body", nil, func(*testService) clientRequest { return post("", "") }, "no_credentials"},
		{"headers that nothing checks", nil, func(*testService) clientRequest { return post("", "").withHeaders("tools/list", "") }, "no_credentials"},
		{"metadata that nothing trusts", nil, func(*testService) clientRequest { return post("", "").withMetadata("tools/list", "") }, "no_credentials"},
		{"sources that disagree", nil, func(*testService) clientRequest { return post("", listTools).withHeaders("tools/call", "delete_repo") }, "no_credentials"},
		{"in a session", nil, func(*testService) clientRequest { return with(post("", listTools), "mcp-session-id", "1") }, "no_credentials"},
		{"in a session, to a server that reads _ as -", nil, func(*testService) clientRequest { return with(post("", listTools), "mcp_session_id", "1") }, "no_credentials"},
		{"GET", sessions, func(*testService) clientRequest { return by(post("", ""), "GET") }, "no_credentials"},
		{"DELETE", sessions, func(*testService) clientRequest { return by(post("", ""), "DELETE") }, "no_credentials"},
		{"GET with a body", nil, func(*testService) clientRequest { return by(post("", listTools), "GET") }, "no_credentials"},
		{"PUT", nil, func(*testService) clientRequest { return by(post("", listTools), "PUT") }, "no_credentials"},
		{"another page", nil, func(*testService) clientRequest {
			return with(post("", listTools), "origin", "https://evil.example.com")
		}, "origin_not_allowed"},
		{"two credentials", nil, func(*testService) clientRequest {
			return with(post("", listTools), "authorization", "Bearer a", "authorization", "Bearer b")
		}, "invalid_request"},
		{"a token that the query hides", nil, func(*testService) clientRequest {
			a := post("", listTools)
			a.path = "/mcp?x=1;access_token=y"
			return a
		}, "invalid_request"},
		{"a token in the right place", nil, func(d *testService) clientRequest { return post(d.token(), listTools) }, "allowed"},
		{"a bad one", nil, func(*testService) clientRequest { return post("hunter2", listTools) }, "token_malformed"},
		{"one for another resource", nil, func(d *testService) clientRequest { return post(d.token(map[string]any{"aud": "x"}), listTools) }, "audience_mismatch"},
		{"one without its scope", nil, func(d *testService) clientRequest { return post(d.token(map[string]any{"scope": "x"}), listTools) }, "insufficient_scope"},
	} {
		t.Run(row.intent, func(t *testing.T) {
			d := startService(t, remember, rememberDecisions, byOperation(func(s *resource.Spec) {
				lazy(s)
				if row.change != nil {
					row.change(s)
				}
			}))
			ask := row.ask(d)
			for range 2 {
				response := d.check(t, ask.joined())
				got := readResponse(t, response)
				if got.reason != row.want {
					t.Fatalf("got %s, want %s", got.reason, row.want)
				}
				if want := rm + `, scope="mcp:read"`; row.want == "no_credentials" && (got.status != 401 || got.challenge != want) {
					t.Errorf("%d, %q, want 401, %q", got.status, got.challenge, want)
				}
				if row.want != "allowed_anonymous" {
					continue
				}
				for name := range okHeaders(response) {
					t.Errorf("sets %s", name)
				}
				removed := response.GetOkResponse().GetHeadersToRemove()
				for _, name := range []string{"authorization", "dpop", "x-mcp-auth-issuer", "x-mcp-auth-subject", "x-mcp-auth-client", "x-mcp-auth-scope"} {
					if !slices.Contains(removed, name) {
						t.Errorf("%s stays", name)
					}
				}
				query := response.GetOkResponse().GetQueryParametersToRemove()
				if strings.Contains(ask.path, "access_token") != slices.Equal(query, []string{"access_token"}) {
					t.Errorf("removes %q of the query", query)
				}
			}
		})
	}
}

// TestTheAnonymousForgeNothing: headers that pass for ours, or for a rule's, are
// removed, and rules see neither claims nor a token.
func TestTheAnonymousForgeNothing(t *testing.T) {
	d := startService(t, useTempFolder(t, together(byOperation(lazy), team(`headers["x-tier"] := "none" if not input.token

headers["x-who"] := input.claims.sub

deny contains {"code": "claims", "message": ""} if input.claims

deny contains {"code": "token", "message": ""} if input.token

deny contains {"code": "not_read", "message": ""} if input.mcp.method != "tools/list"`)))...)
	ask := post("", listTools)
	for _, name := range []string{"x-mcp-auth-subject", "x_mcp-auth_subject", "x-mcp-auth-expires", "x-who", "x_who"} {
		ask.headers = append(ask.headers, [2]string{name, "eve"})
	}
	response := d.check(t, ask.joined())
	if got := okHeaders(response); len(got) != 1 || got["x-tier"] != "none" {
		t.Errorf("sets %v; %v", got, response)
	}
	for _, name := range []string{"x-mcp-auth-subject", "x_mcp-auth_subject", "x-mcp-auth-expires", "x-who", "x_who"} {
		if !slices.Contains(response.GetOkResponse().GetHeadersToRemove(), name) {
			t.Errorf("%s stays", name)
		}
	}
	fields := response.GetDynamicMetadata().GetFields()
	for _, name := range []string{"issuer", "subject", "client_id", "token_id", "scope"} {
		if fields[name] != nil {
			t.Errorf("metadata has %s %v", name, fields[name])
		}
	}
	if got := readResponse(t, d.check(t, post("", call("search")).joined())); got.reason != "no_credentials" || got.status != 401 {
		t.Errorf("what a rule denies: %+v", got)
	}
}

// TestRulesOnlyTightenTheAnonymous: a rule that denies, one that needs a scope, one
// that is not met and one that fails all end in the same 401.
func TestRulesOnlyTightenTheAnonymous(t *testing.T) {
	for _, rule := range []string{
		`deny contains {"code": "a", "message": "b"}`,
		`scopes contains "mcp:read"`,
		`require.staff if input.claims.groups`,
		`deny contains {"code": "a", "message": "b"} if to_number(input.request.path) > 1`,
	} {
		d := startService(t, useTempFolder(t, together(byOperation(lazy), team(rule)))...)
		if got := readResponse(t, d.check(t, post("", listTools).joined())); got.reason != "no_credentials" || got.status != 401 || got.challenge == "" {
			t.Errorf("%s: %+v", rule, got)
		}
	}
}

// TestAnAllowIsOfItsKind: a policy that takes a request with a token for one without, or
// the reverse, allows neither.
func TestAnAllowIsOfItsKind(t *testing.T) {
	deciding := func(outcome string) func(*plan) {
		return func(p *plan) {
			without("decision.rego")(p)
			p.library.(fstest.MapFS)["decision.rego"] = &fstest.MapFile{Data: []byte(`package doorward

decision := {"outcome": "` + outcome + `", "strip": data.doorward.passthrough.strip, "team": data.doorward.team.says}
`)}
		}
	}
	for outcome, want := range map[string][2]string{
		"allowed": {"allowed", "no_credentials"}, "allowed_anonymous": {"policy_error", "allowed_anonymous"},
	} {
		d := startService(t, together(byOperation(lazy), deciding(outcome)))
		for i, ask := range []clientRequest{post(d.token(), listTools), post("", listTools)} {
			if got := readResponse(t, d.check(t, ask.joined())).reason; got != want[i] {
				t.Errorf("%s: %s, want %s", outcome, got, want[i])
			}
		}
	}
}

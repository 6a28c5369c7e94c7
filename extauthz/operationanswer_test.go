package extauthz_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/extauthz/resource"
)

// TestScopesOfTheChallenge: those of the resource first, then those of the operation,
// then those of a rule, each once; and what the token has, for clients that replace
// their scopes with those of a challenge.
func TestScopesOfTheChallenge(t *testing.T) {
	for _, row := range []struct {
		intent string
		change func(*resource.Spec)
		rule   string
		held   string
		want   string
	}{
		{"of the operation", nil, "", "mcp:read", "mcp:read mcp:admin"},
		{"and of a rule", nil, `scopes contains "team:x"`, "", "mcp:read mcp:admin team:x"},
		{"each once", func(s *resource.Spec) { s.Operations[0].Scopes = []string{"mcp:admin", "mcp:read"} }, `scopes contains "mcp:admin"`, "", "mcp:read mcp:admin"},
		{"with the first alternative", func(s *resource.Spec) { s.ScopesAny = [][]string{{"a"}, {"b"}} }, "", "b", "mcp:read a mcp:admin"},
		{"with what is granted and configured", func(s *resource.Spec) { s.ChallengeScopes = "operation_and_granted" }, "", "mcp:pay other mcp:read", "mcp:read mcp:admin mcp:pay"},
		{"not with what that includes", func(s *resource.Spec) {
			s.ChallengeScopes, s.ScopeImplies = "operation_and_granted", map[string][]string{"all": {"mcp:pay"}}
		}, "", "all", "mcp:read mcp:admin"},
		{"with a prefix", func(s *resource.Spec) { s.ChallengeScopes, s.ScopePrefix = "operation_and_granted", "api://x/" }, "", "api://x/mcp:pay", "api://x/mcp:read api://x/mcp:admin api://x/mcp:pay"},
		{"without offline_access", func(s *resource.Spec) { s.ChallengeScopes = "operation_and_granted" }, `scopes contains "offline_access"`, "offline_access", "mcp:read mcp:admin"},
	} {
		t.Run(row.intent, func(t *testing.T) {
			d := startService(t, useTempFolder(t, together(byOperation(row.change), team(row.rule)))...)
			got := readResponse(t, d.check(t, post(d.token(map[string]any{"scope": row.held}), call("delete_repo")).joined()))
			if got.reason != "insufficient_scope" || !strings.Contains(got.challenge, `scope="`+row.want+`"`) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestDenialsInJSONRPC: the body is an error of JSON-RPC as well, with the id of the
// message; the headers are the same. What is no denial of an operation keeps its body.
func TestDenialsInJSONRPC(t *testing.T) {
	d := startService(t, useTempFolder(t, together(byOperation(func(s *resource.Spec) { s.MCP.JSONRPCDenials = true }),
		remember, team(`deny contains {"code": "closed", "message": ""} if input.mcp.name == "find"`)))...)
	plain := startService(t, useTempFolder(t, together(byOperation(nil), team(`deny contains {"code": "closed", "message": ""} if input.mcp.name == "find"`)))...)
	message := func(id, tool string) clientRequest {
		return post(d.token(), `{"jsonrpc":"2.0","id":`+id+`,"method":"tools/call","params":{"name":"`+tool+`"}}`)
	}
	for _, row := range []struct {
		ask  clientRequest
		id   any
		data map[string]any
	}{
		{message("7", "delete_repo"), 7.0, map[string]any{"reason": "insufficient_scope", "error": "insufficient_scope", "scope": "mcp:read mcp:admin"}},
		{message(`"a\u0022<b"`, "delete_repo"), `a"<b`, map[string]any{"reason": "insufficient_scope", "error": "insufficient_scope", "scope": "mcp:read mcp:admin"}},
		{message("8", "find"), 8.0, map[string]any{"reason": "policy_denied", "code": "closed"}},
		{message(`"`+strings.Repeat("x", 100)+`"`, "find"), nil, map[string]any{"reason": "policy_denied", "code": "closed"}},
		{message("9", "find").withHeaders("tools/list", ""), nil, map[string]any{"reason": "operation_unknown"}},
	} {
		for range 2 {
			response := d.check(t, row.ask.joined())
			got := readResponse(t, response)
			var body map[string]any
			if err := json.Unmarshal([]byte(got.body), &body); err != nil {
				t.Fatalf("%v: %s", err, got.body)
			}
			failure := body["error"].(map[string]any)
			if body["jsonrpc"] != "2.0" || body["id"] != row.id || failure["code"] != 403.0 || failure["message"] == "" {
				t.Errorf("%s", got.body)
			}
			if diff := cmp.Diff(row.data, failure["data"]); diff != "" {
				t.Errorf("data (-want +got):\n%s", diff)
			}
			want := plain.server.Check(t.Context(), post(plain.token(), row.ask.body).joined())
			if row.id != nil && fmt.Sprint(want.GetDeniedResponse().GetHeaders()) != fmt.Sprint(response.GetDeniedResponse().GetHeaders()) {
				t.Errorf("headers %v, want %v", response.GetDeniedResponse().GetHeaders(), want.GetDeniedResponse().GetHeaders())
			}
		}
	}
	for _, ask := range []clientRequest{post("", call("find")), post("hunter2", call("find")), bearer(d.token(map[string]any{"aud": "x"}))} {
		if got := readResponse(t, d.check(t, ask.joined())); got.status != 401 || strings.Contains(got.body, "jsonrpc") {
			t.Errorf("%+v", got)
		}
	}
}

// TestTheExpiryGoesToTheServer that asks for it, and nothing else under its name.
func TestTheExpiryGoesToTheServer(t *testing.T) {
	for _, on := range []bool{true, false} {
		d := startService(t, func(p *plan) { p.resources[0].ExpiresHeader = on })
		ask := bearer(d.token())
		ask.headers = append(ask.headers, [2]string{"x-mcp-auth-expires", "9999999999"}, [2]string{"x_mcp-auth_expires", "9999999999"})
		response := d.check(t, ask.joined())
		set, has := okHeaders(response)["x-mcp-auth-expires"]
		removed := strings.Join(response.GetOkResponse().GetHeadersToRemove(), " ")
		want := ""
		if on {
			want = fmt.Sprint(testTime.Unix() + 3600)
		}
		if set != want || has != on || !strings.Contains(removed, "x_mcp-auth_expires") || strings.Contains(removed, "x-mcp-auth-expires") == on {
			t.Errorf("%v: set to %q, removed %s", on, set, removed)
		}
	}
	d := startService(t, byOperation(func(s *resource.Spec) { lazy(s); s.ExpiresHeader = true }))
	response := d.check(t, post("", listTools).joined())
	if removed := strings.Join(response.GetOkResponse().GetHeadersToRemove(), " "); !strings.Contains(removed, "x-mcp-auth-expires") {
		t.Errorf("without a token: %v", response)
	}
}

// TestOperationsThatAreNotListed, and those that may not be refused for it.
func TestOperationsThatAreNotListed(t *testing.T) {
	d := startService(t, remember, byOperation(func(s *resource.Spec) {
		s.OperationsDefault = "deny"
		s.Operations = append(s.Operations, resource.Operation{Method: "tools/call", Name: "search"})
	}))
	token := d.token()
	get := post(token, "")
	get.method = "GET"
	for body, want := range map[string]string{
		call("search"):      "allowed",
		call("find"):        "operation_unknown",
		call("delete_repo"): "insufficient_scope",
		listTools:           "operation_unknown",
		`{"jsonrpc":"2.0","id":1,"method":"initialize"}`:             "allowed",
		`{"jsonrpc":"2.0","id":1,"method":"ping"}`:                   "allowed",
		`{"jsonrpc":"2.0","id":1,"method":"server/discover"}`:        "allowed",
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`:     "allowed",
		`{"jsonrpc":"2.0","id":1,"method":"notifications/whatever"}`: "allowed",
		`{"jsonrpc":"2.0","id":1,"method":"notification/whatever"}`:  "operation_unknown",
		`{"jsonrpc":"2.0","id":1,"method":"initialize2"}`:            "operation_unknown",
		`{"jsonrpc":"2.0","id":1,"result":{}}`:                       "allowed",
	} {
		for range 2 {
			if got := readResponse(t, d.check(t, post(token, body).joined())).reason; got != want {
				t.Errorf("%s: %s, want %s", body, got, want)
			}
		}
	}
	if got := readResponse(t, d.check(t, get.joined())).reason; got != "allowed" {
		t.Errorf("GET: %s", got)
	}
}

// TestExemptFromScopes: what opens a session needs no scope of an operation, though an
// entry is for every method; the resource's are needed.
func TestExemptFromScopes(t *testing.T) {
	d := startService(t, byOperation(func(s *resource.Spec) {
		s.Operations = []resource.Operation{{Method: "*", Scopes: []string{"mcp:admin"}, ACRValues: []string{"gold"}}}
	}))
	message := func(token, method string) clientRequest {
		return post(token, `{"jsonrpc":"2.0","id":1,"method":"`+method+`"}`)
	}
	for _, method := range []string{"initialize", "ping", "server/discover", "notifications/initialized"} {
		if got := readResponse(t, d.check(t, message(d.token(), method).joined())).reason; got != "allowed" {
			t.Errorf("%s: %s", method, got)
		}
		if got := readResponse(t, d.check(t, message(d.token(map[string]any{"scope": "x"}), method).joined())); got.reason != "insufficient_scope" || !strings.Contains(got.challenge, `scope="mcp:read"`) {
			t.Errorf("%s: %+v", method, got)
		}
	}
	if got := readResponse(t, d.check(t, message(d.token(), "tools/list").joined())).reason; got != "insufficient_user_authentication" {
		t.Errorf("tools/list: %s", got)
	}
}

// TestTheOperationIsShown in dynamic metadata, in the line of a refusal and in the
// decision log, redacted as any text of a request; and not where it is not read.
func TestTheOperationIsShown(t *testing.T) {
	d := startService(t, byOperation(nil))
	end := d.logged(t)
	secret := d.token()
	ask := post(d.token(), call("delete_repo"))
	ask.headers = append(ask.headers, [2]string{"mcp-protocol-version", "2026-07-28"})
	shown := d.check(t, ask.joined()).GetDynamicMetadata().GetFields()["mcp"].GetStructValue().AsMap()
	if diff := cmp.Diff(map[string]any{
		"method": "tools/call", "name": "delete_repo", "protocol_version": "2026-07-28", "source": "body", "trusted": true,
	}, shown); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	d.check(t, post(d.token(), call("delete_"+secret)).joined())
	response := d.check(t, post(d.token(), call("delete_"+strings.Repeat("é", 3000))).joined())
	if got := readResponse(t, response).reason; got != "insufficient_scope" {
		t.Errorf("a long name: %s", got)
	}
	events, lines := end(), d.log.String()
	if !strings.Contains(events, `"mcp":{"method":"tools/call","name":"delete_repo","protocol_version":"2026-07-28","source":"body","trusted":true}`) {
		t.Errorf("decision log: %s", events)
	}
	if !strings.Contains(lines, `"mcp_method":"tools/call","mcp_name":"delete_repo"`) {
		t.Errorf("log: %s", lines)
	}
	if strings.Contains(events+lines, secret) {
		t.Error("a token is in a log")
	}
	elsewhere := startService(t)
	if got := elsewhere.check(t, post(elsewhere.token(), call("x")).joined()).GetDynamicMetadata().GetFields()["mcp"]; got != nil {
		t.Errorf("without operations: %v", got)
	}
}

// TestARuleThatReadsTheOperation needs it: what is unknown is refused before the rule.
func TestARuleThatReadsTheOperation(t *testing.T) {
	rule := team(`deny contains {"code": "deletes", "message": ""} if input.mcp.name == "delete_repo"`)
	d := startService(t, useTempFolder(t, together(rule, remember, rememberDecisions))...)
	token := d.token()
	get := post(token, "")
	get.method = "GET"
	for _, row := range []struct {
		ask  clientRequest
		want string
	}{
		{post(token, call("search")), "allowed"},
		{post(token, call("delete_repo")), "policy_denied"},
		{post(token, call("search")), "allowed"},
		{post(token, ""), "operation_unknown"},
		{post(token, "").withHeaders("tools/call", "search"), "operation_unknown"},
		{post(token, "{"), "operation_malformed"},
		{get, "allowed"},
		{post(d.token(map[string]any{"aud": "x"}), "{"), "audience_mismatch"},
	} {
		if got := readResponse(t, d.check(t, row.ask.joined())).reason; got != row.want {
			t.Errorf("%s: %s, want %s", row.ask.body, got, row.want)
		}
	}
}

// TestABatchIsDecidedMemberByMember: a rule sees each, all must be allowed, and their
// scopes are needed together.
func TestABatchIsDecidedMemberByMember(t *testing.T) {
	d := startService(t, useTempFolder(t, together(byOperation(func(s *resource.Spec) {
		s.MCP.AllowBatch = true
		s.Operations = []resource.Operation{
			{Method: "tools/call", Name: "a", Scopes: []string{"mcp:a"}}, {Method: "tools/call", Name: "b", Scopes: []string{"mcp:b"}},
		}
	}), remember, rememberDecisions, team(`deny contains {"code": "c", "message": ""} if input.mcp.name == "c"

headers["x-tool"] := input.mcp.name if input.mcp.name in ["d", "e"]`)))...)
	for tools, want := range map[string]string{
		"a b": `insufficient_scope scope="mcp:read mcp:a mcp:b"`, "b a": `insufficient_scope scope="mcp:read mcp:b mcp:a"`,
		"d a": `insufficient_scope scope="mcp:read mcp:a"`, "d c": "policy_denied", "c d": "policy_denied", "c a": "policy_denied",
		"d d": "allowed", "d f": "allowed", "d e": "policy_error",
	} {
		var members []string
		for tool := range strings.FieldsSeq(tools) {
			members = append(members, call(tool))
		}
		got := readResponse(t, d.check(t, post(d.token(), "["+strings.Join(members, ",")+"]").joined()))
		reason, scope, _ := strings.Cut(want, " ")
		if got.reason != reason || !strings.Contains(got.challenge, scope) {
			t.Errorf("%s: %+v, want %s", tools, got, want)
		}
	}
}

package extauthz_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// operationInput is one of the inputs of which the bytes of an answer are made.
type operationInput struct {
	intent string
	ask    clientRequest
	at     time.Time
}

// operationInputs differ from the first each in one thing.
func operationInputs(key *jwttest.Key) []operationInput {
	token := key.Sign(claims(map[string]any{
		"scope": "mcp:read mcp:pay", "acr": "gold", "auth_time": testTime.Unix(), "exp": testTime.Add(5 * time.Hour).Unix(),
	}))
	with := func(a clientRequest, name, value string) clientRequest {
		a.headers = append(a.headers[:len(a.headers):len(a.headers)], [2]string{name, value})
		return a
	}
	message := func(members string) clientRequest { return post(token, `{"jsonrpc":"2.0",`+members+`}`) }
	inputs := []operationInput{
		{"a call", post(token, call("pay")), testTime},
		{"of another tool", post(token, call("search")), testTime},
		{"of one that is refused", post(token, call("delete_repo")), testTime},
		{"of it with another id", message(`"id":2,"method":"tools/call","params":{"name":"delete_repo"}`), testTime},
		{"of it with an id of text", message(`"id":"2","method":"tools/call","params":{"name":"delete_repo"}`), testTime},
		{"of it without an id", message(`"method":"tools/call","params":{"name":"delete_repo"}`), testTime},
		{"another method with the same name", message(`"id":1,"method":"prompts/get","params":{"name":"pay"}`), testTime},
		{"a method whose end is the name's beginning", message(`"id":1,"method":"tools/callp","params":{"name":"ay"}`), testTime},
		{"a method of the rules", message(`"id":1,"method":"ruled"`), testTime},
		{"a response", message(`"id":1,"result":{}`), testTime},
		{"from headers", post(token, "").withHeaders("tools/call", "pay"), testTime},
		{"from a body that headers confirm", post(token, call("pay")).withHeaders("tools/call", "pay"), testTime},
		{"from metadata", post(token, "").withMetadata("tools/call", "pay"), testTime},
		{"of another revision", with(post(token, call("pay")), "mcp-protocol-version", "2025-06-18"), testTime},
		{"of a later one", with(post(token, call("pay")), "mcp-protocol-version", "2025-11-25"), testTime},
		{"of a page", with(post(token, call("pay")), "origin", "https://app.example.com"), testTime},
		{"of another page", with(post(token, call("pay")), "origin", "https://mcp.example.com"), testTime},
		{"of no source", post(token, ""), testTime},
		{"malformed", post(token, "{"), testTime},
		{"a batch", post(token, "["+call("pay")+"]"), testTime},
		{"a batch of two", post(token, "["+call("pay")+","+call("search")+"]"), testTime},
		{"a batch of which one is refused", post(token, "["+call("pay")+","+call("delete_repo")+"]"), testTime},
		{"at the last moment", post(token, call("pay")), testTime.Add(5*time.Minute + 30*time.Second - 1)},
		{"too late", post(token, call("pay")), testTime.Add(5*time.Minute + 30*time.Second)},
		{"too late for another tool", post(token, call("search")), testTime.Add(5*time.Minute + 30*time.Second)},
		{"without a token", post("", call("search")), testTime},
	}
	get := post(token, "")
	get.method = "GET"
	return append(inputs, operationInput{"GET", get, testTime})
}

// TestNoAnswerIsRememberedForAnotherOperation replaces each input by each other one
// between two Checks of a server that remembers all that it can, and compares with a
// server that remembers nothing.
func TestNoAnswerIsRememberedForAnotherOperation(t *testing.T) {
	for _, trust := range []resource.MCP{{}, {HeadersChecked: true, FilterMetadata: true, AllowBatch: true, JSONRPCDenials: true}} {
		now := testTime
		configured := func(p *plan) {
			byOperation(func(s *resource.Spec) {
				s.MCP, s.CORS, s.ExpiresHeader = trust, true, true
				s.Anonymous = []resource.Operation{{Method: "tools/call", Name: "search"}}
			})(p)
			p.verifier.Now = func() time.Time { return now }
		}
		rules := team(`deny contains {"code": "ruled", "message": ""} if input.mcp.method == "ruled"`)
		d := startService(t, useTempFolder(t, together(configured, rules, remember, rememberDecisions))...)
		plainState := *d.state
		plainState.TokenCache = 0
		plain := newServer(t, extauthz.Options{})
		swap(t, plain, &plainState)
		inputs := operationInputs(d.key)
		answers := map[string]string{}
		for _, input := range inputs {
			now = input.at
			answers[input.intent] = string(wireBytes(t, plain.Check(t.Context(), input.ask.joined())))
		}
		different := map[string]bool{}
		for _, answer := range answers {
			different[answer] = true
		}
		if len(different) < len(inputs)/3 {
			t.Errorf("only %d different answers to %d inputs", len(different), len(inputs))
		}
		for _, first := range inputs {
			for _, second := range inputs {
				for i, input := range []operationInput{first, first, second, first, second} {
					now = input.at
					if got := string(wireBytes(t, answered(t, d.server, input.ask.joined()))); got != answers[input.intent] {
						t.Fatalf("%+v: %s, then %s: answer %d is another one than without a memory:\n%s", trust, first.intent, second.intent, i, got)
					}
				}
			}
		}
	}
}

// TestAnAgeThatRunsOutEndsARememberedAllow, with the clock as a parameter.
func TestAnAgeThatRunsOutEndsARememberedAllow(t *testing.T) {
	now := testTime
	d := startService(t, remember, rememberDecisions, byOperation(nil), func(p *plan) {
		p.verifier.Now = func() time.Time { return now }
	})
	fresh := func(authTime any) clientRequest {
		return post(d.token(map[string]any{"scope": "mcp:read mcp:pay", "acr": "gold", "auth_time": authTime}), call("pay"))
	}
	const skew = 30 * time.Second
	ask := fresh(testTime.Unix())
	for _, row := range []struct {
		after time.Duration
		want  reason.Reason
	}{
		{0, reason.Allowed},
		{time.Minute, reason.Allowed},
		{5*time.Minute + skew - time.Nanosecond, reason.Allowed},
		{5*time.Minute + skew, reason.InsufficientUserAuthentication},
		{time.Hour, reason.InsufficientUserAuthentication},
		{0, reason.Allowed},
	} {
		now = testTime.Add(row.after)
		for range 2 {
			if got := readResponse(t, d.check(t, ask.joined())).reason; got != row.want.String() {
				t.Errorf("after %v: %s, want %s", row.after, got, row.want)
			}
		}
	}
	now = testTime
	for intent, authTime := range map[string]any{
		"absent": nil, "text": fmt.Sprint(testTime.Unix()), "of the future": testTime.Add(skew + time.Second).Unix(),
		"too large": 1e30, "true": true, "a list": []any{testTime.Unix()}, "zero": 0,
	} {
		if got := readResponse(t, d.check(t, fresh(authTime).joined())).reason; got != "insufficient_user_authentication" {
			t.Errorf("auth_time %s: %s", intent, got)
		}
	}
	if got := readResponse(t, d.check(t, fresh(testTime.Add(skew).Unix()).joined())).reason; got != "allowed" {
		t.Errorf("auth_time ahead by the clock skew: %s", got)
	}
}

package extauthz_test

import (
	"time"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/resource"
)

func operationAccounts() []accountRow {
	trusted := byOperation(func(s *resource.Spec) { s.MCP.FilterMetadata = true })
	stepUp := byOperation(nil)
	closed := byOperation(func(s *resource.Spec) { s.OperationsDefault = "deny" })
	open := byOperation(func(s *resource.Spec) { s.Anonymous = []resource.Operation{{Method: "tools/list"}} })
	ask := func(change func(clientRequest) clientRequest) func(*testService) clientRequest {
		return func(d *testService) clientRequest { return change(post(d.token(), "")) }
	}
	pay := func(claims map[string]any) func(*testService) clientRequest {
		return func(d *testService) clientRequest { return post(d.token(claims), call("pay")) }
	}
	ago := func(age time.Duration) int64 { return testTime.Add(-age).Unix() }
	return []accountRow{
		{
			"an operation without an entry", closed, func(d *testService) clientRequest { return post(d.token(), call("find")) }, reason.OperationUnknown,
			map[string]string{"mcp_method": "tools/call", "mcp_name": "find"},
			[]string{"add an entry", "!with_request_body"},
		},
		{"a method of HTTP that MCP does not use", trusted, ask(func(c clientRequest) clientRequest {
			c.method = "PUT"
			return c
		}), reason.OperationUnknown, nil, []string{"POST, GET and DELETE"}},
		{"sources that disagree", stepUp, func(d *testService) clientRequest {
			return post(d.token(), call("find")).withMetadata("tools/call", "pay")
		}, reason.OperationUnknown, nil, []string{"correct the client"}},
		{"a response by metadata", trusted, ask(func(c clientRequest) clientRequest {
			return c.withMetadata("__jsonrpc_response", "")
		}), reason.OperationUnknown, nil, []string{"answers a request of the server", "with_request_body"}},
		{"metadata that are not trusted", stepUp, ask(func(c clientRequest) clientRequest {
			return c.withMetadata("tools/call", "find")
		}), reason.OperationUnknown, nil, []string{"filter_metadata: trusted", "!as envoy.yaml shows"}},
		{"no source", stepUp, ask(func(c clientRequest) clientRequest { return c }), reason.OperationUnknown, nil, []string{"as envoy.yaml shows"}},
		{
			"a filter that is off", trusted, ask(func(c clientRequest) clientRequest { return c }), reason.OperationUnknown,
			nil,
			[]string{"metadata_context_namespaces", "!max_request_body_size"},
		},
		{"a body over the limit of the filter", trusted, ask(func(c clientRequest) clientRequest {
			c = c.withMetadata("tools/call", "find")
			c.metadata["is_exceeding_limit"] = true
			return c
		}), reason.OperationUnknown, nil, []string{"max_request_body_size", "!metadata_context_namespaces"}},
		{
			"no acr", stepUp, pay(map[string]any{"auth_time": ago(0)}), reason.InsufficientUserAuthentication,
			map[string]string{"acr": "", "acr_values": "silver gold", "max_age": "5m0s", "missing": "mcp:pay"},
			[]string{"has no acr", "RFC 9068"},
		},
		{"no auth_time", stepUp, pay(map[string]any{"acr": "gold"}), reason.InsufficientUserAuthentication, map[string]string{"acr": "gold", "auth_time": ""}, []string{"no auth_time"}},
		{
			"another acr", stepUp, pay(map[string]any{"acr": "bronze", "auth_time": ago(0)}), reason.InsufficientUserAuthentication,
			map[string]string{"acr": "bronze"},
			[]string{"none of acr_values", "!ago"},
		},
		{
			"a login of long ago", stepUp, pay(map[string]any{"acr": "gold", "auth_time": ago(time.Hour)}), reason.InsufficientUserAuthentication,
			map[string]string{"auth_time": testTime.Add(-time.Hour).UTC().Format(time.RFC3339), "max_age": "5m0s"},
			[]string{"logged in 1h0m0s ago", "max_age is 5m0s"},
		},
		{"a login of the future", stepUp, pay(map[string]any{"acr": "gold", "auth_time": ago(-time.Hour)}), reason.InsufficientUserAuthentication, nil, []string{"compare the clocks"}},
		{
			"no token, and an operation that is not known", open, func(*testService) clientRequest { return post("", "") }, reason.NoCredentials,
			map[string]string{"cause": "no source of the operation"},
			[]string{"see cause"},
		},
		{
			"no token, in a session", open, func(*testService) clientRequest {
				c := post("", listTools)
				c.headers = append(c.headers, [2]string{"mcp-session-id", "1"})
				return c
			}, reason.NoCredentials,
			map[string]string{"cause": "it has Mcp-Session-Id, and anonymous_sessions is false"},
			[]string{"see cause"},
		},
		{
			"no token, and an operation that is closed", open, func(*testService) clientRequest { return post("", call("find")) }, reason.NoCredentials,
			map[string]string{"cause": ""},
			[]string{"no Authorization header"},
		},
	}
}

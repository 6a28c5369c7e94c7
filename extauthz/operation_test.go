package extauthz_test

import (
	"testing"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/resource"
)

// operationRow is a request, and its answer at a resource with operations.
type operationRow struct {
	intent string
	trust  resource.MCP
	ask    func(token string) clientRequest
	want   reason.Reason
}

// trustRows: each source counts under its own conditions alone.
func trustRows() []operationRow {
	headers, filter := resource.MCP{HeadersChecked: true}, resource.MCP{FilterMetadata: true}
	batch := resource.MCP{AllowBatch: true}
	tools := func(names ...string) func(string) clientRequest {
		body := "["
		for i, name := range names {
			if i > 0 {
				body += ","
			}
			body += call(name)
		}
		return func(token string) clientRequest { return post(token, body+"]") }
	}
	return []operationRow{
		{"a body", resource.MCP{}, func(c string) clientRequest { return post(c, call("search")) }, reason.Allowed},
		{"a body that needs a scope", resource.MCP{}, func(c string) clientRequest { return post(c, call("delete_repo")) }, reason.InsufficientScope},
		{"headers without trust", resource.MCP{}, func(c string) clientRequest { return post(c, "").withHeaders("tools/call", "search") }, reason.OperationUnknown},
		{"headers", headers, func(c string) clientRequest { return post(c, "").withHeaders("tools/call", "search") }, reason.Allowed},
		{"headers that need a scope", headers, func(c string) clientRequest { return post(c, "").withHeaders("tools/call", "delete_repo") }, reason.InsufficientScope},
		{"headers in base64", headers, func(c string) clientRequest {
			return post(c, "").withHeaders("tools/call", "=?base64?ZGVsZXRlX3JlcG8=?=")
		}, reason.InsufficientScope},
		{"headers beside another body", headers, func(c string) clientRequest {
			return post(c, call("delete_repo")).withHeaders("tools/call", "search")
		}, reason.OperationUnknown},
		{"headers under trust of the filter", filter, func(c string) clientRequest {
			return post(c, "").withHeaders("tools/call", "search")
		}, reason.OperationUnknown},
		{"metadata without trust", resource.MCP{}, func(c string) clientRequest { return post(c, "").withMetadata("tools/call", "search") }, reason.OperationUnknown},
		{"metadata", filter, func(c string) clientRequest { return post(c, "").withMetadata("tools/call", "search") }, reason.Allowed},
		{"metadata that need a scope", filter, func(c string) clientRequest { return post(c, "").withMetadata("tools/call", "delete_repo") }, reason.InsufficientScope},
		{"metadata beside other headers", filter, func(c string) clientRequest {
			return post(c, "").withMetadata("tools/call", "search").withHeaders("tools/call", "delete_repo")
		}, reason.OperationUnknown},
		{"metadata under trust of headers", headers, func(c string) clientRequest {
			return post(c, "").withMetadata("tools/call", "search")
		}, reason.OperationUnknown},
		{"metadata of a body that was too large", filter, func(c string) clientRequest {
			a := post(c, "").withMetadata("tools/call", "search")
			a.metadata["is_exceeding_limit"] = true
			return a
		}, reason.OperationUnknown},
		{"metadata of no MCP request", filter, func(c string) clientRequest {
			a := post(c, "").withMetadata("tools/call", "search")
			a.metadata["is_mcp_request"] = false
			return a
		}, reason.OperationUnknown},
		{"a batch", resource.MCP{}, tools("search"), reason.OperationMalformed},
		{"a batch where one may be", batch, tools("search", "find"), reason.Allowed},
		{"a batch of which one member needs a scope", batch, tools("search", "delete_repo"), reason.InsufficientScope},
		{"and in the other order", batch, tools("delete_repo", "search"), reason.InsufficientScope},
		{"a batch beside headers", resource.MCP{AllowBatch: true, HeadersChecked: true}, func(c string) clientRequest {
			return tools("search", "search")(c).withHeaders("tools/call", "search")
		}, reason.OperationUnknown},
		{"GET has no operation", resource.MCP{}, func(c string) clientRequest { a := post(c, ""); a.method = "GET"; return a }, reason.Allowed},
		{"DELETE has no operation", resource.MCP{}, func(c string) clientRequest { a := post(c, ""); a.method = "DELETE"; return a }, reason.Allowed},
		{"HEAD has no operation", resource.MCP{}, func(c string) clientRequest { a := post(c, ""); a.method = "HEAD"; return a }, reason.Allowed},
		{"PUT is unknown", resource.MCP{}, func(c string) clientRequest { a := post(c, call("search")); a.method = "PUT"; return a }, reason.OperationUnknown},
		{"a call without an id is a call", resource.MCP{}, func(c string) clientRequest {
			return post(c, `{"jsonrpc":"2.0","method":"tools/call","params":{"name":"delete_repo"}}`)
		}, reason.InsufficientScope},
		{"a call dressed as a response", resource.MCP{}, func(c string) clientRequest {
			return post(c, `{"jsonrpc":"2.0","id":1,"result":{},"method":"tools/call","params":{"name":"delete_repo"}}`)
		}, reason.OperationMalformed},
		{"a response", resource.MCP{}, func(c string) clientRequest { return post(c, `{"jsonrpc":"2.0","id":1,"result":{}}`) }, reason.Allowed},
	}
}

// TestEachSourceOfTheOperation over gRPC, in both forms of headers.
func TestEachSourceOfTheOperation(t *testing.T) {
	for _, row := range trustRows() {
		t.Run(row.intent, func(t *testing.T) {
			d := startService(t, byOperation(func(s *resource.Spec) { s.MCP = row.trust }))
			question := row.ask(d.token())
			for range 2 { // the second from memory
				if got := readResponse(t, d.check(t, question.joined())).reason; got != row.want.String() {
					t.Errorf("headers: %s, want %s", got, row.want)
				}
				if got := readResponse(t, d.check(t, question.apart())).reason; got != row.want.String() {
					t.Errorf("header_map: %s, want %s", got, row.want)
				}
			}
		})
	}
}

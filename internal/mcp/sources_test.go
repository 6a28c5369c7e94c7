package mcp

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// TestReadRefusesHeadersOfBodies is about the headers that describe a body.
func TestReadRefusesHeadersOfBodies(t *testing.T) {
	const json = "content-type: application/json"
	checkRows(t, []row{
		{"part of a body", posted(call("a"), json, "x-envoy-auth-partial-body: true"), all, partial},
		{"part of a body, in the second of two headers", posted(call("a"), json, "x-envoy-auth-partial-body: false", "x-envoy-auth-partial-body: true"), all, partial},
		{"part of a body, in another word", posted(call("a"), json, "x-envoy-auth-partial-body: yes"), all, partial},
		{"an empty body", Request{Method: "POST", Headers: headersOf(json, "x-envoy-auth-partial-body: false")}, all, "malformed: the body is empty"},
		{"gzip", post(call("a"), "content-encoding: gzip"), all, encoded},
		{"identity, then gzip", post(call("a"), "content-encoding: identity", "content-encoding: gzip"), all, encoded},
		{"identity and gzip in one", post(call("a"), "content-encoding: identity, gzip"), all, encoded},
		{"an encoding without a name", post(call("a"), "content-encoding: "), all, encoded},
		{"no content type", posted(call("a")), all, noType},
		{"two content types", posted(call("a"), json, json), all, noType},
		{"two content types in one", posted(call("a"), json+",application/json"), all, noType},
		{"text/plain", posted(call("a"), "content-type: text/plain"), all, noType},
		{"application/json-rpc", posted(call("a"), "content-type: application/json-rpc"), all, noType},
		{"application/vnd.api+json", posted(call("a"), "content-type: application/vnd.api+json"), all, noType},
		{"a form", posted("a=b", "content-type: application/x-www-form-urlencoded"), all, noType},
		{"UTF-16", posted(call("a"), json+"; charset=utf-16"), all, noType},
		{"Latin-1", posted(call("a"), json+";charset=iso-8859-1"), all, noType},
		{"UTF-7", posted(call("a"), json+";charset=utf-7"), all, noType},
		{"an empty charset", posted(call("a"), json+";charset="), all, noType},
		{"two charsets", posted(call("a"), json+";charset=utf-8;charset=utf-16"), all, noType},
		{"another parameter", posted(call("a"), json+";boundary=utf-8"), all, noType},
		{"a parameter without a name", posted(call("a"), json+";"), all, noType},
	})
}

// TestReadRefusesHeaders is about Mcp-Method and Mcp-Name.
func TestReadRefusesHeaders(t *testing.T) {
	encode := func(name string) string {
		return "mcp-name: =?base64?" + base64.StdEncoding.EncodeToString([]byte(name)) + "?="
	}
	const toolsCall = "mcp-method: tools/call"
	older := func(version string) Request {
		return Request{Method: http.MethodPost, Headers: headersOf("mcp-protocol-version: "+version, toolsCall, "mcp-name: a")}
	}
	checkRows(t, []row{
		{"no source", bare(), all, noSource},
		{"a name alone", bare("mcp-name: a"), all, noSource},
		{"headers that are not trusted", bare(toolsCall, "mcp-name: a"), Trust{FilterMetadata: true, Batch: true}, untrusted},
		{"no revision", Request{Method: "POST", Headers: headersOf(toolsCall, "mcp-name: a")}, all, noSource},
		{"2025-11-25", older("2025-11-25"), all, noSource},
		{"a revision that does not exist", older("9999-01-01"), all, noSource},
		{"a revision that is more than a date", older("2026-07-28-draft"), all, noSource},
		{"a revision in spaces", older(" 2026-07-28"), all, noSource},
		{"an empty revision", older(""), all, noSource},
		{"two revisions in two headers", bare("mcp-protocol-version: 2026-07-28", toolsCall, "mcp-name: a"), all, noSource},
		{"two revisions in one header", older("2026-07-28,2026-07-28"), all, noSource},
		{"a session", bare("mcp-session-id: s", toolsCall, "mcp-name: a"), all, noSource},
		{"a session without a value", bare("mcp-session-id: ", toolsCall, "mcp-name: a"), all, noSource},
		{"two methods", bare("mcp-method: tools/list", toolsCall, "mcp-name: a"), all, noHeaders},
		{"a method twice", bare("mcp-method: tools/list", "mcp-method: tools/list"), all, noHeaders},
		{"two methods in one header", bare("mcp-method: tools/list,tools/call", "mcp-name: a"), all, noHeaders},
		{"a method without a value", bare("mcp-method: "), all, noHeaders},
		{"a method in spaces", bare("mcp-method:  tools/list"), all, noHeaders},
		{"a method with a tab", bare("mcp-method: tools/list\tx"), all, noHeaders},
		{"a method beyond ASCII", bare("mcp-method: tools/lïst"), all, noHeaders},
		{"a method too long", bare("mcp-method: " + strings.Repeat("a", MaxName+1)), all, noHeaders},
		{"no name", bare(toolsCall), all, noHeader},
		{"no name of a completion", bare("mcp-method: completion/complete"), all, noHeader},
		{"a name of a completion, which no revision has", bare("mcp-method: completion/complete", "mcp-name: a"), all, "unknown: no revision has Mcp-Name with a completion"},
		{"two names", bare(toolsCall, "mcp-name: a", "mcp-name: b"), all, "unknown: Mcp-Name occurs twice"},
		{"a name twice", bare(toolsCall, "mcp-name: a", "mcp-name: a"), all, "unknown: Mcp-Name occurs twice"},
		{"two names in one header", bare(toolsCall, "mcp-name: a,b"), all, "unknown: Mcp-Name has a comma, and may be several headers that Envoy joined"},
		{"two names in base64 in one header", bare(toolsCall, "mcp-name: =?base64?YQ==?=,=?base64?Yg==?="), all, badHeader},
		{"an empty name", bare(toolsCall, "mcp-name: "), all, badHeader},
		{"a name in spaces", bare(toolsCall, "mcp-name:  a"), all, badHeader},
		{"a name beyond ASCII", bare(toolsCall, "mcp-name: ä"), all, "unknown: Mcp-Name is beyond ASCII and not encoded"},
		{"a name in Latin-1", bare(toolsCall, "mcp-name: \xe4"), all, badHeader},
		{"a name beyond ASCII that is another", post(call("ö"), "mcp-protocol-version: 2026-07-28", toolsCall, "mcp-name: ä"), all, disagree},
		{"a name with DEL", bare(toolsCall, "mcp-name: a\x7f"), all, badHeader},
		{"a name with a control character", bare(toolsCall, "mcp-name: a\x01"), all, badHeader},
		{"a name too long", bare(toolsCall, "mcp-name: "+strings.Repeat("a", MaxName+1)), all, badHeader},
		{"base64 of nothing", bare(toolsCall, encode("")), all, badHeader},
		{"base64 of a name too long", bare(toolsCall, encode(strings.Repeat("a", MaxName+1))), all, badHeader},
		{"base64 far too long", bare(toolsCall, encode(strings.Repeat("a", 1<<20))), all, badHeader},
		{"base64 of invalid UTF-8", bare(toolsCall, encode("a\xff")), all, badHeader},
		{"base64 that is none", bare(toolsCall, "mcp-name: =?base64?a?="), all, badHeader},
		{"base64 without its padding", bare(toolsCall, "mcp-name: =?base64?YQ?="), all, badHeader},
		{"base64 with more than its padding", bare(toolsCall, "mcp-name: =?base64?YQ===?="), all, badHeader},
		{"base64 with bits that are not used", bare(toolsCall, "mcp-name: =?base64?YR==?="), all, badHeader},
		{"base64 for URLs", bare(toolsCall, "mcp-name: =?base64?_-8=?="), all, badHeader},
		{"base64 in spaces", bare(toolsCall, "mcp-name: =?base64?YW Jj?="), all, badHeader},
		{"base64 with lines", bare(toolsCall, "mcp-name: =?base64?YW\nJj?="), all, badHeader},
		{"base64 with a prefix in another case", bare(toolsCall, "mcp-name: =?BASE64?YQ==?="), all, badHeader},
		{"base64 without an end", bare(toolsCall, "mcp-name: =?base64?YQ=="), all, badHeader},
		{"base64 with more after its end", bare(toolsCall, "mcp-name: =?base64?YQ==?=x"), all, badHeader},
		{"a URI with dot segments", bare("mcp-method: resources/read", "mcp-name: file:///a/../b"), all, noURI},
		{"a URI with dot segments in base64", bare("mcp-method: resources/read", encode("file:///a/../b")), all, noURI},

		{"the header lists, the body calls", post(call("a"), "mcp-protocol-version: 2026-07-28", "mcp-method: tools/list"), all, disagree},
		{"the header names another tool", post(call("a"), "mcp-protocol-version: 2026-07-28", toolsCall, "mcp-name: b"), all, disagree},
		{"the header names the tool in another case", post(call("a"), "mcp-protocol-version: 2026-07-28", toolsCall, "mcp-name: A"), all, disagree},
		{"the header decodes to another tool", post(call("a"), "mcp-protocol-version: 2026-07-28", toolsCall, encode("b")), all, disagree},
		{"the header is encoded twice", post(call("a"), "mcp-protocol-version: 2026-07-28", toolsCall, encode("=?base64?YQ==?=")), all, disagree},
		{"the body names what the header encodes", post(call("=?base64?YQ==?="), "mcp-protocol-version: 2026-07-28", toolsCall, encode("a")), all, disagree},
		{"headers of a call, and a response", post(`{"jsonrpc":"2.0","id":1,"result":{}}`, "mcp-protocol-version: 2026-07-28", toolsCall, "mcp-name: a"), all, disagree},
		{"headers of a batch", post(`[`+call("a")+`,`+call("a")+`]`, "mcp-protocol-version: 2026-07-28", toolsCall, "mcp-name: a"), all, disagree},
		{"headers with two methods, beside a body", post(call("a"), "mcp-protocol-version: 2026-07-28", toolsCall, "mcp-method: tools/list"), all, noHeaders},
		{"headers with two names, beside a body", post(call("a"), "mcp-protocol-version: 2026-07-28", toolsCall, "mcp-name: a", "mcp-name: b"), all, "unknown: Mcp-Name occurs twice"},
		{"a header that is no text, beside a body", post(call("a"), "mcp-protocol-version: 2026-07-28", toolsCall, "mcp-name: =?base64?*?="), all, badHeader},
		{"a malformed body beside good headers", post(`{}`, "mcp-protocol-version: 2026-07-28", toolsCall, "mcp-name: a"), all, noVersion},
	})
}

// TestReadRefusesMetadata is about what Envoy's filter says.
func TestReadRefusesMetadata(t *testing.T) {
	good := metadataOf(`{"method":"tools/call","params":{"name":"a"}}`)
	wire := func(metadata []byte) Request { r := bare(); r.Metadata = metadata; return r }
	both := func(body, metadata string) Request { r := post(body); r.Metadata = metadataOf(metadata); return r }
	again := func(field string) []byte {
		more := metadataOf(`{"method":"tools/list"}`)
		for at := 0; ; {
			_, _, size := protowire.ConsumeField(more[at:])
			if strings.Contains(string(more[at:at+size]), field) {
				return append(append([]byte{}, good...), more[at:at+size]...)
			}
			at += size
		}
	}
	checkRows(t, []row{
		{"metadata that is not trusted", wire(good), Trust{Headers: true, Batch: true}, unfiltered},
		{"no status", filtered(`{"status":null,"method":"tools/list"}`), all, noSource},
		{"a body too large", filtered(`{"status":"mcp_body_too_large","method":"tools/list"}`), all, noSource},
		{"keys twice", filtered(`{"status":"mcp_duplicate_keys","method":"tools/list"}`), all, noSource},
		{"no JSON", filtered(`{"status":"mcp_parse_error"}`), all, noSource},
		{"no JSON-RPC", filtered(`{"status":"mcp_not_jsonrpc","method":"tools/list"}`), all, noSource},
		{"the status in upper case", filtered(`{"status":"MCP_OK","method":"tools/list"}`), all, noSource},
		{"the status as a number", filtered(`{"status":1,"method":"tools/list"}`), all, noSource},
		{"no MCP request", filtered(`{"is_mcp_request":false,"method":"tools/list"}`), all, noSource},
		{"no MCP request, as a text", filtered(`{"is_mcp_request":"true","method":"tools/list"}`), all, noSource},
		{"the limit reached", filtered(`{"is_exceeding_limit":true,"method":"tools/list"}`), all, noSource},
		{"the limit as a text", filtered(`{"is_exceeding_limit":"false","method":"tools/list"}`), all, noSource},
		{"no method", filtered(`{}`), all, noMetadata},
		{"the method a number", filtered(`{"method":7}`), all, noMetadata},
		{"the method empty", filtered(`{"method":""}`), all, noMetadata},
		{"no params", filtered(`{"method":"tools/call"}`), all, noFilter},
		{"no name", filtered(`{"method":"tools/call","params":{"uri":"a:b"}}`), all, noFilter},
		{"the name a number", filtered(`{"method":"tools/call","params":{"name":7}}`), all, noFilter},
		{"the name an object", filtered(`{"method":"tools/call","params":{"name":{"name":"a"}}}`), all, noFilter},
		{"the name empty", filtered(`{"method":"tools/call","params":{"name":""}}`), all, noFilter},
		{"the name too long", filtered(`{"method":"tools/call","params":{"name":"` + strings.Repeat("a", MaxName+1) + `"}}`), all, noFilter},
		{"the name beside params", filtered(`{"method":"tools/call","name":"a"}`), all, noFilter},
		{"no URI", filtered(`{"method":"resources/read","params":{"name":"a"}}`), all, noFilter},
		{"a URI with dot segments", filtered(`{"method":"resources/read","params":{"uri":"file:///a/../b"}}`), all, noURI},
		{"a completion without a type", filtered(`{"method":"completion/complete","params":{"ref":{"name":"a"},"name":"a"}}`), all, noFilter},
		{"a completion with a URI of a prompt", filtered(`{"method":"completion/complete","params":{"ref":{"type":"ref/prompt","uri":"a:b"}}}`), all, noFilter},
		{"nothing", wire([]byte{}), all, noSource},
		{"bytes that are no message", wire([]byte{0xff}), all, noSource},
		{"a message that ends in the middle", wire(good[:len(good)-1]), all, noSource},
		{"a key that is no UTF-8", wire(append([]byte{0x0a, 3, 0x0a, 1, 0xff}, good...)), all, noSource},
		{"the method twice", wire(again("method")), all, noMetadata},
		{"the status twice", wire(again("status")), all, noSource},
		{"metadata under another name of Envoy's, which is not passed on", bare(), all, noSource},

		{"metadata lists, the body calls", both(call("a"), `{"method":"tools/list"}`), Trust{}, disagree},
		{"metadata names another tool", both(call("a"), `{"method":"tools/call","params":{"name":"b"}}`), Trust{}, disagree},
		{"metadata names a tool, the body a method without a name", both(calls("ping", `{}`), `{"method":"tools/call","params":{"name":"b"}}`), Trust{}, disagree},
		{"metadata of a response", both(call("a"), `{"method":"__jsonrpc_response"}`), Trust{}, disagree},
		{"the method of a response in a body", both(calls("__jsonrpc_response", `{}`), `{"method":"__jsonrpc_response"}`), Trust{}, disagree},
		{"metadata of a batch", both(`[`+call("a")+`,`+call("a")+`]`, `{"method":"tools/call","params":{"name":"a"}}`), all, disagree},
		{"metadata without a method, beside a body", both(call("a"), `{}`), Trust{}, noMetadata},
		{"metadata of a response alone, or of a call beside a result", filtered(`{"method":"__jsonrpc_response"}`), all, "unknown: the metadata does not tell a response from a call"},
		{"metadata and headers disagree", filtered(`{"method":"tools/call","params":{"name":"a"}}`, "mcp-method: tools/call", "mcp-name: b"), all, disagree},
		{"metadata and headers with two methods", filtered(`{"method":"tools/list"}`, "mcp-method: tools/list", "mcp-method: tools/call"), all, noHeaders},
		{"headers and metadata that is not trusted disagree", filtered(`{"method":"tools/call","params":{"name":"a"}}`, "mcp-method: tools/list"), byHeaders, disagree},
		{"headers and metadata agree, and nothing is trusted", filtered(`{"method":"tools/list"}`, "mcp-method: tools/list"), Trust{}, untrusted},
		{"metadata without a name, beside a name in headers", filtered(`{"method":"tools/call"}`, "mcp-method: tools/call", "mcp-name: a"), byFilter, noFilter},
	})
}

// TestReadRefusesHTTPMethods is about methods that have no operation and are not
// those of a stream or a session.
func TestReadRefusesHTTPMethods(t *testing.T) {
	for _, method := range []string{"PUT", "PATCH", "OPTIONS", "TRACE", "CONNECT", "post", "Post", "get", "", "POST "} {
		r := post(call("a"))
		r.Method = method
		checkRows(t, []row{{method, r, all, "unknown: the HTTP method has no operation"}})
	}
}

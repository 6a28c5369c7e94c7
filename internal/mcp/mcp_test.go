package mcp

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// row is a request and what Read makes of it, in one line.
type row struct {
	intent  string
	request Request
	trust   Trust
	wanted  string
}

// headersOf are lines as in HTTP; a name may occur several times.
func headersOf(lines ...string) func(string) []string {
	h := map[string][]string{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h[name] = append(h[name], value)
	}
	return func(name string) []string { return h[name] }
}

// post is a POST with a body of JSON, and with more headers.
func post(body string, lines ...string) Request {
	lines = append([]string{"content-type: application/json", "x-envoy-auth-partial-body: false"}, lines...)
	return Request{Method: http.MethodPost, Headers: headersOf(lines...), Body: []byte(body)}
}

// posted is a POST whose body has other headers than those of post.
func posted(body string, lines ...string) Request {
	return Request{Method: http.MethodPost, Headers: headersOf(lines...), Body: []byte(body)}
}

// bare is a POST without a body, with a checked revision of the protocol.
func bare(lines ...string) Request {
	lines = append([]string{"mcp-protocol-version: 2026-07-28"}, lines...)
	return Request{Method: http.MethodPost, Headers: headersOf(lines...)}
}

// filtered is a POST with metadata, with a checked revision of the protocol.
func filtered(metadata string, lines ...string) Request {
	r := bare(lines...)
	r.Metadata = metadataOf(metadata)
	return r
}

// metadataOf writes the metadata of Envoy's filter from JSON. The fields of a
// request that the filter read come first, so that a row can replace them.
func metadataOf(fields string) []byte {
	whole := structOf(`{"jsonrpc":"2.0","status":"mcp_ok","is_mcp_request":true}`)
	for name, value := range structOf(fields).GetFields() {
		whole.Fields[name] = value
	}
	wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(whole)
	if err != nil {
		panic(err)
	}
	return wire
}

func structOf(text string) *structpb.Struct {
	s := new(structpb.Struct)
	if err := s.UnmarshalJSON([]byte(text)); err != nil {
		panic(err)
	}
	return s
}

// show writes a reading in one line.
func show(r Reading) string {
	switch r.Fault {
	case Malformed:
		return "malformed: " + r.Detail
	case Unknown:
		return "unknown: " + r.Detail
	case NoFault:
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s:", r.Source)
	for _, o := range r.Operations {
		switch {
		case o.Response:
			b.WriteString(" response")
		case o.Name != "":
			fmt.Fprintf(&b, " %s=%s", o.Method, o.Name)
		default:
			b.WriteString(" " + o.Method)
		}
	}
	return b.String()
}

func checkRows(t *testing.T, rows []row) {
	t.Helper()
	for _, row := range rows {
		got := Read(row.request, row.trust)
		if show(got) != row.wanted {
			t.Errorf("%s:\n\t%s\nwanted\n\t%s", row.intent, show(got), row.wanted)
		}
		if got.Fault != NoFault && (got.Trusted || got.Operations != nil || got.ID != nil) {
			t.Errorf("%s: a fault with %+v", row.intent, got)
		}
		if got.Fault == NoFault && got.Detail != "" {
			t.Errorf("%s: no fault, but %q", row.intent, got.Detail)
		}
		if (got.Source != None && got.Fault == NoFault) != got.Trusted {
			t.Errorf("%s: trusted %v of %s", row.intent, got.Trusted, got.Source)
		}
	}
}

// call is a body that calls a tool.
func call(tool string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `","arguments":{}}}`
}

var (
	all       = Trust{Headers: true, FilterMetadata: true, Batch: true}
	byHeaders = Trust{Headers: true}
	byFilter  = Trust{FilterMetadata: true}
)

func TestReadAccepts(t *testing.T) {
	checkRows(t, []row{
		{"initialize of 2025-03-26", post(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-03-26","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`), Trust{}, "body: initialize"},
		{"a call of 2025-03-26", post(call("echo")), Trust{}, "body: tools/call=echo"},
		{"a call of 2025-06-18 in a session", post(call("echo"), "mcp-protocol-version: 2025-06-18", "mcp-session-id: s"), Trust{}, "body: tools/call=echo"},
		{"a call of 2025-11-25", post(call("echo"), "mcp-protocol-version: 2025-11-25"), Trust{}, "body: tools/call=echo"},
		{"a call of 2026-07-28", post(call("echo"), "mcp-protocol-version: 2026-07-28", "mcp-method: tools/call", "mcp-name: echo"), Trust{}, "body: tools/call=echo"},
		{"server/discover of 2026-07-28", post(`{"jsonrpc":"2.0","id":"a","method":"server/discover"}`, "mcp-protocol-version: 2026-07-28", "mcp-method: server/discover"), Trust{}, "body: server/discover"},
		{"a notification", post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`), Trust{}, "body: notifications/initialized"},
		{"params null", post(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":null}`), Trust{}, "body: tools/list"},
		{"a method of an extension", post(`{"jsonrpc":"2.0","id":1,"method":"acme/do","params":{"name":7}}`), Trust{}, "body: acme/do"},
		{"news", post(`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true}}}`), Trust{}, "body: subscriptions/listen"},
		{"news, and none of resources", post(`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":null}}}`), Trust{}, "body: subscriptions/listen"},
		{"news of resources, of which headers say nothing", post(`{"params":{"notifications":{"x":[["y"]],"resourceSubscriptions":[ "memo:a","memo:\u0062" ]}},"jsonrpc":"2.0","id":1,"method":"subscriptions/listen"}`,
			"mcp-protocol-version: 2026-07-28", "mcp-method: subscriptions/listen"), Trust{}, "body: subscriptions/listen resources/subscribe=memo:a resources/subscribe=memo:b"},
		{"the same of another method", post(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"notifications":{"resourceSubscriptions":["memo:a"]}}}`), Trust{}, "body: tools/list"},
		{"a batch of news", post(`[{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["memo:a"]}}},{"jsonrpc":"2.0","id":1,"method":"ping"}]`), all, "body: subscriptions/listen ping resources/subscribe=memo:a"},
		{"a result", post(`{"jsonrpc":"2.0","id":1,"result":{"roots":[]}}`), Trust{}, "body: response"},
		{"an error", post(`{"jsonrpc":"2.0","id":"x","error":{"code":1,"message":"m"}}`), Trust{}, "body: response"},
		{"an error about nothing", post(`{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}`), Trust{}, "body: response"},
		{"a prompt", post(`{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"p"}}`), Trust{}, "body: prompts/get=p"},
		{"a resource", post(`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a%20b"}}`), Trust{}, "body: resources/read=file:///a%20b"},
		{"a subscription", post(`{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"memo:a"}}`), Trust{}, "body: resources/subscribe=memo:a"},
		{"its end", post(`{"jsonrpc":"2.0","id":1,"method":"resources/unsubscribe","params":{"uri":"memo:a"}}`), Trust{}, "body: resources/unsubscribe=memo:a"},
		{"a completion of a prompt", post(`{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"a: b"},"argument":{"name":"x","value":"y"}}}`), Trust{}, "body: completion/complete=a: b"},
		{"a completion of a template", post(`{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/resource","uri":"file:///{path}"}}}`), Trust{}, "body: completion/complete=file:///{path}"},
		{"params before method", post(`{"params":{"name":"echo"},"method":"tools/call","id":1,"jsonrpc":"2.0"}`), Trust{}, "body: tools/call=echo"},
		{"escapes", post(`{"jsonrpc":"2.0","id":1,"m\u0065thod":"tools\/call","params":{"n\u0061me":"\u0065cho"}}`), Trust{}, "body: tools/call=echo"},
		{"a name beyond the first plane", post(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\ud83d\ude00"}}`), Trust{}, "body: tools/call=😀"},
		{"names in deeper objects", post(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"NAME":1,"name":2,"x":[{"name":3},{"name":4}]}}}`), Trust{}, "body: tools/call=echo"},
		{"white space", post(" \r\n\t{ \"jsonrpc\" : \"2.0\" , \"id\" : 1 , \"method\" : \"tools/call\" ,\n\"params\" : { \"name\" : \"echo\" } } \n"), Trust{}, "body: tools/call=echo"},
		{"64 levels", post(`{"jsonrpc":"2.0","id":1,"method":"ping","params":` + strings.Repeat(`{"a":`, 62) + "[]" + strings.Repeat("}", 63)), Trust{}, "body: ping"},
		{"a text as params before 1 MiB", post(`{"jsonrpc":"2.0","id":1,"params":{"arguments":{"a":"` + strings.Repeat("a", MaxBody-200) + `"},"name":"echo"},"method":"tools/call"}`), Trust{}, "body: tools/call=echo"},
		{"a charset", posted(call("echo"), "content-type: Application/JSON; charset=UTF-8"), Trust{}, "body: tools/call=echo"},
		{"a quoted charset", posted(call("echo"), `content-type: application/json ;charset="utf-8"`), Trust{}, "body: tools/call=echo"},
		{"identity", post(call("echo"), "content-encoding: Identity"), Trust{}, "body: tools/call=echo"},
		{"a batch", post(`[` + call("a") + `,{"jsonrpc":"2.0","id":2,"result":{}},{"jsonrpc":"2.0","method":"notifications/x"}]`), Trust{Batch: true}, "body: tools/call=a response notifications/x"},
		{"a batch of one", post(`[` + call("a") + `]`), Trust{Batch: true}, "body: tools/call=a"},
		{"no batch, where they are allowed", post(call("a")), Trust{Batch: true}, "body: tools/call=a"},
		{"a body and headers of an earlier revision", post(call("a"), "mcp-protocol-version: 2025-11-25", "mcp-method: tools/list"), all, "body: tools/call=a"},
		{"a body and headers in a session", post(call("a"), "mcp-protocol-version: 2026-07-28", "mcp-session-id: s", "mcp-method: tools/list"), all, "body: tools/call=a"},
		{"a body and a name that is missing, which the server refuses", post(call("a"), "mcp-protocol-version: 2026-07-28", "mcp-method: tools/call"), all, "body: tools/call=a"},
		{"a body and a name with a comma", post(call("a,b"), "mcp-protocol-version: 2026-07-28", "mcp-method: tools/call", "mcp-name: a,b"), all, "body: tools/call=a,b"},
		{"a body and a name beyond ASCII, as the Go SDK sends it", post(call("ä"), "mcp-protocol-version: 2026-07-28", "mcp-method: tools/call", "mcp-name: ä"), all, "body: tools/call=ä"},
		{"a body and a name in base64", post(call("echo"), "mcp-protocol-version: 2026-07-28", "mcp-method: tools/call", "mcp-name: =?base64?ZWNobw==?="), all, "body: tools/call=echo"},
		{"a task and its Mcp-Name", post(`{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"t"}}`, "mcp-protocol-version: 2026-07-28", "mcp-method: tasks/get", "mcp-name: t"), all, "body: tasks/get"},
		{"headers", bare("mcp-method: tools/call", "mcp-name: echo"), byHeaders, "headers: tools/call=echo"},
		{"headers of a method without a name", bare("mcp-method: tools/list"), byHeaders, "headers: tools/list"},
		{"a name in base64", bare("mcp-method: tools/call", "mcp-name: =?base64?ZGVsZXRlX3JlcG8=?="), byHeaders, "headers: tools/call=delete_repo"},
		{"a name in base64, in UTF-8", bare("mcp-method: tools/call", "mcp-name: =?base64?w7bDvA==?="), byHeaders, "headers: tools/call=öü"},
		{"base64 of base64 is decoded once", bare("mcp-method: tools/call", "mcp-name: =?base64?PT9iYXNlNjQ/WldOb2J3PT0/PQ==?="), byHeaders, "headers: tools/call==?base64?ZWNobw==?="},
		{"a resource in headers", bare("mcp-method: resources/read", "mcp-name: file:///a"), byHeaders, "headers: resources/read=file:///a"},
		{"metadata", filtered(`{"method":"tools/call","params":{"name":"echo"}}`), byFilter, "filter_metadata: tools/call=echo"},
		{"metadata without a limit that was reached", filtered(`{"method":"tools/list","is_exceeding_limit":false}`), byFilter, "filter_metadata: tools/list"},
		{"metadata of a completion", filtered(`{"method":"completion/complete","params":{"ref":{"type":"ref/resource","uri":"a:{b}"}}}`), byFilter, "filter_metadata: completion/complete=a:{b}"},
		{"metadata of a completion of a prompt", filtered(`{"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"b"}}}`), byFilter, "filter_metadata: completion/complete=b"},
		{"metadata and headers", filtered(`{"method":"tools/call","params":{"name":"echo"}}`, "mcp-method: tools/call", "mcp-name: echo"), byFilter, "filter_metadata: tools/call=echo"},
		{"headers that metadata confirms", filtered(`{"method":"tools/call","params":{"name":"echo"}}`, "mcp-method: tools/call", "mcp-name: echo"), byHeaders, "headers: tools/call=echo"},
		{"metadata that is absent, and headers", filtered(`{"status":"mcp_not_jsonrpc"}`, "mcp-method: tools/list"), all, "headers: tools/list"},
	})
}

func TestReadWithoutOperation(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "DELETE"} {
		r := post(call("echo"), "mcp-method: tools/list")
		r.Method = method
		if got := Read(r, all); got.Fault != NoFault || got.Operations != nil || got.Source != None || got.Trusted {
			t.Errorf("%s: %+v", method, got)
		}
	}
}

func TestIsExempt(t *testing.T) {
	for method, wanted := range map[string]bool{
		"initialize": true, "ping": true, "server/discover": true, "notifications/": true, "notifications/cancelled": true,
		"": false, "Initialize": false, "ping ": false, "notifications": false, "Notifications/x": false, "tools/call": false, "tools/list": false,
	} {
		if got := (Operation{Method: method}).IsExempt(); got != wanted {
			t.Errorf("%q is exempt: %v", method, got)
		}
	}
}

func TestReadsIDAndVersion(t *testing.T) {
	for id, wanted := range map[string]string{
		`7`: "7", `-1.5e3`: "-1.5e3", `"a\u0062"`: `"a\u0062"`, `"` + strings.Repeat("a", 62) + `"`: `"` + strings.Repeat("a", 62) + `"`, `"` + strings.Repeat("a", 63) + `"`: "",
	} {
		if got := Read(post(`{"jsonrpc":"2.0","method":"ping","id":`+id+`}`), Trust{}); string(got.ID) != wanted || got.Fault != NoFault {
			t.Errorf("id %s: %s, %s", id, got.ID, show(got))
		}
	}
	if got := Read(post(`[`+call("a")+`]`), all); got.ID != nil {
		t.Errorf("a batch has the id %s", got.ID)
	}
	for version, wanted := range map[string]string{
		"2026-07-28": "2026-07-28", strings.Repeat("a", 32): strings.Repeat("a", 32), strings.Repeat("a", 33): "", "a b": "", "a\x7f": "", "é": "", "": "", "2026-07-28,2026-07-28": "",
	} {
		if got := Read(post(call("a"), "mcp-protocol-version: "+version), Trust{}); got.ProtocolVersion != wanted {
			t.Errorf("%q is the version %q", version, got.ProtocolVersion)
		}
	}
	if got := Read(post(call("a"), "mcp-protocol-version: a", "mcp-protocol-version: a"), Trust{}); got.ProtocolVersion != "" {
		t.Errorf("two versions are %q", got.ProtocolVersion)
	}
}

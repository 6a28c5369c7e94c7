package mcp

import (
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// TestWhatTheFilterDoesNotTell: the metadata is that of Envoy 1.40 for each body
// of the intents, as TestWhatTheFilterReports in package envoy sees it.
func TestWhatTheFilterDoesNotTell(t *testing.T) {
	const sure = `"is_mcp_request":true,"jsonrpc":"2.0","status":"mcp_ok"`
	for _, row := range []struct {
		intent, metadata string
		headers          []string
		fault            Fault
	}{
		{"a call", `{"method":"tools/call","params":{"name":"echo"},` + sure + `}`, nil, NoFault},
		{"with charset", `{"method":"tools/list",` + sure + `}`, []string{"content-type", "application/json; charset=UTF-8"}, NoFault},
		{"a second document", `{"method":"tools/list","passthrough_reason":"mcp_not_jsonrpc",` + sure + `}`, nil, Unknown},
		{"a body that was cut", `{"method":"tools/list","passthrough_reason":"mcp_parse_error",` + sure + `}`, nil, Unknown},
		{"a method twice", `{"method":"tools/list","passthrough_reason":"mcp_duplicate_keys",` + sure + `}`, nil, Unknown},
		{"a reason of another kind", `{"method":"tools/list","passthrough_reason":null,` + sure + `}`, nil, Unknown},
		{"a response, or a call beside a result", `{"method":"__jsonrpc_response",` + sure + `}`, nil, Unknown},
		{"UTF-7", `{"method":"tools/list",` + sure + `}`, []string{"content-type", "application/json; charset=utf-7"}, Unknown},
		{"two types", `{"method":"tools/list",` + sure + `}`, []string{"content-type", "application/json", "content-type", "text/plain"}, Unknown},
		{"encoded", `{"method":"tools/list",` + sure + `}`, []string{"content-encoding", "deflate"}, Unknown},
	} {
		metadata := &structpb.Struct{}
		if err := protojson.Unmarshal([]byte(row.metadata), metadata); err != nil {
			t.Fatal(err)
		}
		wire, err := proto.Marshal(metadata)
		if err != nil {
			t.Fatal(err)
		}
		headers := http.Header{}
		for i := 0; i < len(row.headers); i += 2 {
			headers.Add(row.headers[i], row.headers[i+1])
		}
		got := Read(Request{Method: http.MethodPost, Headers: headers.Values, Metadata: wire}, Trust{FilterMetadata: true})
		if got.Fault != row.fault || (got.Fault == NoFault) != got.Trusted || got.Source != FilterMetadata && got.Detail != "no source of the operation" {
			t.Errorf("%s: %+v", row.intent, got)
		}
	}
}

// TestTheIDInMetadata is repeated in answers only where it is certainly the client's.
func TestTheIDInMetadata(t *testing.T) {
	for id, want := range map[string]string{
		`1`: `1`, `-7`: `-7`, `0`: `0`, `1e3`: `1000`, `9007199254740991`: `9007199254740991`, `"a\"\u0001é"`: `"a\"\u0001é"`,
		`9007199254740992`: ``, `1e300`: ``, `1.5`: ``, `null`: ``, `true`: ``, `{}`: ``, `""`: `""`,
		`"` + strings.Repeat("a", 62) + `"`: `"` + strings.Repeat("a", 62) + `"`, `"` + strings.Repeat("a", 63) + `"`: ``,
	} {
		got := Read(filtered(`{"method":"tools/list","id":`+id+`}`), Trust{FilterMetadata: true})
		if string(got.ID) != want || got.Fault != NoFault {
			t.Errorf("%s is repeated as %s: %+v", id, got.ID, got)
		}
	}
}

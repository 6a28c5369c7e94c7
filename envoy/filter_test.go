package envoy_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	mcpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/mcp/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/doorward/doorward/internal/testenv"
)

// recorder is an ext_authz service that refuses every request and keeps what it was asked.
type recorder struct {
	authv3.UnimplementedAuthorizationServer
	mu   sync.Mutex
	last *authv3.CheckRequest
}

func (r *recorder) Check(_ context.Context, request *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = request
	return &authv3.CheckResponse{
		Status: &status.Status{Code: int32(codes.Unauthenticated)},
		HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{
			Status: &typev3.HttpStatus{Code: typev3.StatusCode_Unauthorized},
		}},
	}, nil
}

// take describes the Check since the last take in one line: what the filter
// reported, and how much of the body came; "" where there was no Check.
func (r *recorder) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil {
		return ""
	}
	attributes := r.last.GetAttributes()
	r.last = nil
	var parts []string
	reported := attributes.GetMetadataContext().GetFilterMetadata()[mcpFilter].AsMap()
	for _, key := range []string{"method", "params", "passthrough_reason"} {
		value := reported[key]
		if params, is := value.(map[string]any); is {
			value = firstOf(params, "name", "uri", "ref")
		}
		if value != nil {
			parts = append(parts, fmt.Sprint(value))
		}
	}
	if len(reported) > 0 && reported["status"] != "mcp_ok" {
		parts = append(parts, fmt.Sprint("status ", reported["status"]))
	}
	if len(parts) == 0 {
		parts = append(parts, "none")
	}
	for _, header := range attributes.GetRequest().GetHttp().GetHeaderMap().GetHeaders() {
		if header.GetKey() == "x-envoy-auth-partial-body" {
			parts = append(parts, fmt.Sprintf("%d bytes, cut: %s", len(attributes.GetRequest().GetHttp().GetRawBody()), header.GetRawValue()))
		}
	}
	return strings.Join(parts, "; ")
}

func firstOf(values map[string]any, keys ...string) any {
	for _, key := range keys {
		if value, has := values[key]; has {
			return value
		}
	}
	return nil
}

// startRecorder runs the shipped envoy.yaml with these edits before a recorder.
func startRecorder(t *testing.T, edits ...edit) (*environment, *recorder) {
	t.Helper()
	recorder := &recorder{}
	listener, err := testenv.Listen("")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	authv3.RegisterAuthorizationServer(server, recorder)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	envoy, err := testenv.StartEnvoy(t.Context(), testenv.EnvoyOptions{
		Doorward: listener.Addr().String(), Upstream: startUpstream(t).address,
		Edit: func(b *testenv.Bootstrap) error {
			for _, change := range edits {
				change(b)
			}
			b.Cluster("doorward").HealthChecks = nil
			return testenv.WithLongTimeouts(b)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := envoy.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &environment{envoy: envoy}, recorder
}

// post is a request of an MCP client with this body.
func post(body string) clientRequest {
	return clientRequest{method: "POST", body: body}.
		with("Content-Type", "application/json").with("Accept", "application/json, text/event-stream")
}

// typed is a call with another Content-Type.
func typed(contentType string) clientRequest {
	a := post(callEcho)
	a.headers = a.headers[1:]
	if contentType == "" {
		return a
	}
	return a.with("Content-Type", contentType)
}

func (a clientRequest) inChunks() clientRequest { a.chunked = true; return a }

// Bodies that several tests send.
const (
	callEcho  = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hi"}}}`
	listTools = `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}`
)

func callWith(arguments int) string {
	return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"` +
		strings.Repeat("a", arguments) + `"}}}`
}

// filterRow is a request, what doorward learns of it where the filter refuses
// nothing, as the file shows it, and the status of the answer where the filter
// is strict: 401 is doorward's.
type filterRow struct {
	intent string
	ask    clientRequest
	learns string
	strict int
}

// filterRows are facts of Envoy 1.40 that doorward's reading of the metadata relies on.
func filterRows() []filterRow {
	const modern, methodHeader, nameHeader = "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"
	accepting := func(accept string) clientRequest {
		a := post(callEcho)
		a.headers = a.headers[:1]
		return a.with("Accept", accept)
	}
	return []filterRow{
		{"a call", post(callEcho), "tools/call; echo", 401},
		{"in chunks", post(callWith(60000)).inChunks(), "tools/call; echo", 401},
		{"a list", post(listTools), "tools/list", 401},
		{"a resource", post(`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a"}}`), "resources/read; file:///a", 401},
		{
			"a completion", post(`{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"p"}}}`),
			"completion/complete; map[name:p type:ref/prompt]", 401,
		},
		{"any Accept", accepting("*/*"), "tools/call; echo", 401},
		{"half of Accept", accepting("application/json"), "none", 400},
		{"charset is ignored", typed("application/json; charset=utf-7"), "tools/call; echo", 401},
		{"so is an encoding", post(callEcho).with("Content-Encoding", "gzip"), "tools/call; echo", 401},
		{"another case of the type", typed("Application/JSON"), "none", 400},
		{"text", typed("text/plain"), "none", 400},
		{"no type", typed(""), "none", 400},
		{"two types", post(callEcho).with("Content-Type", "text/plain"), "none", 400},
		{"no body", post(""), "none", 400},
		{"a batch", post("[" + callEcho + "]"), "none", 400},
		{"two documents: the first, and a reason", post(listTools + "\n" + callEcho), "tools/list; mcp_not_jsonrpc", 400},
		{"a cut body", post(callEcho[:70]), "tools/call; echo; mcp_parse_error", 400},
		{"a lone surrogate", post(strings.Replace(callEcho, "echo", `a\ud800b`, 1)), "mcp_not_jsonrpc", 400},
		{"a byte-order mark", post("\xef\xbb\xbf" + callEcho), "mcp_parse_error", 400},
		{"no JSON", post("hello"), "mcp_not_jsonrpc", 400},
		{"a method twice: the last, and a reason", post(strings.Replace(listTools, `"params"`, `"method":"tools/call","params"`, 1)), "tools/call; mcp_duplicate_keys", 400},
		{"escaped", post(strings.Replace(listTools, `"params"`, `"\u006dethod":"tools/call","params"`, 1)), "tools/call; mcp_duplicate_keys", 400},
		{"deep", post(strings.Replace(callEcho, `"message":"hi"`, `"a":1,"a":2`, 1)), "tools/call; echo; mcp_duplicate_keys", 400},
		{"deep in a list: not seen", post(strings.Replace(callEcho, `"hi"`, `[{"a":1,"a":2}]`, 1)), "tools/call; echo", 401},
		{"another case of a name: not seen", post(strings.Replace(listTools, `"params"`, `"Method":"tools/call","params"`, 1)), "tools/list", 401},
		{"a name that is a number", post(strings.Replace(callEcho, `"echo"`, `7`, 1)), "tools/call; 7", 401},
		{"no name", post(strings.Replace(callEcho, `"name"`, `"nam"`, 1)), "tools/call", 401},
		{"a response", post(`{"jsonrpc":"2.0","id":1,"result":{}}`), "__jsonrpc_response", 401},
		{"a call beside a result: only the response", post(strings.Replace(callEcho, `"method"`, `"result":{},"method"`, 1)), "__jsonrpc_response; echo", 401},
		{"a list beside an error: only the response", post(strings.Replace(listTools, `"method"`, `"error":{},"method"`, 1)), "__jsonrpc_response", 401},
		{"larger than the limit", post(callWith(70000)), "tools/call; echo; mcp_body_too_large", 400},
		{"2 MiB", post(callWith(2 << 20)), "tools/call; echo; mcp_body_too_large", 400},
		{"headers that lie, of no revision", post(callEcho).with(methodHeader, "tools/list"), "tools/call; echo", 401},
		{"headers that lie, of 2026-07-28", post(callEcho).with(modern, "2026-07-28").with(methodHeader, "tools/list"), "tools/call; echo", 400},
		{"headers that lie, of the future", post(callEcho).with(modern, "9999-01-01").with(methodHeader, "tools/list"), "tools/call; echo", 401},
		{"a stream", clientRequest{}.with("Accept", "text/event-stream"), "none", 401},
		{"another GET", clientRequest{}, "none", 400},
		{"a GET with a body", clientRequest{body: callEcho}.with("Accept", "text/event-stream"), "none", 401},
		{"the end of a session", clientRequest{method: "DELETE"}.with("Mcp-Session-Id", "s"), "none", 401},
		{"a metadata document", clientRequest{path: "/.well-known/oauth-protected-resource/mcp"}, "none", 400},
		{"PUT", clientRequest{method: "PUT", headers: post("").headers, body: callEcho}, "none", 400},
		{
			"two names, of which strict mode compares the first", post(modernCall).with(modern, "2026-07-28").with(methodHeader, "tools/call").
				with(nameHeader, "echo").with(nameHeader, "delete_repo"), "tools/call; echo", 401,
		},
	}
}

// modernCall is what revision 2026-07-28 demands of a call.
const modernCall = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hi"},"_meta":{` +
	`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"},` +
	`"io.modelcontextprotocol/clientCapabilities":{}}}}`

// TestWhatTheFilterReports asks a real Envoy in both orders: with the filter of
// the file, which refuses nothing, and in strict mode, where Envoy refuses first.
func TestWhatTheFilterReports(t *testing.T) {
	testenv.RequireEnvoy(t)
	shown, learned := startRecorder(t, must(t, testenv.WithFilter))
	strict, strictly := startRecorder(t, must(t, testenv.WithFilter), func(b *testenv.Bootstrap) {
		filter := unpack(t, filterNamed(b, mcpFilter).GetTypedConfig(), &mcpv3.Mcp{})
		filter.TrafficMode = mcpv3.Mcp_REJECT_NO_MCP
		if err := filterNamed(b, mcpFilter).GetTypedConfig().MarshalFrom(filter); err != nil {
			t.Fatal(err)
		}
	})
	for _, row := range filterRows() {
		if got := shown.send(t, row.ask); got.status != 401 {
			t.Errorf("%s: %v before a Check", row.intent, got)
		}
		if got := learned.take(); got != row.learns {
			t.Errorf("%s: doorward learns %q, want %q", row.intent, got, row.learns)
		}
		got := strict.send(t, row.ask)
		if check := strictly.take(); got.status != row.strict || (check != "") != (got.status == 401) {
			t.Errorf("%s: in strict mode %v after a Check %q, want %d", row.intent, got, check, row.strict)
		}
	}
}

// TestWhichBodiesTravel asks with bodies of several sizes: with what the file
// shows, a Check is made for each, and its body is cut at the limit. Without the
// route's buffer limit Envoy answers 413 itself.
func TestWhichBodiesTravel(t *testing.T) {
	testenv.RequireEnvoy(t)
	const whole, cut = "none; %d bytes, cut: false", "none; 65536 bytes, cut: true"
	withoutBuffer := func(b *testenv.Bootstrap) {
		for _, route := range b.Host.GetRoutes() {
			route.RequestBodyBufferLimit = nil
		}
	}
	for _, variant := range []struct {
		name  string
		edits []edit
		large int // the status of a body of more than 32 KiB
	}{
		{"as shown", []edit{must(t, testenv.WithBodies)}, 401},
		{"without the buffer limit", []edit{must(t, testenv.WithBodies), withoutBuffer}, 413},
	} {
		t.Run(variant.name, func(t *testing.T) {
			h, learned := startRecorder(t, variant.edits...)
			for _, row := range []struct {
				intent string
				ask    clientRequest
				status int
				learns string
			}{
				{"a call", post(callEcho), 401, fmt.Sprintf(whole, len(callEcho))},
				{"no body", post(""), 401, "none"},
				{"of any method", clientRequest{body: callEcho}, 401, fmt.Sprintf(whole, len(callEcho))},
				{"60 KB", post(callWith(60000)), variant.large, fmt.Sprintf(whole, len(callWith(60000)))},
				{"60 KB in chunks", post(callWith(60000)).inChunks(), variant.large, fmt.Sprintf(whole, len(callWith(60000)))},
				{"above the limit", post(callWith(65536)), variant.large, cut},
				{"2 MiB", post(callWith(2 << 20)), variant.large, cut},
				{"2 MiB in chunks", post(callWith(2 << 20)).inChunks(), variant.large, cut},
			} {
				if row.status == 413 {
					row.learns = ""
				}
				got := h.send(t, row.ask)
				if learns := learned.take(); got.status != row.status || learns != row.learns {
					t.Errorf("%s: %v, doorward learns %q; want %d, %q", row.intent, got, learns, row.status, row.learns)
				}
			}
		})
	}
}

// TestBothWays: with the same limit in both, each request is answered, and the
// metadata and the body agree.
func TestBothWays(t *testing.T) {
	testenv.RequireEnvoy(t)
	h, learned := startRecorder(t, must(t, testenv.WithFilterAndBodies))
	for want, ask := range map[string]clientRequest{
		fmt.Sprintf("tools/call; echo; %d bytes, cut: false", len(callEcho)):        post(callEcho),
		fmt.Sprintf("tools/call; echo; %d bytes, cut: false", len(callWith(60000))): post(callWith(60000)).inChunks(),
		"tools/call; echo; mcp_body_too_large; 65536 bytes, cut: true":              post(callWith(2 << 20)),
		"__jsonrpc_response; 70 bytes, cut: false":                                  post(strings.Replace(listTools, `"method"`, `"result":{},"method"`, 1)),
	} {
		got := h.send(t, ask)
		if learns := learned.take(); got.status != 401 || learns != want {
			t.Errorf("%v, doorward learns %q, want %q", got, learns, want)
		}
	}
}

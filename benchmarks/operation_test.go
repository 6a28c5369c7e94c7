package benchmarks_test

import (
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/doorward/doorward/extauthz/resource"
)

// operations are the sources of one call of a tool, as Envoy sends them.
func operations(t testing.TB) map[string]func(*authv3.AttributeContext) {
	t.Helper()
	filter, err := structpb.NewStruct(map[string]any{
		"status": "mcp_ok", "is_mcp_request": true, "jsonrpc": "2.0", "id": 1, "method": "tools/call",
		"params": map[string]any{"name": "search"},
	})
	if err != nil {
		t.Fatal(err)
	}
	add := func(a *authv3.AttributeContext, pairs ...string) {
		http := a.GetRequest().GetHttp()
		for i := 0; i < len(pairs); i += 2 {
			http.HeaderMap.Headers = append(http.HeaderMap.Headers, &corev3.HeaderValue{Key: pairs[i], RawValue: []byte(pairs[i+1])})
		}
	}
	begin := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{"query":"`
	body := begin + strings.Repeat("a", 1024-len(begin)-4) + `"}}}`
	return map[string]func(*authv3.AttributeContext){
		"metadata": func(a *authv3.AttributeContext) {
			a.MetadataContext = &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{"envoy.filters.http.mcp": filter}}
		},
		"headers": func(a *authv3.AttributeContext) {
			headers := a.GetRequest().GetHttp().GetHeaderMap()
			headers.Headers = slices.DeleteFunc(headers.Headers, func(h *corev3.HeaderValue) bool {
				return strings.HasPrefix(h.GetKey(), "mcp-") // of an older revision, with a session
			})
			add(a, "mcp-protocol-version", "2026-07-28", "mcp-method", "tools/call", "mcp-name", "search")
		},
		"body": func(a *authv3.AttributeContext) {
			a.Request.Http.RawBody = []byte(body)
			add(a, "x-envoy-auth-partial-body", "false")
		},
	}
}

// withOperations has a few entries, of which the last one is for the call.
func (w *world) withOperations(t testing.TB) {
	t.Helper()
	after := *w.server.State()
	table, problems := resource.NewTable([]resource.Spec{{
		URI: resourceURI, Name: "benchmark", Issuers: []string{issuerURL}, Scopes: []string{"mcp:read"},
		MCP: resource.MCP{HeadersChecked: true, FilterMetadata: true},
		Operations: []resource.Operation{
			{Method: "tools/call", Name: "delete_*", Scopes: []string{"mcp:admin"}},
			{Method: "resources/read", Scopes: []string{"mcp:files"}},
			{Method: "tools/call", Scopes: []string{"mcp:write"}},
		},
	}}, nil)
	if table == nil {
		t.Fatal(problems)
	}
	after.Resources = table
	if err := w.server.Swap(&after); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkHotOperation is BenchmarkHotAnswer where the operation decides, by the source
// of it; "none" is the same request where it does not.
func BenchmarkHotOperation(b *testing.B) {
	run := func(name string, source func(*authv3.AttributeContext)) {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b, "RS256", 1, remember)
			if source != nil {
				w.withOperations(b)
				source(w.checks[0].GetAttributes())
			}
			wire, err := proto.Marshal(w.checks[0])
			if err != nil {
				b.Fatal(err)
			}
			w.ask(b)
			b.ReportAllocs()
			for b.Loop() {
				w.answer(wire)
			}
		})
	}
	run("none", nil)
	for name, source := range operations(b) {
		run(name, source)
	}
}

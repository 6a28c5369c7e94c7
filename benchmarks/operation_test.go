package benchmarks_test

import (
	"testing"

	"github.com/doorward/doorward/benchmarks/traffic"
	"github.com/doorward/doorward/extauthz/resource"
)

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
	run := func(name string, source traffic.Source) {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b, "RS256", 1, remember)
			if source != "" {
				w.withOperations(b)
				source.Show(w.checks[0])
			}
			wire := source.Encode(w.tokens[0], 0)
			w.ask(b)
			b.ReportAllocs()
			for b.Loop() {
				w.answer(wire)
			}
		})
	}
	run("none", "")
	for _, source := range traffic.Sources() {
		run(string(source), source)
	}
}

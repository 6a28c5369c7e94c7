package resource

import (
	"slices"
	"testing"
)

// TestOperationFor: the first match decides, by method and by name, byte for byte.
func TestOperationFor(t *testing.T) {
	operations := []Operation{
		{Method: "tools/call", Name: "search", Scopes: []string{"0"}},
		{Method: "tools/call", Name: "delete_*", Scopes: []string{"1"}},
		{Method: "tools/call", Scopes: []string{"2"}},
		{Method: "resources/subscribe", Name: "file:///own", Scopes: []string{"3"}},
		{Method: "resources/read", Name: "file:///*", Scopes: []string{"4"}},
		{Method: "prompts/get", Name: "*", Scopes: []string{"5"}},
		{Method: "*", Name: "file:///any", Scopes: []string{"6"}},
		{Method: "*", Name: "ab*", Scopes: []string{"7"}},
	}
	s := Spec{Operations: operations}
	for _, row := range []struct {
		method, name string
		want         int
	}{
		{"tools/call", "search", 0},
		{"tools/call", "Search", 2},
		{"tools/call", "search2", 2},
		{"tools/call", "delete_", 1},
		{"tools/call", "delete_repo", 1},
		{"tools/call", "delete", 2},
		{"tools/call", "xdelete_repo", 2},
		{"Tools/call", "search", -1},
		{"tools/list", "", -1},
		{"resources/read", "file:///a", 4},
		{"resources/read", "file:///own", 4},
		{"resources/read", "other:///a", -1},
		{"resources/read", "ab", 7},
		{"resources/subscribe", "file:///a", 4},
		{"resources/subscribe", "file:///own", 3},
		{"resources/unsubscribe", "file:///own", 4},
		{"resources/unsubscribe", "other:///a", -1},
		{"completion/complete", "file:///{path}", 4},
		{"completion/complete", "greeting", -1},
		{"notifications/resources/updated", "file:///a", -1},
		{"notifications/resources/updated", "file:///any", 6},
		{"prompts/get", "", 5},
		{"", "file:///any", -1},
		{"", "", -1},
	} {
		var want *Operation
		if row.want >= 0 {
			want = &operations[row.want]
		}
		if got := s.OperationFor(row.method, row.name); got != want {
			t.Errorf("%s %s: %+v, want %+v", row.method, row.name, got, want)
		}
	}
}

// TestReadCoversPrompts of no name that is a URI: an entry for resources/read with
// any name is no entry for the completion of a prompt.
func TestReadCoversPrompts(t *testing.T) {
	s := Spec{Operations: []Operation{{Method: "resources/read", Scopes: []string{"r"}}}}
	if s.OperationFor("completion/complete", "greeting") != nil || s.OperationFor("completion/complete", "a:b") == nil {
		t.Error("an entry for resources/read is for the completion of URIs alone")
	}
	own := Spec{Operations: append(s.Operations, Operation{Method: "completion/complete", Name: "a:*"})}
	if o := own.OperationFor("completion/complete", "a:b"); o != &own.Operations[1] {
		t.Errorf("its own entry, which comes later: %+v", o)
	}
	if o := own.OperationFor("completion/complete", "b:b"); o != &own.Operations[0] {
		t.Errorf("a URI without an entry of its own: %+v", o)
	}
	// An entry for every method is not their own: it does not take the place of one
	// for resources/read that comes before it.
	every := Spec{Operations: append(s.Operations, Operation{Method: "*"})}
	if o := every.OperationFor("resources/subscribe", "a:b"); o != &every.Operations[0] {
		t.Errorf("before an entry for every method: %+v", o)
	}
}

// TestAllowsAnonymous: what is listed, and nothing that an entry of Operations would
// cover.
func TestAllowsAnonymous(t *testing.T) {
	s := Spec{Anonymous: []Operation{{Method: "initialize"}, {Method: "tools/call", Name: "search"}, {Method: "resources/read"}}}
	for _, row := range []struct {
		method, name string
		want         bool
	}{
		{"initialize", "", true},
		{"tools/call", "search", true},
		{"tools/call", "search2", false},
		{"tools/call", "", false},
		{"tools/list", "", false},
		{"resources/read", "file:///a", true},
		{"resources/subscribe", "file:///a", false},
		{"", "", false},
	} {
		if got := s.AllowsAnonymous(row.method, row.name); got != row.want {
			t.Errorf("%s %s: %t", row.method, row.name, got)
		}
	}
	if (&Spec{Anonymous: []Operation{{Method: "*"}}}).AllowsAnonymous("tools/call", "delete") {
		t.Error("* is every method")
	}
}

// TestReadsOperation: each key that needs the operation of a request, and no other.
func TestReadsOperation(t *testing.T) {
	for _, row := range []struct {
		spec Spec
		want bool
	}{
		{Spec{}, false},
		{Spec{OperationsDefault: "resource", ChallengeScopes: "operation_and_granted", MCP: MCP{true, true, true, true}}, false},
		{Spec{AnonymousSessions: true, ExpiresHeader: true}, false},
		{Spec{Operations: []Operation{{Method: "*"}}}, true},
		{Spec{OperationsDefault: "deny"}, true},
		{Spec{Anonymous: []Operation{{Method: "initialize"}}}, true},
	} {
		if got := row.spec.ReadsOperation(); got != row.want {
			t.Errorf("%+v: %t", row.spec, got)
		}
		if got := row.spec.RefusesUnlisted(); got != (row.spec.OperationsDefault == "deny") {
			t.Errorf("%+v: refuses unlisted: %t", row.spec, got)
		}
		if got := row.spec.ChallengesWithGranted(); got != (row.spec.ChallengeScopes == "operation_and_granted") {
			t.Errorf("%+v: challenges with granted: %t", row.spec, got)
		}
	}
}

// TestConfiguredScopes: each once, in the order of the configuration.
func TestConfiguredScopes(t *testing.T) {
	s := Spec{
		Scopes: []string{"a", "b"}, ScopesAny: [][]string{{"c"}, {"b", "d"}},
		Operations: []Operation{{Scopes: []string{"e", "a"}}, {}, {Scopes: []string{"f"}}},
	}
	if got := s.ConfiguredScopes(); !slices.Equal(got, []string{"a", "b", "c", "d", "e", "f"}) {
		t.Errorf("%q", got)
	}
}

// TestLearntScopes: those of the document too, by their names here.
func TestLearntScopes(t *testing.T) {
	s := Spec{
		ScopePrefix: "p/", Scopes: []string{"a"}, Operations: []Operation{{Scopes: []string{"b"}}},
		Metadata: map[string]any{"scopes_supported": []any{"a", "p/c"}},
	}
	if got := s.LearntScopes(); !slices.Equal(got, []string{"a", "b", "a", "c"}) {
		t.Errorf("%q", got)
	}
}

// TestOperationsAreCopied: no later write of the caller reaches a table.
func TestOperationsAreCopied(t *testing.T) {
	s := spec("https://h.example")
	s.Operations = []Operation{{Method: "tools/call", Scopes: []string{"a"}, ACRValues: []string{"x"}}}
	s.Anonymous = []Operation{{Method: "initialize"}}
	table, problems := NewTable([]Spec{s}, nil)
	if table == nil {
		t.Fatal(problems)
	}
	s.Operations[0].Method, s.Operations[0].Scopes[0], s.Operations[0].ACRValues[0] = "y", "y", "y"
	s.Anonymous[0].Method = "y"
	r := table.All()[0]
	o := r.Operations[0]
	if o.Method != "tools/call" || o.Scopes[0] != "a" || o.ACRValues[0] != "x" || r.Anonymous[0].Method != "initialize" {
		t.Errorf("%+v %+v", r.Operations, r.Anonymous)
	}
}

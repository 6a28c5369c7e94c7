package policy

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
)

func resolved(t testing.TB) *jsonschema.Resolved {
	t.Helper()
	var schema jsonschema.Schema
	if err := json.Unmarshal(InputSchema(), &schema); err != nil {
		t.Fatal(err)
	}
	r, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// full is an Input with a value in every field, and full claims.
func full() Input {
	return Input{
		Request: &RequestValues{
			ID: "r-1", Method: "GET", Scheme: "https", Host: "mcp.example.com", Path: "/mcp",
			Query: map[string][]string{"a": {"1", "2"}}, Headers: map[string][]string{"x-a": {"b"}},
			SourceAddress: "192.0.2.1", SourcePrincipal: "spiffe://example.com/a", ClientAddress: "203.0.113.7",
		},
		Resource: Resource{
			Name: "weather", URI: "https://mcp.example.com/mcp", Audiences: []string{"api://a"}, Scopes: []string{"a"},
			Labels: map[string]string{"team": "a"}, Aliases: []string{"https://a.example.com"}, Clients: []string{"abc"},
			Parameters: map[string]string{"tenant": "acme"}, ScopesAny: [][]string{{"a"}, {"b", "c"}},
			OperationScopes: []string{"d"}, ACRValues: []string{"gold"}, MaxAge: time.Minute,
		},
		MCP: MCP{Method: "tools/call", Name: "search", ProtocolVersion: "2026-07-28", Source: "body", Trusted: true},
		Claims: map[string]any{
			"iss": "https://as.example.com", "aud": []any{"https://mcp.example.com/mcp"}, "exp": json.Number("1700000000"),
			"cnf": map[string]any{"jkt": "a"}, "scope": "a b", "own": []any{nil, true},
		},
		Token: Token{
			Issuer: "https://as.example.com", Client: "a", Scopes: []string{"a", "b"}, Profile: "rfc9068", Binding: "dpop", Tenant: "acme",
			BoundBy: "dedicated", Marked: true, SubjectAccepted: true, NoScopes: true, Dedicated: true,
			GenericAudiences: []string{"account"}, ClientIDPattern: "c-.*", SelfAsserted: true, Recent: true, Trusted: true,
		},
		Destination: &Destination{Host: "api.example.com", Path: "/v1", Token: "exchange"},
	}
}

// asJSON is what a rule sees, as JSON would carry it.
func asJSON(t testing.TB, in Input) map[string]any {
	t.Helper()
	v, err := everything().term(&in)
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := json.NewDecoder(bytes.NewReader([]byte(v.String()))).Decode(&document); err != nil {
		t.Fatal(err)
	}
	return document
}

// What the encoder writes is what the schema says, for the fullest input and
// the emptiest that can be (verification leaves exp in place).
func TestEncoderFollowsTheSchema(t *testing.T) {
	least := Input{Claims: map[string]any{"exp": json.Number("1")}, Token: Token{Profile: "standard"}}
	for intent, in := range map[string]Input{
		"full": full(), "least": least, "anonymous": {Resource: Resource{Anonymous: true}},
		"every path of a host": {Resource: Resource{Anonymous: true}, Destination: &Destination{Host: "a", Token: "keep"}},
	} {
		if err := resolved(t).Validate(asJSON(t, in)); err != nil {
			t.Errorf("%s: %v", intent, err)
		}
	}
}

// The schema is no formality: each of these is refused.
func TestSchemaRefuses(t *testing.T) {
	for intent, change := range map[string]func(map[string]any){
		"another direction":         func(d map[string]any) { d["direction"] = "out" },
		"no direction":              func(d map[string]any) { delete(d, "direction") },
		"no host":                   func(d map[string]any) { delete(d["destination"].(map[string]any), "host") },
		"another token":             func(d map[string]any) { d["destination"].(map[string]any)["token"] = "" },
		"an unknown member":         func(d map[string]any) { d["other"] = 1 },
		"an unknown request member": func(d map[string]any) { d["request"].(map[string]any)["methd"] = "GET" },
		"no method":                 func(d map[string]any) { delete(d["request"].(map[string]any), "method") },
		"another version":           func(d map[string]any) { d["version"] = 2 },
		"a header that is a string": func(d map[string]any) { d["request"].(map[string]any)["headers"] = map[string]any{"x-a": "b"} },
		"a header in capitals": func(d map[string]any) {
			d["request"].(map[string]any)["headers"] = map[string]any{"X-A": []any{"b"}}
		},
		"no exp":              func(d map[string]any) { delete(d["claims"].(map[string]any), "exp") },
		"another source":      func(d map[string]any) { d["mcp"].(map[string]any)["source"] = "" },
		"an age of text":      func(d map[string]any) { d["resource"].(map[string]any)["max_age"] = "60" },
		"no mark":             func(d map[string]any) { delete(d["token"].(map[string]any), "marked") },
		"no clients":          func(d map[string]any) { delete(d["resource"].(map[string]any), "clients") },
		"another way":         func(d map[string]any) { d["token"].(map[string]any)["bound_by"] = "" },
		"a scope of numbers":  func(d map[string]any) { d["claims"].(map[string]any)["scope"] = 1 },
		"an unknown profile":  func(d map[string]any) { d["token"].(map[string]any)["profile"] = "other" },
		"a label of a number": func(d map[string]any) { d["resource"].(map[string]any)["labels"] = map[string]any{"a": 1} },
	} {
		document := asJSON(t, full())
		change(document)
		if resolved(t).Validate(document) == nil {
			t.Errorf("%s is accepted", intent)
		}
	}
}

// The Go types and the schema have the same members: a field that is added to
// one and not to the other is found here.
func TestTypesFollowTheSchema(t *testing.T) {
	var schema jsonschema.Schema
	if err := json.Unmarshal(inputSchema, &schema); err != nil {
		t.Fatal(err)
	}
	for name, of := range map[string]reflect.Type{
		"request": reflect.TypeFor[RequestValues](), "resource": reflect.TypeFor[Resource](), "token": reflect.TypeFor[Token](),
		"mcp": reflect.TypeFor[MCP](), "destination": reflect.TypeFor[Destination](),
	} {
		var fields []string
		for i := range of.NumField() {
			fields = append(fields, snake(of.Field(i).Name))
		}
		var members []string
		for member, about := range schema.Properties[name].Properties {
			members = append(members, member)
			if about.Description == "" {
				t.Errorf("%s.%s has no description", name, member)
			}
		}
		slices.Sort(fields)
		slices.Sort(members)
		if diff := cmp.Diff(fields, members); diff != "" {
			t.Errorf("%s (-type +schema):\n%s", name, diff)
		}
	}
}

// snake writes SourceAddress as source_address, URI as uri, and ClientIDPattern as
// client_id_pattern.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		beginsWord := i+1 < len(name) && unicode.IsLower(rune(name[i+1]))
		if unicode.IsUpper(r) && i > 0 && (unicode.IsLower(rune(name[i-1])) || beginsWord) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

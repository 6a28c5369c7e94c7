package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/doorward/doorward/rego"
)

// builtIn is what the rules of the door read: neither exp nor jti nor sub, so
// that a new token of the same kind is nothing new.
func builtIn() []string {
	return []string{
		"claims.appid", "claims.aud", "claims.azp", "claims.cid", "claims.client_id", "claims.roles", "claims.scope", "claims.scp",
		"claims.acr", "resource.acr_values", "resource.aliases", "resource.anonymous", "resource.audiences", "resource.clients",
		"resource.operation_scopes", "resource.scopes", "resource.scopes_any", "resource.uri",
		"token.bound_by", "token.client_id_pattern", "token.dedicated", "token.generic_audiences", "token.marked", "token.no_scopes",
		"token.profile", "token.recent", "token.scopes", "token.self_asserted", "token.subject_accepted",
	}
}

// Exactly what a rule reads is in the dependencies, in every way to write it.
func TestFootprint(t *testing.T) {
	tests := []struct {
		intent, rules string
		want          []string // beside the built-in rules' own
	}{
		{"nothing", "", nil},
		{"a claim", `require.a if input.claims.tenant`, []string{"claims.tenant"}},
		{"a claim in brackets", `require.a if input.claims["a b"]`, []string{"claims.a b"}},
		{"a claim below a claim", `require.a if input.claims.realm_access.roles[_] == "a"`, []string{"claims.realm_access.roles"}},
		{"an element of a claim", `require.a if input.claims.groups[0] == "a"`, []string{"claims.groups"}},
		{"a claim and one that holds it", "require.a if input.claims.a.b\nrequire.b if input.claims.a", []string{"claims.a"}},
		{"a claim under a variable", `require.a if input.claims[data.name]`, []string{"claims"}},
		{"a claim under a claim", `require.a if input.claims[input.claims.name]`, []string{"claims"}},
		{"all claims", `require.a if count(input.claims) == 1`, []string{"claims"}},
		{"what is bound to a variable, as a whole", `require.a if { c := input.claims; c.tenant == "a" }`, []string{"claims"}},
		{"a claim by way of a rule", "require.a if me.tenant\nme := input.claims", []string{"claims"}},
		{"a claim by way of a function", "require.a if f(input.claims.tenant)\nf(x) if x", []string{"claims.tenant"}},
		{"a claim in a function", "require.a if f(1)\nf(x) if input.claims.tenant == x", []string{"claims.tenant"}},
		{"a claim in a head", `headers["x-a"] := input.claims.tenant`, []string{"claims.tenant"}},
		{"a claim in an element", `warn contains {"code": input.claims.tenant}`, []string{"claims.tenant"}},
		{"a claim in an else", "require.a if false\nelse := input.claims.tenant", []string{"claims.tenant"}},
		{"a claim in a comprehension", `require.a if count([x | x := input.claims.tenant[_]]) == 0`, []string{"claims.tenant"}},
		{"a claim under not", `require.a if not input.claims.tenant`, []string{"claims.tenant"}},
		{"a claim in an every", `require.a if every x in input.claims.a { x == input.claims.b }`, []string{"claims.a", "claims.b"}},
		{"a claim in an import", "import input.claims.tenant\nrequire.a if tenant", []string{"claims.tenant"}},
		{"a claim that nothing reads", "require.a if true\nhelper if input.claims.tenant", nil},
		{"a claim that is replaced", `require.a if data.doorward.audience.matches with input.claims.tenant as 1`, []string{"claims.tenant"}},
		{"a header", `require.a if input.request.headers["x-a"][0]`, []string{"request.headers.x-a"}},
		{"all headers", `require.a if input.request.headers[_][0] == "a"`, []string{"request.headers"}},
		{"a parameter", `require.a if input.request.query.q == ["a"]`, []string{"request.query.q"}},
		{"the method", `require.a if input.request.method == "POST"`, []string{"request.method"}},
		{"a label", `require.a if input.resource.labels.team == "a"`, []string{"resource.labels.team"}},
		{"all labels", `require.a if input.resource.labels[_] == "a"`, []string{"resource.labels"}},
		{"a parameter of a pattern", `require.a if input.resource.parameters.tenant == "a"`, []string{"resource.parameters.tenant"}},
		{"all parameters of a pattern", `require.a if input.resource.parameters[_] == "a"`, []string{"resource.parameters"}},
		{"the tenant", `require.a if input.token.tenant == "a"`, []string{"token.tenant"}},
		{"how the token is bound", `require.a if input.token.binding == "dpop"`, []string{"token.binding"}},
		{"the operation", `require.a if input.mcp.name == "search"`, []string{"mcp.name"}},
		{"all of the operation", `require.a if input.mcp[_] == "a"`, []string{"mcp.method", "mcp.name", "mcp.protocol_version", "mcp.source", "mcp.trusted"}},
		{"how old it may be", `require.a if input.resource.max_age < 60`, []string{"resource.max_age"}},
		{"the version", `require.a if input.version == 1`, []string{"version"}},
		{"all of the token", `require.a if count(input.token) == 4`, []string{"token.binding", "token.client", "token.issuer", "token.tenant", "token.trusted"}},
		{"all of the resource", `require.a if input.resource[_] == "a"`, []string{"resource.labels", "resource.max_age", "resource.name", "resource.parameters"}},
		{"all of the request", `require.a if input.request[_] == "a"`, []string{
			"request.headers", "request.host", "request.id", "request.method", "request.path", "request.query", "request.scheme",
			"request.source_address", "request.source_principal", "request.client_address",
		}},
		{"data alone", `require.a if data.name`, nil},
		{"a name that could be any", "require.a if input.claims[\"a\uFFFD\"]", []string{"claims"}},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			with := compileFor(t, map[string]string{"a.rego": "package authz\n\n" + tt.rules, "b.rego": "package authz.weather"})
			if with == nil {
				t.Fatal("not compiled")
			}
			var got []string
			for _, l := range with.For("plain").deps {
				if l.part != container {
					got = append(got, strings.Join(l.path, "."))
				}
			}
			want := append(builtIn(), tt.want...)
			if slices.Contains(want, "claims") {
				want = slices.DeleteFunc(want, func(path string) bool { return strings.HasPrefix(path, "claims.") })
			}
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The objects that every input has are there whatever is read.
func TestFootprintOfNothing(t *testing.T) {
	got, err := newInputDeps(nil).term(&Input{Request: &RequestValues{Method: "POST"}, Claims: map[string]any{"a": "b"}})
	want := roundTrip(t, map[string]any{
		"request": map[string]any{"query": map[string]any{}, "headers": map[string]any{}}, "resource": map[string]any{"labels": map[string]any{}, "parameters": map[string]any{}},
		"claims": map[string]any{}, "token": map[string]any{},
	})
	if err != nil || got.Compare(want) != 0 {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

// The scopes of the resource are part of each decision, though no rule read
// them.
func TestScopesOfTheResourceAreInEveryKey(t *testing.T) {
	memory := NewDecisionCache()
	memory.SetMaximum(1 << 20)
	e, problems := Compile(t.Context(), Sources{Cache: memory, Library: fstest.MapFS{
		"decision.rego": {Data: []byte("package doorward\n\ndecision := {\"outcome\": \"audience_mismatch\"}\n")},
	}})
	if e == nil {
		t.Fatal(problems)
	}
	for _, scope := range []string{"a", "b", "a"} {
		d, _, err := e.For("").Decide(t.Context(), Input{Resource: Resource{Scopes: []string{scope}}})
		if err != nil || !slices.Equal(d.Scopes, []string{scope}) {
			t.Errorf("scopes %q, want %q, error %v", d.Scopes, scope, err)
		}
	}
}

// Paths that are refused when they stand in a rule can still be what a rule
// comes to depend on: they are no dependency, or as much as can be read.
func TestFootprintOfWhatIsRefused(t *testing.T) {
	for path, want := range map[string][]string{
		"request.headers.authorization": nil,
		"request.headers.cookie":        nil,
		"request.headers.X-A":           {"request.headers.X-A"},
		"request.query.access_token":    nil,
		"request.method.x":              {"request.method"},
		"nothing.at.all":                nil,
		"request.nothing":               nil,
	} {
		var got []string
		for _, l := range newInputDeps([][]string{strings.Split(path, ".")}) {
			if l.part != container {
				got = append(got, strings.Join(l.path, "."))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// A package's rules are dependencies of the resources that name it.
func TestFootprintOfAPackage(t *testing.T) {
	with := compileFor(t, map[string]string{
		"a.rego": "package authz\n\nrequire.a if input.claims.a", "b.rego": "package authz.weather\n\nrequire.b if input.claims.b",
	})
	reads := func(name string) []string {
		var names []string
		for _, l := range with.For(name).deps {
			if l.part == claims && !slices.Contains(builtIn(), strings.Join(l.path, ".")) {
				names = append(names, l.below...)
			}
		}
		return names
	}
	if diff := cmp.Diff([]string{"a"}, reads("plain")); diff != "" {
		t.Errorf("without a package (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a", "b"}, reads("weather")); diff != "" {
		t.Errorf("with a package (-want +got):\n%s", diff)
	}
}

// What a decision reads of a request is known by name, or as all of a mapping;
// whether it reads how the token is bound comes beside it.
func TestRequestDependencies(t *testing.T) {
	wholeRequest := []string{
		"client_address", "headers", "host", "id", "method", "path", "query", "scheme", "source_address", "source_principal",
	}
	everyPart := append(slices.Clone(wholeRequest), "binding")
	for rules, want := range map[string][]string{
		"": nil,
		"require.a if input.request.headers[\"x-b\"]\nrequire.b if input.request.headers[\"x-a\"][0]": {"headers.x-a", "headers.x-b"},
		"require.a if input.request.query.b\nrequire.b if input.request.query.a":                      {"query.a", "query.b"},
		"require.a if input.request.query[_]\nrequire.b if input.request.query.a":                     {"query"},
		"require.a if input.request.headers":                                                          {"headers"},
		"require.a if input.request.id":                                                               {"id"},
		"require.a if input.request.method":                                                           {"method"},
		"require.a if input.request.scheme":                                                           {"scheme"},
		"require.a if input.request.host":                                                             {"host"},
		"require.a if input.request.path":                                                             {"path"},
		"require.a if input.request.source_address":                                                   {"source_address"},
		"require.a if input.request.source_principal":                                                 {"source_principal"},
		"require.a if input.request.client_address":                                                   {"client_address"},
		"require.a if input.token.binding":                                                            {"binding"},
		"require.a if input.token":                                                                    {"binding"},
		"require.a if input.request":                                                                  wholeRequest,
		"require.a if input":                                                                          everyPart,
		"require.a if input[data.name]":                                                               everyPart,
		"require.a if data.doorward.audience.matches with input as {}":                                everyPart,
	} {
		with := compileFor(t, map[string]string{"a.rego": "package authz\n\n" + rules, "b.rego": "package authz.weather"})
		var got []string
		for _, l := range with.For("plain").request {
			if l.part != container {
				got = append(got, strings.Join(l.path[1:], "."))
			}
		}
		if with.For("plain").deps.hasAll(tokenBinding) {
			got = append(got, "binding")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", rules, diff)
		}
	}
}

// What is missing, null and empty, and where one value ends, is in the key.
func TestKeysDiffer(t *testing.T) {
	values := []string{
		`{}`, `{"a": null}`, `{"a": false}`, `{"a": true}`, `{"a": ""}`, `{"a": "null"}`, `{"a": "a"}`, `{"a": 0}`, `{"a": "0"}`, `{"a": 10}`,
		`{"a": []}`, `{"a": [null]}`, `{"a": [""]}`, `{"a": ["", ""]}`, `{"a": [[]]}`, `{"a": [[], []]}`, `{"a": [["a"], "b"]}`, `{"a": [["a", "b"]]}`,
		`{"a": ["ab"]}`, `{"a": ["a", "b"]}`, `{"a": {}}`, `{"a": {"b": null}}`, `{"a": {"": ""}}`, `{"a": {"b": {}}}`, `{"a": {"b": [], "c": {}}}`, `{"a": {"b": {"c": {}}}}`,
	}
	whole := newInputDeps([][]string{{"claims", "a"}})
	keys := map[string]string{}
	for _, value := range values {
		in := fuzzed(value, "n", "v")
		key, ok := whole.appendKey(nil, &in)
		if before, twice := keys[string(key)]; twice || !ok {
			t.Errorf("%s has the key of %s", value, before)
		}
		keys[string(key)] = value
	}
	// Two values beside each other: neither takes a byte of the other.
	both := newInputDeps([][]string{
		{"token", "client"},
		{"token", "scopes"},
		{"request", "query", "q"},
		{"resource", "labels", "l"},
		{"token", "bound_by"},
		{"token", "tenant"},
		{"token", "marked"},
		{"token", "no_scopes"},
		{"token", "dedicated"},
		{"token", "self_asserted"},
		{"token", "subject_accepted"},
		{"token", "generic_audiences"},
		{"token", "client_id_pattern"},
		{"resource", "aliases"},
		{"resource", "clients"},
		{"resource", "parameters"},
		{"resource", "scopes_any"},
		{"resource", "operation_scopes"},
		{"resource", "acr_values"},
		{"resource", "max_age"},
		{"resource", "anonymous"},
		{"token", "recent"},
		{"token", "trusted"},
		{"direction"},
		{"destination"},
		{"mcp"},
	})
	clear(keys)
	for _, in := range []Input{
		{},
		{Token: Token{Client: "a", Scopes: []string{"b"}}},
		{Token: Token{Client: "ab"}},
		{Token: Token{Scopes: []string{"a", "b"}}},
		{Token: Token{Scopes: []string{"ab"}}},
		{Token: Token{Scopes: []string{"asb", "c"}}}, // s, the mark of a text, is a letter too
		{Token: Token{Scopes: []string{"a", "bsc"}}},
		{Token: Token{Scopes: []string{"a"}}, Request: &RequestValues{Query: map[string][]string{"q": {"b"}}}},
		{Request: &RequestValues{Query: map[string][]string{"q": {"b"}}}},
		{Request: &RequestValues{Query: map[string][]string{"q": {""}}}},
		{Request: &RequestValues{Query: map[string][]string{"q": {"a", "b"}}}},
		{Resource: Resource{Labels: map[string]string{"l": ""}}},
		{Resource: Resource{Labels: map[string]string{"l": "a"}}},
		{Resource: Resource{Aliases: []string{"a"}}},
		{Resource: Resource{Clients: []string{"a"}}},
		{Resource: Resource{Parameters: map[string]string{"a": "b"}}},
		{Resource: Resource{Parameters: map[string]string{"b": "a"}}},
		{Resource: Resource{ScopesAny: [][]string{{"a"}, {"b"}}}},
		{Resource: Resource{ScopesAny: [][]string{{"a", "b"}}}},
		{Resource: Resource{ScopesAny: [][]string{{"a", "b"}, {}}}},
		{Resource: Resource{OperationScopes: []string{"a"}}},
		{Resource: Resource{ACRValues: []string{"a"}}},
		{Resource: Resource{MaxAge: time.Second}},
		{Resource: Resource{MaxAge: 11 * time.Second}},
		{Resource: Resource{Anonymous: true}},
		{MCP: MCP{Method: "a"}},
		{MCP: MCP{Name: "a"}},
		{MCP: MCP{Method: "as", Name: "b"}},
		{MCP: MCP{Method: "a", Name: "sb"}},
		{MCP: MCP{ProtocolVersion: "a"}},
		{MCP: MCP{Source: "a"}},
		{MCP: MCP{Trusted: true}},
		{Token: Token{Recent: true}},
		{Token: Token{Trusted: true}},
		{Destination: &Destination{}},
		{Destination: &Destination{Host: "a"}},
		{Destination: &Destination{Path: "a"}},
		{Destination: &Destination{Token: "a"}},
		{Destination: &Destination{Host: "as", Path: "b"}},
		{Destination: &Destination{Host: "a", Path: "sb"}},
		{Token: Token{Marked: true}},
		{Token: Token{NoScopes: true}},
		{Token: Token{Dedicated: true}},
		{Token: Token{SelfAsserted: true}},
		{Token: Token{SubjectAccepted: true}},
		{Token: Token{Tenant: "a"}},
		{Token: Token{BoundBy: "a"}},
		{Token: Token{ClientIDPattern: "a"}},
		{Token: Token{GenericAudiences: []string{"a"}}},
	} {
		key, _ := both.appendKey(nil, &in)
		if before, twice := keys[string(key)]; twice {
			t.Errorf("%+v has the key of %s", in, before)
		}
		keys[string(key)] = fmt.Sprintf("%+v", in)
	}
}

// Two inputs have one key only if a policy sees the same in both.
func FuzzKey(f *testing.F) {
	f.Add(`{"a": "b", "c": ["d", null]}`, `{"a": "b", "c": ["d"]}`, "x-a", "value", "x-b", "value")
	f.Add(`{"a": null}`, `{}`, "x-a", "", "x-a", "")
	f.Add(`{"a": ""}`, `{"a": null}`, "q", "", "q", "a")
	f.Add(`{}`, `{"a": {}}`, "a", "bc", "ab", "c")
	f.Add(`{"a": [["b"], "c"]}`, `{"a": [["b", "c"]]}`, "authorization", "secret", "x", "")
	f.Add(`{"a": 1, "b": 10}`, `{"a": 1.0, "b": 1e1}`, "\xff", "\xff", "\xfe", "\uFFFD")
	f.Fuzz(func(t *testing.T, claims, otherClaims, name, value, otherName, otherValue string) {
		one, other := fuzzed(claims, name, value), fuzzed(otherClaims, otherName, otherValue)
		for _, paths := range [][][]string{
			{{}},
			{{"claims", "a"}},
			{{"claims", "a", "b"}, {"claims", "c"}},
			{{"request", "headers", "x-a"}, {"request", "query"}},
			{{"request", "headers"}, {"resource", "labels"}},
			{{"token"}, {"resource", "labels", "a"}},
			{{"mcp"}, {"resource", "operation_scopes"}, {"resource", "acr_values"}, {"resource", "max_age"}, {"token", "recent"}},
			{{"resource", "parameters"}, {"resource", "scopes_any"}, {"resource", "clients"}},
			{{"direction"}, {"destination"}},
			{{"destination", "path"}, {"claims", "a"}},
			{{"resource", "parameters", "x-a"}, {"token", "marked"}, {"token", "bound_by"}, {"token", "generic_audiences"}},
		} {
			deps := newInputDeps(paths)
			seen, err := deps.term(&one)
			otherSeen, otherErr := deps.term(&other)
			key, _ := deps.appendKey(nil, &one)
			otherKey, _ := deps.appendKey(nil, &other)
			same := string(key) == string(otherKey)
			switch {
			case err != nil || otherErr != nil:
				if same && (err == nil) != (otherErr == nil) {
					t.Fatalf("%v: one key, and one error: %v, %v", paths, err, otherErr)
				}
			case same && seen.Compare(otherSeen) != 0:
				t.Fatalf("%v: one key for\n%v\n%v", paths, seen, otherSeen)
			case !same && seen.String() == otherSeen.String() && onlyUTF8(claims+otherClaims+name+value+otherName+otherValue):
				t.Fatalf("%v: two keys for\n%v", paths, seen)
			}
		}
	})
}

func onlyUTF8(s string) bool { return strings.ToValidUTF8(s, "") == s && !strings.Contains(s, `\u`) }

func fuzzed(claims, name, value string) Input {
	decoder := json.NewDecoder(strings.NewReader(claims))
	decoder.UseNumber()
	var all map[string]any
	if decoder.Decode(&all) != nil {
		all = nil
	}
	in := Input{
		Claims: all,
		Request: &RequestValues{
			Host: value, ID: name,
			Headers: map[string][]string{name: {value}, "x-a": {value, name}}, Query: map[string][]string{name: {}, value: {name}},
		},
		Resource: Resource{
			Name: value, Labels: map[string]string{name: value, "a": name}, Scopes: []string{name, value},
			Parameters: map[string]string{name: value}, ScopesAny: [][]string{{name}, strings.Fields(value)}, Clients: []string{value},
			OperationScopes: strings.Fields(value), ACRValues: strings.Fields(name), MaxAge: time.Duration(len(name)) * time.Second,
		},
		MCP: MCP{Method: name, Name: value, ProtocolVersion: name, Source: value, Trusted: name == value},
		Token: Token{
			Client: name, Scopes: strings.Fields(value), BoundBy: value, Marked: name == "x-a", GenericAudiences: strings.Fields(name),
			Recent: value == "x-a",
		},
	}
	if name != value {
		in.Destination = &Destination{Host: name, Path: value, Token: name}
	}
	return in
}

// The rules that no team has a part in are compiled once for all.
func TestSharedRulesAreThereOnce(t *testing.T) {
	count := func(e *Engine) int {
		return len(e.compiler.GetRulesExact(ast.MustParseRef("data.doorward.audience.matches")))
	}
	alone, problems := Compile(t.Context(), Sources{Library: rego.Files})
	if alone == nil {
		t.Fatal(problems)
	}
	with := compileFor(t, map[string]string{"b.rego": "package authz.weather"})
	if count(alone) == 0 || count(with) != count(alone) {
		t.Errorf("%d definitions of audience.matches alone, %d beside a resource's own package", count(alone), count(with))
	}
}

// A rule needs the operation if it reads input.mcp, by name or as a member of all of
// input that is bound to a variable.
func TestRulesThatReadTheOperation(t *testing.T) {
	for rules, want := range map[string]bool{
		"": false,
		`require.a if input.request.headers["mcp-name"]`:                        false,
		`require.a if input.mcp.name == "search"`:                               true,
		`require.a if not input.mcp.name`:                                       true,
		`require.a if input.mcp`:                                                true,
		`require.a if input["mcp"].source != "none"`:                            true,
		"require.a if it.name == \"search\"\nit := input.mcp":                   true,
		"require.a if { it := input; it.mcp.name == \"search\" }":               true,
		"require.a if f(\"a\")\nf(x) if input.mcp.method == x":                  true,
		"require.a if false\nelse if input.mcp.method":                          true,
		`require.a if data.doorward.audience.matches with input as {}`:          false,
		`require.a if count(input) > 3`:                                         false,
		"require.a if true\nunused if input.mcp.name == \"nothing reads this\"": false,
	} {
		with := compileFor(t, map[string]string{"a.rego": "package authz\n\n" + rules, "b.rego": "package authz.weather"})
		if with == nil {
			t.Fatal(rules)
		}
		if got := with.For("plain").ReadsOperation(); got != want {
			t.Errorf("%s: %v", rules, got)
		}
		if with.For("weather").ReadsOperation() != want {
			t.Errorf("%s: not with the resource's own package", rules)
		}
	}
	own := compileFor(t, map[string]string{"a.rego": "package authz", "b.rego": "package authz.weather\n\nrequire.a if input.mcp.name"})
	if own.For("plain").ReadsOperation() || !own.For("weather").ReadsOperation() {
		t.Error("the package of one resource")
	}
}

// What the configuration fixes is in the key by its Fixed alone, and by nothing else:
// of two inputs that differ in one value the keys differ, unless Fixed replaces it,
// and then they differ without it. Each field of Fixed is in the key.
func TestKeysOfWhatIsFixed(t *testing.T) {
	deps := everything()
	of := func(fixed Fixed, change func(*Input)) string {
		in := full()
		in.Fixed = fixed
		change(&in)
		key, ok := deps.appendKey(nil, &in)
		if !ok {
			t.Fatal("no key")
		}
		return string(key)
	}
	same := func(*Input) {}
	one := Fixed{State: 1, Resource: "ab", Issuer: "c"}
	seen := map[string]Fixed{}
	for _, fixed := range []Fixed{
		{}, one, {2, "ab", "c"}, {1, "a", "bc"}, {1, "abc", ""}, {1, "", "abc"}, {1 << 32, "ab", "c"},
	} {
		key := of(fixed, same)
		if before, twice := seen[key]; twice {
			t.Errorf("%+v has the key of %+v", fixed, before)
		}
		seen[key] = fixed
	}
	fixed := map[string]func(*Input){
		"name":              func(in *Input) { in.Resource.Name = "x" },
		"uri":               func(in *Input) { in.Resource.URI = "x" },
		"audiences":         func(in *Input) { in.Resource.Audiences = nil },
		"scopes":            func(in *Input) { in.Resource.Scopes = nil },
		"labels":            func(in *Input) { in.Resource.Labels = nil },
		"aliases":           func(in *Input) { in.Resource.Aliases = nil },
		"clients":           func(in *Input) { in.Resource.Clients = nil },
		"parameters":        func(in *Input) { in.Resource.Parameters = nil },
		"scopes_any":        func(in *Input) { in.Resource.ScopesAny = nil },
		"no_scopes":         func(in *Input) { in.Token.NoScopes = false },
		"dedicated":         func(in *Input) { in.Token.Dedicated = false },
		"generic_audiences": func(in *Input) { in.Token.GenericAudiences = nil },
		"client_id_pattern": func(in *Input) { in.Token.ClientIDPattern = "" },
		"self_asserted":     func(in *Input) { in.Token.SelfAsserted = false },
	}
	others := map[string]func(*Input){
		"method":           func(in *Input) { requestOf(in).Method = "x" },
		"operation_scopes": func(in *Input) { in.Resource.OperationScopes = nil },
		"acr_values":       func(in *Input) { in.Resource.ACRValues = nil },
		"max_age":          func(in *Input) { in.Resource.MaxAge = 0 },
		"anonymous":        func(in *Input) { in.Resource.Anonymous = true },
		"claims":           func(in *Input) { in.Claims["own"] = "x" },
		"issuer":           func(in *Input) { in.Token.Issuer = "x" },
		"client":           func(in *Input) { in.Token.Client = "x" },
		"token scopes":     func(in *Input) { in.Token.Scopes = nil },
		"profile":          func(in *Input) { in.Token.Profile = "x" },
		"binding":          func(in *Input) { in.Token.Binding = "x" },
		"tenant":           func(in *Input) { in.Token.Tenant = "x" },
		"bound_by":         func(in *Input) { in.Token.BoundBy = "x" },
		"marked":           func(in *Input) { in.Token.Marked = false },
		"subject_accepted": func(in *Input) { in.Token.SubjectAccepted = false },
		"recent":           func(in *Input) { in.Token.Recent = false },
		"trusted":          func(in *Input) { in.Token.Trusted = false },
		"direction":        func(in *Input) { in.Destination = nil },
		"destination":      func(in *Input) { in.Destination = &Destination{Host: "x"} },
		"operation":        func(in *Input) { in.MCP.Name = "x" },
	}
	for name, change := range fixed {
		if of(Fixed{}, same) == of(Fixed{}, change) {
			t.Errorf("%s is in no key", name)
		}
		if of(one, same) != of(one, change) {
			t.Errorf("%s is in the key beside Fixed", name)
		}
	}
	for name, change := range others {
		if of(one, same) == of(one, change) {
			t.Errorf("%s is not in the key", name)
		}
	}
	count := 0
	for p := range parts {
		if p.isFixed() {
			count++
		}
	}
	if count != len(fixed) {
		t.Errorf("%d parts are fixed, %d have a row", count, len(fixed))
	}
}

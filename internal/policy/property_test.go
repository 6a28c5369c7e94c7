package policy

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/dependencies"

	"github.com/doorward/doorward/rego"
)

// writer writes random modules of a team and random requests, out of few enough
// names and values that they meet.
type writer struct{ *rand.Rand }

func (w writer) pick(from ...string) string { return from[w.IntN(len(from))] }

// claimNames are read by the built-in rules, by teams, or by nobody.
func claimNames() []string {
	return []string{"aud", "scope", "scp", "roles", "tenant", "org", "groups", "realm", "email_verified", "jti", "exp", "a b"}
}

// read is an expression that has some value of the input, or none.
func (w writer) read() string {
	claim := w.pick(claimNames()...)
	return w.pick(
		fmt.Sprintf("input.claims[%q]", claim), fmt.Sprintf("input.claims[%q][0]", claim), fmt.Sprintf("input.claims[%q].b", claim),
		"input.claims.realm.roles", "input.claims.realm.b.c", "input.claims.groups[_]",
		`input.claims[input.request.headers["x-a"][0]]`, `input.claims[input.token.profile]`,
		"input.request.method", "input.request.path", "input.request.host", "input.request.source_address", "input.request.source_principal", "input.request.client_address",
		`input.request.headers["x-a"][0]`, `input.request.headers["x-a"]`,
		"input.request.query.q", "input.request.query.q[0]", "input.request.query[input.request.method]",
		"input.resource.labels.team", "input.resource.labels[input.request.method]", "input.resource.name", "input.resource.audiences[0]",
		"input.token.scopes", "input.token.scopes[0]", "input.token.issuer", "input.token.client", "input.token.binding",
		"input.version", "input[input.request.method]",
		"input.direction", "input.destination.host", "input.destination.path", "input.destination", "input.token.trusted",
	)
}

// condition is an expression of some form that reads the input.
func (w writer) condition() string {
	read, other := w.read(), w.read()
	value := w.pick(`"a"`, `"b"`, `""`, `null`, `1`, `1.0`, `[]`, `["a"]`, `{}`, `{"b": "a"}`, `true`, `"POST"`)
	if w.IntN(3) == 0 {
		return w.alias(w.pick("input.claims.realm", "input.claims.realm.b", "input.claims.groups", read), value)
	}
	return w.pick(
		"true", "false", read, "not "+read,
		fmt.Sprintf("%s == %s", read, value), fmt.Sprintf("not %s == %s", read, value), fmt.Sprintf("%s != %s", read, other),
		fmt.Sprintf("x := %s; x == %s", read, value), fmt.Sprintf("x := %s; not x.b", read),
		"c := input.claims; c.tenant == c.org", "r := input.request; r.method == \"POST\"", "t := input.token; count(t.scopes) > 1",
		fmt.Sprintf("helps(%s)", read), "is_staff", "not is_staff", fmt.Sprintf("%s in {\"a\", \"b\"}", read),
		fmt.Sprintf("every x in [%s, %s] { x == %s }", read, other, value),
		fmt.Sprintf("count([1 | %s == %s]) == 1", read, value),
		fmt.Sprintf("count({x | some x in %s}) > 0", read),
		fmt.Sprintf("some k, v in %s; k == v", read),
		fmt.Sprintf("is_staff with input.claims.groups as %s", value),
		fmt.Sprintf("is_staff with input.claims.realm.roles as %s", value),
		fmt.Sprintf("helps(%s) with input.request as {\"method\": %s}", read, value),
		fmt.Sprintf("is_staff with input as {\"claims\": {\"groups\": [%s]}}", value),
		fmt.Sprintf("object.get(input.claims, \"tenant\", %s) == %s", value, value), fmt.Sprintf("object.get(input, [\"claims\", \"org\"], 1) == %s", value),
		fmt.Sprintf("json.marshal(%s) == json.marshal(%s)", read, value),
		fmt.Sprintf("walk(%s, [_, %s])", read, value), fmt.Sprintf("to_number(%s) == 1", read),
		fmt.Sprintf("data.table[%s]", read), fmt.Sprintf("data.rules[%s]", w.pick(`"r1"`, "_", read)), "data.doorward.audience.matches",
		fmt.Sprintf("time.now_ns() > 0; %s", read), "count(input.request) > 1", fmt.Sprintf("lower(%s) == \"a\"", read),
	)
}

// alias is a condition on a value that has another name first.
func (w writer) alias(read, value string) string {
	below := w.pick(".b", ".b.c", ".c", "[0]", `["b"]`, "[_]")
	return fmt.Sprintf(w.pick(
		"x := %[1]s; not x%[2]s", "x := %[1]s; x%[2]s == %[3]s", "x = %[1]s; not x%[2]s", "%[1]s = x; x%[2]s",
		"x := %[1]s; y := x.b; not y.c", "x := %[1]s; y := x; not y%[2]s", "x := %[1]s; not x == %[3]s", "x := %[1]s; x; not x%[2]s",
		"[x, y] := [%[1]s, %[3]s]; not x%[2]s", "{\"a\": x} := {\"a\": %[1]s}; not x.b", "some x in [%[1]s]; not x%[2]s",
		"every x in [%[1]s] { not x.b }", "count([x | x := %[1]s; not x%[2]s]) == 1", "count({y | x := %[1]s; y := x%[2]s}) == 0",
		"lacks(%[1]s)", "not lacks(%[1]s)", "not realm.b", "realm.b == %[3]s", "x := realm; not x.b.c", "not of(%[1]s).b", "of(%[1]s)%[2]s == %[3]s",
		"k := \"realm\"; not input.claims[k].b", "k := \"realm\"; x := input.claims[k]; not x%[2]s", "x := input.claims; not x.realm%[2]s",
		"input.claims.realm[k] == %[3]s; k != \"c\"", "x := %[1]s; x%[2]s with input.claims.realm as {\"b\": %[3]s}",
		"not lacks(input.claims.org) with input.claims.realm.b as %[3]s", "x := input.request; not x.headers[\"x-a\"]; not x.nothing",
	), read, below, value)
}

// module writes one package, whose rules fail now and then.
func (w writer) module(pkg string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "package %s\n\nhelps(x) if x == \"a\"\n\nhelps(x) if %s\n\n", pkg, "input.claims.org == x")
	b.WriteString("lacks(x) if not x.b\n\nof(x) := x\n\nrealm := input.claims.realm\n\n")
	fmt.Fprintf(&b, "is_staff if %s\n\nelse if \"a\" in input.claims.groups\n\nelse := false if %s\n\n", w.read(), w.read())
	for i := range 1 + w.IntN(4) {
		condition := w.condition()
		switch w.IntN(7) {
		case 0, 1:
			fmt.Fprintf(&b, "require.r%d if { %s }\n", i, condition)
		case 2:
			fmt.Fprintf(&b, "require.s%d := %s\n", i, w.read())
		case 3:
			fmt.Fprintf(&b, "deny contains {\"code\": %s, \"message\": %s} if { %s }\n", w.pick(`"a"`, `"b"`, w.read()), w.pick(`"m"`, w.read()), condition)
		case 4:
			fmt.Fprintf(&b, "scopes contains %s if { %s }\n", w.pick(`"mcp:read"`, `"mcp:admin"`, w.read()), condition)
		case 5:
			fmt.Fprintf(&b, "warn contains {\"code\": %s} if { %s }\n", w.pick(`"a"`, w.read()), condition)
		case 6:
			fmt.Fprintf(&b, "headers[\"x-h%d\"] := %s if { %s }\n", w.IntN(2), w.pick(`"a"`, w.read()), condition)
		}
	}
	return b.String()
}

// value is a claim of some type and depth.
func (w writer) value(depth int) any {
	kind := w.IntN(11)
	if depth == 0 {
		kind = w.IntN(8)
	}
	switch kind {
	case 0:
		return nil
	case 1:
		return ""
	case 2, 3:
		return w.pick("a", "b", resourceOf, "POST", "team")
	case 4:
		return json.Number(w.pick("1", "1.0", "1e0", "10", "-0"))
	case 5:
		return w.IntN(2) == 0
	case 6:
		return []any{}
	case 7:
		return map[string]any{}
	case 8:
		return []any{w.value(depth - 1), w.value(depth - 1)}
	default:
		return map[string]any{"b": w.value(depth - 1), w.pick("roles", "c"): w.value(depth - 1)}
	}
}

const resourceOf = "https://mcp.example.com/mcp"

// texts is a list of up to two.
func (w writer) texts() []string {
	list := []string{w.pick("a", "b", "", "\xff", "mcp:read"), w.pick("mcp:admin", "mcp:read")}
	return list[:w.IntN(3)]
}

func (w writer) input() Input {
	in := Input{
		Request: &RequestValues{
			ID: w.pick("", "1", "2"), Method: w.pick("POST", "a"), Scheme: "https", Host: w.pick("mcp.example.com", "a"), Path: w.pick("/mcp", "a"),
			Query: map[string][]string{}, Headers: map[string][]string{},
			SourceAddress: w.pick("", "a"), SourcePrincipal: w.pick("", "a"), ClientAddress: w.pick("", "a"),
		},
		Resource: Resource{
			Name: w.pick("weather", "plain"), URI: resourceOf, Audiences: w.texts(), Scopes: []string{"mcp:read"}[:w.IntN(2)], Labels: map[string]string{},
		},
		Claims: map[string]any{"aud": resourceOf, "jti": strconv.Itoa(w.IntN(1000)), "exp": json.Number(strconv.Itoa(w.IntN(1000)))},
		Token: Token{
			Issuer: w.pick("a", "b"), Client: w.pick("", "a"), Scopes: w.texts(), Profile: w.pick("standard", "rfc9068"), Binding: w.pick("", "dpop"),
			Tenant: w.pick("", "a"), BoundBy: w.pick("aud", "aud", "aud", "aud", "client", "dedicated", ""), Marked: w.IntN(3) > 0,
			NoScopes: w.IntN(2) == 0, Dedicated: w.IntN(2) == 0, SelfAsserted: w.IntN(8) == 0, SubjectAccepted: w.IntN(2) == 0,
			GenericAudiences: [][]string{nil, {resourceOf}}[w.IntN(2)], ClientIDPattern: w.pick("", "a|b"), Recent: w.IntN(5) > 0,
		},
	}
	if w.IntN(4) == 0 {
		in.Destination = &Destination{Host: w.pick("a", "mcp.example.com"), Path: w.pick("", "a"), Token: w.pick("keep", "none")}
	}
	if w.IntN(6) == 0 {
		in.Resource.OperationScopes, in.Resource.ACRValues = w.texts(), w.texts()
		in.Resource.MaxAge = time.Duration(w.IntN(2)) * time.Minute
	}
	if in.Resource.Anonymous = w.IntN(6) == 0; in.Resource.Anonymous && w.IntN(3) > 0 {
		in.Claims, in.Token = map[string]any{}, Token{}
	}
	in.MCP = MCP{
		Method: w.pick("", "POST", "a"), Name: w.pick("", "a"), ProtocolVersion: w.pick("", "a"),
		Source: w.pick("", "body"), Trusted: w.IntN(2) == 0,
	}
	in.Resource.Clients, in.Resource.ScopesAny = w.texts(), [][][]string{nil, nil, {{"a"}, {"mcp:read"}}}[w.IntN(3)]
	if w.IntN(8) == 0 {
		in.Resource.Parameters = map[string]string{"team": w.pick("a", "b")}
		in.Resource.Aliases = []string{resourceOf + w.pick("", "/a")}
	}
	for range w.IntN(3) {
		requestOf(&in).Query[w.pick("q", "POST", "access_token", "")] = w.texts()
		requestOf(&in).Headers[w.pick("x-a", "x-b", "authorization", "X-A")] = w.texts()
		in.Resource.Labels[w.pick("team", "POST", "other")] = w.pick("a", "b", "")
	}
	for range w.IntN(6) {
		w.claim(&in)
	}
	return in
}

// claim sets or removes one claim, the audience seldom.
func (w writer) claim(in *Input) {
	name := w.pick(claimNames()[w.IntN(20)/19:]...)
	if w.IntN(6) == 0 && name != "aud" {
		delete(in.Claims, name)
		return
	}
	if name != "aud" || w.IntN(4) == 0 {
		in.Claims[name] = w.value(2)
	}
}

// again is the same request with nothing or one thing changed.
func (w writer) again(in Input) Input {
	in.Claims = maps.Clone(in.Claims)
	switch w.IntN(6) {
	case 0, 1:
		in.Claims["jti"], in.Claims["exp"] = strconv.Itoa(w.IntN(1000)), json.Number("7")
	case 2, 3:
		w.claim(&in)
	case 4:
		in.Request = w.input().Request
	case 5:
		in.Token = w.input().Token
	}
	return in
}

// compileFor compiles modules by file name, with a memory; nil where they do not
// compile.
func compileFor(t testing.TB, files map[string]string) *Engine {
	t.Helper()
	memory := NewDecisionCache()
	memory.SetMaximum(64 << 20)
	e, problems := Compile(context.Background(), Sources{
		Library: rego.Files, Paths: []string{written(t, files)}, Packages: map[string]string{"weather": "authz.weather"}, Cache: memory,
		Egress: true,
	})
	if e == nil && len(problems) == 0 {
		t.Fatal("neither engine nor problem")
	}
	return e
}

// written puts files into a folder of their own.
func written(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var differential = flag.Int("differential", 4000, "generated requests for TestCachedDecisionEqualsUncached")

// Whatever a team writes and whoever asks: a remembered decision is the
// evaluated one, and a decision that is made from its dependencies alone is the
// one that is made from all of input.
//
//	go test -run TestCachedDecisionEqualsUncached -timeout 1h ./internal/policy/ -differential 1000000
func TestCachedDecisionEqualsUncached(t *testing.T) {
	const each = 200 // requests of one policy
	w := writer{rand.New(rand.NewPCG(1, 2))}
	data := `{"table": {"a": 1, "b": {"c": 2}}, "rules": {"r0": false}}`
	tried, remembered, refused := 0, 0, 0
	outcomes := map[Outcome]int{}
	for tried < *differential {
		files := map[string]string{"authz.rego": w.module("authz"), "weather.rego": w.module("authz.weather"), "data.json": data}
		with := compileFor(t, files)
		if with == nil {
			refused++
			continue
		}
		before := []Input{w.input()}
		for range each {
			tried++
			in := w.again(before[w.IntN(len(before))])
			if w.IntN(3) == 0 {
				in = w.input()
			}
			before = append(before, in)
			name := w.pick("weather", "plain")
			decides := with.For(name)
			got, from, err := decides.Decide(t.Context(), in)
			if in.Destination != nil && w.IntN(2) == 0 {
				got, from, err = decides.DecideEgress(t.Context(), in)
				decides = decides.egress
			}
			want, wantErr := wholeInput(t.Context(), decides, in)
			if from == Remembered {
				remembered++
			}
			outcomes[got.Outcome]++
			if diff := cmp.Diff(want, got); diff != "" || fmt.Sprint(wantErr) != fmt.Sprint(err) {
				t.Fatalf("resource %s, found %v: error %v, want %v (-whole input +decided):\n%s\ninput %+v\n%s\n%s", name, from, err, wantErr, diff, in, files["authz.rego"], files["weather.rego"])
			}
		}
	}
	t.Logf("%d requests, %d decisions remembered, outcomes %v; %d policies did not compile", tried, remembered, outcomes, refused)
	if remembered < tried/20 || refused > 3*tried/each || len(outcomes) < 5 {
		t.Error("the modules and requests are too much or too little alike")
	}
}

// wholeInput decides with all of input built and nothing remembered.
func wholeInput(ctx context.Context, j *Evaluator, in Input) (Decision, error) {
	whole := *j
	whole.deps = everything()
	return whole.evaluate(ctx, &in)
}

// A rule can tell an object without the member it asks for from an object that
// is not there.
func TestFootprintKeepsWhatIsThere(t *testing.T) {
	realms := []any{nil, false, "a", json.Number("1"), []any{}, []any{"b"}, map[string]any{}, map[string]any{"c": "d"}, map[string]any{"b": "d"}, map[string]any{"b": map[string]any{}}}
	for _, rule := range []string{
		"x := input.claims.realm; not x.b", "x := input.claims.realm; not x.b.c", "x := input.claims.realm.b; not x.c.d", "x := input.claims; not x.nothing",
		"x := input.request.headers; not x.nothing", "x := input.request.query; not x.nothing", "x := input.resource.labels; not x.nothing",
	} {
		with := compileFor(t, map[string]string{"a.rego": "package authz\n\nrequire.a if { " + rule + " }", "b.rego": "package authz.weather"})
		for i := range len(realms) + 1 {
			in := Input{Resource: Resource{URI: resourceOf}, Claims: map[string]any{"aud": resourceOf}, Token: Token{Recent: true, Profile: "standard", BoundBy: "aud"}}
			if i < len(realms) {
				in.Claims["realm"] = realms[i]
			}
			for range 2 {
				got, _, err := with.For("plain").Decide(t.Context(), in)
				want, wantErr := wholeInput(t.Context(), with.For("plain"), in)
				if err != nil || wantErr != nil || got.Outcome != want.Outcome {
					t.Errorf("%s with %v: outcome %v, error %v; with all of input %v, %v", rule, in.Claims, got.Outcome, err, want.Outcome, wantErr)
				}
			}
		}
	}
}

// What OPA says that a decision depends on is in the dependencies.
func TestFootprintHoldsWhatOPASays(t *testing.T) {
	w := writer{rand.New(rand.NewPCG(3, 4))}
	exact := 0
	for range 100 {
		files := map[string]string{"authz.rego": w.module("authz"), "weather.rego": w.module("authz.weather")}
		with := compileFor(t, files)
		if with == nil {
			continue
		}
		var paths [][]string
		for _, pkg := range []string{"authz", "authz.weather"} {
			refs, err := dependencies.Base(with.compiler, append(packageFolder(pkg), ast.InternedTerm("decision")))
			if err != nil {
				t.Fatal(err)
			}
			for _, ref := range refs {
				if ref[0].Equal(ast.InputRootDocument) {
					paths = append(paths, names(ref))
				}
			}
		}
		judge := with.For("weather")
		for _, l := range newInputDeps(paths) {
			if !holdsLeaf(judge.deps, l) {
				t.Errorf("%q is not in the dependencies\n%s\n%s", l.path, files["authz.rego"], files["weather.rego"])
			}
		}
		if len(newInputDeps(paths)) == len(judge.deps) {
			exact++
		}
	}
	t.Logf("%d are exactly what OPA says", exact)
}

func holdsLeaf(f inputDeps, l dependency) bool {
	for _, held := range f {
		if hasPrefix(l.path, held.path) {
			return true
		}
	}
	return false
}

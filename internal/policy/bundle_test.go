package policy_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/rego"
)

// weather is a bundle of one module and some data below its own root.
func weather(rules string) policy.Bundle {
	return policy.Bundle{
		Name: "weather", Roots: []string{"authz/require", "weather"},
		Modules: map[string]string{"authz/weather.rego": rules},
		Data:    map[string]any{"weather": map[string]any{"tenants": []any{"acme"}}},
	}
}

const tenantRule = "package authz.require\n\ntenant if input.claims.tenant in data.weather.tenants\n"

// compileWith compiles local files and bundles, and returns what is said.
func compileWith(t testing.TB, files map[string]string, missing []string, bundles ...policy.Bundle) (*policy.Engine, []string) {
	t.Helper()
	src := policy.Sources{Library: rego.Files, Bundles: bundles, Missing: missing}
	dir := ""
	if files != nil {
		dir = folder(t, files)
		src.Paths = []string{dir}
	}
	e, problems := policy.Compile(context.Background(), src)
	var lines []string
	for _, p := range problems {
		if dir != "" {
			p.File = strings.TrimPrefix(p.File, dir+"/")
		}
		lines = append(lines, line(p))
	}
	return e, lines
}

// TestABundleTightens as files do, with its data and beside files.
func TestABundleTightens(t *testing.T) {
	e, said := compileWith(t, map[string]string{
		"local.rego": "package authz\n\ndeny contains {\"code\": \"shut\", \"message\": data.local.why} if input.request.method == \"DELETE\"\n",
		"data.json":  `{"local": {"why": "never"}}`,
	}, nil, weather(tenantRule))
	if e == nil || len(said) > 0 {
		t.Fatalf("%q", said)
	}
	for _, test := range []struct {
		intent, tenant, method string
		want                   policy.Outcome
		rule                   string
	}{
		{"both agree", "acme", "POST", policy.Allowed, ""},
		{"the bundle denies", "other", "POST", policy.Denied, "authz.require.tenant"},
		{"the files deny", "acme", "DELETE", policy.Denied, "authz.deny"},
	} {
		in := request()
		in.Claims["tenant"], requestOf(&in).Method = test.tenant, test.method
		d, _, err := e.For("").Decide(t.Context(), in)
		if err != nil || d.Outcome != test.want || d.Rule != test.rule {
			t.Errorf("%s: %v by %q, %v", test.intent, d.Outcome, d.Rule, err)
		}
	}
}

func TestBundleProblems(t *testing.T) {
	with := func(change func(*policy.Bundle)) policy.Bundle {
		b := weather(tenantRule)
		change(&b)
		return b
	}
	for _, test := range []struct {
		intent  string
		files   map[string]string
		bundles []policy.Bundle
		want    []string
	}{
		{"two bundles want one place", nil, []policy.Bundle{
			weather(tenantRule),
			{Name: "other", Roots: []string{"weather/rain"}},
		}, []string{`bundle:other: its root "weather/rain" overlaps with "weather" of bundle weather: give each bundle roots of its own in .manifest`}},
		{"a root is compared by whole steps", nil, []policy.Bundle{weather(tenantRule), {Name: "other", Roots: []string{"weatherman"}}}, nil},
		{
			"a local rule below a root",
			map[string]string{"a.rego": "package authz\n\nrequire.other if true\n"},
			[]policy.Bundle{weather(tenantRule)},
			[]string{`a.rego:3:1: this rule is where bundle weather has its root "authz/require": move it to another package, or narrow the roots in the bundle's .manifest`},
		},
		{"a local rule beside a root", map[string]string{"a.rego": "package authz\n\nscopes contains \"a\"\n"}, []policy.Bundle{weather(tenantRule)}, nil},
		{
			"a local rule above a root",
			map[string]string{"a.rego": "package weather\n\nrain := 1\n"},
			[]policy.Bundle{with(func(b *policy.Bundle) { b.Roots = []string{"authz", "weather/rain/today"}; b.Data = nil })},
			[]string{`a.rego:3:1: this rule is where bundle weather has its root "weather/rain/today": move it to another package, or narrow the roots in the bundle's .manifest`},
		},
		{
			"local data below a root",
			map[string]string{"data.json": `{"weather": {"local": 1}}`},
			[]policy.Bundle{weather(tenantRule)},
			[]string{`data.json: data under weather is where bundle weather has its root "weather": move it, or narrow the roots in the bundle's .manifest`},
		},
		{
			"local data that a root would have to grow through",
			map[string]string{"data.json": `{"weather": 1}`},
			[]policy.Bundle{with(func(b *policy.Bundle) { b.Roots = []string{"authz", "weather/rain"}; b.Data = nil })},
			[]string{`data.json: data under weather is where bundle weather has its root "weather/rain": move it, or narrow the roots in the bundle's .manifest`},
		},
		{
			"local data beside a root",
			map[string]string{"data.json": `{"weather": {"local": 1}}`},
			[]policy.Bundle{with(func(b *policy.Bundle) {
				b.Roots, b.Data = []string{"authz", "weather/tenants"}, map[string]any{"weather": map[string]any{"tenants": []any{}}}
				b.Modules = map[string]string{"authz/weather.rego": tenantRule + "\nlocal if data.weather.local == 1\n"}
			})},
			nil,
		},
		{
			"the reserved package", nil,
			[]policy.Bundle{weather("package doorward\n\ndecision := 1\n")},
			[]string{"bundle:weather/authz/weather.rego:1:1: package doorward is reserved: write package authz, or a package of your own"},
		},
		{
			"reserved data", nil,
			[]policy.Bundle{with(func(b *policy.Bundle) { b.Data = map[string]any{"doorward": map[string]any{"requirements": []any{}}} })},
			[]string{"bundle:weather: data under doorward is reserved: put it under a name of your own"},
		},
		{
			"the contract", nil,
			[]policy.Bundle{weather("package authz\n\ndeny := true\n")},
			[]string{"bundle:weather/authz/weather.rego:3:1: deny is not a set here: write deny contains {\"code\": \"…\", \"message\": \"…\"} if …"},
		},
		{
			"syntax", nil,
			[]policy.Bundle{weather("package authz\n\nrequire.a if {\n")},
			[]string{"bundle:weather/authz/weather.rego:4:1: unexpected eof token: correct the syntax (Rego v1: `if` before a body, `contains` for a set)"},
		},
		{
			"does not compile", nil,
			[]policy.Bundle{weather("package authz\n\nrequire.a if nonsense(1)\n")},
			[]string{"bundle:weather/authz/weather.rego:3:14: undefined function nonsense" + typeRemedy},
		},
	} {
		t.Run(test.intent, func(t *testing.T) {
			e, said := compileWith(t, test.files, nil, test.bundles...)
			if diff := cmp.Diff(test.want, said); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if (e == nil) != (len(test.want) > 0) {
				t.Errorf("engine there: %v", e != nil)
			}
		})
	}
}

// TestAMissingBundle: what can be known is told, what the bundle may bring is
// not asked for, and nothing is decided.
func TestAMissingBundle(t *testing.T) {
	e, said := compileWith(t, map[string]string{"a.rego": "package authz\n\nrequire.a if data.weather.fine(input.claims)\n"}, []string{"weather"})
	if e == nil || len(said) > 0 {
		t.Fatalf("%q", said)
	}
	if d, _, err := e.For("").Decide(t.Context(), request()); d.Outcome != policy.Failed || err == nil || !strings.Contains(err.Error(), "weather") {
		t.Errorf("%v, %v", d.Outcome, err)
	}
	if diff := cmp.Diff([]string{"weather"}, e.Missing()); diff != "" {
		t.Error(diff)
	}
	if problems := e.SelfTest(t.Context(), time.Second, []policy.Target{{Resource: request().Resource}}); problems != nil {
		t.Errorf("tried: %v", problems)
	}
	if e, said := compileWith(t, map[string]string{"a.rego": "package authz\n\nrequire.a if nonsense(1)\n"}, []string{"weather"}); e != nil || len(said) != 1 {
		t.Errorf("what no bundle can cure: %q", said)
	}
}

// TestTry: what a team may say is no problem; what fails for a real request is.
func TestTry(t *testing.T) {
	doors := []policy.Target{{Resource: request().Resource, Issuer: "https://as.example.com"}}
	const trial = ": no decision on a trial request to example with "
	const then = ": correct the rule, every request must come to a decision"
	for _, test := range []struct {
		intent, rules string
		want          []string
	}{
		{"no rules", "", nil},
		{"everything is denied", "require.never if false\n", nil},
		{"claims that are not there", "require.company if endswith(input.claims.email, \"@example.com\")\n", nil},
		{"claims read as numbers", "deny contains {\"code\": \"a\", \"message\": \"\"} if to_number(input.claims.sub) < 0\n", nil},
		{
			"a rule with two values", "headers[\"x-a\"] := 1\n\nheaders[\"x-a\"] := 2\n",
			[]string{"5:1 a rule has several values at once in data.authz.headers"},
		},
		{
			"a built-in function that fails for every token", "require.a if time.parse_rfc3339_ns(input.claims.iss) > 0\n",
			[]string{"3:14 built-in function time.parse_rfc3339_ns failed in data.authz.require.a"},
		},
		{
			"the wrong shape, for a token without scopes alone", "deny contains {\"code\": \"NO\", \"message\": \"\"} if count(input.token.scopes) == 0\n",
			[]string{"3:1 a token without scopes: wrong shape: a code in authz.deny"},
		},
		{
			"the wrong shape, for a token with scopes alone", "deny contains {\"code\": \"NO\", \"message\": \"\"} if count(input.token.scopes) > 0\n",
			[]string{"3:1 the scopes that every request needs: wrong shape: a code in authz.deny"},
		},
		{
			"the wrong shape, for a token with nothing alone", "deny contains {\"code\": \"NO\", \"message\": \"\"} if not input.claims.sub\n",
			[]string{"3:1 a token of iss, aud and exp alone: wrong shape: a code in authz.deny"},
		},
		{
			"two rules fail, each for its own request",
			"require.a if {\n\tinput.request.method == \"GET\"\n\ttime.parse_rfc3339_ns(input.claims.iss) > 0\n}\n\n" +
				"require.b if {\n\tinput.request.method == \"POST\"\n\ttime.parse_rfc3339_ns(input.claims.iss) > 0\n}\n",
			[]string{"10:2 data.authz.require.b", "5:2 data.authz.require.a"},
		},
		{
			"of two denials the one of the wrong shape",
			"deny contains {\"code\": \"fine\", \"message\": \"\"}\n\ndeny contains {\"code\": lower(input.token.issuer), \"message\": \"\"}\n",
			[]string{"5:1 a code in authz.deny"},
		},
		{"a scope", "scopes contains \"fine\"\n\nscopes contains concat(\" \", [\"a\", input.token.issuer])\n", []string{"5:1 an element of authz.scopes"}},
		{"a warning", "warn contains {}\n\nwarn contains lower(input.token.issuer)\n", []string{"5:1 an element of authz.warn"}},
		{"a header", "headers[\"x-b\"] := \"\"\n\nheaders[\"x-a\"] := [input.token.issuer]\n", []string{"5:1 a value in authz.headers"}},
	} {
		t.Run(test.intent, func(t *testing.T) {
			problems := authz(t, test.rules).SelfTest(t.Context(), time.Minute, doors)
			if len(problems) != len(test.want) {
				t.Fatalf("%d problems: %v", len(problems), problems)
			}
			for i, p := range problems {
				at, what, _ := strings.Cut(test.want[i], " ")
				if got := line(p); !strings.Contains(got, "authz.rego:"+at+trial) || !strings.HasSuffix(got, then) || !strings.Contains(got, what) {
					t.Errorf("%s", got)
				}
			}
		})
	}
}

// TestTryEnds with the first rule that does not.
func TestTryEnds(t *testing.T) {
	resource := request().Resource
	doors := []policy.Target{{Resource: resource}, {Resource: resource}}
	problems := authz(t, "require.a if count(numbers.range(1, 1000000000)) > 0\n").SelfTest(t.Context(), 300*time.Millisecond, doors)
	if len(problems) != 1 || !strings.Contains(problems[0].Message, "took longer than limits.check_timeout") ||
		!strings.HasSuffix(problems[0].Message, " in authz.require.a") || problems[0].Line != 3 {
		t.Errorf("%v", problems)
	}
}

// TestTheTrialsAreSeen by rules that look at the request, the resource and the
// issuer, with the values that a real request has.
func TestTheTrialsAreSeen(t *testing.T) {
	for _, rules := range []string{
		`deny contains {"code": "NO", "message": ""} if input.request.path == "/mcp"`,
		`deny contains {"code": "NO", "message": ""} if input.request.host == "mcp.example.com"`,
		`deny contains {"code": "NO", "message": ""} if input.resource.labels.team == "weather"`,
		`deny contains {"code": "NO", "message": ""} if input.token.issuer == "https://as.example.com"`,
		`deny contains {"code": "NO", "message": ""} if input.request.method == "GET"`,
	} {
		if len(authz(t, rules+"\n").SelfTest(t.Context(), time.Minute, []policy.Target{{Resource: request().Resource, Issuer: "https://as.example.com"}})) == 0 {
			t.Errorf("no trial reaches %s", rules)
		}
	}
}

// TestAPackageInABundle is a resource's own as one in a file is: it is asked
// for, tried, and waited for.
func TestAPackageInABundle(t *testing.T) {
	compile := func(rules string, missing ...string) (*policy.Engine, finding.List) {
		src := policy.Sources{Library: rego.Files, Packages: map[string]string{"example": "authz.weather"}, Missing: missing}
		if rules != "" {
			src.Bundles = []policy.Bundle{{
				Name: "weather", Roots: []string{"authz/weather"},
				Modules: map[string]string{"a.rego": "package authz.weather\n\n" + rules},
			}}
		}
		return policy.Compile(t.Context(), src)
	}
	doors := []policy.Target{{Resource: policy.Resource{Name: "other", URI: resourceURI}}, {Resource: request().Resource}}
	e, problems := compile("require.never if false\n")
	if e == nil {
		t.Fatal(problems)
	}
	for resource, want := range map[string]policy.Outcome{"example": policy.Denied, "other": policy.Allowed} {
		if d, _, err := e.For(resource).Decide(t.Context(), request()); d.Outcome != want {
			t.Errorf("%s: %v, %v", resource, d.Outcome, err)
		}
	}
	if problems := e.SelfTest(t.Context(), time.Minute, doors); problems != nil {
		t.Errorf("%v", problems)
	}
	e, problems = compile("require.a if time.parse_rfc3339_ns(input.claims.aud) > 0\n")
	if e == nil {
		t.Fatal(problems)
	}
	if problems := e.SelfTest(t.Context(), time.Minute, doors); len(problems) != 1 || !strings.Contains(problems[0].Message, "a trial request to example") {
		t.Errorf("%v", problems)
	}
	if e, problems := compile("", "weather"); e == nil {
		t.Errorf("a missing bundle may have the package: %v", problems)
	}
	if e, _ := compile(""); e != nil {
		t.Error("a package that nobody wrote")
	}
}

package policy

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/rego"
)

// Whatever keeps decisions from being remembered is told at its place, with
// what to write instead; and what a team's rules do not reach is not.
func TestWhatIsNotRememberedIsTold(t *testing.T) {
	const (
		never   = "no decision that rests on this is remembered: "
		request = never + "the rule reads input.request.id, by itself or in all of input.request, which no two requests share: write the members that it needs, such as input.request.method"
		token   = "a decision that rests on this is remembered for one token alone: the rule reads all of input.claims: write the claims that it needs, such as input.claims.tenant"
	)
	type place struct {
		Line, Column int
		Message      string
	}
	now := func(line, column int) place {
		return place{line, column, never + "time.now_ns may give another answer each time: leave a token's life to its exp, which is checked before any rule, and put other dates into data"}
	}
	tests := []struct {
		intent, rules string
		cacheable     bool
		want          []place
	}{
		{"nothing", `require.a if input.claims.tenant == "a"`, true, nil},
		{"the time", `require.a if time.now_ns() > 0`, false, []place{now(3, 14)}},
		{"the time inside another call", "require.a if {\n\ttime.clock(time.now_ns())[0] > 6\n}", false, []place{now(4, 13)}},
		{"the time in a helper", "require.a if late(1)\n\nlate(x) if time.now_ns() > x", false, []place{now(5, 12)}},
		{"the time in a head", "warn contains {\"code\": \"a\", \"at\": time.now_ns()}", false, []place{now(3, 35)}},
		{"the time in a comprehension", "require.a if count([x | x := time.now_ns()]) == 1", false, []place{now(3, 30)}},
		{"the time in an else", "require.a if input.claims.a\n\nelse := true if time.now_ns() > 0", false, []place{now(5, 1)}},
		{"chance by another name", `require.a if lower("a") == "a" with lower as uuid.rfc4122`, false, []place{
			{3, 32, never + "uuid.rfc4122 may give another answer each time: let a claim, a header or data decide, not chance"},
		}},
		{"the time in a rule that nothing reads", "require.a := true\n\nlate if time.now_ns() > 0", true, nil},
		{"twice the time", "require.a if time.now_ns() > 0\nrequire.b if time.now_ns() > 0", false, []place{now(3, 14), now(4, 14)}},
		{"chance", `require.a if rand.intn("a", 2) == 1`, false, []place{
			{3, 14, never + "rand.intn may give another answer each time: let a claim, a header or data decide, not chance"},
		}},
		{"a token verified by a rule", `require.a if io.jwt.decode_verify(input.claims.inner, {})[0]`, false, []place{
			{3, 14, never + "io.jwt.decode_verify may give another answer each time: the token is verified before any rule, read input.claims"},
		}},
		{"certificates, whose time counts", `require.a if crypto.x509.parse_and_verify_certificates("a")[0]`, false, []place{
			{3, 14, never + "crypto.x509.parse_and_verify_certificates may give another answer each time: write the rule with other functions, or put the result into data"},
		}},
		{"the request id", `require.a if input.request.id`, false, []place{{3, 1, request}}},
		{"all of the request", `require.a if count(input.request) > 1`, false, []place{{3, 1, request}}},
		{"all of the input", `require.a if object.get(input, "a", true)`, false, []place{{3, 1, request}}},
		{"a function of all of the input", "require.a if f(input)\n\nf(x) if x.claims", false, []place{{3, 1, request}}},
		{"all headers", `require.a if input.request.headers[_][0] == "a"`, false, []place{
			{3, 1, never + "the rule reads all headers, x-request-id among them, which no two requests share: write the headers that it needs, such as input.request.headers[\"x-tenant\"]"},
		}},
		{"the request by way of a variable", `require.a if { r := input.request; r.method == "GET" }`, false, []place{{3, 1, request}}},
		{"all claims", `require.a if object.get(input.claims, "a", true)`, true, []place{{3, 1, token}}},
		{"all claims in a helper", "require.a if f\n\nf if input.claims[_] == 1", true, []place{{5, 1, token}}},
		{"claims by way of a variable", `require.a if { c := input.claims; c.tenant == "a" }`, true, []place{{3, 1, token}}},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			files := map[string]string{"a.rego": "package authz\n\n" + tt.rules, "b.rego": "package authz.weather"}
			with, problems := compileWith(t, files)
			if with == nil {
				t.Fatal(problems)
			}
			var got []place
			for _, p := range problems {
				if !strings.HasPrefix(p.Message, "late decides nothing") {
					got = append(got, place{p.Line, p.Column, p.Message + ": " + p.Fix})
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if with.For("plain").Cacheable() != tt.cacheable || with.For("weather").Cacheable() != tt.cacheable {
				t.Errorf("cacheable %v, want %v", !tt.cacheable, tt.cacheable)
			}
		})
	}
}

// A team that reads the clock costs no other team its memory.
func TestCacheableByPackage(t *testing.T) {
	with, _ := compileWith(t, map[string]string{"a.rego": "package authz", "b.rego": "package authz.weather\n\nrequire.a if time.now_ns() > 0"})
	if with.For("weather").Cacheable() || !with.For("plain").Cacheable() {
		t.Error("the clock of one team is another's")
	}
}

func compileWith(t *testing.T, files map[string]string) (*Engine, finding.List) {
	t.Helper()
	return Compile(t.Context(), Sources{Library: rego.Files, Paths: []string{written(t, files)}, Packages: map[string]string{"weather": "authz.weather"}})
}

// What may be remembered is a list of functions that OPA has, and that it does
// not say are different each time; and the built-in rules keep to it.
func TestRepeatable(t *testing.T) {
	for _, name := range repeatable() {
		if b := ast.BuiltinMap[name]; b == nil || b.Nondeterministic {
			t.Errorf("%s: not a function of OPA, or one that is different each time", name)
		}
	}
	for _, name := range []string{"time.now_ns", "rand.intn", "uuid.rfc4122", "http.send", "opa.runtime", "io.jwt.decode_verify", "crypto.x509.parse_and_verify_certificates", "trace", "print"} {
		if slices.Contains(repeatable(), name) {
			t.Errorf("%s is among them", name)
		}
	}
	with, _ := compileWith(t, map[string]string{"b.rego": "package authz.weather"})
	if !with.For("").Cacheable() || !with.For("weather").Cacheable() {
		t.Error("the built-in rules keep decisions from being remembered")
	}
}

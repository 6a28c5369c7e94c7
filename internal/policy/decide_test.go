package policy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/policy"
)

var strip = policy.Strip{Headers: []string{"authorization", "dpop"}, Query: []string{"access_token"}}

func TestBuiltInRulesAlone(t *testing.T) {
	e := alone(t)
	tests := []struct {
		intent string
		change func(*policy.Input)
		want   policy.Decision
	}{
		{"all holds", func(*policy.Input) {}, policy.Decision{
			Outcome: policy.Allowed, Strip: strip, Scopes: []string{"mcp:write", "mcp:read"},
		}},
		{"AU-2: another audience", func(in *policy.Input) { in.Claims["aud"] = "https://other.example.com" }, policy.Decision{
			Outcome: policy.AudienceMismatch, Scopes: []string{"mcp:write", "mcp:read"},
		}},
		{"AU-2: no claims at all", func(in *policy.Input) { in.Claims = nil }, policy.Decision{
			Outcome: policy.AudienceMismatch, Scopes: []string{"mcp:write", "mcp:read"},
		}},
		{"a scope is missing", func(in *policy.Input) { in.Token.Scopes = []string{"mcp:read", "MCP:WRITE"} }, policy.Decision{
			Outcome: policy.InsufficientScope, Scopes: []string{"mcp:write", "mcp:read"},
		}},
		{"all scopes are missing", func(in *policy.Input) { in.Token.Scopes = nil }, policy.Decision{
			Outcome: policy.InsufficientScope, Scopes: []string{"mcp:write", "mcp:read"},
		}},
		{"no scopes needed", func(in *policy.Input) { in.Resource.Scopes, in.Token.Scopes = nil, nil }, policy.Decision{
			Outcome: policy.Allowed, Strip: strip,
		}},
		{"AU-4: a further audience", func(in *policy.Input) {
			in.Resource.Audiences, in.Claims["aud"] = []string{"api://app"}, []any{"api://app"}
		}, policy.Decision{Outcome: policy.Allowed, Strip: strip, Scopes: []string{"mcp:write", "mcp:read"}}},
		{"a scope of the operation", func(in *policy.Input) { in.Resource.OperationScopes = []string{"mcp:read", "a"} }, policy.Decision{
			Outcome: policy.InsufficientScope, Scopes: []string{"mcp:write", "mcp:read", "a"},
		}},
		{"RFC 9470: acr, before scopes", func(in *policy.Input) {
			in.Resource.ACRValues, in.Token.Scopes = []string{"gold"}, nil
		}, policy.Decision{Outcome: policy.InsufficientUserAuthentication, Scopes: []string{"mcp:write", "mcp:read"}}},
		{"RFC 9470: auth_time", func(in *policy.Input) { in.Token.Recent = false }, policy.Decision{
			Outcome: policy.InsufficientUserAuthentication, Scopes: []string{"mcp:write", "mcp:read"},
		}},
		{"RFC 9470: both hold", func(in *policy.Input) {
			in.Resource.ACRValues, in.Claims["acr"] = []string{"silver", "gold"}, "gold"
		}, policy.Decision{Outcome: policy.Allowed, Strip: strip, Scopes: []string{"mcp:write", "mcp:read"}}},
		{"anonymous", func(in *policy.Input) { in.Resource.Anonymous, in.Claims, in.Token = true, nil, policy.Token{} }, policy.Decision{
			Outcome: policy.AllowedAnonymous, Strip: strip, Scopes: []string{"mcp:write", "mcp:read"},
		}},
		{"nothing at all", func(in *policy.Input) { *in = policy.Input{} }, policy.Decision{Outcome: policy.AudienceMismatch}},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			in := request()
			tt.change(&in)
			got, err := decide(t.Context(), e, in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTeamRules(t *testing.T) {
	tests := []struct {
		intent string
		rules  string
		want   policy.Decision
	}{
		{"require holds", `require.tenant if input.claims.tenant == "acme"`, policy.Decision{Outcome: policy.Allowed}},
		{
			"require is undefined", `require.tenant if input.claims.tenant == "other"`,
			policy.Decision{Outcome: policy.Denied, Rule: "authz.require.tenant"},
		},
		{
			"require looks at what is missing", `require.org if input.claims.org == "acme"`,
			policy.Decision{Outcome: policy.Denied, Rule: "authz.require.org"},
		},
		{
			"require is false", `require.tenant := input.claims.tenant == "other"`,
			policy.Decision{Outcome: policy.Denied, Rule: "authz.require.tenant"},
		},
		{`require is "true"`, `require.tenant := "true"`, policy.Decision{Outcome: policy.Denied, Rule: "authz.require.tenant"}},
		{"require is truthy", `require.tenant := 1`, policy.Decision{Outcome: policy.Denied, Rule: "authz.require.tenant"}},
		{"require is an object of true", `require.tenant := {"ok": true}`, policy.Decision{Outcome: policy.Denied, Rule: "authz.require.tenant"}},
		{
			"a default of false", "default require.tenant := false\nrequire.tenant if input.claims.tenant == \"other\"",
			policy.Decision{Outcome: policy.Denied, Rule: "authz.require.tenant"},
		},
		{
			"an unknown client is absent, not empty", `require.client if input.request.source_principal`,
			policy.Decision{Outcome: policy.Denied, Rule: "authz.require.client"},
		},
		{
			"of several requirements the first by name", "require.b := false\nrequire.a := false\nrequire.c := true",
			policy.Decision{Outcome: policy.Denied, Rule: "authz.require.a"},
		},
		{
			"deny", `deny contains {"code": "closed", "message": "on Sundays"}`,
			policy.Decision{Outcome: policy.Denied, Rule: "authz.deny", Code: "closed", Message: "on Sundays"},
		},
		{
			"deny that does not apply", `deny contains {"code": "closed", "message": ""} if input.claims.tenant == "other"`,
			policy.Decision{Outcome: policy.Allowed},
		},
		{"of several denials the first by code, then message", `deny contains {"code": c, "message": m} if {
				some c in ["b", "a"]
				some m in ["2", "1"]
			}`, policy.Decision{Outcome: policy.Denied, Rule: "authz.deny", Code: "a", Message: "1"}},
		{
			"deny wins over require", "require.a := false\ndeny contains {\"code\": \"z\", \"message\": \"\"}",
			policy.Decision{Outcome: policy.Denied, Rule: "authz.deny", Code: "z"},
		},
		{"a scope the token has", `scopes contains "mcp:read"`, policy.Decision{Outcome: policy.Allowed}},
		{
			"scopes the token lacks", "scopes contains \"b\"\nscopes contains \"a\"\nscopes contains \"mcp:read\"",
			policy.Decision{Outcome: policy.InsufficientScope, Scopes: []string{"mcp:write", "mcp:read", "a", "b"}},
		},
		{
			"denied before scopes are missing, with all of them", "scopes contains \"a\"\nrequire.x := false",
			policy.Decision{Outcome: policy.Denied, Rule: "authz.require.x", Scopes: []string{"mcp:write", "mcp:read", "a"}},
		},
		{
			"warn never denies", `warn contains {"code": c, "message": "m", "other": 1} if some c in ["b", "a"]`,
			policy.Decision{Outcome: policy.Allowed, Warnings: []policy.Message{{"authz.warn", "a", "m", "a"}, {"authz.warn", "b", "m", "b"}}},
		},
		{
			"warn of any members", "warn contains {}\nwarn contains {\"code\": 1, \"message\": \"m\"}",
			policy.Decision{Outcome: policy.Allowed, Warnings: []policy.Message{{Rule: "authz.warn"}, {Rule: "authz.warn", Message: "m"}}},
		},
		{
			"headers", "headers[\"x-tenant\"] := input.claims.tenant\nheaders[\"x-org\"] := input.claims.org",
			policy.Decision{Outcome: policy.Allowed, Headers: map[string]string{"x-tenant": "acme"}},
		},
		{
			"no headers on a refusal", "headers[\"x-tenant\"] := \"a\"\nrequire.x := false",
			policy.Decision{Outcome: policy.Denied, Rule: "authz.require.x"},
		},
		{
			"a helper of the team", "require.staff if is_staff\nis_staff if \"staff\" in input.claims.groups",
			policy.Decision{Outcome: policy.Allowed},
		},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			got, err := decide(t.Context(), authz(t, tt.rules), request())
			if err != nil {
				t.Fatal(err)
			}
			if tt.want.Outcome == policy.Allowed {
				tt.want.Strip = strip
			}
			if tt.want.Scopes == nil {
				tt.want.Scopes = []string{"mcp:write", "mcp:read"}
			}
			if diff := cmp.Diff(tt.want, firstDenial(t, got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// firstDenial is a decision without the list of all that said no, of which it
// tells the first.
func firstDenial(t *testing.T, d policy.Decision) policy.Decision {
	t.Helper()
	switch {
	case (d.Outcome == policy.Denied) != (len(d.Denials) > 0):
		t.Errorf("%d with the denials %v", d.Outcome, d.Denials)
	case d.Outcome == policy.Denied && (d.Denials[0].Rule != d.Rule || d.Denials[0].Code != d.Code || d.Denials[0].Message != d.Message):
		t.Errorf("%s %s %q is told, and not the first of %v", d.Rule, d.Code, d.Message, d.Denials)
	}
	d.Denials = nil
	return d
}

// TestAllThatSaidNo is in the decision, each with what a metric may count it
// by: a code that a request can choose is not among that.
func TestAllThatSaidNo(t *testing.T) {
	e := authz(t, `require.b if input.claims.org

require.a if false

require.held if startswith(input.claims.tenant, "ac")

deny contains {"code": "z", "message": input.claims.tenant}

deny contains {"code": input.claims.tenant, "message": "chosen"}

deny contains {"code": concat("_", ["a", input.claims.tenant]), "message": "chosen"}

warn contains {"code": input.claims.tenant}

warn contains denial if some denial in {{"code": "z"}, {"code": "Not A Code"}}`)
	want := policy.Decision{
		Denials: []policy.Message{
			{"authz.deny", "a_acme", "chosen", ""},
			{"authz.deny", "acme", "chosen", ""},
			{"authz.deny", "z", "acme", "z"},
			{Rule: "authz.require.a"},
			{Rule: "authz.require.b"},
		},
		Warnings: []policy.Message{{"authz.warn", "Not A Code", "", ""}, {"authz.warn", "acme", "", ""}, {"authz.warn", "z", "", "z"}},
	}
	got, err := decide(t.Context(), e, request())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, policy.Decision{Denials: got.Denials, Warnings: got.Warnings}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What a team gets wrong at run time is an error, never an allow; and the error
// names the place, and no value of the input.
func TestMisuseFailsClosed(t *testing.T) {
	const secret = "acme"
	tests := []struct {
		intent, rules, want string
	}{
		{
			"a built-in fails", `require.a if to_number(input.claims.tenant) == 1`,
			"policy: built-in function to_number failed in data.authz.require.a at authz.rego:3 (eval_builtin_error)",
		},
		{
			"a built-in fails under not: without strict errors this would allow",
			`require.a if not to_number(input.claims.tenant) == 1`,
			"policy: built-in function to_number failed in data.authz.require.a at authz.rego:3 (eval_builtin_error)",
		},
		{
			"a built-in fails in deny: without strict errors this would allow",
			`deny contains {"code": "a", "message": ""} if to_number(input.claims.tenant) == 1`,
			"policy: built-in function to_number failed in data.authz.deny at authz.rego:3 (eval_builtin_error)",
		},
		{
			"a built-in gets the wrong type", `require.a if not lower(input.claims.groups) == "a"`,
			"policy: built-in function lower failed in data.authz.require.a at authz.rego:3 (eval_type_error)",
		},
		{
			"a rule with two values", "require.a := true\nrequire.a := false if input.claims.tenant",
			"policy: a rule has several values at once in data.authz.require.a at authz.rego:4 (eval_conflict_error)",
		},
		{
			"a header with two values", "headers[\"x-a\"] := \"1\"\nheaders[\"x-a\"] := input.claims.tenant",
			"policy: a rule has several values at once in data.authz.headers[\"x-a\"] at authz.rego:4 (eval_conflict_error)",
		},
		{"deny of strings", `deny contains input.claims.tenant`, "policy: wrong shape: an element of authz.deny is not exactly code and message"},
		{"deny without message", `deny contains {"code": "a"}`, "policy: wrong shape: an element of authz.deny is not exactly code and message"},
		{"deny with more", `deny contains {"code": "a", "message": "b", "c": 1}`, "policy: wrong shape: an element of authz.deny is not exactly code and message"},
		{"deny with another member", `deny contains {"code": "a", "msg": "b"}`, "policy: wrong shape: an element of authz.deny is not exactly code and message"},
		{"deny with a number as code", `deny contains {"code": 1, "message": "b"}`, "policy: wrong shape: a code in authz.deny is no string"},
		{"deny with an empty code", `deny contains {"code": "", "message": "b"}`, "policy: wrong shape: a code in authz.deny is not of the form ^[a-z0-9_]{1,64}$"},
		{"deny with capitals", `deny contains {"code": "Closed", "message": "b"}`, "policy: wrong shape: a code in authz.deny is not of the form ^[a-z0-9_]{1,64}$"},
		{"deny with a long code", `deny contains {"code": sprintf("%065d", [1]), "message": "b"}`, "policy: wrong shape: a code in authz.deny is not of the form ^[a-z0-9_]{1,64}$"},
		{"deny with a line break", `deny contains {"code": "a\n", "message": "b"}`, "policy: wrong shape: a code in authz.deny is not of the form ^[a-z0-9_]{1,64}$"},
		{"deny with a message that is null", `deny contains {"code": "a", "message": null}`, "policy: wrong shape: a message in authz.deny is no string"},
		{"one good denial beside a bad one", "deny contains {\"code\": \"a\", \"message\": \"\"}\ndeny contains true", "policy: wrong shape: an element of authz.deny is not exactly code and message"},
		{"a scope that is no string", `scopes contains 1`, "policy: wrong shape: an element of authz.scopes is no string"},
		{"an empty scope", `scopes contains ""`, "policy: wrong shape: an element of authz.scopes is no scope-token (RFC 6749, section 3.3)"},
		{"two scopes in one", `scopes contains "a b"`, "policy: wrong shape: an element of authz.scopes is no scope-token (RFC 6749, section 3.3)"},
		{"a scope with a quote", `scopes contains "a\"b"`, "policy: wrong shape: an element of authz.scopes is no scope-token (RFC 6749, section 3.3)"},
		{"a scope with a backslash", `scopes contains "a\\b"`, "policy: wrong shape: an element of authz.scopes is no scope-token (RFC 6749, section 3.3)"},
		{"a scope beyond ASCII", `scopes contains "é"`, "policy: wrong shape: an element of authz.scopes is no scope-token (RFC 6749, section 3.3)"},
		{"a bad scope on a denied request", "scopes contains 1\nrequire.a := false", "policy: wrong shape: an element of authz.scopes is no string"},
		{"warn of strings", `warn contains "a"`, "policy: wrong shape: an element of authz.warn is no object"},
		{"a header that is no string", `headers["x-a"] := 1`, "policy: wrong shape: a value in authz.headers is no string"},
		{"a header with a line break", `headers["x-a"] := "a\r\nb: c"`, `policy: wrong shape: authz.headers["x-a"] has a character that is not printable ASCII`},
		{"a header beyond ASCII", `headers["x-a"] := "é"`, `policy: wrong shape: authz.headers["x-a"] has a character that is not printable ASCII`},
		{"a huge message", `deny contains {"code": "a", "message": concat("", [s | some i in numbers.range(1, 7000); s := "0123456789"])}`, "policy: the decision is too large: a decision may say 64 KiB in 1024 elements"},
		{"a huge number of scopes", `scopes contains sprintf("s%d", [i]) if some i in numbers.range(1, 2000)`, "policy: the decision is too large: a decision may say 64 KiB in 1024 elements"},
		{"a huge number of warnings", `warn contains {"i": i} if some i in numbers.range(1, 2000)`, "policy: the decision is too large: a decision may say 64 KiB in 1024 elements"},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			got, err := decide(t.Context(), authz(t, tt.rules), request())
			if err == nil {
				t.Fatalf("no error, decision %+v", got)
			}
			if text := withoutFolder(err.Error()); text != tt.want {
				t.Errorf("error:\n got %s\nwant %s", text, tt.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows a value of the input: %v", err)
			}
			if diff := cmp.Diff(policy.Decision{}, got); diff != "" {
				t.Errorf("decision beside an error (-want +got):\n%s", diff)
			}
		})
	}
}

// The team's rules are not read before the two rules of the door hold.
func TestBrokenTeamHidesNoAudience(t *testing.T) {
	e := authz(t, `require.a if to_number(input.claims.tenant) == 1`)
	in := request()
	in.Claims["aud"] = "https://other.example.com"
	got, err := decide(t.Context(), e, in)
	if err != nil || got.Outcome != policy.AudienceMismatch {
		t.Errorf("outcome %v, error %v", got.Outcome, err)
	}
}

func TestDeadline(t *testing.T) {
	e := authz(t, `require.a if count([1 | some i in numbers.range(1, 100000); some j in numbers.range(1, 100); i == j + 200000]) == 0`)
	t.Run("a slow rule is stopped", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		start := time.Now()
		got, err := decide(ctx, e, request())
		if !errors.Is(err, context.DeadlineExceeded) || got.Outcome != policy.Failed {
			t.Errorf("outcome %v, error %v", got.Outcome, err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("stopped after %v", took)
		}
	})
	t.Run("a request that is already gone is not evaluated", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		got, err := decide(ctx, alone(t), request())
		if !errors.Is(err, context.Canceled) || got.Outcome != policy.Failed {
			t.Errorf("outcome %v, error %v", got.Outcome, err)
		}
	})
}

// A claim that JSON cannot carry is an error before any rule sees it.
func TestInputFailsClosed(t *testing.T) {
	e := authz(t, `require.other if not input.claims.other == 1`)
	for intent, value := range map[string]any{
		"a type of Go":       struct{}{},
		"a float":            1.5,
		"an int in an array": []any{1},
		"a number too large": jsonNumber("1e999999999"),
		"no number":          jsonNumber("NaN"),
		"an empty number":    jsonNumber(""),
		"a hex number":       jsonNumber("0x10"),
		"deep in an object":  map[string]any{"a": map[string]any{"b": jsonNumber("1_0")}},
	} {
		in := request()
		in.Claims["other"] = value
		got, err := decide(t.Context(), e, in)
		if err == nil || got.Outcome != policy.Failed {
			t.Errorf("%s: outcome %v, error %v", intent, got.Outcome, err)
		}
	}
}

// One engine serves many requests at once.
func TestDecideConcurrently(t *testing.T) {
	e := authz(t, `require.tenant if input.claims.tenant == input.request.headers["x-tenant"][0]`)
	done := make(chan error)
	for i := range 8 {
		go func() {
			for j := range 50 {
				in := request()
				want := policy.Denied
				if requestOf(&in).Headers["x-tenant"] = []string{"other"}; (i+j)%2 == 0 {
					requestOf(&in).Headers["x-tenant"], want = []string{"acme"}, policy.Allowed
				}
				if got, err := decide(context.Background(), e, in); err != nil || got.Outcome != want {
					done <- fmt.Errorf("outcome %v, want %v, error %w", got.Outcome, want, err)
					return
				}
			}
			done <- nil
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	for name, e := range map[string]*policy.Engine{
		"alone":       alone(b),
		"one_require": authz(b, `require.tenant if input.claims.tenant == "acme"`),
	} {
		b.Run(name, func(b *testing.B) {
			in := request()
			b.ReportAllocs()
			for b.Loop() {
				if d, err := decide(context.Background(), e, in); err != nil || d.Outcome != policy.Allowed {
					b.Fatal(d, err)
				}
			}
		})
	}
}

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

// TestGrounds: what a decision rests on, by file and line, with the expression
// that did not hold.
func TestGrounds(t *testing.T) {
	tests := []struct {
		intent, rules string
		change        func(*policy.Input)
		want          []string
	}{
		{"allowed", `require.tenant if input.claims.tenant == "acme"`, nil, []string{"doorward.decision at doorward:decision.rego:29"}},
		{
			"audience: each way to match, and how far it got", "",
			func(in *policy.Input) { in.Claims["aud"] = "https://other.example.com" },
			[]string{
				"doorward.decision at doorward:decision.rego:16",
				"doorward.audience.matches at doorward:audience.rego:14: audience == input.resource.uri",
				"doorward.audience.matches at doorward:audience.rego:23: canonical(audience) == canonical(uri)",
				"doorward.audience.matches at doorward:audience.rego:31: audience in input.resource.audiences",
				`doorward.audience.matches at doorward:audience.rego:38: input.token.bound_by == "client"`,
				`doorward.audience.matches at doorward:audience.rego:48: input.token.bound_by == "dedicated"`,
			},
		},
		{
			"scope", "", func(in *policy.Input) { in.Token.Scopes = nil },
			[]string{
				"doorward.decision at doorward:decision.rego:26",
				"doorward.scope.suffices at doorward:scope.rego:12: count(needed - granted) == 0",
			},
		},
		{
			"a requirement: the last expression it got to, whatever was tried before",
			"require.staff if {\n\tsome group in input.claims.groups\n\tgroup in [\"staff\", \"guests\"]\n\tinput.claims.tenant == \"other\"\n}",
			func(in *policy.Input) { in.Claims["groups"] = []any{"x", "staff", "y"} },
			[]string{
				"doorward.decision at doorward:decision.rego:21",
				`authz.require.staff at authz.rego:6: input.claims.tenant == "other"`,
			},
		},
		{
			"a requirement: what is missing", `require.org if input.claims.org == "acme"`, nil,
			[]string{"doorward.decision at doorward:decision.rego:21", `authz.require.org at authz.rego:3: input.claims.org == "acme"`},
		},
		{
			"a requirement of two definitions: both", "require.a if input.request.method == \"GET\"\n\nrequire.a if input.request.method == \"HEAD\"", nil,
			[]string{
				"doorward.decision at doorward:decision.rego:21",
				`authz.require.a at authz.rego:3: input.request.method == "GET"`,
				`authz.require.a at authz.rego:5: input.request.method == "HEAD"`,
			},
		},
		{
			"a requirement with another value than true", "require.a := input.claims.tenant", nil,
			[]string{"doorward.decision at doorward:decision.rego:21", "authz.require.a at authz.rego:3"},
		},
		{
			"of several requirements each", "require.b := false\nrequire.a := false", nil,
			[]string{"doorward.decision at doorward:decision.rego:21", "authz.require.a at authz.rego:4", "authz.require.b at authz.rego:3"},
		},
		{
			"deny: each rule that spoke, and none that did not", "deny contains {\"code\": \"b\", \"message\": \"\"}\n\ndeny contains {\"code\": \"a\", \"message\": m} if {\n\tm := input.claims.tenant\n}\n\ndeny contains {\"code\": \"c\", \"message\": \"\"} if input.claims.org", nil,
			[]string{"doorward.decision at doorward:decision.rego:21", "authz.deny at authz.rego:3", "authz.deny at authz.rego:5"},
		},
		{
			"deny: it spoke, whatever else it tried", "deny contains {\"code\": \"a\", \"message\": \"\"} if {\n\tsome group in input.claims.groups\n\tgroup == \"staff\"\n}",
			func(in *policy.Input) { in.Claims["groups"] = []any{"x", "staff", "y"} },
			[]string{"doorward.decision at doorward:decision.rego:21", "authz.deny at authz.rego:3"},
		},
		{
			"a requirement that another one tries too: itself once", "require.a if input.claims.org\n\nrequire.z if data.authz.require.a with input.request.method as \"GET\"", nil,
			[]string{"doorward.decision at doorward:decision.rego:21", "authz.require.a at authz.rego:3: input.claims.org", `authz.require.z at authz.rego:5: data.authz.require.a with input.request.method as "GET"`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			in := request()
			if tt.change != nil {
				tt.change(&in)
			}
			e := authz(t, tt.rules).For("example")
			got, grounds, err := e.Explain(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, groundLines(grounds)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			decided, _, err := e.Decide(t.Context(), in)
			if diff := cmp.Diff(decided, got); diff != "" || err != nil {
				t.Errorf("Explain decides otherwise than Decide: %v\n%s", err, diff)
			}
		})
	}
}

func groundLines(grounds []policy.Trace) []string {
	var lines []string
	for _, g := range grounds {
		file := g.File[strings.LastIndexByte(g.File, '/')+1:]
		line := fmt.Sprintf("%s at %s:%d", g.Rule, file, g.Line)
		if g.Failed != "" {
			line += ": " + g.Failed
		}
		lines = append(lines, line)
	}
	return lines
}

// TestExplainFailsAsDecideDoes, with its words and without grounds.
func TestExplainFailsAsDecideDoes(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for intent, row := range map[string]struct {
		rules string
		ctx   context.Context
	}{
		"a built-in fails": {`require.a if to_number(input.claims.tenant) == 1`, t.Context()},
		"a wrong shape":    {`deny contains input.claims.tenant`, t.Context()},
		"no time":          {"", ended},
	} {
		t.Run(intent, func(t *testing.T) {
			e := authz(t, row.rules).For("example")
			decision, grounds, err := e.Explain(row.ctx, request())
			_, _, want := e.Decide(row.ctx, request())
			if err == nil || err.Error() != want.Error() || grounds != nil || decision.Outcome != policy.Failed {
				t.Errorf("got %v, %v, %v, want %v", decision, grounds, err, want)
			}
		})
	}
}

// TestExplainKeepsTheDeadline, though it takes longer than a decision.
func TestExplainKeepsTheDeadline(t *testing.T) {
	e := authz(t, `require.a if count([1 | some i in numbers.range(1, 100000); some j in numbers.range(1, 100); i == j + 200000]) == 0`).For("example")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if decision, grounds, err := e.Explain(ctx, request()); !errors.Is(err, context.DeadlineExceeded) || grounds != nil || decision.Outcome != policy.Failed {
		t.Errorf("got %v, %v, %v", decision, grounds, err)
	}
}

// TestGroundsOfAnOwnPackage are those of the package that came to the decision,
// of two evaluated packages.
func TestGroundsOfAnOwnPackage(t *testing.T) {
	e := tenants(t, map[string]string{
		"common.rego":  "package authz\n\nscopes contains \"b\" if input.claims.tenant == \"strict\"\n",
		"maps.rego":    "package authz.maps\n\nrequire.never := false\n",
		"weather.rego": "package authz.weather\n\nscopes contains \"a\" if input.claims.tenant == \"scopes\"\n\nrequire.open if input.claims.tenant != \"shut\"\n",
	})
	const own = "doorward.own.authz.weather"
	for tenant, want := range map[string][]string{
		"shut": {
			own + ".decision at doorward:decision.rego:21",
			`authz.weather.require.open at weather.rego:5: input.claims.tenant != "shut"`,
		},
		"scopes": {
			own + ".decision at doorward:decision.rego:26",
			own + ".scope.suffices at doorward:scope.rego:12: count(needed - granted) == 0",
		},
		"strict": {
			"doorward.decision at doorward:decision.rego:26",
			"doorward.scope.suffices at doorward:scope.rego:12: count(needed - granted) == 0",
		},
		"acme": {
			"doorward.decision at doorward:decision.rego:29",
			own + ".decision at doorward:decision.rego:29",
		},
	} {
		in := request()
		in.Claims["tenant"] = tenant
		_, grounds, err := e.For("weather").Explain(t.Context(), in)
		if diff := cmp.Diff(want, groundLines(grounds)); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", tenant, err, diff)
		}
	}
}

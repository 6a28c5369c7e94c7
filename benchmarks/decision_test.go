package benchmarks_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	oparego "github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/rego"
)

// tenantRule is a rule of a team that reads one claim and one header.
const tenantRule = `package authz

require.tenant if input.claims.tenant == input.resource.labels.tenant

deny contains {"code": "no_deletes", "message": "nothing is deleted here"} if input.request.method == "DELETE"

headers["x-tenant"] := input.claims.tenant
`

// decisionInput is a request that both rules allow; n tells tokens apart.
func decisionInput(n int) policy.Input {
	return policy.Input{
		Request: &policy.RequestValues{
			ID: strconv.Itoa(n), Method: "POST", Scheme: "https", Host: "mcp.example.com", Path: "/mcp",
			Headers: map[string][]string{
				"accept": {"application/json, text/event-stream"}, "content-type": {"application/json"},
				"mcp-protocol-version": {"2025-11-25"}, "user-agent": {"benchmark"},
			},
		},
		Resource: policy.Resource{
			Name: "benchmark", URI: resourceURI, Scopes: []string{"mcp:read"}, Labels: map[string]string{"tenant": "acme"},
		},
		Claims: map[string]any{
			"iss": issuerURL, "sub": "alice", "aud": resourceURI, "client_id": "app", "scope": "mcp:read mcp:write",
			"tenant": "acme", "jti": strconv.Itoa(n), "iat": json.Number("1700000000"), "exp": json.Number("1700003600"),
		},
		Token: policy.Token{Issuer: issuerURL, Client: "app", Scopes: []string{"mcp:read", "mcp:write"}, Profile: "standard", BoundBy: "aud", Marked: true, Recent: true},
		Fixed: policy.Fixed{State: 1, Resource: resourceURI, Issuer: issuerURL},
	}
}

func decisionEngine(t testing.TB, memory *policy.DecisionCache) *policy.Evaluator {
	t.Helper()
	team := filepath.Join(t.TempDir(), "team.rego")
	if err := os.WriteFile(team, []byte(tenantRule), 0o600); err != nil {
		t.Fatal(err)
	}
	engine, problems := policy.Compile(context.Background(), policy.Sources{Library: rego.Files, Paths: []string{team}, Cache: memory})
	if engine == nil {
		t.Fatal(problems)
	}
	return engine.For("benchmark")
}

// BenchmarkDecision is what one decision costs: evaluated, with what it can
// read built for it and nothing else; the same where it is looked for in vain
// and then remembered; from memory, for a token that was never seen; and beside
// them the same rules and data as OPA is mostly used, with the whole input as a
// map.
func BenchmarkDecision(b *testing.B) {
	ask := func(b *testing.B, judge *policy.Evaluator, in policy.Input, want policy.CacheResult) {
		if d, found, err := judge.Decide(context.Background(), in); err != nil || d.Outcome != policy.Allowed || found != want {
			b.Fatal(d, found, err)
		}
	}
	inputs := make([]policy.Input, distinct)
	for i := range inputs {
		inputs[i] = decisionInput(i)
	}
	b.Run("opa-sdk-plain", func(b *testing.B) {
		prepared := plainOPA(b)
		input := plainInput()
		b.ReportAllocs()
		for b.Loop() {
			results, err := prepared.Eval(context.Background(), oparego.EvalInput(input))
			if err != nil || len(results) != 1 {
				b.Fatal(results, err)
			}
		}
	})
	b.Run("footprint-built", func(b *testing.B) {
		judge := decisionEngine(b, nil)
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			ask(b, judge, inputs[n%distinct], policy.Evaluated)
		}
	})
	b.Run("cold", func(b *testing.B) {
		memory := policy.NewDecisionCache()
		memory.SetMaximum(remember)
		judge := decisionEngine(b, memory)
		in := decisionInput(0)
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			in.Resource.URI, in.Claims["aud"] = resourceURI+strconv.Itoa(n), resourceURI+strconv.Itoa(n)
			ask(b, judge, in, policy.Evaluated)
		}
	})
	b.Run("cached", func(b *testing.B) {
		memory := policy.NewDecisionCache()
		memory.SetMaximum(remember)
		judge := decisionEngine(b, memory)
		ask(b, judge, inputs[0], policy.Evaluated)
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			ask(b, judge, inputs[n%distinct], policy.Remembered)
		}
	})
}

// plainOPA prepares the decision of the same modules with OPA's defaults.
func plainOPA(t testing.TB) oparego.PreparedEvalQuery {
	t.Helper()
	options := []func(*oparego.Rego){
		oparego.Query("data.doorward.decision"),
		oparego.Module("team.rego", tenantRule),
		oparego.Store(inmem.NewFromObject(map[string]any{"doorward": map[string]any{"requirements": []any{"tenant"}}})),
	}
	files, err := fs.Glob(rego.Files, "*.rego")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := fs.ReadFile(rego.Files, file)
		if err != nil {
			t.Fatal(err)
		}
		options = append(options, oparego.Module(file, string(source)))
	}
	prepared, err := oparego.New(options...).PrepareForEval(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return prepared
}

// plainInput is [decisionInput] as the map that a program would build of it.
func plainInput() map[string]any {
	in := decisionInput(0)
	return map[string]any{
		"version": 1,
		"request": map[string]any{
			"id": in.Request.(*policy.RequestValues).ID, "method": in.Request.(*policy.RequestValues).Method, "scheme": in.Request.(*policy.RequestValues).Scheme, "host": in.Request.(*policy.RequestValues).Host,
			"path": in.Request.(*policy.RequestValues).Path, "query": map[string]any{}, "headers": in.Request.(*policy.RequestValues).Headers,
		},
		"resource": map[string]any{
			"name": in.Resource.Name, "uri": in.Resource.URI, "audiences": []any{}, "scopes": in.Resource.Scopes, "labels": in.Resource.Labels,
		},
		"claims": in.Claims,
		"token": map[string]any{
			"issuer": in.Token.Issuer, "client": in.Token.Client, "scopes": in.Token.Scopes, "profile": in.Token.Profile, "binding": "none",
		},
	}
}

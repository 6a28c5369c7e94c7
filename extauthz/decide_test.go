package extauthz_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/doorward/doorward/internal/policy"
)

func rememberDecisions(p *plan) {
	p.memory = policy.NewDecisionCache()
	p.memory.SetMaximum(1 << 20)
}

// teams writes modules into the folder of the policy.
func teams(t *testing.T, modules ...string) func(*plan) {
	t.Helper()
	dir := t.TempDir()
	for i, module := range modules {
		if err := os.WriteFile(filepath.Join(dir, string(rune('a'+i))+".rego"), []byte(module), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return func(p *plan) { p.policy = []string{dir} }
}

// decisions counts how they were found, by result.
func decisions(t *testing.T, d *testService) map[string]float64 {
	t.Helper()
	counts := map[string]float64{}
	families, err := d.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "doorward_decision_cache_requests_total" {
			for _, metric := range family.GetMetric() {
				counts[metric.GetLabel()[0].GetValue()] = metric.GetCounter().GetValue()
			}
		}
	}
	return counts
}

// A decision is evaluated once for all tokens of a kind, and counted as it was
// found. No answer shows whether it was cached, or changes what is cached.
func TestADecisionIsMadeOnce(t *testing.T) {
	d := startService(t, rememberDecisions, teams(t, "package authz\n\nheaders[\"x-tenant\"] := input.claims.tenant\n\n"+
		"warn contains {\"code\": \"a\"}\n\nscopes contains \"mcp:read\"\n\nrequire.a if input.request.headers[\"x-fine\"][0] == \"yes\""))
	token := func(id, tenant string) string { return d.token(map[string]any{"jti": id, "tenant": tenant}) }
	ask := func(compact, fine string) clientRequest {
		question := bearer(compact)
		question.headers = append(question.headers, [2]string{"x-fine", fine})
		return question
	}
	acme := d.check(t, ask(token("1", "acme"), "yes").joined())
	refused := d.check(t, ask(token("1", "acme"), "no").joined())
	for _, id := range []string{"2", "3"} {
		if diff := cmp.Diff(acme.GetOkResponse(), d.check(t, ask(token(id, "acme"), "yes").joined()).GetOkResponse(), protocmp.Transform()); diff != "" {
			t.Errorf("another token of the same kind (-first +now):\n%s", diff)
		}
		if diff := cmp.Diff(refused.GetDeniedResponse(), d.check(t, ask(token(id, "acme"), "no").joined()).GetDeniedResponse(), protocmp.Transform()); diff != "" {
			t.Errorf("another refusal of the same kind (-first +now):\n%s", diff)
		}
	}
	if got := okHeaders(d.check(t, ask(token("4", "other"), "yes").joined()))["x-tenant"]; got != "other" {
		t.Errorf("another tenant: x-tenant is %q", got)
	}
	if diff := cmp.Diff(map[string]float64{"hit": 4, "miss": 3, "uncacheable": 0}, decisions(t, d)); diff != "" {
		t.Errorf("decisions (-want +got):\n%s", diff)
	}
	if n := testutil.CollectAndCount(d.registry, "doorward_policy_evaluation_duration_seconds"); n == 0 {
		t.Error("evaluations are not timed")
	}
}

// What cannot be remembered is counted as that.
func TestAnUncacheableDecisionIsCounted(t *testing.T) {
	d := startService(t, rememberDecisions, teams(t, "package authz\n\nrequire.a if time.now_ns() > 0"))
	for range 2 {
		d.check(t, bearer(d.token()).joined())
	}
	if diff := cmp.Diff(map[string]float64{"hit": 0, "miss": 0, "uncacheable": 2}, decisions(t, d)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A team's package is for its own resource: it does not decide on
// another's requests, adds no header to them, and removes none of theirs.
func TestTeamsAreKeptApart(t *testing.T) {
	d := startService(t, rememberDecisions, teams(t,
		"package authz\n\nheaders[\"x-all\"] := \"all\"",
		"package authz.weather\n\nheaders[\"x-team\"] := \"weather\"\n\nrequire.method if input.request.method == \"POST\"\n\nscopes contains \"weather\" if input.request.headers[\"x-strict\"]",
		"package authz.maps\n\nrequire.open := false",
	), func(p *plan) {
		p.packages = map[string]string{"weather": "authz.weather"}
		p.resources[1].Issuers = []string{issuerURL}
	})
	ours, theirs := d.token(), d.token(map[string]any{"aud": "https://mcp.example.com/other"})
	get := func(compact, path string) clientRequest {
		question := bearer(compact)
		question.method, question.path = "GET", path
		return question
	}
	strict := bearer(ours)
	strict.headers = append(strict.headers, [2]string{"x-strict", "1"})
	for _, row := range []struct {
		intent string
		ask    clientRequest
		want   string
	}{
		{"ours", bearer(ours), "allowed"},
		{"ours, refused by our package", get(ours, "/mcp"), "policy_denied"},
		{"ours, lacking a scope of our package", strict, "insufficient_scope"},
		{"theirs, of which our package knows nothing", get(theirs, "/other"), "allowed"},
	} {
		for range 2 {
			if got := readResponse(t, d.check(t, row.ask.joined())); got.reason != row.want {
				t.Errorf("%s: %s, want %s", row.intent, got.reason, row.want)
			}
		}
	}
	us, them := d.check(t, bearer(ours).joined()), d.check(t, get(theirs, "/other").joined())
	if set := okHeaders(us); set["x-team"] != "weather" || set["x-all"] != "all" {
		t.Errorf("our headers: %v", set)
	}
	if set := okHeaders(them); set["x-team"] != "" || set["x-all"] != "all" {
		t.Errorf("their headers: %v", set)
	}
	if slices.Contains(them.GetOkResponse().GetHeadersToRemove(), "x-team") {
		t.Error("their requests lose a header that only our package speaks for")
	}
}

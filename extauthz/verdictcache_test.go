package extauthz

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/checkwire"
	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/rego"
)

// evaluatorOf compiles one rule of a team.
func evaluatorOf(t *testing.T, rule string) *policy.Evaluator {
	t.Helper()
	file := filepath.Join(t.TempDir(), "team.rego")
	if err := os.WriteFile(file, []byte("package authz\n\n"+rule+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	engine, problems := policy.Compile(context.Background(), policy.Sources{Library: rego.Files, Paths: []string{file}})
	if engine == nil {
		t.Fatal(problems)
	}
	return engine.For("any")
}

// TestVerdictKeyHasAllThatIsRead: a Check that differs in what the rules can
// read has another key; one that differs elsewhere has the same.
func TestVerdictKeyHasAllThatIsRead(t *testing.T) {
	for _, row := range []struct {
		intent, rule string
		differs      func(*request)
	}{
		{"method", `require.a if input.request.method`, func(r *request) { r.method = "GET" }},
		{"scheme", `require.a if input.request.scheme`, func(r *request) { r.scheme = "http" }},
		{"host", `require.a if input.request.host`, func(r *request) { r.authority = "other" }},
		{"path", `require.a if input.request.path`, func(r *request) { r.path = "/other" }},
		{"one parameter", `require.a if input.request.query.q`, func(r *request) { r.rawQuery = "q=2" }},
		{"any parameter", `require.a if count(input.request.query) == 1`, func(r *request) { r.rawQuery = "q=2" }},
		{"address", `require.a if input.request.source_address`, func(r *request) { r.sourceAddress = "10.0.0.8" }},
		{"principal", `require.a if input.request.source_principal`, func(r *request) { r.sourcePrincipal = "spiffe://b" }},
		{"client", `require.a if input.request.client_address`, func(r *request) { r.sourceAddress = "10.0.0.8" }},
		{"client behind Envoy", `require.a if input.request.client_address`, func(r *request) {
			r.trustsClientAddress, r.headers = true, checkwire.Headers{{Name: externalAddress, Value: "203.0.113.7"}, {Name: externalAddress, Value: "203.0.113.7"}}
		}},
		{"a header", `require.a if input.request.headers["x-a"]`, func(r *request) { r.headers = checkwire.Headers{{Name: "x-a", Value: "2"}} }},
		{"a header that is not there", `require.a if input.request.headers["x-a"]`, func(r *request) { r.headers = nil }},
		{"a header that is there twice", `require.a if input.request.headers["x-a"]`, func(r *request) { r.headers = checkwire.Headers{{Name: "x-a", Value: "1"}, {Name: "x-a", Value: "1"}} }},
		{"which header has the value", `require.a if { input.request.headers["x-a"]; input.request.headers["x-b"] }`, func(r *request) { r.headers = checkwire.Headers{{Name: "x-b", Value: "1"}} }},
	} {
		t.Run(row.intent, func(t *testing.T) {
			evaluator := evaluatorOf(t, row.rule)
			if keyOf(t, evaluator, func(*request) {}) == keyOf(t, evaluator, row.differs) {
				t.Error("one key for two requests between which the rule can tell")
			}
			if blind := evaluatorOf(t, `require.a if input.claims.sub`); keyOf(t, blind, func(*request) {}) != keyOf(t, blind, row.differs) {
				t.Error("two keys for two requests between which no rule can tell")
			}
		})
	}
}

func aRequest(change func(*request)) *request {
	r := &request{
		method: "POST", scheme: "https", authority: "mcp.example.com", path: "/mcp", rawQuery: "q=1",
		target:        &resource.Resource{Asked: "weather"},
		sourceAddress: "10.0.0.7", sourcePrincipal: "spiffe://a", headers: checkwire.Headers{{Name: "x-a", Value: "1"}},
	}
	change(r)
	return r
}

func keyOf(t *testing.T, evaluator *policy.Evaluator, change func(*request)) string {
	t.Helper()
	key, ok := aRequest(change).verdictKey(nil, &numberedState{State: &State{}, number: 1}, "none", evaluator)
	if !ok {
		t.Fatal("no verdict is cached")
	}
	return string(key)
}

// TestVerdictKeyIsOfOneStateResourceAndBinding, whatever the rules read.
func TestVerdictKeyIsOfOneStateResourceAndBinding(t *testing.T) {
	evaluator := evaluatorOf(t, `require.a if input.claims.sub`)
	seen := map[string]string{}
	for intent, of := range map[string]struct {
		number        uint64
		name, binding string
	}{
		"a Check":                {1, "weather", "none"},
		"after a reload":         {2, "weather", "none"},
		"of another resource":    {1, "other", "none"},
		"with a proof":           {1, "weather", "dpop"},
		"with the border moved":  {1, "weathern", "one"},
		"with the border moved2": {1, "weathe", "rnone"},
	} {
		req := aRequest(func(r *request) { r.target = &resource.Resource{Asked: of.name} })
		key, ok := req.verdictKey(nil, &numberedState{State: &State{}, number: of.number}, of.binding, evaluator)
		if before, taken := seen[string(key)]; taken || !ok {
			t.Errorf("%s has the key of %s", intent, before)
		}
		seen[string(key)] = intent
	}
}

// TestWhatIsNotCached: the answer to these is encoded each time.
func TestWhatIsNotCached(t *testing.T) {
	plain := func(*request) {}
	for _, row := range []struct {
		intent, rule string
		change       func(*request)
	}{
		{"the rules read what is never the same", `require.a if input.request.id`, plain},
		{"the rules read all headers", `require.a if count(input.request.headers) < 9`, plain},
		{"the rules read a header whose name is no UTF-8, which may be any", `require.a if input.request.headers["x-\ufffd"]`, plain},
		{"the rules read the clock", `require.a if time.now_ns() > 0`, plain},
		{"the query carries a token", ``, func(r *request) { r.tokens = []string{"access_token"} }},
		{"a header passes for ours", ``, func(r *request) { r.headers = checkwire.Headers{{Name: "x-mcp-auth-subject", Value: "eve"}} }},
		{"a header passes for ours in another spelling", ``, func(r *request) { r.headers = checkwire.Headers{{Name: "x_mcp-auth_subject", Value: "eve"}} }},
		{"a header passes for ours to PHP", ``, func(r *request) { r.headers = checkwire.Headers{{Name: "x.mcp-auth.subject", Value: "eve"}} }},
		{"a header passes for the team's", `headers["x-team"] := "a"`, func(r *request) { r.headers = checkwire.Headers{{Name: "x_team", Value: "eve"}} }},
		{"a header passes for the team's to PHP", `headers["x-team"] := "a"`, func(r *request) { r.headers = checkwire.Headers{{Name: "x~team", Value: "eve"}} }},
		{"what is read is long", `require.a if input.request.path`, func(r *request) { r.path = "/" + string(make([]byte, maxVerdictBytes)) }},
	} {
		t.Run(row.intent, func(t *testing.T) {
			if _, ok := aRequest(row.change).verdictKey(nil, &numberedState{State: &State{}, number: 1}, "none", evaluatorOf(t, row.rule)); ok {
				t.Error("the verdict is cached")
			}
		})
	}
}

// TestEverySpellingOfATeamsHeaderIsRemoved: a server that reads '_' as '-' must
// not find the client's word beside the rule's.
func TestEverySpellingOfATeamsHeaderIsRemoved(t *testing.T) {
	set := map[string]string{"x-tenant_id": "acme"}
	v := &verdict{resource: &resource.Resource{}, claims: &token.Claims{}, decision: policy.Decision{Strip: policy.Strip{Headers: []string{"authorization"}}, Headers: set}, policyHeaders: []string{"x-tenant_id"}}
	for _, name := range []string{"x-tenant-id", "x_tenant_id", "x_tenant-id"} {
		in := &request{headers: checkwire.Headers{{Name: name, Value: "victim"}}}
		if removed := v.removedHeaders(in, v.upstreamHeaders()); !slices.Contains(removed, name) || !in.hasForgedHeader(v.policyHeaders) {
			t.Errorf("%s reaches the server beside ours: %q is removed, forged: %v", name, removed, in.hasForgedHeader(v.policyHeaders))
		}
	}
}

// TestLargeAnswersAreNotPinned: the room was counted when the token was
// remembered.
func TestLargeAnswersAreNotPinned(t *testing.T) {
	empty := new(policy.Decision).Size()
	for size, want := range map[int]bool{maxVerdictBytes - 3 - empty: true, maxVerdictBytes - 2 - empty: false} {
		k := new(cachedToken)
		k.cacheVerdict([]byte("key"), &verdict{encoded: make([]byte, size)})
		if got := k.cachedVerdict([]byte("key"), nil) != nil; got != want {
			t.Errorf("%d bytes: pinned is %v", size, got)
		}
	}
}

// TestAFewVerdictsAreKept where operations decide, the last ones; elsewhere one.
func TestAFewVerdictsAreKept(t *testing.T) {
	for _, row := range []struct {
		others int
		cached string // one verdict for each letter, in this order
		kept   string
	}{
		{0, "ab", "b"},
		{otherVerdicts, "abcd", "abcd"},
		{otherVerdicts, "abcde", "bcde"},
		{otherVerdicts, "abcdaaaab", "abcd"},
		{otherVerdicts, "abcdae", "acde"},
	} {
		k := &cachedToken{others: row.others}
		last := map[string]*verdict{}
		for _, key := range strings.Split(row.cached, "") {
			last[key] = &verdict{encoded: []byte(key)}
			k.cacheVerdict([]byte(key), last[key])
		}
		for key, want := range last {
			if got := k.cachedVerdict([]byte(key), nil); (got == want) != strings.Contains(row.kept, key) || got != nil && got != want {
				t.Errorf("%d others, %s: under %s there is %v", row.others, row.cached, key, got)
			}
		}
	}
	k := &cachedToken{claims: &token.Claims{}, others: otherVerdicts}
	for i := range 100 {
		k.cacheVerdict([]byte{byte(i)}, &verdict{})
	}
	count := 0
	for one := k.verdict.Load(); one != nil; one = one.before {
		count++
	}
	if plain := (&token.Claims{}); count != 1+otherVerdicts || k.weight()-weight(plain) != otherVerdicts*maxVerdictEntry {
		t.Errorf("%d verdicts are kept, and %d bytes are counted for them", count, k.weight()-weight(plain))
	}
}

package extauthz_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/internal/testenv/jwttest"
	"github.com/doorward/doorward/rego"
)

var steps = flag.Int("differential", 5000, "generated requests for TestCachedEqualsUncached")

func remember(p *plan) { p.cache = 1 << 20 }

// wantVerified compares how tokens were verified.
func wantVerified(t *testing.T, d *testService, hit, miss, negativeHit int) {
	t.Helper()
	want := fmt.Sprintf(`
# HELP doorward_token_cache_requests_total Tokens by how they were verified: hit, miss, or negative_hit for one whose signature failed before.
# TYPE doorward_token_cache_requests_total counter
doorward_token_cache_requests_total{result="hit"} %d
doorward_token_cache_requests_total{result="miss"} %d
doorward_token_cache_requests_total{result="negative_hit"} %d
`, hit, miss, negativeHit)
	if err := testutil.GatherAndCompare(d.registry, strings.NewReader(want), "doorward_token_cache_requests_total"); err != nil {
		t.Error(err)
	}
}

// TestATokenIsVerifiedOnce, and what the memory holds is counted.
func TestATokenIsVerifiedOnce(t *testing.T) {
	d := startService(t, remember)
	good, forged := d.token(), forger().Sign(claims())
	for range 3 {
		if got := readResponse(t, d.check(t, bearer(good).joined())); got.reason != "allowed" {
			t.Errorf("good: %+v", got)
		}
		if got := readResponse(t, d.check(t, bearer(forged).joined())); got.reason != "signature_invalid" {
			t.Errorf("forged: %+v", got)
		}
	}
	wantVerified(t, d, 2, 2, 2)
	if got := metricText(t, d); !strings.Contains(got, "doorward_cache_bytes") || !strings.Contains(got, "doorward_cache_evictions_total") {
		t.Error("nobody learns the size")
	}
}

// TestWhatEndsARememberedToken: each of these holds at the very next request.
func TestWhatEndsARememberedToken(t *testing.T) {
	for _, row := range []struct {
		intent string
		change func(d *testService, now *time.Time)
		want   string
	}{
		{"its time", func(_ *testService, now *time.Time) { *now = testTime.Add(time.Hour + 30*time.Second) }, "token_expired"},
		{"its key left the set", func(d *testService, _ *time.Time) {
			d.state.Issuers[issuerURL].Keys.Replace(jwttest.JWKS(jwttest.NewKey("ES256", "key-2")))
		}, "key_unknown"},
		{"its key id was given to another key", func(d *testService, _ *time.Time) {
			d.state.Issuers[issuerURL].Keys.Replace(jwttest.JWKS(forger()))
		}, "signature_invalid"},
		{"its missing kid means too many keys", func(d *testService, _ *time.Time) {
			d.state.Issuers[issuerURL].Keys.Replace(jwttest.JWKS(append(strangers(4), d.key)...))
		}, "key_unknown"},
		{"its missing kid means other keys", func(d *testService, _ *time.Time) {
			d.state.Issuers[issuerURL].Keys.Replace(jwttest.JWKS(strangers(4)...))
		}, "signature_invalid"},
		{"its issuer left the configuration", func(d *testService, _ *time.Time) {
			d.state.Issuers[issuerURL].Keys.Close()
		}, "keys_unavailable"},
		{"its issuer is no longer trusted here", func(d *testService, _ *time.Time) {
			next := *d.state
			next.Issuers = map[string]*token.Issuer{}
			d.swap(t, &next)
		}, "issuer_unknown"},
		{"its algorithm is no longer accepted", func(d *testService, _ *time.Time) {
			next, issuer := *d.state, *d.state.Issuers[issuerURL]
			issuer.Algorithms = []string{"RS256"}
			next.Issuers = map[string]*token.Issuer{issuerURL: &issuer}
			d.swap(t, &next)
		}, "algorithm_not_allowed"},
		{"its profile became stricter", func(d *testService, _ *time.Time) {
			next, issuer := *d.state, *d.state.Issuers[issuerURL]
			issuer.Profile = token.RFC9068
			next.Issuers = map[string]*token.Issuer{issuerURL: &issuer}
			d.swap(t, &next)
		}, "type_not_allowed"},
	} {
		t.Run(row.intent, func(t *testing.T) {
			now := testTime
			d := startService(t, remember, func(p *plan) { p.verifier.Now = func() time.Time { return now } })
			header := map[string]any{"alg": "ES256", "kid": "key-1", "typ": "JWT"} // which Standard takes
			if strings.Contains(row.intent, "missing kid") {
				delete(header, "kid")
			}
			good := bearer(d.key.SignAs(header, claims()))
			for range 2 {
				if got := readResponse(t, d.server.Check(t.Context(), good.joined())); got.reason != "allowed" {
					t.Fatalf("before: %+v", got)
				}
			}
			row.change(d, &now)
			if got := readResponse(t, d.server.Check(t.Context(), good.joined())); got.reason != row.want {
				t.Errorf("after: %s, want %s", got.reason, row.want)
			}
		})
	}
}

// TestARememberedTokenIsForNoOtherResource: the audience is no part of what is
// remembered (AU-7).
func TestARememberedTokenIsForNoOtherResource(t *testing.T) {
	d := startService(t, remember, func(p *plan) { p.resources[1].Issuers = []string{issuerURL} })
	good := d.token()
	d.check(t, bearer(good).joined())
	elsewhere := bearer(good)
	elsewhere.path = "/other"
	if got := readResponse(t, d.check(t, elsewhere.joined())); got.reason != "audience_mismatch" {
		t.Errorf("got %+v", got)
	}
}

// TestMemoryIsBounded: a flood of good tokens stays within the limit, and a
// flood of garbage takes nothing of it.
func TestMemoryIsBounded(t *testing.T) {
	const limit = 64 << 10
	d := startService(t, func(p *plan) { p.cache = limit })
	for i := range 200 {
		d.server.Check(t.Context(), bearer(d.token(map[string]any{"jti": fmt.Sprint(i)})).joined())
	}
	// What makes room does so a moment later, beside the requests.
	held, deadline := cacheBytes(t, d), time.Now().Add(10*time.Second)
	for held > limit && time.Now().Before(deadline) {
		runtime.Gosched()
		held = cacheBytes(t, d)
	}
	if held == 0 || held > limit {
		t.Errorf("%v bytes are held, the limit is %d", held, limit)
	}
	for i := range 500 {
		d.server.Check(t.Context(), bearer(forger().Sign(claims(map[string]any{"jti": fmt.Sprint(i)}))).joined())
		d.server.Check(t.Context(), bearer(strings.Repeat("x", i)).joined())
	}
	if after := cacheBytes(t, d); after > held {
		t.Errorf("garbage is held: %v bytes, before %v", after, held)
	}
}

func cacheBytes(t *testing.T, d *testService) float64 {
	t.Helper()
	families, err := d.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "doorward_cache_bytes" {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatal("no metric")
	return 0
}

// TestCachedEqualsUncached sends generated requests to two services that share
// everything but their memory, while time, keys, issuers and rules change. They
// must give the same answers, to the byte.
func TestCachedEqualsUncached(t *testing.T) {
	const seed = 6749
	random := rand.New(rand.NewPCG(seed, seed))
	w := newDifferential(t, random)
	reasons := map[string]int{}
	for step := range *steps {
		if random.IntN(20) == 0 {
			w.change(t)
		}
		question := w.ask()
		request := question.joined()
		if random.IntN(2) == 0 {
			request = question.apart()
		}
		cached := answered(t, w.cached.server, request)
		w.forget(t)
		plain := w.plain.Check(t.Context(), request)
		if diff := cmp.Diff(plain, cached, protocmp.Transform()); diff != "" {
			t.Fatalf("step %d: (-uncached +cached):\n%s", step, diff)
		}
		reasons[readResponse(t, cached).reason]++
	}
	for _, want := range []string{"allowed", "token_expired", "signature_invalid", "key_unknown", "audience_mismatch", "issuer_unknown", "token_malformed", "policy_denied", "insufficient_scope", "no_resource"} {
		if reasons[want] == 0 {
			t.Errorf("no step ended in %s: %v", want, reasons)
		}
	}
	if hits := testutil.ToFloat64(hitCounter(t, w.cached)); hits < float64(*steps)/20 {
		t.Errorf("only %v hits: the memory was hardly tried", hits)
	}
	if hits := decisions(t, w.cached)["hit"]; hits < float64(*steps)/20 {
		t.Errorf("only %v decisions were remembered", hits)
	}
	t.Logf("%d steps: %v", *steps, reasons)
}

// answered asks in bytes, as gRPC does.
func answered(t *testing.T, server *extauthz.Server, request *authv3.CheckRequest) *authv3.CheckResponse {
	t.Helper()
	wire, err := proto.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	response := new(authv3.CheckResponse)
	if err := proto.Unmarshal(server.Answer(t.Context(), wire), response); err != nil {
		t.Fatal(err)
	}
	return response
}

// differential is two services over one changing world.
type differential struct {
	random *rand.Rand
	cached *testService
	plain  *extauthz.Server
	state  *extauthz.State
	now    time.Time
	tokens []string
	sets   [][]byte
	rules  [][2]*policy.Engine // each policy, with a memory and without
	at     int                 // the policy in force
}

// rulesOfTeams read and answer much that a cached verdict must not confuse.
func rulesOfTeams() []string {
	return []string{
		`deny contains {"code": "no_deletes", "message": "x"} if input.request.method == "DELETE"`,
		`headers["x-where"] := input.request.path
headers["x-tier"] := tier if some tier in input.request.headers["x-tier"]
scopes contains "mcp:admin" if input.request.query.admin
warn contains {"code": "host", "message": input.request.host}`,
		`require.tier if input.request.headers["x-tier"] == ["gold"]
deny contains {"code": "peer", "message": "x"} if input.token.binding != "none"`,
		`deny contains {"code": "noisy", "message": "x"} if count(input.request.headers) > 6`,
	}
}

func newDifferential(t *testing.T, random *rand.Rand) *differential {
	t.Helper()
	w := &differential{random: random, now: testTime}
	first, second, reused := jwttest.NewKey("ES256", "key-1"), jwttest.NewKey("EdDSA", "key-2"), jwttest.NewKey("ES256", "key-1")
	w.sets = [][]byte{jwttest.JWKS(first), jwttest.JWKS(first, second), jwttest.JWKS(second), jwttest.JWKS(reused), jwttest.JWKS(reused, second)}
	w.cached = startService(t, remember, rememberDecisions, func(p *plan) {
		p.keys = w.sets[1]
		p.verifier.Now = func() time.Time { return w.now }
		p.resources[1].Issuers = []string{issuerURL}
	})
	w.state = w.cached.state
	memory := policy.NewDecisionCache()
	memory.SetMaximum(8 << 20)
	for _, rules := range rulesOfTeams() {
		paths := []string{writeFile(t, "package authz\n\n"+rules)}
		var both [2]*policy.Engine
		for i, remembered := range []*policy.DecisionCache{memory, nil} {
			engine, problems := policy.Compile(t.Context(), policy.Sources{Library: rego.Files, Paths: paths, Cache: remembered})
			if engine == nil {
				t.Fatal(problems)
			}
			both[i] = engine
		}
		w.rules = append(w.rules, both)
	}
	w.state.Policy = w.rules[0][0]
	w.cached.swap(t, w.state)
	w.plain = newServer(t, extauthz.Options{})
	for _, key := range []*jwttest.Key{first, second, reused} {
		for _, change := range []map[string]any{
			{},
			{"exp": testTime.Add(time.Minute).Unix()},
			{"exp": testTime.Unix()},
			{"nbf": testTime.Add(time.Minute).Unix()},
			{"aud": "x"},
			{"aud": []any{"https://mcp.example.com/other", resourceURI}},
			{"iss": "https://evil.example.com"},
			{"scope": "mcp:write"},
			{"cnf": map[string]any{}},
			{"nonce": "n"},
			{"exp": nil},
		} {
			w.tokens = append(w.tokens, key.Sign(claims(change)))
		}
		w.tokens = append(w.tokens, key.SignAs(map[string]any{"alg": key.Alg, "typ": "at+jwt"}, claims()))
	}
	return w
}

// ask is a request with one of the tokens, at times with one byte changed.
func (w *differential) ask() clientRequest {
	compact := w.tokens[w.random.IntN(len(w.tokens))]
	if w.random.IntN(2) == 0 {
		compact = w.tokens[0] // the good one, whose verdicts are pinned
	}
	if w.random.IntN(10) == 0 {
		at := w.random.IntN(len(compact))
		compact = compact[:at] + string(compact[at]^1) + compact[at+1:]
	}
	question := bearer(compact)
	pick := func(of ...string) string { return of[w.random.IntN(len(of))] }
	question.path = pick("", "", "/other", "/mcp/x", "/mcp?admin", "/mcp?access_token=x", "/mcp?admin&a=b")
	question.method = pick("", "", "GET", "DELETE")
	question.host = pick("", "", "MCP.example.com", "weather.ns.svc:8443")
	for range w.random.IntN(3) {
		name := pick("x-tier", "x-tier", "x-where", "X_Where", "x-mcp-auth-subject", "x_mcp_auth_issuer", "dpop", "x-other")
		question.headers = append(question.headers, [2]string{name, pick("gold", "silver", "")})
	}
	return question
}

// change moves the clock, the keys, or the rules; both services see it.
func (w *differential) change(t testing.TB) {
	t.Helper()
	switch w.random.IntN(5) {
	case 4:
		next := *w.state
		w.at = w.random.IntN(len(w.rules))
		next.Policy = w.rules[w.at][0]
		w.state = &next
		w.cached.swap(t, w.state)
	case 0:
		w.now = testTime.Add(time.Duration(w.random.IntN(180)-60) * time.Second)
	case 1:
		w.state.Issuers[issuerURL].Keys.Replace(w.sets[w.random.IntN(len(w.sets))])
	case 2:
		next, issuer := *w.state, *w.state.Issuers[issuerURL]
		issuer.Algorithms = [][]string{{"ES256"}, {"EdDSA"}, token.DefaultAlgorithms()}[w.random.IntN(3)]
		issuer.Profile = token.Profile(w.random.IntN(2))
		next.Issuers = map[string]*token.Issuer{issuerURL: &issuer}
		w.state = &next
		w.cached.swap(t, w.state)
	case 3:
		source := jwks.NewSource(jwks.Options{Issuer: issuerURL, Static: w.sets[w.random.IntN(len(w.sets))]}, jwks.Environment{})
		next, issuer := *w.state, *w.state.Issuers[issuerURL]
		if w.random.IntN(2) == 0 { // a reload closes what left only after the swap
			issuer.Keys.Close()
		}
		issuer.Keys = source
		next.Issuers = map[string]*token.Issuer{issuerURL: &issuer}
		w.state = &next
		w.cached.swap(t, w.state)
	}
}

// forget gives the plain service a verifier that remembers nothing.
func (w *differential) forget(t testing.TB) {
	t.Helper()
	state := *w.state
	state.TokenCache, state.Policy = 0, w.rules[w.at][1]
	state.Verifier = token.NewVerifier(token.Options{ClockSkew: 30 * time.Second, Waiting: 10, Now: func() time.Time { return w.now }})
	swap(t, w.plain, &state)
}

func hitCounter(t *testing.T, d *testService) prometheus.Collector {
	t.Helper()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "hits"})
	families, err := d.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "doorward_token_cache_requests_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			if metric.GetLabel()[0].GetValue() == "hit" {
				counter.Add(metric.GetCounter().GetValue())
			}
		}
	}
	return counter
}

package policy_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/rego"
)

// remembering compiles one module of package authz for a memory.
func remembering(t testing.TB, memory *policy.DecisionCache, rules string) *policy.Engine {
	t.Helper()
	e, problems := policy.Compile(context.Background(), policy.Sources{
		Library: rego.Files, Cache: memory, Paths: []string{folder(t, map[string]string{"authz.rego": "package authz\n\n" + rules})},
	})
	if e == nil {
		t.Fatal(problems)
	}
	return e
}

func roomy() *policy.DecisionCache {
	m := policy.NewDecisionCache()
	m.SetMaximum(64 << 20)
	return m
}

// found asks the common judge and says where the decision came from.
func found(t testing.TB, e *policy.Engine, in policy.Input) policy.CacheResult {
	t.Helper()
	_, found, _ := e.For("").Decide(t.Context(), in)
	return found
}

// A new token of the same kind hits: nothing that tells it from the one before
// is read by the built-in rules. What a rule reads, and what it requires of the
// resource, makes another decision.
func TestWhatIsRemembered(t *testing.T) {
	const tenant = `require.tenant if input.claims.tenant in ["acme", "other"]`
	claim := func(name string, value any) func(*policy.Input) {
		return func(in *policy.Input) { in.Claims = maps.Clone(in.Claims); in.Claims[name] = value }
	}
	for _, tt := range []struct {
		intent, rules string
		change        func(*policy.Input)
		want          policy.CacheResult
	}{
		{"the same request", "", func(*policy.Input) {}, policy.Remembered},
		{"another expiry", "", claim("exp", jsonNumber("1800000000")), policy.Remembered},
		{"another token id", "", claim("jti", "2"), policy.Remembered},
		{"another subject", "", claim("sub", "bob"), policy.Remembered},
		{"another claim", "", claim("tenant", "other"), policy.Remembered},
		{"another request id", "", func(in *policy.Input) { requestOf(in).ID = "r-2" }, policy.Remembered},
		{"another path", "", func(in *policy.Input) { requestOf(in).Path = "/mcp/x" }, policy.Remembered},
		{"another client", "", func(in *policy.Input) { in.Token.Client = "x" }, policy.Remembered},
		{"another audience", "", claim("aud", []any{resourceURI}), policy.Evaluated},
		{"another scope", "", func(in *policy.Input) { in.Token.Scopes = []string{"mcp:read"} }, policy.Evaluated},
		{"another scope claim", "", claim("scope", "mcp:read"), policy.Evaluated},
		{"another profile", "", func(in *policy.Input) { in.Token.Profile = "rfc9068" }, policy.Evaluated},
		{"another resource", "", func(in *policy.Input) { in.Resource.URI += "/x" }, policy.Evaluated},
		{"other scopes of the resource", "", func(in *policy.Input) { in.Resource.Scopes = []string{"mcp:read", "mcp:write"} }, policy.Evaluated},
		{"other audiences of the resource", "", func(in *policy.Input) { in.Resource.Audiences = []string{"a"} }, policy.Evaluated},
		{"a claim that is read", tenant, claim("tenant", "other"), policy.Evaluated},
		{"and one beside it", tenant, claim("exp", jsonNumber("1800000000")), policy.Remembered},
		{"an object, whose members have no order", `require.a if input.claims.many`, func(*policy.Input) {}, policy.Remembered},
		{"a header that is read", `require.a if input.request.headers["x-a"][0]`, func(in *policy.Input) {
			requestOf(in).Headers = map[string][]string{"x-a": {"1"}}
		}, policy.Evaluated},
		{"and one beside it", `require.a if input.request.headers["x-a"][0]`, func(in *policy.Input) {
			requestOf(in).Headers = map[string][]string{"x-b": {"1"}}
		}, policy.Remembered},
		{"a parameter where all are read", `require.a if input.request.query[_][0] == "1"`, func(in *policy.Input) {
			requestOf(in).Query = map[string][]string{"page": {"1", "2"}, "more": {"1"}}
		}, policy.Evaluated},
		{"and one that no policy sees", `require.a if input.request.query[_][0] == "1"`, func(in *policy.Input) {
			requestOf(in).Query = map[string][]string{"page": {"1", "2"}, "access_token": {"secret"}}
		}, policy.Remembered},
		{"the time", `require.a if time.now_ns() > 0`, func(*policy.Input) {}, policy.Uncacheable},
		{"the request id", `require.a if input.request.id`, func(*policy.Input) {}, policy.Uncacheable},
	} {
		t.Run(tt.intent, func(t *testing.T) {
			e := remembering(t, roomy(), tt.rules)
			in := request()
			in.Claims["many"] = map[string]any{"a": true, "b": true, "c": true, "d": true, "e": true, "f": true, "g": true, "h": true}
			if first := found(t, e, in); first == policy.Remembered {
				t.Error("remembered before it was asked")
			}
			tt.change(&in)
			if got := found(t, e, in); got != tt.want {
				t.Errorf("found %v, want %v", got, tt.want)
			}
		})
	}
}

// A decision is that of one policy: neither the next one finds it, nor one of
// another package.
func TestRememberedForOnePolicy(t *testing.T) {
	memory := roomy()
	before, after := remembering(t, memory, ""), remembering(t, memory, `require.a := false`)
	for _, e := range []*policy.Engine{before, after, before, after} {
		want := policy.Allowed
		if e == after {
			want = policy.Denied
		}
		if got, from, err := e.For("").Decide(t.Context(), request()); err != nil || got.Outcome != want || from != policy.Evaluated {
			t.Errorf("outcome %v, found %v, error %v", got.Outcome, from, err)
		}
	}
	e, problems := policy.Compile(t.Context(), policy.Sources{
		Library: rego.Files, Cache: memory, Packages: map[string]string{"weather": "authz.weather", "maps": "authz.maps", "more": "authz.maps"},
		Paths: []string{folder(t, map[string]string{"a.rego": "package authz.weather\n\nrequire.a := false", "b.rego": "package authz.maps"})},
	})
	if e == nil {
		t.Fatal(problems)
	}
	for _, ask := range []struct {
		name string
		want policy.Outcome
		from policy.CacheResult
	}{
		{"maps", policy.Allowed, policy.Evaluated},
		{"weather", policy.Denied, policy.Evaluated},
		{"plain", policy.Allowed, policy.Evaluated},
		{"maps", policy.Allowed, policy.Remembered},
		{"more", policy.Allowed, policy.Remembered},
	} {
		if got, from, err := e.For(ask.name).Decide(t.Context(), request()); err != nil || got.Outcome != ask.want || from != ask.from {
			t.Errorf("%s: outcome %v, found %v, error %v", ask.name, got.Outcome, from, err)
		}
	}
}

// Two policies share a memory while one takes the other's place, and each
// request hears its own, also one that began before.
func TestMemoryWhileAPolicyChanges(t *testing.T) {
	memory := roomy()
	engines := []*policy.Engine{remembering(t, memory, `require.a if input.claims.tenant == "a"`), remembering(t, memory, `require.a if input.claims.tenant == "b"`)}
	done := make(chan error)
	for i := range 4 {
		go func() {
			for n := range 300 {
				tenant := []string{"a", "b"}[n/2%2]
				in, want := request(), policy.Denied
				in.Claims["tenant"] = tenant
				if tenant == []string{"a", "b"}[(n+i)%2] {
					want = policy.Allowed
				}
				if got, _, err := engines[(n+i)%2].For("").Decide(context.Background(), in); err != nil || got.Outcome != want {
					done <- fmt.Errorf("outcome %v, want %v, error %w", got.Outcome, want, err)
					return
				}
			}
			done <- nil
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// An error is an error each time, and so is a request that has gone.
func TestErrorsAreNotRemembered(t *testing.T) {
	e := remembering(t, roomy(), `require.a if to_number(input.claims.tenant) == 1`)
	for range 2 {
		if got, from, err := e.For("").Decide(t.Context(), request()); err == nil || from != policy.Evaluated || got.Outcome != policy.Failed {
			t.Errorf("outcome %v, found %v, error %v", got.Outcome, from, err)
		}
	}
	e = remembering(t, roomy(), "")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := e.For("").Decide(gone, request()); err == nil {
		t.Error("evaluated for a request that has gone")
	}
	if got, from, err := e.For("").Decide(t.Context(), request()); err != nil || got.Outcome != policy.Allowed || from != policy.Evaluated {
		t.Errorf("outcome %v, found %v, error %v", got.Outcome, from, err)
	}
}

// The memory keeps to its bytes, tells what it holds, and holds nothing where
// it may hold nothing.
func TestMemoryIsBounded(t *testing.T) {
	const most = 64 << 10
	memory := policy.NewDecisionCache()
	e := remembering(t, memory, `require.a if input.claims.n`)
	ask := func(n int) policy.CacheResult {
		in := request()
		in.Claims["n"] = fmt.Sprint(n)
		return found(t, e, in)
	}
	if ask(1); ask(1) != policy.Evaluated || memory.Bytes() != 0 {
		t.Errorf("remembered before there was room: %d bytes", memory.Bytes())
	}
	memory.SetMaximum(most)
	for n := range 500 {
		ask(n)
	}
	if held := memory.Bytes(); held == 0 || held > most {
		t.Errorf("%d bytes are held, of at most %d", held, most)
	}
	if memory.Evictions() == 0 {
		t.Error("nothing was evicted")
	}
	memory.SetMaximum(0)
	if ask(1); ask(1) != policy.Evaluated {
		t.Error("remembered without room")
	}
}

// A request that is too long to be remembered is decided all the same.
func TestALongKeyIsNotRemembered(t *testing.T) {
	e := remembering(t, roomy(), `require.a if input.request.path`)
	for length, want := range map[int]policy.CacheResult{1 << 10: policy.Remembered, 20 << 10: policy.Evaluated} {
		in := request()
		requestOf(&in).Path = "/" + strings.Repeat("a", length)
		found(t, e, in)
		if got, from, err := e.For("").Decide(t.Context(), in); err != nil || got.Outcome != policy.Allowed || from != want {
			t.Errorf("%d bytes: outcome %v, found %v, error %v", length, got.Outcome, from, err)
		}
	}
}

// What came from memory is what evaluation said, and neither was changed by
// the other.
func TestRememberedIsTheSame(t *testing.T) {
	e := remembering(t, roomy(), `headers["x-tenant"] := input.claims.tenant
warn contains {"code": "a", "message": "b"}
scopes contains "mcp:read"`)
	first, _, err := e.For("").Decide(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	second, from, err := e.For("").Decide(t.Context(), request())
	if err != nil || from != policy.Remembered {
		t.Fatal(from, err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("(-evaluated +remembered):\n%s", diff)
	}
}

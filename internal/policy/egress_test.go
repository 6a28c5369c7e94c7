package policy

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/rego"
)

// outgoing is a request with a token that the built-in rules allow.
func outgoing() Input {
	return Input{
		Resource:    Resource{Name: "weather", URI: resourceOf},
		Claims:      map[string]any{"aud": resourceOf, "exp": json.Number("1")},
		Token:       Token{Recent: true, Profile: "standard", BoundBy: "aud", Trusted: true},
		Destination: &Destination{Host: "api.example.com", Token: "exchange"},
	}
}

// A team's rules decide on what leaves, by direction and destination, and can only deny.
func TestDecideEgress(t *testing.T) {
	withoutToken := func(in *Input) { in.Resource.Anonymous, in.Claims, in.Token = true, nil, Token{} }
	for rules, rows := range map[string][]struct {
		intent string
		change func(*Input)
		want   Outcome
	}{
		"": {
			{"with a token", func(*Input) {}, Allowed},
			{"without a token", withoutToken, AllowedAnonymous},
			{"without a token, and not said so", func(in *Input) { in.Claims, in.Token = nil, Token{} }, AudienceMismatch},
			{"a token for others", func(in *Input) { in.Claims["aud"] = "https://api.example.com" }, AudienceMismatch},
			{"no scope", func(in *Input) { in.Resource.Scopes = []string{"a"} }, InsufficientScope},
			{"no direction", func(in *Input) { in.Destination = nil }, Failed},
		},
		`deny contains {"code": "a", "message": ""} if input.direction == "egress"`: {{"direction", func(*Input) {}, Denied}},
		`require.a if input.direction == "inbound"`:                                 {{"direction in a requirement", withoutToken, Denied}},
		`require.a if input.destination.host == "api.example.com"`: {
			{"this host", func(*Input) {}, Allowed},
			{"another host", func(in *Input) { in.Destination = &Destination{Host: "b"} }, Denied},
		},
		`require.a if not input.destination.path`: {
			{"no path", func(*Input) {}, Allowed},
			{"a path", func(in *Input) { in.Destination = &Destination{Host: "b", Path: "/"} }, Denied},
		},
		`require.a if input.destination.token == "exchange"`: {{"what it gets", func(*Input) {}, Allowed}},
		`scopes contains "b" if input.direction == "egress"`: {{"a scope of the team", withoutToken, InsufficientScope}},
		`require.a if input.claims.sub`:                      {{"a claim without a token", withoutToken, Denied}},
	} {
		e := compileFor(t, map[string]string{"a.rego": "package authz\n\n" + rules, "b.rego": "package authz.weather"})
		for _, row := range rows {
			for _, name := range []string{"weather", "plain"} {
				in := outgoing()
				row.change(&in)
				for range 2 {
					if got, _, _ := e.For(name).DecideEgress(t.Context(), in); got.Outcome != row.want {
						t.Errorf("%s: %s: %v", rules, row.intent, got.Outcome)
					}
				}
			}
		}
	}
}

// The rules of a resource's own package decide too, and each direction has decisions of
// its own in the cache.
func TestDecideEgressByPackageAndDirection(t *testing.T) {
	e := compileFor(t, map[string]string{
		"a.rego": "package authz",
		"b.rego": "package authz.weather\n\nrequire.a if input.direction == \"inbound\"",
	})
	inbound := outgoing()
	inbound.Destination = nil
	for range 2 {
		for name, want := range map[string]Outcome{"weather": Denied, "plain": Allowed} {
			if got, _, _ := e.For(name).DecideEgress(t.Context(), outgoing()); got.Outcome != want {
				t.Errorf("%s: %v", name, got.Outcome)
			}
			if got, _, _ := e.For(name).Decide(t.Context(), inbound); got.Outcome != Allowed {
				t.Errorf("%s: inbound %v", name, got.Outcome)
			}
		}
	}
}

// Without Sources.Egress, and while a bundle is missing, every token is ours and nothing
// is allowed to leave.
func TestEgressFailsClosed(t *testing.T) {
	withoutEgress := fstest.MapFS{}
	for _, name := range []string{
		"anonymous.rego", "audience.rego", "authentication.rego", "decision.rego", "passthrough.rego", "scope.rego", "team.rego",
	} {
		text, err := rego.Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		withoutEgress[name] = &fstest.MapFile{Data: text}
	}
	for intent, src := range map[string]Sources{
		"no egress.rego":   {Library: withoutEgress, Egress: true},
		"not compiled":     {Library: rego.Files},
		"a missing bundle": {Library: rego.Files, Egress: true, Missing: []string{"a"}},
	} {
		e, problems := Compile(t.Context(), src)
		if e == nil {
			t.Fatal(problems)
		}
		if is, err := e.Ours(t.Context(), outgoing()); !is || err == nil {
			t.Errorf("%s: ours %v, %v", intent, is, err)
		}
		if d, _, err := e.For("weather").DecideEgress(t.Context(), outgoing()); d.Outcome != Failed || err == nil {
			t.Errorf("%s: %v, %v", intent, d.Outcome, err)
		}
	}
}

// What the rules cannot judge is ours: an error of a built-in function, a claim that is
// no JSON, a deadline. None of it is cached.
func TestOursFailsClosed(t *testing.T) {
	e := compileFor(t, map[string]string{"b.rego": "package authz.weather"})
	foreign := outgoing()
	foreign.Claims["aud"] = "https://api.example.com"
	if is, err := e.Ours(t.Context(), foreign); is || err != nil {
		t.Fatalf("a foreign token: %v, %v", is, err)
	}
	for intent, change := range map[string]func(*Input){
		"a number out of range": func(in *Input) { in.Claims = map[string]any{"aud": json.Number("1e999999")} },
		"a type of Go":          func(in *Input) { in.Claims = map[string]any{"aud": []string{"a"}} },
		"an expression that is none": func(in *Input) {
			in.Token.Dedicated, in.Token.ClientIDPattern = true, "("
		},
	} {
		in := foreign
		change(&in)
		for range 2 {
			if is, err := e.Ours(t.Context(), in); !is || err == nil {
				t.Errorf("%s: %v, %v", intent, is, err)
			}
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	other := foreign
	other.Claims = map[string]any{"aud": "https://another.example.com"}
	if is, err := e.Ours(ended, other); !is || err == nil {
		t.Errorf("past the deadline: %v, %v", is, err)
	}
}

// The cached answer is the evaluated one, made of all of input, for whatever claims and
// resources; and a token that audience.matches accepts is ours.
func TestOursIsCachedAsEvaluated(t *testing.T) {
	e := compileFor(t, map[string]string{"b.rego": "package authz.weather"})
	alone, problems := Compile(t.Context(), Sources{Library: rego.Files, Egress: true})
	if alone == nil {
		t.Fatal(problems)
	}
	alone.ours.deps = everything()
	w := writer{rand.New(rand.NewPCG(14, 6))}
	seen := map[bool]int{}
	for range 3000 {
		in := w.input()
		in.Destination = nil
		if w.IntN(3) == 0 {
			in.Claims["aud"] = w.pick("a", "b", "account", resourceOf, strings.ToUpper(resourceOf))
		}
		for _, name := range []string{"client_id", "azp"} {
			if w.IntN(3) == 0 {
				in.Claims[name] = w.pick("a", "b", "mcp:read")
			}
		}
		in.Token.Trusted = w.IntN(3) > 0
		got, err := e.Ours(t.Context(), in)
		again, _ := e.Ours(t.Context(), in)
		want, wantErr := alone.Ours(t.Context(), in)
		if got != want || again != want || fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Fatalf("ours %v, again %v, %v; of all of input %v, %v: %+v", got, again, err, want, wantErr, in)
		}
		d, _, _ := e.For("plain").Decide(t.Context(), in)
		bound := d.Outcome != AudienceMismatch && d.Outcome != Failed && !in.Resource.Anonymous
		if in.Token.Trusted && bound && !got {
			t.Fatalf("comes in and is not ours: %+v", in)
		}
		seen[got]++
	}
	if seen[true] < 300 || seen[false] < 300 {
		t.Errorf("too much alike: %v", seen)
	}
}

// What comes in is decided by the same dependencies under the same keys, whether or not
// something is prepared for what goes out.
func TestEgressChangesNothingInbound(t *testing.T) {
	files := map[string]string{"a.rego": "package authz\n\nrequire.a if input.request.method == \"POST\"", "b.rego": "package authz.weather"}
	with := compileFor(t, files)
	without, problems := Compile(t.Context(), Sources{
		Library: rego.Files, Paths: []string{written(t, files)}, Packages: map[string]string{"weather": "authz.weather"}, Cache: with.cache,
	})
	if without == nil {
		t.Fatal(problems)
	}
	w := writer{rand.New(rand.NewPCG(14, 7))}
	for _, name := range []string{"weather", "plain"} {
		one, other := with.For(name), without.For(name)
		if diff := cmp.Diff(one.deps.paths(), other.deps.paths()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		for _, l := range other.deps {
			if l.part == direction || l.part == destinationHost {
				t.Errorf("%s reads %v", name, l.path)
			}
		}
		for range 100 {
			in := w.input()
			key, _ := one.key(nil, &in)
			if same, _ := other.key(nil, &in); string(same) != string(key) {
				t.Fatalf("%s: another key", name)
			}
		}
	}
	if without.ours != nil || without.For("weather").egress != nil {
		t.Error("prepared without being asked")
	}
	for file := range without.compiler.Modules {
		if strings.Contains(file, "egress") {
			t.Errorf("%s is compiled", file)
		}
	}
}

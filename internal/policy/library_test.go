package policy_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"

	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/rego"
)

// switchable is a team whose every kind of refusal a request header turns on.
const switchable = `package authz

deny contains {"code": "closed", "message": ""} if input.request.headers["x-deny"]

require.met if not input.request.headers["x-unmet"]

scopes contains "team:extra" if input.request.headers["x-scope"]
`

// refusals are requests that the whole library refuses, each for one reason.
func refusals() map[string]policy.Input {
	all := map[string]policy.Input{}
	add := func(name string, change func(*policy.Input)) {
		in := request()
		change(&in)
		all[name] = in
	}
	header := func(name string) func(*policy.Input) {
		return func(in *policy.Input) { requestOf(in).Headers[name] = []string{"1"} }
	}
	aud := func(value any) func(*policy.Input) {
		return func(in *policy.Input) { in.Claims["aud"] = value }
	}
	add("no audience", func(in *policy.Input) { delete(in.Claims, "aud") })
	add("another audience", aud("https://other.example.com/mcp"))
	add("audience above", aud("https://mcp.example.com"))
	add("audience below", aud([]any{resourceURI + "/tools"}))
	add("audience on another port", aud("https://mcp.example.com:8443/mcp"))
	add("audience with a slash", aud(resourceURI+"/"))
	add("audience in an object", aud(map[string]any{"a": resourceURI}))
	add("no URI at all", aud("mcp"))
	add("ID token of the application", func(in *policy.Input) {
		in.Resource.Audiences, in.Claims["aud"], in.Token.Marked = []string{"api://app"}, "api://app", false
		delete(in.Claims, "scope")
		in.Claims["roles"] = []any{"reader"}
	})
	add("marked token of the application without a permission", func(in *policy.Input) {
		in.Resource.Audiences, in.Claims["aud"], in.Resource.Scopes, in.Token.Scopes = []string{"api://app"}, "api://app", nil, nil
		delete(in.Claims, "scope")
	})
	add("another alias", func(in *policy.Input) {
		in.Resource.Aliases, in.Claims["aud"] = []string{"https://a.example.com/mcp"}, "https://a.example.com"
	})
	add("no way", func(in *policy.Input) { in.Token.BoundBy = "" })
	add("aud that the caller chose", func(in *policy.Input) { in.Token.SelfAsserted = true })
	way := func(by string, change func(*policy.Input)) func(*policy.Input) {
		return func(in *policy.Input) {
			in.Token.BoundBy, in.Token.Dedicated, in.Token.GenericAudiences = by, by == "dedicated", []string{"account"}
			in.Token.ClientIDPattern, in.Resource.Clients = "c-.*", []string{"abc", "xyz"}
			in.Claims["client_id"] = "abc"
			delete(in.Claims, "aud")
			change(in)
		}
	}
	for _, by := range []string{"client", "dedicated"} {
		add(by+", unmarked", way(by, func(in *policy.Input) { in.Token.Marked = false }))
		add(by+", self-asserted", way(by, func(in *policy.Input) { in.Token.SelfAsserted, in.Token.SubjectAccepted = true, true }))
		add(by+", another aud", way(by, func(in *policy.Input) { in.Claims["aud"] = "https://other.example.com" }))
		add(by+", another aud in a list", way(by, func(in *policy.Input) { in.Claims["aud"] = []any{"abc", "https://other.example.com"} }))
		add(by+", aud of another type", way(by, func(in *policy.Input) { in.Claims["aud"] = []any{json.Number("7")} }))
		for _, name := range []string{"azp", "cid", "appid"} {
			add(by+", another "+name, way(by, func(in *policy.Input) { in.Claims[name] = "xyz" }))
		}
	}
	add("client, not listed", way("client", func(in *policy.Input) { in.Claims["client_id"] = "other" }))
	add("client, in aud and not listed", way("client", func(in *policy.Input) {
		delete(in.Claims, "client_id")
		in.Claims["aud"] = "other"
	}))
	add("client, of a dedicated issuer alone", way("client", func(in *policy.Input) { in.Resource.Clients, in.Token.Dedicated = nil, true }))
	add("client, that is a name of the resource", way("client", func(in *policy.Input) {
		in.Resource.Audiences, in.Claims["aud"] = []string{"abc"}, "abc"
	}))
	add("dedicated, to nobody", way("dedicated", func(in *policy.Input) { in.Token.Dedicated = false }))
	add("dedicated, aud of no client", way("dedicated", func(in *policy.Input) {
		delete(in.Claims, "client_id")
		in.Claims["aud"] = "xc-1"
	}))
	add("no alternative", func(in *policy.Input) { in.Resource.ScopesAny = [][]string{{"a", "mcp:read"}, {"b"}} })
	add("unknown profile", func(in *policy.Input) {
		in.Resource.Audiences, in.Claims["aud"], in.Token.Profile = []string{"api://app"}, "api://app", ""
	})
	add("denied", header("x-deny"))
	add("requirement unmet", header("x-unmet"))
	add("scope of the team missing", header("x-scope"))
	add("scope of the resource missing", func(in *policy.Input) { in.Token.Scopes = []string{"mcp:read"} })
	add("scope of the operation missing", func(in *policy.Input) { in.Resource.OperationScopes = []string{"mcp:admin"} })
	add("acr missing", func(in *policy.Input) { in.Resource.ACRValues = []string{"gold"} })
	add("another acr", func(in *policy.Input) { in.Resource.ACRValues, in.Claims["acr"] = []string{"gold"}, "silver" })
	add("not recent", func(in *policy.Input) { in.Resource.MaxAge, in.Token.Recent = time.Minute, false })
	withoutToken := func(name string, change func(*policy.Input)) {
		add("anonymous, "+name, func(in *policy.Input) {
			in.Resource.Anonymous, in.Claims, in.Token = true, nil, policy.Token{}
			change(in)
		})
	}
	withoutToken("not configured", func(in *policy.Input) { in.Resource.Anonymous = false })
	withoutToken("denied", header("x-deny"))
	withoutToken("requirement unmet", header("x-unmet"))
	withoutToken("scope of the team", header("x-scope"))
	add("no scope", func(in *policy.Input) { in.Token.Scopes = nil })
	return all
}

// allows reports the outcomes that let a request through.
func allows(o policy.Outcome) bool { return o == policy.Allowed || o == policy.AllowedAnonymous }

// outcomeOf compiles a library with the switchable team and decides; a library
// that does not compile refuses everything.
func outcomeOf(t *testing.T, library fs.FS, requests map[string]policy.Input) map[string]policy.Outcome {
	t.Helper()
	outcomes := map[string]policy.Outcome{}
	e, problems := policy.Compile(t.Context(), policy.Sources{
		Library: library, Paths: []string{folder(t, map[string]string{"authz.rego": switchable})},
	})
	if e == nil {
		if len(problems) == 0 {
			t.Error("no engine, and no problem")
		}
		return outcomes
	}
	for name, in := range requests {
		d, err := decide(t.Context(), e, in)
		if err != nil && d.Outcome != policy.Failed {
			t.Errorf("%s: outcome %v beside an error", name, d.Outcome)
		}
		outcomes[name] = d.Outcome
	}
	return outcomes
}

// sources reads the library into a map that a test may change.
func sources(t *testing.T) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	names, err := fs.Glob(rego.Files, "*.rego")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		source, err := fs.ReadFile(rego.Files, name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: source}
	}
	return files
}

// changed is the library with one module rewritten.
func changed(t *testing.T, file string, change func(*ast.Module)) fs.FS {
	t.Helper()
	files := sources(t)
	m, err := ast.ParseModuleWithOpts(file, string(files[file].Data), ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		t.Fatal(err)
	}
	m.Comments = nil
	change(m)
	source, err := format.AstWithOpts(m, format.Opts{RegoVersion: ast.RegoV1})
	if err != nil {
		t.Fatal(err)
	}
	files[file] = &fstest.MapFile{Data: source}
	return files
}

func TestWholeLibrary(t *testing.T) {
	requests := refusals()
	requests["good"] = request()
	for name, outcome := range outcomeOf(t, rego.Files, requests) {
		if allows(outcome) != (name == "good") || outcome == policy.Failed {
			t.Errorf("%s: outcome %v", name, outcome)
		}
	}
}

// Without any one of its files each request is refused. egress.rego alone has no part in what
// arrives: TestEgressFailsClosed.
func TestDeletedFileShutsTheDoor(t *testing.T) {
	requests := refusals()
	requests["good"] = request()
	for file := range sources(t) {
		if file == "egress.rego" {
			continue
		}
		library := sources(t)
		delete(library, file)
		for name, outcome := range outcomeOf(t, library, requests) {
			if allows(outcome) {
				t.Errorf("without %s: %s is allowed", file, name)
			}
		}
	}
}

// Without any one rule, whole, the door is shut for everybody. Failed here
// means that the policy does not even compile, or that nothing is decided.
func TestDeletedRuleShutsTheDoor(t *testing.T) {
	tests := []struct {
		file, rule string
		want       policy.Outcome
	}{
		{"audience.rego", "matches", policy.AudienceMismatch},
		{"audience.rego", "audiences", policy.Failed},
		{"passthrough.rego", "strip", policy.Failed},
		{"passthrough.rego", "holds", policy.Passthrough},
		{"team.rego", "agrees", policy.Denied},
		{"team.rego", "deny", policy.Failed},
		{"team.rego", "required", policy.Failed},
		{"team.rego", "unmet", policy.Failed},
		{"team.rego", "met", policy.Failed},
		{"team.rego", "scopes", policy.Failed},
		{"team.rego", "warn", policy.Failed},
		{"team.rego", "headers", policy.Failed},
		{"team.rego", "says", policy.Failed},
		{"scope.rego", "needed", policy.Failed},
		{"scope.rego", "granted", policy.Failed},
		{"scope.rego", "has_those_of_the_operation", policy.Failed},
		{"authentication.rego", "suffices", policy.InsufficientUserAuthentication},
		{"authentication.rego", "is_of_a_class", policy.Failed},
		{"anonymous.rego", "holds", policy.Failed},
		{"scope.rego", "suffices", policy.InsufficientScope},
		{"decision.rego", "decision", policy.Failed},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			library := changed(t, tt.file, func(m *ast.Module) {
				m.Rules = slices.DeleteFunc(m.Rules, func(r *ast.Rule) bool { return r.Head.Ref()[0].Value.String() == tt.rule })
			})
			requests := refusals()
			requests["good"] = request()
			outcomes := outcomeOf(t, library, requests)
			for name, outcome := range outcomes {
				if allows(outcome) {
					t.Errorf("%s is allowed", name)
				}
			}
			if outcomes["good"] != tt.want {
				t.Errorf("good request: outcome %v, want %v", outcomes["good"], tt.want)
			}
		})
	}
}

// Whatever single rule or branch is deleted anywhere, no request is allowed
// that the whole library refuses. In decision.rego that holds for every single
// condition too.
func TestNothingDeletedAllows(t *testing.T) {
	requests := refusals()
	count := 0
	try := func(file, what string, change func(*ast.Module)) {
		count++
		for name, outcome := range outcomeOf(t, changed(t, file, change), requests) {
			if allows(outcome) {
				t.Errorf("%s without %s: %s is allowed", file, what, name)
			}
		}
	}
	for _, file := range slices.Sorted(maps.Keys(sources(t))) {
		changed(t, file, func(m *ast.Module) {
			for i, rule := range m.Rules {
				what := rule.Head.String()
				try(file, what, func(m *ast.Module) { m.Rules = slices.Delete(m.Rules, i, i+1) })
				for depth, branch := 0, rule; branch != nil; depth, branch = depth+1, branch.Else {
					if branch.Else != nil {
						try(file, what+", an else", func(m *ast.Module) { b := branchAt(m.Rules[i], depth); b.Else = b.Else.Else })
					}
					if file != "decision.rego" || len(branch.Body) < 2 {
						continue
					}
					for k := range branch.Body {
						try(file, branch.Body[k].String(), func(m *ast.Module) {
							b := branchAt(m.Rules[i], depth)
							b.Body = slices.Delete(b.Body, k, k+1)
						})
					}
				}
			}
		})
	}
	if count < 30 {
		t.Errorf("only %d deletions were tried", count)
	}
}

func branchAt(rule *ast.Rule, depth int) *ast.Rule {
	for range depth {
		rule = rule.Else
	}
	return rule
}

// The Go side holds strip against the decision once more.
func TestStripIsCheckedAgain(t *testing.T) {
	tests := []struct {
		intent, strip string
		want          policy.Outcome
	}{
		{"as it should be", `{"headers": ["authorization"], "query": []}`, policy.Allowed},
		{"without authorization", `{"headers": ["dpop"], "query": ["access_token"]}`, policy.Passthrough},
		{"empty", `{"headers": [], "query": []}`, policy.Passthrough},
		{"in capitals", `{"headers": ["Authorization"], "query": []}`, policy.Passthrough},
		{"without query", `{"headers": ["authorization"]}`, policy.Failed},
		{"no object", `"authorization"`, policy.Failed},
		{"no strings", `{"headers": [1], "query": []}`, policy.Failed},
		{"null", `null`, policy.Failed},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			library := sources(t)
			source := string(library["decision.rego"].Data)
			broken := strings.Replace(source, `"strip": passthrough.strip`, `"strip": `+tt.strip, 1)
			if broken == source {
				t.Fatal("nothing replaced")
			}
			library["decision.rego"] = &fstest.MapFile{Data: []byte(broken)}
			if got := outcomeOf(t, library, map[string]policy.Input{"good": request()})["good"]; got != tt.want {
				t.Errorf("outcome %v, want %v", got, tt.want)
			}
		})
	}
}

// A decision that is none is an error.
func TestDecisionOfTheWrongShape(t *testing.T) {
	for intent, decision := range map[string]string{
		"undefined":             `decision := 1 if false`,
		"a boolean":             `decision := true`,
		"a string":              `decision := "allowed"`,
		"an empty object":       `decision := {}`,
		"allowed and no more":   `decision := {"outcome": "allowed"}`,
		"an unknown outcome":    `decision := {"outcome": "fine"}`,
		"an outcome of no word": `decision := {"outcome": true}`,
		"more than it should":   `decision := {"outcome": "passthrough", "allow": true}`,
		"team of another shape": `decision := {"outcome": "allowed", "strip": data.doorward.passthrough.strip, "team": {}}`,
		"team is null":          `decision := {"outcome": "policy_denied", "team": null}`,
		"a header of no rule":   `decision := {"outcome": "allowed", "strip": data.doorward.passthrough.strip, "team": object.union(data.doorward.team.says, {"headers": {"x-a": "b"}})}`,
		"a set":                 `decision contains "allowed"`,
	} {
		library := sources(t)
		library["decision.rego"] = &fstest.MapFile{Data: []byte("package doorward\n\n" + decision + "\n")}
		e, problems := policy.Compile(t.Context(), policy.Sources{Library: library})
		if e == nil {
			t.Errorf("%s: %v", intent, problems)
			continue
		}
		if d, err := decide(t.Context(), e, request()); err == nil || d.Outcome != policy.Failed {
			t.Errorf("%s: outcome %v, error %v", intent, d.Outcome, err)
		}
	}
}

func TestBrokenLibraryIsAProblem(t *testing.T) {
	for intent, library := range map[string]fs.FS{
		"nothing":        fstest.MapFS{},
		"a syntax fault": fstest.MapFS{"decision.rego": {Data: []byte("package doorward\n\ndecision := {")}},
	} {
		e, problems := policy.Compile(t.Context(), policy.Sources{Library: library})
		if e == nil {
			if len(problems) == 0 {
				t.Errorf("%s: neither engine nor problem", intent)
			}
			continue
		}
		if d, err := decide(t.Context(), e, request()); err == nil || d.Outcome != policy.Failed {
			t.Errorf("%s: outcome %v, error %v", intent, d.Outcome, err)
		}
	}
}

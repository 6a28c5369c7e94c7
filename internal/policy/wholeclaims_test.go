package policy

import (
	"maps"
	"testing"
)

// A rule that looks at a member of a claim and uses the claim as a whole, too,
// sees all of it: from a part of it a rule could come to an allow.
func TestWhatIsUsedAsAWholeIsReadAsAWhole(t *testing.T) {
	organisation := map[string]any{"id": "acme", "suspended": true}
	for intent, row := range map[string]struct {
		rules string
		want  Outcome
	}{
		"alias compared with function argument": {`
deny contains {"code": "a", "message": "m"} if bad({"org": {"id": "acme", "suspended": true}})
bad(expected) if { o := input.claims.org; o.id == "acme"; o == expected.org }`, Denied},
		"require compares whole": {`
require.exact if same(json.unmarshal("{\"org\": {\"id\": \"acme\"}}"))
same(expected) if { o := input.claims.org; o.id == "acme"; o == expected.org }`, Denied},
		"require compares whole local": {`
require.exact if { want := json.unmarshal("{\"org\": {\"id\": \"acme\"}}"); o := input.claims.org; o.id == "acme"; o == want.org }`, Denied},
		"require, not equal": {`
require.exact if { want := json.unmarshal("{\"org\": {\"id\": \"acme\", \"suspended\": true}}"); o := input.claims.org; o.id == "acme"; not o == want.org }`, Denied},
		"whole claims": {`
require.exact if same({"c": {"aud": "https://mcp.example.com/mcp", "scope": "a"}})
same(e) if { c := input.claims; c.aud; c == e.c }`, Denied},
		"with value": {`
deny contains {"code": "a", "message": "m"} if {
	input.claims.org.id == "acme"
	x := data.authz.helper with input.claims.shadow as input.claims.org
	x
}
helper if input.claims.shadow.suspended`, Denied},
		"in a key": {`
deny contains {"code": "a", "message": "m"} if { o := input.claims.org; o.id == "acme"; x := data.authz.banned[[o, 1]]; x }
banned contains [{"id": "acme", "suspended": true}, 1]`, Denied},
	} {
		t.Run(intent, func(t *testing.T) {
			e := compileFor(t, map[string]string{"a.rego": "package authz\n" + row.rules, "b.rego": "package authz.weather"})
			if e == nil {
				t.Fatal("not compiled")
			}
			in := Input{
				Resource: Resource{Name: "plain", URI: "https://mcp.example.com/mcp"},
				Claims:   map[string]any{"aud": "https://mcp.example.com/mcp", "scope": "a", "org": maps.Clone(organisation)},
				Token:    Token{Recent: true, Profile: "standard", BoundBy: "aud", Scopes: []string{"a"}},
			}
			j := e.For("plain")
			d, _, err := j.Decide(t.Context(), in)
			whole := *j
			whole.deps = newInputDeps([][]string{{}})
			w, wholeErr := whole.evaluate(t.Context(), &in)
			if d.Outcome != w.Outcome || d.Outcome != row.want {
				t.Errorf("with the dependencies %v (%v), with all of the input %v (%v), want %v", d.Outcome, err, w.Outcome, wholeErr, row.want)
			}
		})
	}
}

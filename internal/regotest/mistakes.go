package regotest

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/policy"
)

// mistakes are the findings about tests that need no run.
func mistakes(suite *policy.Suite) finding.List {
	known := members()
	var problems finding.List
	for _, file := range suite.Tests {
		m := suite.Modules[file]
		ast.WalkTerms(m, func(t *ast.Term) bool {
			problems = append(problems, misspelt(m, t, known)...)
			return false
		})
		ast.WalkExprs(m, func(e *ast.Expr) bool {
			problems = append(problems, settled(m, e)...)
			return false
		})
	}
	return problems
}

// misspelt finds members that doorward.request does not know: with one it is
// undefined, and the test fails without saying why.
func misspelt(m *ast.Module, t *ast.Term, known map[string][]string) finding.List {
	call, ok := t.Value.(ast.Call)
	if !ok || len(call) != 2 || fullName(m, call[0]) != "data.doorward.request" {
		return nil
	}
	if argument, ok := call[1].Value.(ast.Object); ok {
		return unknown(argument, "", known)
	}
	return nil
}

// settled finds lines that test whether a set is defined, which it always is.
func settled(m *ast.Module, e *ast.Expr) finding.List {
	term, ok := e.Terms.(*ast.Term)
	if !ok {
		return nil
	}
	name := fullName(m, term)
	if !regexp.MustCompile(`^data\.authz(\.\w+)*\.(deny|warn|scopes)$`).MatchString(name) {
		return nil
	}
	always, sign := "always", "> 0"
	if e.Negated {
		always, sign = "never", "== 0"
	}
	return finding.List{{
		File: e.Location.File, Line: e.Location.Row, Column: e.Location.Col, Severity: finding.Warning,
		Message: fmt.Sprintf("%s is a set, and an empty set is not false, so this line %s holds", term, always),
		Fix:     fmt.Sprintf("write count(%s) %s", term, sign),
	}}
}

// fullName is a reference with its import written out.
func fullName(m *ast.Module, t *ast.Term) string {
	ref, ok := t.Value.(ast.Ref)
	if !ok {
		return ""
	}
	for _, imported := range m.Imports {
		if path, isRef := imported.Path.Value.(ast.Ref); isRef && ref[0].Value.Compare(imported.Name()) == 0 {
			return path.Concat(ref[1:]).String()
		}
	}
	return ref.String()
}

// members are the names that the schema of input has, by section. The members
// of the request are at the top too.
func members() map[string][]string {
	type object struct {
		Properties map[string]object `json:"properties"`
	}
	var schema object
	if err := json.Unmarshal(policy.InputSchema(), &schema); err != nil {
		panic(fmt.Sprintf("regotest: the schema of input is broken: %v", err))
	}
	known := map[string][]string{"": slices.Collect(maps.Keys(schema.Properties))}
	for name, section := range schema.Properties {
		known[name] = slices.Sorted(maps.Keys(section.Properties))
	}
	known[""] = append(known[""], known["request"]...)
	slices.Sort(known[""])
	return known
}

func unknown(argument ast.Object, section string, known map[string][]string) finding.List {
	var problems finding.List
	argument.Foreach(func(key, value *ast.Term) {
		name, ok := key.Value.(ast.String)
		if !ok {
			return
		}
		if !slices.Contains(known[section], string(name)) {
			problems = append(problems, finding.Finding{
				File: key.Location.File, Line: key.Location.Row, Column: key.Location.Col,
				Message: fmt.Sprintf("doorward.request does not know %q", string(name)),
				Fix:     "write one of " + strings.Join(known[section], ", "),
			})
		}
		inner, isObject := value.Value.(ast.Object)
		if section == "" && isObject && slices.Contains([]string{"request", "resource", "token"}, string(name)) {
			problems = append(problems, unknown(inner, string(name), known)...)
		}
	})
	return problems
}

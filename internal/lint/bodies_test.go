package lint_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/doorward/doorward/internal/lint"
)

// Every body of three of these lines, against every value that tells them
// apart: one that is called never true is never true, and the other way round.
func TestNeverTrueIsNeverTrue(t *testing.T) {
	const path = "input.claims.role"
	lines := []string{
		path + ` == "a"`, path + ` == "b"`, `"c" == ` + path, path + ` != "a"`, path + ` != "b"`, `not ` + path + ` == "c"`,
		path + ` in {"a", "b"}`, path + ` in ["b", "c"]`, "true",
	}
	var module strings.Builder
	module.WriteString("package authz\n")
	for i := range len(lines) * len(lines) * len(lines) {
		fmt.Fprintf(&module, "\nr%d if {\n\t%s\n\t%s\n\t%s\n}\n", i, lines[i%9], lines[i/9%9], lines[i/81])
	}
	m, err := ast.ParseModuleWithOpts("a.rego", module.String(), ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		t.Fatal(err)
	}
	flagged := map[int]bool{}
	for _, f := range lint.Check(map[string]*ast.Module{"a.rego": m}, lint.Known{}) {
		flagged[(f.Line-3)/6] = true
	}
	query, err := rego.New(rego.Query("data.authz"), rego.ParsedModule(m)).PrepareForEval(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	holds := map[string]bool{}
	for _, claims := range []map[string]any{{}, {"role": "a"}, {"role": "b"}, {"role": "c"}, {"role": "d"}} {
		results, err := query.Eval(t.Context(), rego.EvalInput(map[string]any{"claims": claims}))
		if err != nil {
			t.Fatal(err)
		}
		rules, _ := results[0].Expressions[0].Value.(map[string]any)
		for name := range rules {
			holds[name] = true
		}
	}
	for i, rule := range m.Rules {
		if flagged[i] == holds[fmt.Sprintf("r%d", i)] {
			t.Errorf("never true: said %v, is %v:\n%s", flagged[i], !holds[fmt.Sprintf("r%d", i)], rule)
		}
	}
}

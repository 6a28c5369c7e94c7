package rego_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/tester"
)

// Each rule, and each condition of each rule, about audience, scopes, authentication,
// requests without a token and what leaves is held by a test: without it a test fails, or the module does not compile.
func TestEachConditionIsTested(t *testing.T) {
	for _, file := range []string{"audience.rego", "scope.rego", "authentication.rego", "anonymous.rego", "egress.rego"} {
		for i, rule := range parse(t, []string{file})[file].Rules {
			t.Run(fmt.Sprintf("%s/%d/without %s", file, i, rule.Head), func(t *testing.T) {
				dies(t, file, func(m *ast.Module) { m.Rules = slices.Delete(m.Rules, i, i+1) })
			})
			for k := range rule.Body {
				if len(rule.Body) > 1 {
					t.Run(fmt.Sprintf("%s/%d/%s", file, i, rule.Body[k]), func(t *testing.T) {
						dies(t, file, func(m *ast.Module) { m.Rules[i].Body = slices.Delete(m.Rules[i].Body, k, k+1) })
					})
				}
			}
		}
	}
}

// dies fails the test where all tests pass after the change of a file.
func dies(t *testing.T, file string, change func(*ast.Module)) {
	t.Helper()
	t.Parallel()
	modules := parse(t, glob(t))
	change(modules[file])
	results, err := tester.NewRunner().RaiseBuiltinErrors(true).SetModules(modules).RunTests(t.Context(), nil)
	if err != nil {
		return // it does not compile
	}
	failed := false
	for result := range results {
		failed = failed || result.Fail || result.Error != nil
	}
	if !failed {
		t.Errorf("%s: every test passes without it", file)
	}
}

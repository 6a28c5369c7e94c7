// Package regotest runs the tests of a team's rules as they would be served:
// the same files, data, built-ins and schema of input, by OPA's own runner. For
// a test that fails it finds the line that was false and the decision on the
// input that the test gave.
package regotest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/policy"
)

// longest is how long one test may run.
const longest = 10 * time.Second

// Report has the result of every test, by file and line.
type Report struct {
	Results  []Result
	Coverage []Coverage // one for each file of rules, sorted; nil if it was not asked for
}

// Result is one test.
type Result struct {
	Name    string // package and rule, such as "authz_test.test_delete"
	File    string
	Line    int
	Passed  bool
	Skipped bool     // its name begins with todo_
	Output  string   // what it printed
	Why     []string // lines about a test that did not pass
}

// Count counts the tests that passed, did not pass, and were skipped.
func (r Report) Count() (passed, failed, skipped int) {
	for _, result := range r.Results {
		switch {
		case result.Skipped:
			skipped++
		case result.Passed:
			passed++
		default:
			failed++
		}
	}
	return passed, failed, skipped
}

// Run runs every test below the paths of src. With a problem that is an error no test
// is run; warnings are about tests alone, since [policy.Compile] returns those about
// rules. An error means that the run ended early.
func Run(ctx context.Context, src policy.Sources, builders fs.FS, coverage bool) (Report, finding.List, error) {
	suite, problems := policy.LoadSuite(src, builders)
	if suite == nil {
		return Report{}, blocking(problems), nil
	}
	problems = mistakes(suite)
	if wrong := blocking(problems); len(wrong) > 0 {
		return Report{}, wrong, nil
	}
	runner := tester.NewRunner().
		SetCompiler(suite.Compiler).SetStore(suite.Store).SetModules(suite.Modules).
		RaiseBuiltinErrors(true).SetTimeout(longest).SetCoverageRuns(nil)
	covered := cover.New()
	if coverage {
		runner.SetCoverageQueryTracer(covered)
	}
	results, err := runner.RunTests(ctx, nil)
	if errs := ast.Errors(nil); errors.As(err, &errs) {
		return Report{}, policy.RegoProblems(errs), nil
	}
	if err != nil {
		return Report{}, problems, fmt.Errorf("regotest: %w", err)
	}
	var report Report
	for result := range results {
		report.Results = append(report.Results, evaluate(ctx, suite, result))
	}
	slices.SortFunc(report.Results, func(a, b Result) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), strings.Compare(a.Name, b.Name))
	})
	if coverage {
		report.Coverage = coverageOf(covered, suite)
	}
	return report, problems, ctx.Err()
}

func blocking(problems finding.List) finding.List {
	return problems.Errors()
}

// evaluate makes a Result of a result of OPA's runner.
func evaluate(ctx context.Context, suite *policy.Suite, result *tester.Result) Result {
	r := Result{
		Name: strings.TrimPrefix(result.Package, "data.") + "." + result.Name, Output: string(result.Output),
		File: result.Location.File, Line: result.Location.Row,
		Passed: result.Pass(), Skipped: result.Skip,
	}
	if r.Passed || r.Skipped {
		return r
	}
	for name, sub := range result.SubResults.Iter {
		if sub.Fail {
			r.Why = append(r.Why, "case "+strings.Join(name, ", ")+" failed")
		}
	}
	if result.Error != nil {
		r.Why = append(r.Why, "error: "+strings.TrimSpace(result.Error.Error()))
	}
	r.Why = append(r.Why, explain(ctx, suite, result)...)
	return r
}

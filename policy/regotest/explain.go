package regotest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/doorward/doorward/policy"
)

// mostLines bounds the lines of rules that are shown for one test.
const mostLines = 5

// explain runs a test once more, watched, and tells which of its lines was
// false, which lines of rules were before it, and what the door would answer to
// the input that the line had.
func explain(ctx context.Context, suite *policy.Suite, result *tester.Result) []string {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	w := &watch{test: result.Location, rules: suite.Rules}
	query, err := rego.New(
		rego.Query(result.Package+"."+result.Name), rego.Compiler(suite.Compiler), rego.Store(suite.Store),
	).PrepareForEval(ctx)
	if err != nil {
		return nil
	}
	// Whatever it comes to, it came to it before. Without an index no rule is
	// passed over in silence.
	_, _ = query.Eval(ctx, rego.EvalQueryTracer(w), rego.EvalRuleIndexing(false))
	var lines []string
	for _, line := range append(w.inRules, w.line...) {
		if result.Error != nil {
			break // it ended there, and not because a line was false
		}
		lines = append(lines, "false:    "+line.String())
	}
	if w.input == nil {
		return lines
	}
	lines = append(lines, "input:    "+describe(ctx, suite, w.input.Value))
	for _, heard := range suite.Packages {
		what := "decision: "
		if len(suite.Packages) > 1 {
			what = "decision of " + heard.Package + ": "
		}
		lines = append(lines, what+decide(ctx, suite, heard.Query, w.input.Value))
	}
	return lines
}

// decide is a decision of the door, without what the test put in place of data.
func decide(ctx context.Context, suite *policy.Suite, query string, input ast.Value) string {
	results, err := rego.New(
		rego.Query(query), rego.Compiler(suite.Compiler), rego.Store(suite.Store),
		rego.ParsedInput(input), rego.StrictBuiltinErrors(true),
	).Eval(ctx)
	switch {
	case err != nil:
		return "policy_error: " + strings.TrimSpace(err.Error())
	case len(results) != 1:
		return "undefined, which is policy_error"
	}
	decision, _ := results[0].Expressions[0].Value.(map[string]any)
	delete(decision, "strip")
	return compact(filled(decision))
}

// filled leaves out what is empty.
func filled(v any) any {
	object, ok := v.(map[string]any)
	if !ok {
		return v
	}
	some := map[string]any{}
	for name, member := range object {
		member = filled(member)
		switch m := member.(type) {
		case []any:
			if len(m) == 0 {
				continue
			}
		case map[string]any:
			if len(m) == 0 {
				continue
			}
		}
		some[name] = member
	}
	return some
}

// watch is a tracer that keeps the last line of the test which was false, and
// what was false in rules on the way there.
type watch struct {
	test  *ast.Location
	rules []string

	query   uint64        // of the test's body
	at      *ast.Location // the line of the test that is evaluated
	line    []falsehood   // the last one of the test, if any
	pending []falsehood   // in rules, since that line began
	inRules []falsehood
	input   *ast.Term // the last that was given
}

// falsehood is a line that was false, and what its sides came to.
type falsehood struct {
	at     *ast.Location
	values string
}

func (f falsehood) String() string {
	text := strings.Join(strings.Fields(string(f.at.Text)), " ")
	return strings.TrimSpace(fmt.Sprintf("%s:%d: %s  %s", f.at.File, f.at.Row, text, f.values))
}

// Enabled, Config and TraceEvent make it a tracer.
func (w *watch) Enabled() bool { return true }

// Config asks for nothing that costs.
func (w *watch) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

// TraceEvent is called for every step of the evaluation.
func (w *watch) TraceEvent(e topdown.Event) {
	if rule, ok := e.Node.(*ast.Rule); ok && e.Op == topdown.EnterOp && rule.Location.Equal(w.test) {
		w.query = e.QueryID
	}
	if input := e.Input(); input != nil {
		w.input = input
	}
	expr, ok := e.Node.(*ast.Expr)
	if !ok || e.Location == nil {
		return
	}
	inTest := w.query != 0 && e.QueryID == w.query
	switch {
	case inTest && e.Op == topdown.EvalOp && (w.at == nil || e.Location.Row != w.at.Row):
		w.at, w.pending = e.Location, nil
	case inTest && e.Op == topdown.FailOp:
		w.line, w.inRules = []falsehood{{e.Location, values(&e, expr)}}, w.pending
	case e.Op == topdown.FailOp && slices.Contains(w.rules, e.Location.File):
		w.note(falsehood{e.Location, values(&e, expr)})
	}
}

// note keeps the last few lines, each once.
func (w *watch) note(f falsehood) {
	w.pending = slices.DeleteFunc(w.pending, func(g falsehood) bool { return g.at.Row == f.at.Row && g.at.File == f.at.File })
	w.pending = append(w.pending, f)
	if len(w.pending) > mostLines {
		w.pending = w.pending[1:]
	}
}

// values are both sides of a comparison as they were, where that says more than
// the line itself.
func values(e *topdown.Event, expr *ast.Expr) string {
	const longest = 60
	signs := map[string]string{
		ast.Equality.Name: "==", ast.Equal.Name: "==", ast.NotEqual.Name: "!=", ast.Member.Name: "in",
		ast.LessThan.Name: "<", ast.LessThanEq.Name: "<=", ast.GreaterThan.Name: ">", ast.GreaterThanEq.Name: ">=",
	}
	sign, ok := "", expr.IsCall() && len(expr.Operands()) == 2
	if ok {
		sign, ok = signs[expr.Operator().String()]
	}
	if !ok {
		return ""
	}
	var sides []string
	for _, side := range expr.Operands() {
		text := valueOf(e, side)
		if text == "" {
			return ""
		}
		if len(text) > longest {
			text = text[:longest] + "…"
		}
		sides = append(sides, text)
	}
	return "[" + sides[0] + " " + sign + " " + sides[1] + "]"
}

// valueOf is what a term stood for, "" if that cannot be told.
func valueOf(e *topdown.Event, t *ast.Term) string {
	value := e.Plug(t).Value
	if ast.IsConstant(value) {
		return value.String()
	}
	ref, ok := value.(ast.Ref)
	if !ok {
		return ""
	}
	within := ref[0].Value
	if ref.HasPrefix(ast.InputRootRef) && e.Input() != nil {
		within = e.Input().Value
	}
	if !ast.IsConstant(within) {
		return ""
	}
	found, err := within.Find(ref[1:])
	if err != nil {
		return "undefined"
	}
	return found.String()
}

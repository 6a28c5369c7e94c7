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

	"github.com/doorward/doorward/internal/policy"
)

// mostLines bounds the lines of rules that are shown for one test.
const mostLines = 5

// explain runs a test again with a tracer. It lists the line of the test that was
// false, the lines of rules that were false before it, and the decision on the input
// that the line had.
func explain(ctx context.Context, suite *policy.Suite, result *tester.Result) []string {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	w := &tracer{test: result.Location, rules: suite.Rules, frames: map[uint64]*frame{}}
	query, err := rego.New(
		rego.Query(result.Package+"."+result.Name), rego.Compiler(suite.Compiler), rego.Store(suite.Store),
	).PrepareForEval(ctx)
	if err != nil {
		return nil
	}
	// The result is known. The index would skip rules without an event.
	_, _ = query.Eval(ctx, rego.EvalQueryTracer(w), rego.EvalRuleIndexing(false))
	if w.line == nil { // it ended in an error
		w.input, w.replacements = w.last, w.lastReplacements
	}
	replacements := w.replaced()
	var lines []string
	for _, line := range append(w.inRules, w.line...) {
		if result.Error != nil {
			break // the test ended with an error, and not with a false line
		}
		lines = append(lines, "false:    "+line.String())
	}
	if w.input == nil {
		return lines
	}
	lines = append(lines, "input:    "+describe(ctx, suite, w.input.Value))
	for _, with := range replacements {
		lines = append(lines, "with:     "+short(with.Target.String()+" as "+with.Value.String()))
	}
	for _, evaluated := range suite.Packages {
		what := "decision: "
		if len(suite.Packages) > 1 {
			what = "decision of " + evaluated.Package + ": "
		}
		lines = append(lines, what+decide(ctx, suite, evaluated.Query, w.input.Value, replacements))
	}
	return lines
}

// decide is the decision on an input, with the data and functions that the test
// replaced.
func decide(ctx context.Context, suite *policy.Suite, query string, input ast.Value, replacements []*ast.With) string {
	asked, err := ast.ParseBody(query)
	if err != nil || len(asked) != 1 {
		return "not available"
	}
	asked[0].With = replacements
	results, err := rego.New(
		rego.ParsedQuery(asked), rego.Compiler(suite.Compiler), rego.Store(suite.Store),
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

// filled is a value without empty lists and objects.
func filled(v any) any {
	object, ok := v.(map[string]any)
	if !ok {
		return v
	}
	some := map[string]any{}
	for name, member := range object {
		if member = filled(member); !isEmpty(member) {
			some[name] = member
		}
	}
	return some
}

func isEmpty(v any) bool {
	list, isList := v.([]any)
	object, isObject := v.(map[string]any)
	return isList && len(list) == 0 || isObject && len(object) == 0
}

// tracer records the last line of the test that was false, and the lines of rules
// that were false before it.
type tracer struct {
	test  *ast.Location
	rules []string

	query        uint64            // of the test's body
	at           *ast.Location     // the line of the test that is evaluated
	line         []unmetExpression // the last one of the test, if any
	pending      []unmetExpression // in rules, since that line began
	inRules      []unmetExpression
	input        *ast.Term   // the last before the line was false
	replacements []*ast.With // the replaced data and functions then

	last             *ast.Term // the last of all
	lastReplacements []*ast.With
	asked            uint64 // the query of last
	frames           map[uint64]*frame
	changes          int // of frames, to see that one is new
	taken            int // the value of changes when lastReplacements was made
}

// frame is a query that is evaluated, with the data and functions that its line
// replaced.
type frame struct {
	parent uint64
	with   []*ast.With
}

// unmetExpression is a line that was false, with the values of both sides.
type unmetExpression struct {
	at     *ast.Location
	values string
}

func (f unmetExpression) String() string {
	text := strings.Join(strings.Fields(string(f.at.Text)), " ")
	return strings.TrimSpace(fmt.Sprintf("%s:%d: %s  %s", f.at.File, f.at.Row, text, f.values))
}

// Enabled, Config and TraceEvent make it a tracer.
func (w *tracer) Enabled() bool { return true }

// Config asks for no copies of variables.
func (w *tracer) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

// TraceEvent is called for every step of the evaluation.
func (w *tracer) TraceEvent(e topdown.Event) {
	if rule, ok := e.Node.(*ast.Rule); ok && e.Op == topdown.EnterOp && rule.Location.Equal(w.test) {
		w.query = e.QueryID
	}
	expr, ok := e.Node.(*ast.Expr)
	w.frame(&e, expr)
	if input := e.Input(); input != nil {
		if w.asked != e.QueryID || w.taken != w.changes {
			w.asked, w.taken, w.lastReplacements = e.QueryID, w.changes, w.inForce(e.QueryID)
		}
		w.last = input
	}
	if !ok || e.Location == nil {
		return
	}
	inTest := w.query != 0 && e.QueryID == w.query
	switch {
	case inTest && e.Op == topdown.EvalOp && (w.at == nil || e.Location.Row != w.at.Row):
		w.at, w.pending = e.Location, nil
	case inTest && e.Op == topdown.FailOp:
		w.line, w.inRules = []unmetExpression{{e.Location, values(&e, expr)}}, w.pending
		w.input, w.replacements = w.last, w.lastReplacements
	case e.Op == topdown.FailOp && slices.Contains(w.rules, e.Location.File):
		w.note(unmetExpression{e.Location, values(&e, expr)})
	}
}

// frame records which query a query is part of, and the data and functions that its
// current line replaces.
func (w *tracer) frame(e *topdown.Event, expr *ast.Expr) {
	at := w.frames[e.QueryID]
	if at == nil {
		at = &frame{parent: e.ParentID}
		w.frames[e.QueryID] = at
		w.changes++
	}
	if expr == nil || e.Op != topdown.EvalOp || len(expr.With) == 0 && at.with == nil {
		return
	}
	at.with = nil
	w.changes++
	for _, with := range expr.With {
		if target, isRef := with.Target.Value.(ast.Ref); !isRef || !target[0].Equal(ast.InputRootDocument) {
			at.with = append(at.with, &ast.With{Target: with.Target, Value: e.Plug(with.Value)})
		}
	}
}

// inForce are the replacements for a query: those of the queries around it, then
// those of its own line.
func (w *tracer) inForce(query uint64) []*ast.With {
	var all []*ast.With
	for at, ends := w.frames[query], 0; at != nil && ends < len(w.frames); at, ends = w.frames[at.parent], ends+1 {
		all = append(slices.Clone(at.with), all...)
	}
	return all
}

// replaced are the data and functions that the test replaced for the last input. Of
// two replacements of one path the inner one counts.
func (w *tracer) replaced() []*ast.With {
	var all []*ast.With
	for i, with := range w.replacements {
		inner := slices.ContainsFunc(w.replacements[i+1:], func(later *ast.With) bool {
			outerRef, isRef := with.Target.Value.(ast.Ref)
			innerRef, too := later.Target.Value.(ast.Ref)
			return isRef && too && outerRef.HasPrefix(innerRef) || with.Target.Equal(later.Target)
		})
		if !inner {
			all = append(all, with)
		}
	}
	return all
}

// short cuts a value to 120 bytes.
func short(text string) string {
	const longest = 120
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "…"
}

// note records a line, each once, and keeps the last few.
func (w *tracer) note(f unmetExpression) {
	w.pending = slices.DeleteFunc(w.pending, func(g unmetExpression) bool {
		return g.at.Row == f.at.Row && g.at.File == f.at.File
	})
	w.pending = append(w.pending, f)
	if len(w.pending) > mostLines {
		w.pending = w.pending[1:]
	}
}

// values are both sides of a comparison, where these say more than the line itself.
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

// valueOf is the value of a term, "" if it is not known.
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

package policy

import (
	"context"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Trace is a place in the policy that a decision rests on.
type Trace struct {
	Rule string // without "data.": "doorward.audience.matches", "authz.require.office"
	File string // as it was read; a built-in file begins with "doorward:"
	Line int    // from 1
	// Failed is the first line of the expression that did not hold, as it is
	// written there. "" where the rule itself spoke: an answer of the decision,
	// an element of deny, a requirement with another value than true.
	Failed string
}

// Explain decides as [Evaluator.Decide] does, and tells why. The first ground is
// the answer of decision.rego that applied; where a resource's own package is
// heard too, that of each which came to the decision. Those after it are what
// they rest on: each rule of deny that said no, and every definition of each
// rule that did not hold, with the expression that it got no further than. With an
// error there are no grounds: the error names the place.
//
// It costs many times what Decide does, remembers nothing, and is for a person
// who asks.
func (j *Evaluator) Explain(ctx context.Context, in Input) (Decision, []Trace, error) {
	w := &tracer{running: map[uint64]*visit{}}
	// Without the index, which would pass over rules that cannot hold without a
	// word.
	d, err := j.evaluate(ctx, &in, rego.EvalQueryTracer(w), rego.EvalRuleIndexing(false))
	if err != nil {
		return Decision{}, nil, err
	}
	return d, w.grounds(&d), nil
}

// tracer sees an evaluation and keeps how far each rule got.
type tracer struct {
	visits  []*visit
	running map[uint64]*visit // by OPA's number of the query
}

// visit is one rule being tried.
type visit struct {
	path     string // without "data."
	at       *ast.Location
	held     bool
	set      bool        // it is one of a set
	elements []ast.Value // those that a rule of a set gave
	outcome  Outcome     // what decision.rego answered with it
	furthest *ast.Expr   // the last in the body that did not hold
}

// Enabled, Config and TraceEvent make it a topdown.QueryTracer.
func (w *tracer) Enabled() bool { return true }

// Config asks for no copies of variables.
func (w *tracer) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

// TraceEvent keeps what concerns rules that can be the reason of a decision:
// functions are not among them, and may be called without end.
func (w *tracer) TraceEvent(event topdown.Event) {
	rule, isRule := event.Node.(*ast.Rule)
	seen := w.running[event.QueryID]
	switch {
	case isRule && event.Op == topdown.EnterOp && len(rule.Head.Args) == 0:
		entered := &visit{path: strings.Join(names(rule.Ref()), "."), at: rule.Location, set: rule.Head.RuleKind() == ast.MultiValue}
		w.visits = append(w.visits, entered)
		w.running[event.QueryID] = entered
	case seen == nil:
	case isRule && event.Op == topdown.ExitOp:
		seen.held = true
		seen.gave(rule.Head, event)
	case event.Op == topdown.FailOp:
		expr, isExpr := event.Node.(*ast.Expr)
		if isExpr && (seen.furthest == nil || expr.Index >= seen.furthest.Index) {
			seen.furthest = expr
		}
	}
}

// gave keeps the element of a set, and the answer of decision.rego.
func (v *visit) gave(head *ast.Head, event topdown.Event) {
	switch {
	case head.Key != nil:
		v.elements = append(v.elements, event.Plug(head.Key).Value)
	case strings.HasPrefix(v.path, ownPackage+".") && strings.HasSuffix(v.path, decisionName):
		answer, ok := event.Plug(head.Value).Value.(ast.Object)
		if !ok {
			return
		}
		if word, ok := answer.Get(ast.InternedTerm("outcome")).Value.(ast.String); ok {
			v.outcome, _ = outcomeOf(string(word))
		}
	}
}

// decisionName ends the path of the one entry of each package that is heard.
const decisionName = ".decision"

// grounds picks what a decision rests on out of all that was seen.
func (w *tracer) grounds(d *Decision) []Trace {
	var grounds []Trace
	add := func(v *visit) {
		if g := v.ground(); !slices.Contains(grounds, g) {
			grounds = append(grounds, g)
		}
	}
	var reasons []string
	for _, v := range w.visits {
		if v.outcome == d.Outcome && v.held {
			add(v)
			reasons = append(reasons, reasonsOf(d, strings.TrimSuffix(v.path, decisionName))...)
		}
	}
	for _, rule := range reasons {
		for _, v := range w.visits {
			if v.path == rule && v.denies(d) {
				add(v)
			}
		}
	}
	return grounds
}

// reasonsOf are the rules whose failure, or whose word, made the decision of
// the built-in modules that stand at home.
func reasonsOf(d *Decision, home string) []string {
	switch d.Outcome {
	case AudienceMismatch:
		return []string{ownPackage + ".audience.matches"}
	case Passthrough:
		return []string{ownPackage + ".passthrough.holds"}
	case Denied:
		var rules []string
		for _, denial := range d.Denials {
			rules = append(rules, denial.Rule)
		}
		return rules
	case InsufficientScope:
		return []string{home + ".scope.suffices"}
	default:
		return nil
	}
}

// denies is true for a rule that is no set, and for one that gave an element of
// deny which the decision tells.
func (v *visit) denies(d *Decision) bool {
	return !v.set || slices.ContainsFunc(d.Denials, func(n Message) bool { return v.path == n.Rule && v.said(n.Code, n.Message) })
}

// said is true if this rule gave the element of deny with these words.
func (v *visit) said(code, message string) bool {
	denial := ast.NewObject(
		ast.Item(ast.InternedTerm("code"), ast.StringTerm(code)),
		ast.Item(ast.InternedTerm("message"), ast.StringTerm(message)),
	)
	return slices.ContainsFunc(v.elements, func(element ast.Value) bool { return element.Compare(denial) == 0 })
}

func (v *visit) ground() Trace {
	g := Trace{Rule: v.path, File: v.at.File, Line: v.at.Row}
	if v.held || v.furthest == nil || v.furthest.Location == nil {
		return g
	}
	at := v.furthest.Location
	g.File, g.Line = at.File, at.Row
	g.Failed, _, _ = strings.Cut(strings.TrimSpace(string(at.Text)), "\n")
	return g
}

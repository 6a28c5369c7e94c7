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
	// written. It is "" for a rule that held: the answer of the decision, an element
	// of deny, a requirement with another value than true.
	Failed string
}

// Explain decides as [Evaluator.Decide] does, with the reasons. First are the
// answers of decision.rego that led to the decision: one, or two where the resource
// has a package of its own. Then follow each rule of deny that held, and every
// definition of each rule that did not hold, with the expression that failed. With
// an error there are no reasons: the error names the place.
//
// It costs many times as much as Decide, caches nothing, and is for diagnosis.
func (e *Evaluator) Explain(ctx context.Context, in Input) (Decision, []Trace, error) {
	w := &tracer{running: map[uint64]*visit{}}
	// The index would skip rules that cannot hold, without an event.
	d, err := e.evaluate(ctx, &in, rego.EvalQueryTracer(w), rego.EvalRuleIndexing(false))
	if err != nil {
		return Decision{}, nil, err
	}
	return d, w.grounds(&d), nil
}

// tracer records how far the evaluation of each rule got.
type tracer struct {
	visits  []*visit
	running map[uint64]*visit // by OPA's number of the query
}

// visit is the evaluation of one rule.
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
func (t *tracer) Enabled() bool { return true }

// Config asks for no copies of variables.
func (t *tracer) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

// TraceEvent records rules that can be the reason of a decision: functions are not
// among them, and may be called any number of times.
func (t *tracer) TraceEvent(event topdown.Event) {
	rule, isRule := event.Node.(*ast.Rule)
	seen := t.running[event.QueryID]
	switch {
	case isRule && event.Op == topdown.EnterOp && len(rule.Head.Args) == 0:
		entered := &visit{
			path: strings.Join(names(rule.Ref()), "."), at: rule.Location, set: rule.Head.RuleKind() == ast.MultiValue,
		}
		t.visits = append(t.visits, entered)
		t.running[event.QueryID] = entered
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

// gave records the element of a set, and the answer of decision.rego.
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

// decisionName ends the path of the decision on each evaluated package.
const decisionName = ".decision"

// grounds are the visits that a decision depends on.
func (t *tracer) grounds(d *Decision) []Trace {
	var grounds []Trace
	add := func(v *visit) {
		if g := v.ground(); !slices.Contains(grounds, g) {
			grounds = append(grounds, g)
		}
	}
	var reasons []string
	for _, v := range t.visits {
		if v.outcome == d.Outcome && v.held {
			add(v)
			reasons = append(reasons, reasonsOf(d, strings.TrimSuffix(v.path, decisionName))...)
		}
	}
	for _, rule := range reasons {
		for _, v := range t.visits {
			if v.path == rule && v.denies(d) {
				add(v)
			}
		}
	}
	return grounds
}

// reasonsOf are the rules that led to the decision of the built-in modules at this
// path.
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
	case InsufficientUserAuthentication:
		return []string{ownPackage + ".authentication.suffices"}
	case InsufficientScope:
		return []string{home + ".scope.suffices"}
	default:
		return nil
	}
}

// denies reports a rule that is no set, and one with an element of deny that is in
// the decision.
func (v *visit) denies(d *Decision) bool {
	return !v.set || slices.ContainsFunc(d.Denials, func(n Message) bool {
		return v.path == n.Rule && v.hasDenial(n.Code, n.Message)
	})
}

// hasDenial reports whether this rule has the element of deny with this code and message.
func (v *visit) hasDenial(code, message string) bool {
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

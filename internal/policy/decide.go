package policy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// evaluate evaluates the rules, without the cache.
func (e *Evaluator) evaluate(ctx context.Context, in *Input, more ...rego.EvalOption) (Decision, error) {
	if err := e.engine.notInForce(); err != nil {
		return Decision{}, err
	}
	input, err := e.deps.term(in)
	if err != nil {
		return Decision{}, err
	}
	values, err := e.run(ctx, input, more...)
	if err != nil {
		return Decision{}, err
	}
	d := decoder{textLeft: maxOutput, elementsLeft: maxElements}
	var all teamOutput
	for i, team := range e.packages {
		one, err := d.decision(values[i], team)
		if err != nil {
			return Decision{}, err
		}
		if i == 0 {
			all = one
		} else if all, err = all.and(one); err != nil {
			return Decision{}, err
		}
	}
	return all.decide(in.Resource.needed()), nil
}

// notInForce is the error of every decision while a bundle is missing, or nil.
func (e *Engine) notInForce() error {
	if len(e.missing) == 0 {
		return nil
	}
	return fmt.Errorf("policy: not in force yet, "+
		"waiting for a bundle that can be used: %s: see /readyz", strings.Join(e.missing, ", "))
}

// run evaluates the query, whose expressions are the decisions of the evaluated
// packages.
func (e *Evaluator) run(ctx context.Context, input ast.Value, more ...rego.EvalOption) ([]ast.Value, error) {
	if ctx.Err() != nil {
		return nil, timeoutProblem(ctx)
	}
	cancel := topdown.NewCancel()
	defer context.AfterFunc(ctx, cancel.Cancel)() // OPA's own way costs a goroutine for each evaluation
	results, err := e.query.Eval(ctx, append([]rego.EvalOption{
		rego.EvalParsedInput(input),
		rego.EvalTransaction(e.engine.transaction),
		rego.EvalExternalCancel(cancel),
		rego.EvalMetrics(metrics.NoOp()),
	}, more...)...)
	if err != nil {
		return nil, e.engine.failure(ctx, err)
	}
	if len(results) != 1 || len(results[0].Expressions) != len(e.packages) {
		return nil, errUndefined
	}
	values := make([]ast.Value, len(e.packages))
	for i, expression := range results[0].Expressions {
		v, ok := expression.Value.(ast.Value)
		if !ok {
			return nil, errUndefined
		}
		values[i] = v
	}
	return values, nil
}

// and is the output of two packages: the outcome that comes first in the order of
// outcomes wins, so that a request is allowed where both allow it.
func (s teamOutput) and(other teamOutput) (teamOutput, error) {
	all := teamOutput{
		outcome: min(s.outcome, other.outcome),
		strip:   s.strip,
		deny:    sortNotes(slices.Concat(s.deny, other.deny)),
		unmet:   slices.Concat(s.unmet, other.unmet),
		scopes:  union(s.scopes, other.scopes),
		warn:    sortNotes(slices.Concat(s.warn, other.warn)),
		headers: maps.Clone(s.headers),
	}
	slices.Sort(all.scopes)
	for name, value := range other.headers {
		if set, there := all.headers[name]; there && set != value {
			return teamOutput{}, &fault{
				error: shape("header %q has one value in %s and another in the resource's own package",
					name, teamPackage),
				rule: teamPackage + "." + headersName, element: ast.String(name),
			}
		}
		if all.headers == nil {
			all.headers = map[string]string{}
		}
		all.headers[name] = value
	}
	return all, nil
}

// needed are the scopes that a challenge names before a rule adds some: those of
// every request, the first alternative of ScopesAny, and those of the operation.
func (r *Resource) needed() []string {
	needed := r.Scopes
	if len(r.ScopesAny) > 0 {
		needed = union(needed, r.ScopesAny[0])
	}
	if len(r.OperationScopes) > 0 {
		needed = union(needed, r.OperationScopes)
	}
	return needed
}

// decide is the decision of an output.
func (s teamOutput) decide(resourceScopes []string) Decision {
	d := Decision{Outcome: s.outcome, Scopes: union(resourceScopes, s.scopes), Warnings: s.warn}
	if s.outcome == Denied {
		d.Denials = s.denials()
		if len(d.Denials) > 0 {
			d.Rule, d.Code, d.Message = d.Denials[0].Rule, d.Denials[0].Code, d.Denials[0].Message
		}
	}
	if !s.outcome.allows() {
		return d
	}
	// Once more in Go: where the credential would stay there is no allow.
	if !slices.Contains(s.strip.Headers, "authorization") {
		return Decision{Outcome: Passthrough, Scopes: union(resourceScopes, nil)}
	}
	d.Strip, d.Headers = s.strip, s.headers
	return d
}

// denials are all that denied, in the order of [Decision].
func (s teamOutput) denials() []Message {
	all := slices.Clone(s.deny)
	for _, rule := range s.unmet {
		all = append(all, Message{Rule: rule})
	}
	return all
}

// union is the first list, then what only the second has.
func union(first, second []string) []string {
	var all []string
	for _, s := range slices.Concat(first, second) {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// failure is an error of OPA without its message, which may repeat a value of the
// input.
func (e *Engine) failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return timeoutProblem(ctx)
	}
	var te *topdown.Error
	if !errors.As(err, &te) {
		return errors.New("policy: evaluation failed")
	}
	what := "evaluation failed"
	switch te.Code {
	case topdown.ConflictErr:
		what = "a rule has several values at once"
	case topdown.BuiltinErr, topdown.TypeErr:
		what = "a built-in function failed"
		if name, _, _ := strings.Cut(te.Message, ": "); ast.BuiltinMap[name] != nil {
			what = "built-in function " + name + " failed"
		}
	}
	if te.Location == nil {
		return fmt.Errorf("policy: %s (%s)", what, te.Code)
	}
	return &fault{
		error: fmt.Errorf("policy: %s in %s at %s:%d (%s)",
			what, e.ruleAt(te.Location), te.Location.File, te.Location.Row, te.Code),
		at: te.Location,
	}
}

func timeoutProblem(ctx context.Context) error {
	return fmt.Errorf("policy: the rules took longer than limits.check_timeout, or than the caller waits (%w): "+
		"look for one that goes through much data", ctx.Err())
}

// ruleAt names the rule at a place.
func (e *Engine) ruleAt(at *ast.Location) string {
	m := e.compiler.Modules[at.File]
	if m == nil {
		return "the policy"
	}
	name := m.Package.Path.String()
	for _, rule := range m.Rules {
		if rule.Location.Row > at.Row {
			break
		}
		name = rule.Ref().GroundPrefix().String()
	}
	return name
}

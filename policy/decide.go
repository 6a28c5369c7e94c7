package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Decide evaluates the policy for one request, within the deadline of ctx.
// With an error the decision is the zero one, [Failed]. The error is for the
// log: it names the rule that failed where OPA knows it, and never a value of
// the input. Memory inside one call of a built-in function is not bounded.
func (e *Engine) Decide(ctx context.Context, in Input) (Decision, error) {
	input, err := in.value()
	if err != nil {
		return Decision{}, err
	}
	v, err := e.evaluate(ctx, input)
	if err != nil {
		return Decision{}, err
	}
	d := decoder{textLeft: maxOutput, elementsLeft: maxElements, headers: e.headers}
	s, err := d.decision(v)
	if err != nil {
		return Decision{}, err
	}
	return s.decide(in.Resource.Scopes), nil
}

func (e *Engine) evaluate(ctx context.Context, input ast.Value) (ast.Value, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("policy: not evaluated: %w", err)
	}
	cancel := topdown.NewCancel()
	defer context.AfterFunc(ctx, cancel.Cancel)() // OPA's own way costs a goroutine for each evaluation
	results, err := e.query.Eval(ctx,
		rego.EvalParsedInput(input),
		rego.EvalTransaction(e.transaction),
		rego.EvalExternalCancel(cancel),
		rego.EvalMetrics(metrics.NoOp()),
	)
	if err != nil {
		return nil, e.failure(ctx, err)
	}
	if len(results) != 1 || len(results[0].Expressions) != 1 {
		return nil, errUndefined
	}
	v, ok := results[0].Expressions[0].Value.(ast.Value)
	if !ok {
		return nil, errUndefined
	}
	return v, nil
}

// decide turns what Rego said into a decision.
func (s said) decide(resourceScopes []string) Decision {
	d := Decision{Outcome: s.outcome, Scopes: union(resourceScopes, s.scopes), Warnings: s.warn}
	if s.outcome == Denied {
		d.Rule, d.Code, d.Message = s.denial()
	}
	if s.outcome != Allowed {
		return d
	}
	// Once more in Go: where the credential would stay there is no allow.
	if !slices.Contains(s.strip.Headers, "authorization") {
		return Decision{Outcome: Passthrough, Scopes: union(resourceScopes, nil)}
	}
	d.Strip, d.Headers = s.strip, s.headers
	return d
}

// denial picks what is told of a refusal, as [Decision] promises.
func (s said) denial() (rule, code, message string) {
	switch {
	case len(s.deny) > 0:
		return teamPackage + "." + denyName, s.deny[0].Code, s.deny[0].Message
	case len(s.unmet) > 0:
		return teamPackage + "." + requireName + "." + s.unmet[0], "", ""
	}
	return "", "", ""
}

// union keeps the order of the first, adds the second, and drops what is there.
func union(first, second []string) []string {
	var all []string
	for _, s := range slices.Concat(first, second) {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// failure says what went wrong without OPA's own message, which may repeat a
// value of the input.
func (e *Engine) failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("policy: evaluation stopped: %w", ctx.Err())
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
	return fmt.Errorf("policy: %s in %s at %s:%d (%s)", what, e.ruleAt(te.Location), te.Location.File, te.Location.Row, te.Code)
}

// ruleAt names the rule that stands at a place.
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

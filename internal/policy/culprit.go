package policy

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

// fault is an error of an evaluation, with what is known of its rule. Its text
// repeats no value of the input, and no message may contain the element.
type fault struct {
	error
	at      *ast.Location // nil: the rule is known by its name alone
	rule    string        // as in [Message]
	element ast.Value     // of that rule, or the name of a header: nil where there is none
}

func (f *fault) Unwrap() error { return f.error }

// culprit finds the rule of the team that kept an input from a decision. Where the
// error has no place, the input is evaluated again, with a tracer. The location is
// nil where no rule is found.
func (e *Evaluator) culprit(
	ctx context.Context, within time.Duration, in *Input, err error,
) (*ast.Location, string) {
	var known *fault
	if errors.As(err, &known) && known.at != nil {
		return e.engine.ownPlace(known.at)
	}
	if known == nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, ""
	}
	input, err := e.deps.term(in)
	if err != nil {
		return nil, ""
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	w := &tracer{running: map[uint64]*visit{}}
	_, _ = e.run(ctx, input, rego.EvalQueryTracer(w), rego.EvalRuleIndexing(false)) // the result is known
	if known == nil {
		return e.engine.ownPlace(w.last(func(v *visit) bool { return !v.held }))
	}
	if at := w.last(func(v *visit) bool { return v.gaveFor(known) }); at != nil {
		return e.engine.ownPlace(at)
	}
	return e.engine.ownPlace(w.last(func(v *visit) bool { return v.path == known.rule }))
}

// gaveFor reports the rule with the element, or with the header.
func (v *visit) gaveFor(f *fault) bool {
	if name, isText := f.element.(ast.String); isText && v.path == f.rule+"."+string(name) {
		return v.held
	}
	isElement := func(e ast.Value) bool { return f.element != nil && e.Compare(f.element) == 0 }
	return v.path == f.rule && slices.ContainsFunc(v.elements, isElement)
}

// last is the place of the last visited rule of a team for which this is true, nil
// if there is none.
func (t *tracer) last(which func(*visit) bool) *ast.Location {
	for _, v := range slices.Backward(t.visits) {
		if !strings.HasPrefix(v.at.File, libraryFile) && which(v) {
			return v.at
		}
	}
	return nil
}

// ownPlace names the rule at a place in the files of a team; nil elsewhere.
func (e *Engine) ownPlace(at *ast.Location) (*ast.Location, string) {
	if at == nil || strings.HasPrefix(at.File, libraryFile) {
		return nil, ""
	}
	return at, strings.TrimPrefix(e.ruleAt(at), "data.")
}

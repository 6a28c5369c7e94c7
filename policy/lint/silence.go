package lint

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// presence holds the paths that some rule asks for.
type presence map[string]bool

// note takes in what one rule asks for: `not path` in any rule, and every path
// in a requirement, which denies where the path is missing.
func (p presence) note(r *reader) {
	required := slices.ContainsFunc(r.rule.Ref()[1:], func(t *ast.Term) bool { return t.Value.Compare(ast.String("require")) == 0 })
	ast.WalkExprs(r.rule, func(e *ast.Expr) bool {
		term, bare := e.Terms.(*ast.Term)
		if e.Negated && bare {
			if path, ok := r.path(term); ok {
				p[path.String()] = true
			}
		}
		if required && !e.Negated {
			for _, path := range r.within(e) {
				p[path.String()] = true
			}
		}
		return false
	})
}

// has is true if a rule asks for the path, or for what it is part of.
func (p presence) has(path ast.Ref) bool {
	for length := len(path); length > 2; length-- {
		if p[path[:length].String()] {
			return true
		}
	}
	return false
}

// silence finds rules that ask for more (deny, scopes) and say nothing where
// what they look at is missing.
func (r *reader) silence(tested presence) {
	name := r.rule.Head.Ref()[0].Value.String()
	if !slices.Contains([]string{"deny", "scopes", "warn"}, name) {
		return
	}
	for _, e := range r.rule.Body {
		if len(e.With) > 0 || !falters(e) {
			continue
		}
		r.silent(e.Location, name, r.within(e), tested)
	}
	if key := r.rule.Head.Key; key != nil { // an element with a hole in it is no element
		r.silent(key.Location, name, r.within(key), tested)
	}
}

// silent warns of paths without which the rule says nothing, as far as nobody
// asks for them.
func (r *reader) silent(at *ast.Location, name string, paths []ast.Ref, tested presence) {
	for _, path := range paths {
		if r.optional(path) && !tested.has(path) && !r.guarded(path) {
			r.warn(at, "%s may be missing, and then this %s is silent: write require.NAME if … for what must hold, or one more rule with `not %s`", path, name, path)
		}
	}
}

// falters is true for a line that is meant to hold for anything but something,
// and does not hold for nothing: `x != y`, an order, `x == false`, and `not f(x)`,
// which Rego leaves undefined where x is.
func falters(e *ast.Expr) bool {
	c, ok := callOf(e)
	if !ok {
		return false
	}
	ordered := []string{ast.NotEqual.Name, ast.LessThan.Name, ast.LessThanEq.Name, ast.GreaterThan.Name, ast.GreaterThanEq.Name}
	switch {
	case slices.Contains(ordered, c.name):
		return true
	case c.equality() && e.Negated:
		return slices.ContainsFunc(c.args, isCall)
	case c.equality():
		return slices.ContainsFunc(c.args, func(t *ast.Term) bool { return t.Value.Compare(ast.Boolean(false)) == 0 })
	}
	return e.Negated
}

func isCall(t *ast.Term) bool {
	_, ok := t.Value.(ast.Call)
	return ok
}

// within are the constant paths of input in a line or a term, outside of
// comprehensions.
func (r *reader) within(e any) []ast.Ref {
	var all []ast.Ref
	ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension, *ast.Every:
			return true
		case *ast.Term:
			if path, ok := r.path(x); ok {
				all = append(all, path)
				return true
			}
		}
		return false
	}).Walk(e)
	return all
}

// guarded is true where the rule itself asks whether the path, or what it is
// part of, is there: by its name alone, by its type, or by what it equals.
func (r *reader) guarded(path ast.Ref) bool {
	return slices.ContainsFunc(r.rule.Body, func(e *ast.Expr) bool {
		c, isCall := callOf(e)
		if e.Negated || falters(e) || (isCall && !c.equality() && !strings.HasPrefix(c.name, "is_")) {
			return false
		}
		return slices.ContainsFunc(r.within(e), func(other ast.Ref) bool { return r.optional(other) && path.HasPrefix(other) })
	})
}

// optional is true for a path that an input need not have.
func (r *reader) optional(path ast.Ref) bool {
	names := path.String()
	switch {
	case strings.HasPrefix(names, "input.claims"):
		return len(path) > 2 && !slices.Contains([]string{"input.claims.iss", "input.claims.aud", "input.claims.exp"}, names)
	case strings.HasPrefix(names, headers.String()), strings.HasPrefix(names, query.String()):
		return len(path) > len(headers)
	case strings.HasPrefix(names, "input.resource.labels"):
		label, ok := below(path, ast.MustParseRef("input.resource.labels"))
		return len(path) > 3 && (!ok || !slices.Contains(r.known.Labels, label))
	}
	return slices.Contains([]string{"input.request.id", "input.request.source_address", "input.request.source_principal", "input.request.client_address", "input.token.client"}, names)
}

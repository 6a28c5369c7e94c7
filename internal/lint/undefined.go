package lint

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// presence holds the paths that a rule tests for.
type presence map[string]bool

// note adds what one rule tests for: `not path` in any rule, and every path in a
// requirement, which denies where the path is missing. A rule that tests a helper
// tests what the helper reads.
func (p presence) note(r *reader) {
	isRequire := func(t *ast.Term) bool { return t.Value.Compare(ast.String("require")) == 0 }
	required := slices.ContainsFunc(r.rule.Ref()[1:], isRequire)
	seen := map[*ast.Rule]bool{}
	ast.WalkExprs(r.rule, func(e *ast.Expr) bool {
		_, bare := e.Terms.(*ast.Term)
		if e.Negated && bare || required && !e.Negated {
			p.line(r, e, seen)
		}
		return false
	})
}

// line adds what a line tests for.
func (p presence) line(r *reader, e *ast.Expr, seen map[*ast.Rule]bool) {
	for _, path := range r.within(e) {
		if r.optional(path) {
			p[path.String()] = true
		}
	}
	for _, u := range r.uses(e) {
		for _, rule := range u.rules {
			if seen[rule] {
				continue
			}
			seen[rule] = true
			inner := r.inside(rule, u.args)
			p.body(inner, e, seen)
		}
	}
}

// body adds what the body of a helper tests for, which a line reads.
func (p presence) body(helper *reader, from *ast.Expr, seen map[*ast.Rule]bool) {
	for _, line := range helper.rule.Body {
		if !line.Negated && (!from.Negated || !undefinedWhenMissing(line)) {
			p.line(helper, line, seen)
		}
	}
}

// has reports whether a rule tests for the path, or for an object above it.
func (p presence) has(path ast.Ref) bool {
	for length := len(path); length > 2; length-- {
		if p[path[:length].String()] {
			return true
		}
	}
	return false
}

// undefinedDenials finds rules of deny, scopes and warn that are undefined where a
// path is missing that they, or helpers of theirs, read.
func (r *reader) undefinedDenials(tested presence) {
	name := r.rule.Head.Ref()[0].Value.String()
	if !slices.Contains([]string{"deny", "scopes", "warn"}, name) {
		return
	}
	t := trail{name: name, readers: []*reader{r}, tested: tested, seen: map[string]bool{}}
	r.holds(t, r.rule.Body)
	if key := r.rule.Head.Key; key != nil { // an element is undefined where a part of it is
		t.at = key.Location
		r.missing(t, r.needs(key, t.seen))
	}
}

// undefinedWhenMissing reports a line that its author expects to hold where a path
// is missing, and that does not: `x != y`, an order, `x == false`, and `not f(x)`,
// which is undefined where x is.
func undefinedWhenMissing(e *ast.Expr) bool {
	c, ok := callOf(e)
	if !ok {
		return false
	}
	ordered := []string{
		ast.NotEqual.Name, ast.LessThan.Name, ast.LessThanEq.Name, ast.GreaterThan.Name, ast.GreaterThanEq.Name,
	}
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
			path, ok := r.path(x)
			if ok {
				all = append(all, path)
				return true
			}
			if list := r.listed(x, path); list != nil {
				all = append(all, list)
			}
		}
		return false
	}).Walk(e)
	return all
}

// listed is the header or parameter that a term is an element of, however the
// rule takes it out of its list.
func (r *reader) listed(t *ast.Term, path ast.Ref) ast.Ref {
	if name, isVar := t.Value.(ast.Var); isVar {
		return r.drawn[name]
	}
	if prefix := path.GroundPrefix(); path.HasPrefix(ast.InputRootRef) && isList(prefix) {
		return prefix
	}
	return nil
}

// guarded reports whether the rule itself tests that the path, or an object above
// it, is there: by its name alone, by its type, or by a value that it equals.
func (r *reader) guarded(path ast.Ref) bool {
	return slices.ContainsFunc(r.rule.Body, func(e *ast.Expr) bool {
		c, isCall := callOf(e)
		if e.Negated || undefinedWhenMissing(e) || (isCall && !c.equality() && !strings.HasPrefix(c.name, "is_")) {
			return false
		}
		if _, draws := e.Terms.(*ast.SomeDecl); draws && isList(path) {
			return false
		}
		return slices.ContainsFunc(r.within(e), func(other ast.Ref) bool {
			return r.optional(other) && path.HasPrefix(other)
		})
	})
}

// optional is true for a path that an input need not have.
func (r *reader) optional(path ast.Ref) bool {
	names := path.String()
	switch {
	case strings.HasPrefix(names, "input.claims"):
		always := []string{"input.claims.iss", "input.claims.aud", "input.claims.exp"}
		return len(path) > 2 && !slices.Contains(always, names)
	case strings.HasPrefix(names, headers.String()), strings.HasPrefix(names, query.String()):
		return len(path) > len(headers)
	case strings.HasPrefix(names, "input.resource.labels"):
		label, ok := below(path, ast.MustParseRef("input.resource.labels"))
		return len(path) > 3 && (!ok || !slices.Contains(r.known.Labels, label))
	}
	return slices.Contains([]string{
		"input.request.id", "input.request.source_address", "input.request.source_principal",
		"input.request.client_address", "input.token.client",
		"input.mcp.method", "input.mcp.name", "input.mcp.protocol_version",
	}, names)
}

package lint

import (
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// bodies finds bodies that no request makes true, those of comprehensions too.
func (r *reader) bodies() {
	ast.WalkBodies(r.rule, func(b ast.Body) bool {
		c := constraints{}
		for _, e := range b {
			if len(e.With) == 0 && !r.possible(e, c) {
				break
			}
		}
		return false
	})
}

// constraints are what the lines of one body require of paths so far.
type constraints map[string]*constraint

type constraint struct {
	only     []ast.Value // nil: anything
	limited  bool
	excluded []ast.Value
}

// possible is false where a line cannot be true, alone or beside those before.
func (r *reader) possible(e *ast.Expr, c constraints) bool {
	if term, ok := e.Terms.(*ast.Term); ok && !e.Negated {
		if falsehood, ok := term.Value.(ast.Boolean); ok && !bool(falsehood) {
			r.warn(e.Location, "this is never true, so the rule has no effect", "remove the rule, or the line")
			return false
		}
		return true
	}
	call, ok := callOf(e)
	if !ok {
		return true
	}
	if !e.Negated && neverHolds(call) {
		r.warn(e.Location, "this compares two constants and is never true, so the rule has no effect",
			"compare with a value of input or data")
		return false
	}
	path, constant, ok := r.pathAndConstant(call)
	if !ok {
		return true
	}
	key := path.String()
	if c[key] == nil {
		c[key] = &constraint{}
	}
	if c[key].add(call, constant, e.Negated) {
		return true
	}
	r.warn(e.Location,
		fmt.Sprintf("%s has one value, which a line before compares with another, "+
			"and every line of a body must be true", path),
		fmt.Sprintf("write two rules, or %s in {…}", path))
	return false
}

// add adds one comparison, and returns false if no value is left.
func (c *constraint) add(call call, constant ast.Value, negated bool) bool {
	switch {
	case call.equality() && !negated:
		c.limit([]ast.Value{constant})
	case call.name == ast.Member.Name && !negated && len(elements(constant)) > 0:
		c.limit(elements(constant))
	case call.inequality() && !negated, call.equality() && negated:
		c.excluded = append(c.excluded, constant)
	}
	left := slices.DeleteFunc(slices.Clone(c.only), func(v ast.Value) bool { return among(c.excluded, v) })
	return !c.limited || len(left) > 0
}

func (c *constraint) limit(to []ast.Value) {
	if c.limited {
		to = slices.DeleteFunc(slices.Clone(to), func(v ast.Value) bool { return !among(c.only, v) })
	}
	c.only, c.limited = to, true
}

func among(values []ast.Value, v ast.Value) bool {
	return slices.ContainsFunc(values, func(one ast.Value) bool { return one.Compare(v) == 0 })
}

// neverHolds reports a comparison of two constants that is false. The type checker
// reports constants of two types.
func neverHolds(c call) bool {
	if len(c.args) != 2 || !ast.IsConstant(c.args[0].Value) || !ast.IsConstant(c.args[1].Value) {
		return false
	}
	if ast.ValueName(c.args[0].Value) != ast.ValueName(c.args[1].Value) {
		return false
	}
	order := c.args[0].Value.Compare(c.args[1].Value)
	switch c.name {
	case ast.Equal.Name, ast.Equality.Name:
		return order != 0
	case ast.NotEqual.Name:
		return order == 0
	case ast.LessThan.Name:
		return order >= 0
	case ast.LessThanEq.Name:
		return order > 0
	case ast.GreaterThan.Name:
		return order <= 0
	case ast.GreaterThanEq.Name:
		return order < 0
	}
	return false
}

// Package lint answers one question: what can be told about a team's rules
// without a request? It reads parsed modules and finds what is never there,
// never true, or silent where its author thought it would speak. It tells only
// what is certain, and it evaluates nothing.
package lint

import (
	"fmt"
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Finding is one thing that the author of a rule should know. Message reads
// "what is wrong: what to write instead".
type Finding struct {
	At      *ast.Location
	Message string
	Fatal   bool // the rule cannot do what it says, whatever the request
}

// Known is what the configuration says about values of `input`.
type Known struct {
	// Hidden tells the headers that are never in `input`, by lower-case name.
	Hidden func(header string) bool
	// Values are the only ones that a path such as "input.token.profile" has.
	// A path that is not listed can have any.
	Values map[string][]string
	// Labels are those that every resource has.
	Labels []string
}

// Check looks at every rule of every module. The findings are in the order of
// the modules' names, then as they stand in the module.
func Check(modules map[string]*ast.Module, known Known) []Finding {
	var found []Finding
	files := slices.Sorted(maps.Keys(modules))
	all := newHelpers(modules, files)
	tested := presence{}
	for _, file := range files {
		for _, rule := range modules[file].Rules {
			tested.note(newReader(rule, all, known, &found, nil))
		}
	}
	for _, file := range files {
		for _, rule := range modules[file].Rules {
			r := newReader(rule, all, known, &found, nil)
			r.paths()
			r.values()
			r.bodies()
			r.undefinedDenials(tested)
			r.shadows()
		}
	}
	return found
}

// reader reads one rule.
type reader struct {
	rule     *ast.Rule
	helpers  helpers
	known    Known
	alias    map[ast.Var]ast.Ref // other names of paths of input
	drawn    map[ast.Var]ast.Ref // variables that hold an element of a header or parameter
	local    map[ast.Var]bool    // variables, which no rule of the package is
	imported map[ast.Var]ast.Ref // other names of paths of data
	found    *[]Finding
}

// newReader reads a rule. Of a function, given are the arguments that stand for
// a path of input.
func newReader(rule *ast.Rule, all helpers, known Known, found *[]Finding, given map[ast.Var]ast.Ref) *reader {
	r := &reader{
		rule: rule, helpers: all, known: known, found: found,
		alias: map[ast.Var]ast.Ref{}, drawn: map[ast.Var]ast.Ref{}, local: map[ast.Var]bool{}, imported: map[ast.Var]ast.Ref{},
	}
	for _, imported := range rule.Module.Imports {
		path, ok := imported.Path.Value.(ast.Ref)
		switch {
		case ok && path.HasPrefix(ast.InputRootRef):
			r.alias[imported.Name()] = path
		case ok && path[0].Equal(ast.DefaultRootDocument):
			r.imported[imported.Name()] = path
		}
	}
	maps.Copy(r.alias, given)
	r.assignments()
	r.draws()
	return r
}

// draws notes the variables of `some x in …`.
func (r *reader) draws() {
	ast.WalkExprs(r.rule, func(e *ast.Expr) bool {
		decl, isDecl := e.Terms.(*ast.SomeDecl)
		if !isDecl {
			return false
		}
		for _, symbol := range decl.Symbols {
			terms := []*ast.Term{symbol}
			if call, isCall := symbol.Value.(ast.Call); isCall { // the variables, then the collection
				terms = call[1 : len(call)-1]
				name, isVar := terms[len(terms)-1].Value.(ast.Var)
				if list, ok := r.path(call[len(call)-1]); ok && isVar && isList(list) {
					r.drawn[name] = list
				}
			}
			for _, term := range terms {
				if name, isVar := term.Value.(ast.Var); isVar {
					r.local[name] = true
				}
			}
		}
		return false
	})
}

// assignments notes the variables that stand for a path of input: those that
// are given exactly one value in this rule.
func (r *reader) assignments() {
	given := map[ast.Var]int{}
	for _, argument := range r.rule.Head.Args {
		ast.WalkVars(argument, func(v ast.Var) bool {
			given[v]++
			r.local[v] = true
			return false
		})
	}
	ast.WalkExprs(r.rule, func(e *ast.Expr) bool {
		if !e.IsAssignment() || len(e.With) > 0 {
			return false
		}
		name, isVar := e.Operand(0).Value.(ast.Var)
		if !isVar {
			return false
		}
		r.local[name] = true
		if given[name]++; given[name] > 1 {
			delete(r.alias, name)
		} else if path, ok := r.path(e.Operand(1)); ok {
			r.alias[name] = path
		}
		return false
	})
}

// path is what a term stands for, if that is a constant path of input.
func (r *reader) path(t *ast.Term) (ast.Ref, bool) {
	switch v := t.Value.(type) {
	case ast.Var:
		path, ok := r.alias[v]
		return path, ok
	case ast.Ref:
		head, isVar := v[0].Value.(ast.Var)
		if path, ok := r.alias[head]; isVar && ok {
			v = path.Concat(v[1:])
		}
		return v, v.HasPrefix(ast.InputRootRef) && v.IsGround()
	}
	return nil, false
}

func (r *reader) warn(at *ast.Location, format string, args ...any) {
	*r.found = append(*r.found, Finding{At: r.place(at), Message: fmt.Sprintf(format, args...)})
}

func (r *reader) refuse(at *ast.Location, format string, args ...any) {
	*r.found = append(*r.found, Finding{At: r.place(at), Message: fmt.Sprintf(format, args...), Fatal: true})
}

// place is where something stands; some terms do not know, the rule does.
func (r *reader) place(at *ast.Location) *ast.Location {
	if at == nil {
		return r.rule.Location
	}
	return at
}

// shadows finds a function that takes a built-in's place in its package, where
// whoever reads a rule expects the other.
func (r *reader) shadows() {
	name := r.rule.Head.Ref()[0].Value.String()
	if len(r.rule.Head.Ref()) == 1 && len(r.rule.Head.Args) > 0 && ast.BuiltinMap[name] != nil {
		r.warn(r.rule.Location, "%s takes the place of the built-in function in this package: give it another name", name)
	}
}

// call is a function and what it is called with, wherever in a rule it stands.
type call struct {
	name string
	args []*ast.Term
	at   *ast.Location
}

// calls are all of them; none under `with`, where another input may be meant.
func (r *reader) calls(use func(call)) {
	ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.Expr:
			if len(x.With) > 0 {
				return true
			}
			if c, ok := callOf(x); ok {
				use(c)
			}
		case *ast.Term:
			if inner, ok := x.Value.(ast.Call); ok {
				use(call{inner[0].String(), inner[1:], r.place(x.Location)})
			}
		}
		return false
	}).Walk(r.rule)
}

func callOf(e *ast.Expr) (call, bool) {
	if !e.IsCall() {
		return call{}, false
	}
	return call{e.Operator().String(), e.Operands(), e.Location}, true
}

// equality and its opposite, as the parser writes them.
func (c call) equality() bool { return c.name == ast.Equal.Name || c.name == ast.Equality.Name }

func (c call) inequality() bool { return c.name == ast.NotEqual.Name }

// pathAndConstant takes a comparison apart, whichever side is which.
func (r *reader) pathAndConstant(c call) (ast.Ref, ast.Value, bool) {
	if len(c.args) != 2 {
		return nil, nil, false
	}
	for i, side := range c.args {
		other := c.args[1-i].Value
		if path, ok := r.path(side); ok && ast.IsConstant(other) {
			return path, other, true
		}
	}
	return nil, nil, false
}

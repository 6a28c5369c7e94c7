// Package lint finds mistakes in a team's rules without a request: paths of input
// that are never there, conditions that are never true, and denials that are
// undefined where a claim is missing. It reads parsed modules, evaluates nothing
// and reports only what is certain.
package lint

import (
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/doorward/doorward/extauthz/finding"
)

// Known is what the configuration says about values of `input`.
type Known struct {
	// Hidden reports the headers that are never in `input`, by lower-case name.
	Hidden func(header string) bool
	// Values are the values that a path such as "input.token.profile" can have. A
	// path that is not listed can have any.
	Values map[string][]string
	// Labels are those that every resource has.
	Labels []string
	// Scopes are those that a challenge or a document names; nil: not known.
	Scopes []string
	// Anonymous are the packages, such as "authz.weather", that decide on requests
	// without a token.
	Anonymous []string
}

// Check looks at every rule of every module. A finding is an error where the rule
// cannot work for any request. The findings are in the order of the modules' names
// and then of the rules.
func Check(modules map[string]*ast.Module, known Known) finding.List {
	var found finding.List
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
			r.operationHeaders()
			r.anonymousDenials()
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
	found    *finding.List
}

// newReader reads a rule. Where it is a function, arguments has the arguments that are
// paths of input.
func newReader(rule *ast.Rule, all helpers, known Known, found *finding.List, arguments map[ast.Var]ast.Ref) *reader {
	r := &reader{
		rule: rule, helpers: all, known: known, found: found,
		alias: map[ast.Var]ast.Ref{}, drawn: map[ast.Var]ast.Ref{}, imported: map[ast.Var]ast.Ref{},
		local: map[ast.Var]bool{},
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
	maps.Copy(r.alias, arguments)
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
			r.draw(symbol)
		}
		return false
	})
}

// draw notes the variables of one symbol: a variable, or `x in …` as a call with
// the variables and then the collection.
func (r *reader) draw(symbol *ast.Term) {
	terms := []*ast.Term{symbol}
	if call, isCall := symbol.Value.(ast.Call); isCall {
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

// assignments notes the variables that are another name of a path of input: those
// that are assigned exactly once in this rule.
func (r *reader) assignments() {
	assigned := map[ast.Var]int{}
	for _, argument := range r.rule.Head.Args {
		ast.WalkVars(argument, func(v ast.Var) bool {
			assigned[v]++
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
		if assigned[name]++; assigned[name] > 1 {
			delete(r.alias, name)
		} else if path, ok := r.path(e.Operand(1)); ok {
			r.alias[name] = path
		}
		return false
	})
}

// path is the constant path of input that a term reads, if it reads one.
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

// warn reports what is wrong at a place, and what to write instead.
func (r *reader) warn(at *ast.Location, message, fix string) {
	r.report(at, finding.Finding{Message: message, Fix: fix, Severity: finding.Warning})
}

// refuse is warn for a rule that cannot work for any request.
func (r *reader) refuse(at *ast.Location, message, fix string) {
	r.report(at, finding.Finding{Message: message, Fix: fix})
}

func (r *reader) report(at *ast.Location, f finding.Finding) {
	at = r.place(at)
	f.File, f.Line, f.Column = at.File, at.Row, at.Col
	*r.found = append(*r.found, f)
}

// place is the location, or that of the rule where a term has no location.
func (r *reader) place(at *ast.Location) *ast.Location {
	if at == nil {
		return r.rule.Location
	}
	return at
}

// shadows finds a function with the name of a built-in function: who reads the
// package expects the built-in one.
func (r *reader) shadows() {
	name := r.rule.Head.Ref()[0].Value.String()
	if len(r.rule.Head.Ref()) == 1 && len(r.rule.Head.Args) > 0 && ast.BuiltinMap[name] != nil {
		r.warn(r.rule.Location, name+" takes the place of the built-in function in this package",
			"give it another name")
	}
}

// call is a function with its arguments, anywhere in a rule.
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

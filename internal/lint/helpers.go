package lint

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// helpers are the rules and functions of all modules, by their full path.
type helpers map[string][]*ast.Rule

func newHelpers(modules map[string]*ast.Module, files []string) helpers {
	all := helpers{}
	for _, file := range files {
		for _, rule := range modules[file].Rules {
			path := rule.Ref().GroundPrefix().String()
			all[path] = append(all[path], rule)
		}
	}
	return all
}

// use is a helper where a rule reads or calls it.
type use struct {
	rules []*ast.Rule
	args  []*ast.Term // of a function
}

// uses are the helpers in a line or a term, outside of comprehensions. Built-in
// and undefined functions are not among them.
func (r *reader) uses(e any) []use {
	var all []use
	note := func(term *ast.Term, args []*ast.Term) {
		if rules := r.defined(term); len(rules) > 0 {
			all = append(all, use{rules, args})
		}
	}
	var visitor *ast.GenericVisitor
	call := func(function *ast.Term, args []*ast.Term) {
		note(function, args)
		for _, arg := range args {
			visitor.Walk(arg)
		}
	}
	visitor = ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension, *ast.Every:
			return true
		case *ast.Expr:
			if x.IsCall() {
				call(x.OperatorTerm(), x.Operands())
				return true
			}
		case *ast.Term:
			if inner, isCall := x.Value.(ast.Call); isCall {
				call(inner[0], inner[1:])
				return true
			}
			note(x, nil)
		}
		return false
	})
	visitor.Walk(e)
	return all
}

// defined are the definitions of what a term names, of a function or a rule; nil
// for a variable, a built-in function and a path of input.
func (r *reader) defined(t *ast.Term) []*ast.Rule {
	ref, isRef := t.Value.(ast.Ref)
	if name, isVar := t.Value.(ast.Var); isVar {
		ref, isRef = ast.Ref{ast.NewTerm(name)}, true
	}
	if !isRef {
		return nil
	}
	head, isVar := ref[0].Value.(ast.Var)
	switch {
	case !isVar || r.local[head]:
		return nil
	case ref[0].Equal(ast.DefaultRootDocument):
	case r.imported[head] != nil:
		ref = r.imported[head].Concat(ref[1:])
	default:
		ref = r.rule.Module.Package.Path.Append(ast.StringTerm(string(head))).Concat(ref[1:])
	}
	ref = ref.GroundPrefix()
	for length := len(ref); length > 2; length-- {
		if rules := r.helpers[ref[:length].String()]; len(rules) > 0 {
			return rules
		}
	}
	return nil
}

// inside reads one definition of a helper with the arguments that it has here: a
// parameter whose argument is a path of input is another name of that path.
func (r *reader) inside(rule *ast.Rule, args []*ast.Term) *reader {
	arguments := map[ast.Var]ast.Ref{}
	for i, argument := range rule.Head.Args[:min(len(rule.Head.Args), len(args))] {
		name, isVar := argument.Value.(ast.Var)
		if !isVar {
			continue
		}
		if path, ok := r.path(args[i]); ok {
			arguments[name] = path
		}
	}
	return newReader(rule, r.helpers, r.known, r.found, arguments)
}

// total reports a helper that has a value where no body of it holds, by `else` or
// by a default other than false.
func total(rules []*ast.Rule) bool {
	return slices.ContainsFunc(rules, func(rule *ast.Rule) bool {
		value := rule.Head.Value
		return rule.Else != nil || rule.Default && value != nil && value.Value.Compare(ast.Boolean(false)) != 0
	})
}

// trail is the way from a rule of deny, scopes or warn to a line that is undefined
// where a path is missing.
type trail struct {
	name    string        // of the rule: deny, scopes or warn
	at      *ast.Location // the line of that rule
	readers []*reader     // it, and the helpers on the way
	tested  presence
	seen    map[string]bool // helpers that were read in the same way, and findings
}

// into is the trail continued in a helper, false where it was there before.
func (t trail) into(r *reader, wanted bool) (trail, bool) {
	key := fmt.Sprint(r.rule.Location, wanted, r.bindings())
	if t.seen[key] {
		return t, false
	}
	t.seen[key] = true
	t.readers = append(slices.Clone(t.readers), r)
	return t, true
}

// bindings are the paths of input that the parameters of a function name.
func (r *reader) bindings() string {
	var all []string
	for _, argument := range r.rule.Head.Args {
		if name, isVar := argument.Value.(ast.Var); isVar {
			all = append(all, r.alias[name].String())
		}
	}
	return strings.Join(all, ",")
}

// holds follows a body that must hold for the rule to have an effect.
func (r *reader) holds(t trail, body ast.Body) {
	for _, e := range body {
		if len(e.With) > 0 {
			continue
		}
		line := t
		if len(t.readers) == 1 {
			line.at = e.Location
		}
		if undefinedWhenMissing(e) {
			r.missing(line, r.needs(e, line.seen))
		}
		for _, u := range r.uses(e) {
			switch {
			case e.Negated:
				r.fails(line, u)
			case !total(u.rules):
				r.each(line, u, true, (*reader).holds)
			}
		}
	}
}

// fails follows a helper that must not hold for the rule to have an effect. A
// missing path there helps the rule, except in a helper that must in turn not hold.
func (r *reader) fails(t trail, u use) { r.each(t, u, false, (*reader).doesNotHold) }

// doesNotHold follows a body that must not hold for the rule to have an effect.
func (r *reader) doesNotHold(t trail, body ast.Body) {
	for _, e := range body {
		if len(e.With) > 0 {
			continue
		}
		for _, u := range r.uses(e) {
			switch {
			case !e.Negated:
				r.fails(t, u)
			case !total(u.rules):
				r.each(t, u, true, (*reader).holds)
			}
		}
	}
}

// each calls a function with every definition of a helper.
func (r *reader) each(t trail, u use, wanted bool, read func(*reader, trail, ast.Body)) {
	for _, rule := range u.rules {
		inner := r.inside(rule, u.args)
		if next, first := t.into(inner, wanted); first && !rule.Default {
			read(inner, next, rule.Body)
		}
	}
}

// needs are the paths without which a line has no value: those that it names,
// and those of each helper that it reads and that has exactly one definition.
func (r *reader) needs(e any, seen map[string]bool) []ast.Ref {
	all := r.within(e)
	if expr, isExpr := e.(*ast.Expr); isExpr && expr.Negated && expr.IsCall() {
		e = ast.ArrayTerm(expr.Operands()...) // the line holds where the function itself is undefined
	}
	for _, u := range r.uses(e) {
		if len(u.rules) != 1 || total(u.rules) {
			continue
		}
		inner := r.inside(u.rules[0], u.args)
		key := fmt.Sprint(inner.rule.Location, "needed", inner.bindings())
		if seen[key] {
			continue
		}
		seen[key] = true
		for _, line := range inner.rule.Body {
			if !line.Negated && len(line.With) == 0 {
				all = append(all, inner.needs(line, seen)...)
			}
		}
		if value := inner.rule.Head.Value; value != nil {
			all = append(all, inner.needs(value, seen)...)
		}
	}
	return all
}

// missing warns of paths without which the rule at the beginning of a trail has no
// effect, unless a rule tests whether they are there.
func (r *reader) missing(t trail, paths []ast.Ref) {
	for _, ref := range paths {
		asked := t.tested.has(ref) || slices.ContainsFunc(t.readers, func(on *reader) bool { return on.guarded(ref) })
		if !r.optional(ref) || asked {
			continue
		}
		reads := ""
		if first := t.readers[0]; r != first {
			at := r.rule.Location
			reads = fmt.Sprintf(", which %s reads (%s:%d),", r.rule.Head.Ref(), path.Base(at.File), at.Row)
		}
		key := fmt.Sprint(t.at, ref, reads)
		if t.seen[key] {
			continue
		}
		t.seen[key] = true
		t.readers[0].warn(t.at, fmt.Sprintf("%s%s may be missing, and then this %s is silent", ref, reads, t.name),
			fmt.Sprintf("write require[\"NAME\"] if … for what must hold, or one more rule with `not %s`", ref))
	}
}

package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/dependencies"
)

// reach adds to reached these rules and all that they read, branches of `else`
// among them.
func reach(compiler *ast.Compiler, rules []*ast.Rule, reached map[*ast.Rule]bool) {
	for _, rule := range rules {
		for branch := rule; branch != nil && !reached[branch]; branch = branch.Else {
			reached[branch] = true
			for read := range compiler.Graph.Dependencies(branch) {
				if rule, ok := read.(*ast.Rule); ok {
					reach(compiler, []*ast.Rule{rule}, reached)
				}
			}
		}
	}
}

// inOrder sorts rules by where they stand.
func inOrder(reached map[*ast.Rule]bool) []*ast.Rule {
	return slices.SortedFunc(maps.Keys(reached), func(a, b *ast.Rule) int {
		return cmp.Or(
			strings.Compare(a.Location.File, b.Location.File),
			cmp.Compare(a.Location.Row, b.Location.Row),
			cmp.Compare(a.Location.Col, b.Location.Col),
		)
	})
}

// readBy are the paths below `input` that these rules read themselves, each up
// to the first step that is no constant name.
func readBy(rules ...*ast.Rule) [][]string {
	var paths [][]string
	for _, rule := range rules {
		paths = append(paths, inputPaths(rule)...)
	}
	return paths
}

// inputPaths follows aliases, so that `c := input.claims` with `c.tenant` is
// one claim and not all of them. Should OPA's analysis leave out a reference
// that plainly stands there, it is taken as it stands.
func inputPaths(rule *ast.Rule) [][]string {
	var paths [][]string
	refs, err := dependencies.Minimal(withoutElse(rule))
	if err != nil { // a rule is an element of Rego, and there is no other error
		return [][]string{{}}
	}
	for _, ref := range refs {
		if ref[0].Equal(ast.InputRootDocument) {
			paths = append(paths, names(ref))
		}
	}
	ast.WalkRefs(withoutElse(rule), func(ref ast.Ref) bool {
		if path := names(ref); ref[0].Equal(ast.InputRootDocument) && !slices.ContainsFunc(paths, related(path)) {
			paths = append(paths, path)
		}
		return false
	})
	return paths
}

// withoutElse is one branch of a rule by itself.
func withoutElse(rule *ast.Rule) *ast.Rule {
	alone := *rule
	alone.Else = nil
	return &alone
}

// related is true for a path that holds this one, or that this one holds.
func related(path []string) func([]string) bool {
	return func(other []string) bool { return hasPrefix(path, other) || hasPrefix(other, path) }
}

// obstacle is a place in a rule that keeps decisions which rest on it from
// being remembered, or from being found again.
type obstacle struct {
	at     *ast.Location
	why    string
	narrow bool // remembered all the same, for one token alone
}

// obstacles finds those of these rules.
func obstacles(rules []*ast.Rule) []obstacle {
	var all []obstacle
	for _, rule := range rules {
		all = append(all, calls(rule)...)
		switch read := newFootprint(inputPaths(rule)); {
		case read.reads(requestID):
			all = append(all, obstacle{at: rule.Location, why: "no decision that rests on this is remembered: the rule reads input.request.id, " +
				"by itself or in all of input.request, which no two requests share: write the members that it needs, such as input.request.method"})
		case read.readsAll(claims):
			all = append(all, obstacle{at: rule.Location, narrow: true, why: "a decision that rests on this is remembered for one token alone: the rule reads " +
				"all of input.claims: write the claims that it needs, such as input.claims.tenant"})
		}
	}
	return all
}

// hinders is true for what keeps a decision from being remembered at all.
func (o obstacle) hinders() bool { return !o.narrow }

// calls finds the built-in functions in a rule that are not known to give the
// same answer each time, be it that one stands in for another by `with`.
func calls(rule *ast.Rule) []obstacle {
	var all []obstacle
	note := func(function *ast.Term, at *ast.Location) {
		name := function.Value.String()
		if ast.BuiltinMap[name] != nil && !slices.Contains(repeatable(), name) {
			all = append(all, obstacle{
				at:  cmp.Or(at, rule.Location),
				why: "no decision that rests on this is remembered: " + name + " may give another answer each time: " + instead(name),
			})
		}
	}
	ast.WalkNodes(withoutElse(rule), func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.Expr:
			if terms, isCall := node.Terms.([]*ast.Term); isCall {
				note(terms[0], node.Location)
			}
		case *ast.With:
			note(node.Value, node.Location)
		case *ast.Term:
			if call, isCall := node.Value.(ast.Call); isCall {
				note(call[0], node.Location)
			}
		}
		return false
	})
	return all
}

// warnings tells a team about the obstacles in its own rules.
func warnings(all []obstacle) []Problem {
	var problems []Problem
	for _, o := range all {
		if strings.HasPrefix(o.at.File, libraryFile) {
			continue
		}
		problems = append(problems, Problem{
			File: o.at.File, Line: o.at.Row, Column: max(o.at.Col, 1), Warning: true,
			Message: o.why,
		})
	}
	return problems
}

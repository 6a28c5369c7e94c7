package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/dependencies"
)

// reached are the rules at a reference and all that they read, branches of
// `else` among them, sorted by where they stand.
func reached(compiler *ast.Compiler, ref ast.Ref) []*ast.Rule {
	seen := map[*ast.Rule]bool{}
	next := compiler.GetRules(ref)
	for len(next) > 0 {
		rule := next[len(next)-1]
		next = next[:len(next)-1]
		if rule == nil || seen[rule] {
			continue
		}
		seen[rule] = true
		next = append(next, rule.Else)
		for read := range compiler.Graph.Dependencies(rule) {
			if rule, ok := read.(*ast.Rule); ok {
				next = append(next, rule)
			}
		}
	}
	return slices.SortedFunc(maps.Keys(seen), func(a, b *ast.Rule) int {
		return cmp.Or(
			strings.Compare(a.Location.File, b.Location.File),
			cmp.Compare(a.Location.Row, b.Location.Row),
			cmp.Compare(a.Location.Col, b.Location.Col),
		)
	})
}

// inputPaths are the paths below `input` that a rule reads itself, each up to
// the first step that is no constant name. Aliases are followed, so that
// `c := input.claims` with `c.tenant` is one claim and not all of them.
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
	return inPlainSight(rule, paths)
}

// inPlainSight adds to the paths of a rule those that stand in it and have
// nothing to do with any of them: should OPA's analysis ever leave one out, it
// is read as it stands.
func inPlainSight(rule *ast.Rule, paths [][]string) [][]string {
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

// obstacles finds those of a rule, which reads these paths.
func obstacles(rule *ast.Rule, paths [][]string) []obstacle {
	all := calls(rule)
	switch {
	case slices.ContainsFunc(paths, whole(requestID)):
		all = append(all, obstacle{at: rule.Location, why: "no decision that rests on this is remembered: the rule reads input.request.id, " +
			"by itself or in all of input.request, which no two requests share: write the members that it needs, such as input.request.method"})
	case slices.ContainsFunc(paths, whole(requestHeaders)):
		all = append(all, obstacle{at: rule.Location, why: "no decision that rests on this is remembered: the rule reads all headers, " +
			"x-request-id among them, which no two requests share: write the headers that it needs, such as input.request.headers[\"x-tenant\"]"})
	case slices.ContainsFunc(paths, whole(claims)):
		all = append(all, obstacle{at: rule.Location, narrow: true, why: "a decision that rests on this is remembered for one token alone: the rule reads " +
			"all of input.claims: write the claims that it needs, such as input.claims.tenant"})
	}
	return all
}

// whole is true for a path that reads all of a part.
func whole(p part) func([]string) bool {
	return func(path []string) bool {
		return hasPrefix(p.path(), path) || p.depth() == 0 && hasPrefix(path, p.path())
	}
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

package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/doorward/doorward/extauthz/finding"
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

// inputPaths are the paths below `input` that stand in a rule, each up to the
// first step that is no constant name. A rule reads nothing of `input` that does
// not begin at one of them: what is bound to a variable is read as a whole,
// whatever is done with the variable. OPA's own analysis follows variables to
// what is read of them, and forgets some of the ways to read.
func inputPaths(rule *ast.Rule) [][]string {
	var paths [][]string
	ast.WalkRefs(withoutElse(rule), func(ref ast.Ref) bool {
		if ref[0].Equal(ast.InputRootDocument) {
			paths = append(paths, names(ref))
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

// conflict is a place in a rule that keeps decisions which rest on it from
// being remembered, or from being found again.
type conflict struct {
	at     *ast.Location
	why    string
	narrow bool // remembered all the same, for one token alone
}

// conflicts finds those of a rule, which reads these paths.
func conflicts(rule *ast.Rule, paths [][]string) []conflict {
	all := calls(rule)
	switch {
	case slices.ContainsFunc(paths, entireInput(requestID)):
		all = append(all, conflict{at: rule.Location, why: "no decision that rests on this is remembered: the rule reads input.request.id, " +
			"by itself or in all of input.request, which no two requests share: write the members that it needs, such as input.request.method"})
	case slices.ContainsFunc(paths, entireInput(requestHeaders)):
		all = append(all, conflict{at: rule.Location, why: "no decision that rests on this is remembered: the rule reads all headers, " +
			"x-request-id among them, which no two requests share: write the headers that it needs, such as input.request.headers[\"x-tenant\"]"})
	case slices.ContainsFunc(paths, entireInput(claims)):
		all = append(all, conflict{at: rule.Location, narrow: true, why: "a decision that rests on this is remembered for one token alone: the rule reads " +
			"all of input.claims: write the claims that it needs, such as input.claims.tenant"})
	}
	return all
}

// entireInput is true for a path that reads all of a part.
func entireInput(p part) func([]string) bool {
	return func(path []string) bool {
		return hasPrefix(p.path(), path) || p.depth() == 0 && hasPrefix(path, p.path())
	}
}

// blocks is true for what keeps a decision from being remembered at all.
func (o conflict) blocks() bool { return !o.narrow }

// calls finds the built-in functions in a rule that are not known to give the
// same answer each time, be it that one stands in for another by `with`.
func calls(rule *ast.Rule) []conflict {
	var all []conflict
	note := func(function *ast.Term, at *ast.Location) {
		name := function.Value.String()
		if ast.BuiltinMap[name] != nil && !slices.Contains(repeatable(), name) {
			all = append(all, conflict{
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
func warnings(all []conflict) finding.List {
	var problems finding.List
	for _, o := range all {
		if strings.HasPrefix(o.at.File, libraryFile) {
			continue
		}
		problems = append(problems, finding.Finding{
			File: o.at.File, Line: o.at.Row, Column: max(o.at.Col, 1), Severity: finding.Warning,
			Message: o.why,
		})
	}
	return problems
}

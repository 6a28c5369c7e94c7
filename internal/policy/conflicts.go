package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/doorward/doorward/extauthz/finding"
)

// reached are the rules at a reference and all that they read, branches of `else`
// among them, sorted by place.
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

// inputPaths are the paths below `input` in a rule, each up to the first step that
// is no constant name. Whatever a rule reads of `input` is below one of them: a value
// that is bound to a variable counts as read as a whole. OPA's own analysis follows
// variables to what is read of them, and misses some ways to read.
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

// readsOperation reports a rule that reads input.mcp: by its name, or below a variable
// that is bound to all of input.
func readsOperation(rule *ast.Rule, paths [][]string) bool {
	if slices.ContainsFunc(paths, func(path []string) bool { return hasPrefix(path, []string{mcpMember}) }) {
		return true
	}
	if !slices.ContainsFunc(paths, func(path []string) bool { return len(path) == 0 }) {
		return false
	}
	found := false
	ast.WalkTerms(withoutElse(rule), func(term *ast.Term) bool {
		found = found || term.Equal(ast.InternedTerm(mcpMember))
		return found
	})
	return found
}

// withoutElse is one branch of a rule.
func withoutElse(rule *ast.Rule) *ast.Rule {
	alone := *rule
	alone.Else = nil
	return &alone
}

// conflict is a place in a rule that keeps decisions which depend on it from being
// cached, or from being found in the cache again.
type conflict struct {
	at     *ast.Location
	why    string
	fix    string
	narrow bool // cached all the same, for one token alone
}

// conflicts finds those of a rule that reads these paths.
func conflicts(rule *ast.Rule, paths [][]string) []conflict {
	all := calls(rule)
	switch {
	case slices.ContainsFunc(paths, entireInput(requestID)):
		all = append(all, conflict{
			at: rule.Location,
			why: "no decision that rests on this is remembered: the rule reads input.request.id, " +
				"by itself or in all of input.request, which no two requests share",
			fix: "write the members that it needs, such as input.request.method",
		})
	case slices.ContainsFunc(paths, entireInput(requestHeaders)):
		all = append(all, conflict{
			at: rule.Location,
			why: "no decision that rests on this is remembered: the rule reads all headers, " +
				"x-request-id among them, which no two requests share",
			fix: `write the headers that it needs, such as input.request.headers["x-tenant"]`,
		})
	case slices.ContainsFunc(paths, entireInput(claims)):
		all = append(all, conflict{
			at: rule.Location, narrow: true,
			why: "a decision that rests on this is remembered for one token alone: the rule reads all of input.claims",
			fix: "write the claims that it needs, such as input.claims.tenant",
		})
	}
	return all
}

// entireInput makes a test for a path that reads all of a part.
func entireInput(p part) func([]string) bool {
	return func(path []string) bool {
		return hasPrefix(p.path(), path) || p.depth() == 0 && hasPrefix(path, p.path())
	}
}

// blocks reports whether no decision that depends on it is cached.
func (o conflict) blocks() bool { return !o.narrow }

// calls finds the built-in functions in a rule that are not known to give the same
// answer each time, also where one replaces another by `with`.
func calls(rule *ast.Rule) []conflict {
	var all []conflict
	note := func(function *ast.Term, at *ast.Location) {
		name := function.Value.String()
		if ast.BuiltinMap[name] != nil && !slices.Contains(repeatable(), name) {
			all = append(all, conflict{
				at:  cmp.Or(at, rule.Location),
				why: "no decision that rests on this is remembered: " + name + " may give another answer each time",
				fix: instead(name),
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

// warnings are the findings about conflicts in the rules of the team.
func warnings(all []conflict) finding.List {
	var problems finding.List
	for _, o := range all {
		if strings.HasPrefix(o.at.File, libraryFile) {
			continue
		}
		problems = append(problems, warningAt(o.at, o.why, o.fix))
	}
	return problems
}

package config

import (
	"fmt"
	"slices"
	"strings"
)

// joined returns the scopes of both sets.
func joined(all, own scopeSets) map[string][]string {
	if len(all) == 0 {
		return own
	}
	if len(own) == 0 {
		return all
	}
	sets := map[string][]string{}
	for _, part := range []scopeSets{all, own} {
		for scope, implied := range part {
			for _, name := range implied {
				sets[scope] = withName(sets[scope], name)
			}
		}
	}
	return sets
}

func withName(names []string, name string) []string {
	if slices.Contains(names, name) {
		return names
	}
	return append(slices.Clip(names), name)
}

// checkScopeCycles refuses a scope that includes itself, by scope_implies for all
// resources or by that and a resource's own.
func (r *reader) checkScopeCycles() {
	everywhere := r.checkScopeCycle("scope_implies", r.doc.ScopeImplies, r.doc.ScopeImplies)
	for i, e := range r.doc.Resources {
		at := element("resources", i) + ".scope_implies"
		if everywhere {
			r.broken[at] = true // it has the same cycle
		} else if len(e.ScopeImplies) > 0 {
			r.checkScopeCycle(at, e.ScopeImplies, joined(r.doc.ScopeImplies, e.ScopeImplies))
		}
	}
}

// checkScopeCycle reports one cycle, at the first of the written scopes that is in
// one of all.
func (r *reader) checkScopeCycle(path string, written, all map[string][]string) (found bool) {
	var cyclic []string
	for scope := range written {
		if includes(all, scope) {
			cyclic = append(cyclic, scope)
		}
	}
	if len(cyclic) == 0 {
		return false
	}
	slices.Sort(cyclic)
	r.problem(join(path, cyclic[0]), fmt.Sprintf("includes itself: %q is reached from its own entry", cyclic[0]),
		"take one entry of the cycle out")
	r.broken[path] = true
	return true
}

// includes reports whether a scope is among those that it includes, directly or
// through others.
func includes(sets map[string][]string, scope string) bool {
	reached := slices.Clone(sets[scope])
	seen := map[string]bool{}
	for len(reached) > 0 {
		next := reached[len(reached)-1]
		reached = reached[:len(reached)-1]
		if next == scope {
			return true
		}
		if !seen[next] {
			seen[next] = true
			reached = append(reached, sets[next]...)
		}
	}
	return false
}

// pathOf returns the path of a key that resource.NewTable found a problem with: an
// entry of scope_implies may be that for all resources.
func (r *reader) pathOf(path string) string {
	at, scope, ok := strings.Cut(path, ".scope_implies.")
	if own := at + ".scope_implies"; ok && !r.written(own+"."+scope) && !r.isBroken(own) {
		return "scope_implies." + scope
	}
	return path
}

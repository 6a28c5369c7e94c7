package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/doorward/doorward/extauthz/finding"
)

// unread warns about rules that decide nothing though they look as if they did:
// no other rule reads them, and neither does doorward.
func unread(compiler *ast.Compiler, t team, packages []string) finding.List {
	var heard [][]string
	for _, pkg := range packages {
		heard = append(heard, strings.Split(pkg, "."))
	}
	var problems finding.List
	told := map[string]bool{}
	for _, file := range slices.Sorted(maps.Keys(t.modules)) {
		for _, rule := range compiler.Modules[file].Rules {
			pkg, path := names(rule.Module.Package.Path), names(rule.Ref())
			if len(path) <= len(pkg) || len(compiler.Graph.Dependents(rule)) > 0 || isRead(path, heard) {
				continue
			}
			name := strings.Join(path[:len(pkg)+1], ".")
			message := useless(pkg, path[len(pkg)], heard)
			if message == "" || told[name] {
				continue
			}
			told[name] = true
			problems = append(problems, finding.Finding{
				File: file, Line: rule.Location.Row, Column: rule.Location.Col, Severity: finding.Warning, Message: message,
			})
		}
	}
	return problems
}

// silent warns about the files with rules of which none is read on the way to a
// decision, as far as nothing else was said of such a file: a function that
// nobody calls, or rules that read one another and no more.
func silent(compiler *ast.Compiler, t team, packages []string, said finding.List) finding.List {
	speaks := map[string]bool{}
	for _, pkg := range packages {
		for _, rule := range reached(compiler, append(packageFolder(pkg), ast.InternedTerm("decision"))) {
			speaks[rule.Location.File] = true
		}
	}
	for _, p := range said {
		speaks[p.File] = true
	}
	var problems finding.List
	for _, file := range slices.Sorted(maps.Keys(t.modules)) {
		m := t.modules[file]
		if len(m.Rules) > 0 && !speaks[file] {
			problems = append(problems, problemAt(m.Package.Location, fmt.Sprintf(`nothing in this file reaches a decision, no rule that is judged reads it: read it in %s["NAME"] if …, or remove the file`, requireName), finding.Warning))
		}
	}
	return problems
}

// isRead is true for an output of a package that is heard, and for what leads
// to such a package.
func isRead(path []string, heard [][]string) bool {
	return slices.ContainsFunc(heard, func(pkg []string) bool {
		return hasPrefix(pkg, path) || hasPrefix(path, pkg) && slices.Contains(outputs(), path[len(pkg)])
	})
}

// useless says what is wrong with a rule that nothing reads, "" if nothing is:
// in a package that is heard it is mostly `allow`, or a name misspelt; in
// another one below authz it is a verdict about no resource.
func useless(pkg []string, name string, heard [][]string) string {
	isHeard := slices.ContainsFunc(heard, func(other []string) bool { return slices.Equal(other, pkg) })
	switch {
	case isHeard && envoyRule(name) != "":
		return name + " decides nothing, no rule reads it: " + envoyRule(name)
	case isHeard:
		return fmt.Sprintf(`%s decides nothing, no rule reads it: write %s["NAME"] if … for what must hold, or %s contains … for what must not`, name, requireName, denyName)
	case hasPrefix(pkg, []string{teamPackage}) && slices.Contains(outputs(), name):
		pkg := strings.Join(pkg, ".")
		return fmt.Sprintf("%s decides nothing, no resource has package %s: write `policy: %s` at the resource that it is for, or give the rule another name", name, pkg, pkg)
	}
	return ""
}

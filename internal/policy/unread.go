package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/doorward/doorward/extauthz/finding"
)

// unread warns about rules that have the names of outputs or lie beside them, and
// that neither another rule nor doorward reads.
func unread(compiler *ast.Compiler, t team, packages []string) finding.List {
	var evaluated [][]string
	for _, pkg := range packages {
		evaluated = append(evaluated, strings.Split(pkg, "."))
	}
	var problems finding.List
	reported := map[string]bool{}
	for _, file := range slices.Sorted(maps.Keys(t.modules)) {
		for _, rule := range compiler.Modules[file].Rules {
			pkg, path := names(rule.Module.Package.Path), names(rule.Ref())
			if len(path) <= len(pkg) || len(compiler.Graph.Dependents(rule)) > 0 || isRead(path, evaluated) {
				continue
			}
			name := strings.Join(path[:len(pkg)+1], ".")
			message, fix := useless(pkg, path[len(pkg)], evaluated)
			if message == "" || reported[name] {
				continue
			}
			reported[name] = true
			problems = append(problems, warningAt(rule.Location, message, fix))
		}
	}
	return problems
}

// unreachedFiles warns about each file of whose rules no decision reads any: a
// function that no rule calls, or rules that read only one another. It leaves out
// files with other findings.
func unreachedFiles(compiler *ast.Compiler, t team, packages []string, found finding.List) finding.List {
	reaches := map[string]bool{}
	for _, pkg := range packages {
		for _, rule := range reached(compiler, append(packageFolder(pkg), ast.InternedTerm("decision"))) {
			reaches[rule.Location.File] = true
		}
	}
	for _, p := range found {
		reaches[p.File] = true
	}
	var problems finding.List
	for _, file := range slices.Sorted(maps.Keys(t.modules)) {
		m := t.modules[file]
		if len(m.Rules) > 0 && !reaches[file] {
			problems = append(problems, warningAt(m.Package.Location,
				"nothing in this file reaches a decision, no rule that is evaluated reads it",
				fmt.Sprintf(`read it in %s["NAME"] if …, or remove the file`, requireName)))
		}
	}
	return problems
}

// isRead is true for an output of an evaluated package, and for what is above
// such a package.
func isRead(path []string, evaluated [][]string) bool {
	return slices.ContainsFunc(evaluated, func(pkg []string) bool {
		return hasPrefix(pkg, path) || hasPrefix(path, pkg) && slices.Contains(outputs(), path[len(pkg)])
	})
}

// useless says what is wrong with a rule that is not read, and what to write; both
// are "" for a rule that may be there. In an evaluated package it is mostly `allow`
// or a misspelt name, in another one below authz an output for no resource.
func useless(pkg []string, name string, evaluated [][]string) (message, fix string) {
	isEvaluated := slices.ContainsFunc(evaluated, func(other []string) bool { return slices.Equal(other, pkg) })
	message = name + " decides nothing, no rule reads it"
	switch {
	case isEvaluated && envoyRule(name) != "":
		return message, envoyRule(name)
	case isEvaluated:
		return message, writeRequireOrDeny()
	case hasPrefix(pkg, []string{teamPackage}) && slices.Contains(outputs(), name):
		pkg := strings.Join(pkg, ".")
		return fmt.Sprintf("%s decides nothing, no resource has package %s", name, pkg),
			fmt.Sprintf("write `policy: %s` at the resource that it is for, or give the rule another name", pkg)
	}
	return "", ""
}

package policy

import (
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/doorward/doorward/extauthz/finding"
)

// The built-in modules that evaluate `authz` also evaluate a resource's own package:
// they are compiled once more with the package's name in place of `authz`. So there
// are two decisions about a request for such a resource, each of which can only deny
// more, and the request is allowed where both allow. Only the modules compiled for a
// package name it, which keeps teams apart.

// shared are the built-in modules that read no package of a team: there is one of
// each for all packages.
func shared() []string { return []string{"audience", "passthrough", "authentication", "anonymous"} }

// packageFolder is the path of the built-in rules for one package.
func packageFolder(pkg string) ast.Ref {
	root := ast.Ref{ast.DefaultRootDocument, ast.InternedTerm(ownPackage)}
	if pkg == teamPackage {
		return root
	}
	return append(root, ast.InternedTerm("own"), ast.StringTerm(pkg))
}

// packageRef is data.authz.weather for "authz.weather".
func packageRef(pkg string) ast.Ref { return dataRef(strings.Split(pkg, ".")) }

// dataRef is the reference to a path below data.
func dataRef(path []string) ast.Ref {
	ref := ast.Ref{ast.DefaultRootDocument}
	for _, name := range path {
		ref = append(ref, ast.StringTerm(name))
	}
	return ref
}

// forPackage are the library's modules for one package.
func forPackage(library fs.FS, pkg string) (map[string]*ast.Module, error) {
	modules, err := parseLibrary(library)
	if err != nil || pkg == teamPackage {
		return modules, err
	}
	own := map[string]*ast.Module{}
	for file, m := range modules {
		if path := names(m.Package.Path); len(path) > 1 && slices.Contains(shared(), path[1]) {
			continue
		}
		m.Package.Path = renamed(m.Package.Path, pkg)
		done := map[*ast.Term]bool{} // a term may occur twice
		ast.WalkTerms(m, func(term *ast.Term) bool {
			if ref, ok := term.Value.(ast.Ref); ok && !done[term] {
				term.Value, done[term] = renamed(ref, pkg), true
			}
			return false
		})
		own[file+" for "+pkg] = m
	}
	return own, nil
}

// renamed is a reference of the library, compiled for a package.
func renamed(ref ast.Ref, pkg string) ast.Ref {
	path := names(ref)
	switch {
	case !ref[0].Equal(ast.DefaultRootDocument) || len(path) == 0:
		return ref
	case path[0] == teamPackage:
		return slices.Concat(packageRef(pkg), ref[2:])
	case path[0] == ownPackage && (len(path) == 1 || !slices.Contains(shared(), path[1])):
		return slices.Concat(packageFolder(pkg), ref[2:])
	}
	return ref
}

// packages are those that are evaluated: authz, and each resource's own, sorted.
func (s Sources) packages() []string {
	all := append(slices.Collect(maps.Values(s.Packages)), teamPackage)
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(pkg string) bool { return pkg == "" })
}

// packageFault says what keeps a name from being the package of a resource, and
// what to write; both are "" for a valid name. A name with an output in it would be
// read as a rule of the package above it.
func packageFault(pkg string) (message, fix string) {
	if pkg == teamPackage {
		return "", ""
	}
	path := strings.Split(pkg, ".")
	if !regexp.MustCompile(`^authz(\.[A-Za-z_][A-Za-z0-9_]*)+$`).MatchString(pkg) {
		return "which is no package below " + teamPackage, fmt.Sprintf("write %s.TEAM", teamPackage)
	}
	for _, name := range path {
		if slices.Contains(outputs(), name) {
			return fmt.Sprintf("where %s is a word that rules have", name), "choose another name"
		}
	}
	return "", ""
}

// about are the findings about a package, one for each resource that names it.
func (s Sources) about(pkg, fault, fix string) finding.List {
	var problems finding.List
	for _, resource := range slices.Sorted(maps.Keys(s.Packages)) {
		if s.Packages[resource] == pkg {
			problems = append(problems, finding.Finding{Resource: resource, Message: pkg + ", " + fault, Fix: fix})
		}
	}
	return problems
}

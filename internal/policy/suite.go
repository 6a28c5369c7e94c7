package policy

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/loader"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/doorward/doorward/extauthz/finding"
)

// Suite is a team's policy together with its tests, for package regotest to
// compile and run. Nothing that serves is made of one.
type Suite struct {
	Modules  map[string]*ast.Module // built-in, of the builders, the team's rules and tests, by file
	Rules    []string               // the files of the team's rules, sorted
	Tests    []string               // the files of the team's tests, sorted
	Packages []EvaluatedPackage     // authz, then those that a resource may name as its own
	Store    storage.Store          // the data, as [Compile] would lay it out
	Compiler *ast.Compiler          // with the built-ins and the schema of [Compile]; it has compiled nothing
}

// EvaluatedPackage is a package that is judged, and the query for the decision about it.
type EvaluatedPackage struct{ Package, Query string }

// LoadSuite reads what [Compile] reads, and the tests beside it. The builders
// are modules for tests alone. Where no resource says which packages below
// authz are heard, all are that have rules which would be. The suite is nil if
// a problem is not a warning; what only compiling finds, nobody has looked for.
func LoadSuite(src Sources, builders fs.FS) (*Suite, finding.List) {
	modules, err := parseLibrary(builders)
	if err != nil {
		return nil, finding.List{{Message: fmt.Sprintf("the builders are broken: %v: install doorward again", err)}}
	}
	t, problems := load(src.Files, src.Paths)
	if src.Packages == nil {
		src.Packages = outputPackagesBelow(t)
	}
	c := readContract(t, src)
	problems = append(problems, c.problems...)
	problems = append(problems, findings(t, src)...)
	tests, found := loadTests(t.paths, src.packages())
	if problems = append(problems, found...).Sorted(); blocking(problems) {
		return nil, problems
	}
	suite := &Suite{
		Modules:  modules,
		Rules:    slices.Sorted(maps.Keys(t.modules)),
		Tests:    slices.Sorted(maps.Keys(tests)),
		Store:    inmem.NewFromObjectWithOpts(documents(t.data, c), inmem.OptReturnASTValuesOnRead(true)),
		Compiler: ast.NewCompiler().SetErrorLimit(0).WithCapabilities(capabilities()).WithSchemas(schemas()).WithEnablePrintStatements(true),
	}
	for _, pkg := range src.packages() {
		builtIn, err := forPackage(src.Library, pkg)
		if err != nil {
			return nil, finding.List{{Message: fmt.Sprintf("the built-in rules are broken: %v: install doorward again", err)}}
		}
		maps.Copy(modules, builtIn)
		suite.Packages = append(suite.Packages, EvaluatedPackage{pkg, append(packageFolder(pkg), ast.InternedTerm("decision")).String()})
	}
	maps.Copy(modules, t.modules)
	maps.Copy(modules, tests)
	return suite, problems
}

// outputPackagesBelow are the packages below authz that say something which a resource
// could name them for, each under its own name.
func outputPackagesBelow(t team) map[string]string {
	packages := map[string]string{}
	for _, m := range t.modules {
		pkg := strings.Join(names(m.Package.Path), ".")
		speaks := slices.ContainsFunc(m.Rules, func(rule *ast.Rule) bool {
			path := names(rule.Ref())
			return len(path) > strings.Count(pkg, ".")+1 && slices.Contains(outputs(), path[strings.Count(pkg, ".")+1])
		})
		if pkg != teamPackage && speaks && packageFault(pkg) == "" {
			packages[pkg] = pkg
		}
	}
	return packages
}

// RegoProblems puts errors of OPA's compiler into the words of [Compile].
func RegoProblems(errs ast.Errors) finding.List { return compileProblems(errs).Sorted() }

// loadTests parses the tests. One that adds to what is judged would pass for a
// policy that serve never sees.
func loadTests(paths, packages []string) (map[string]*ast.Module, finding.List) {
	tests := map[string]*ast.Module{}
	files, err := loader.FilteredPaths(paths, except(test))
	if err != nil {
		return nil, loadProblems(nil, err)
	}
	var problems finding.List
	for _, file := range files {
		m, found := parse(nil, file)
		problems = append(problems, found...)
		if m == nil {
			continue
		}
		tests[file] = m
		if path := names(m.Package.Path); len(path) > 0 && path[0] == ownPackage {
			problems = append(problems, problemAt(m.Package.Location, "package doorward is reserved: write package authz_test", finding.Error))
			continue
		}
		for _, rule := range m.Rules {
			if path := names(rule.Ref()); adds(path, packages) {
				problems = append(problems, problemAt(rule.Location, fmt.Sprintf("serve does not read this file, so %s would be judged in tests alone: move it to a file without _test, or begin the test with package authz_test", strings.Join(path, ".")), finding.Error))
			}
		}
	}
	return tests, problems
}

// adds is true for a rule that would be heard, were its file served.
func adds(path, packages []string) bool {
	return slices.ContainsFunc(packages, func(pkg string) bool {
		above := strings.Split(pkg, ".")
		return len(path) > len(above) && hasPrefix(path, above) && slices.Contains(outputs(), path[len(above)])
	})
}

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

// Suite is a team's policy together with its tests, for package regotest to compile
// and run. It never serves.
type Suite struct {
	Modules  map[string]*ast.Module // built-in, of the builders, the team's rules and tests, by file
	Rules    []string               // the files of the team's rules, sorted
	Tests    []string               // the files of the team's tests, sorted
	Packages []EvaluatedPackage     // authz, then those that a resource may name as its own
	Store    storage.Store          // the data, as [Compile] would lay it out
	Compiler *ast.Compiler          // with the built-ins and the schema of [Compile]; nothing is compiled yet
}

// EvaluatedPackage is a package with the query for its decision.
type EvaluatedPackage struct{ Package, Query string }

// LoadSuite reads what [Compile] reads, and the tests beside it. The builders are
// modules for tests alone. Without Sources.Packages, every package below authz with
// an output is evaluated. The suite is nil if a problem is not a warning; problems
// that only compiling finds are not among them.
func LoadSuite(src Sources, builders fs.FS) (*Suite, finding.List) {
	modules, err := parseLibrary(builders)
	if err != nil {
		return nil, finding.List{brokenBuild("builders", err)}
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
		Modules: modules,
		Rules:   slices.Sorted(maps.Keys(t.modules)),
		Tests:   slices.Sorted(maps.Keys(tests)),
		Store:   inmem.NewFromObjectWithOpts(documents(t.data, c), inmem.OptReturnASTValuesOnRead(true)),
		Compiler: ast.NewCompiler().SetErrorLimit(0).WithCapabilities(capabilities()).WithSchemas(schemas()).
			WithEnablePrintStatements(true),
	}
	for _, pkg := range src.packages() {
		builtIn, err := forPackage(src.Library, pkg)
		if err != nil {
			return nil, finding.List{brokenBuild("built-in rules", err)}
		}
		maps.Copy(modules, builtIn)
		query := append(packageFolder(pkg), ast.InternedTerm("decision")).String()
		suite.Packages = append(suite.Packages, EvaluatedPackage{pkg, query})
	}
	maps.Copy(modules, t.modules)
	maps.Copy(modules, tests)
	return suite, problems
}

// outputPackagesBelow are the packages below authz with an output, which a resource
// could name, each under its own name.
func outputPackagesBelow(t team) map[string]string {
	packages := map[string]string{}
	for _, m := range t.modules {
		pkg := strings.Join(names(m.Package.Path), ".")
		hasOutput := slices.ContainsFunc(m.Rules, func(rule *ast.Rule) bool {
			path := names(rule.Ref())
			return len(path) > strings.Count(pkg, ".")+1 && slices.Contains(outputs(), path[strings.Count(pkg, ".")+1])
		})
		if fault, _ := packageFault(pkg); pkg != teamPackage && hasOutput && fault == "" {
			packages[pkg] = pkg
		}
	}
	return packages
}

// RegoProblems are the findings of [Compile] for errors of OPA's compiler.
func RegoProblems(errs ast.Errors) finding.List { return compileProblems(errs).Sorted() }

// loadTests parses the tests. It refuses one that adds to an evaluated package: the
// test would pass for a policy that serve never reads.
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
			problems = append(problems,
				errorAt(m.Package.Location, "package doorward is reserved", "write package authz_test"))
			continue
		}
		for _, rule := range m.Rules {
			if path := names(rule.Ref()); adds(path, packages) {
				problems = append(problems, errorAt(rule.Location, fmt.Sprintf(
					"serve does not read this file, so %s would be evaluated in tests alone", strings.Join(path, ".")),
					"move it to a file without _test, or begin the test with package authz_test"))
			}
		}
	}
	return tests, problems
}

// adds reports a rule that would be an output, were its file served.
func adds(path, packages []string) bool {
	return slices.ContainsFunc(packages, func(pkg string) bool {
		above := strings.Split(pkg, ".")
		return len(path) > len(above) && hasPrefix(path, above) && slices.Contains(outputs(), path[len(above)])
	})
}

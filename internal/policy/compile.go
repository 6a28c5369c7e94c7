package policy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/doorward/doorward/extauthz/finding"
)

// refused lists the built-ins no policy may use: those that reach the network,
// the process's environment or, through a schema's $ref, files and the network.
func refused() []string {
	return []string{"http.send", "net.lookup_ip_addr", "opa.runtime", "json.match_schema", "json.verify_schema"}
}

// Compile reads, checks and prepares a policy. Every problem is reported at
// once, sorted by place; the engine is nil if one of them is not a warning.
// Without paths and bundles the policy is the built-in rules alone. With a
// missing bundle it finds what can be known without it, and the engine decides
// nothing.
func Compile(ctx context.Context, src Sources) (*Engine, finding.List) {
	if _, err := parseLibrary(src.Library); err != nil {
		return nil, finding.List{brokenBuild("built-in rules", err)}
	}
	t, problems := load(src.Files, src.Paths)
	problems = append(problems, t.join(src.Bundles)...)
	c := readContract(t, src)
	problems = append(problems, c.problems...)
	seen := findings(t, src)
	if blocking(problems) {
		return nil, append(problems, seen...).Sorted()
	}
	e, found := build(ctx, src, t, c)
	if len(src.Missing) > 0 {
		e, found = waiting(src.Missing), withoutLibrary(found)
	}
	problems = slices.Concat(problems, seen, news(found, seen)).Sorted()
	if blocking(problems) {
		return nil, problems
	}
	return e, problems
}

// brokenBuild is the finding for a part of the program that does not parse.
func brokenBuild(part string, err error) finding.Finding {
	return finding.Finding{Message: fmt.Sprintf("the %s are broken: %v", part, err), Fix: "install doorward again"}
}

// news are the problems that are not among those before: the compiler reports some
// of an imported name at another use of it.
func news(found, before finding.List) finding.List {
	return slices.DeleteFunc(found, func(p finding.Finding) bool {
		return slices.ContainsFunc(before, func(other finding.Finding) bool {
			return other.Message == p.Message && other.Fix == p.Fix && other.File == p.File &&
				other.Severity == finding.Error
		})
	})
}

// libraryFile marks the built-in modules among the files of a policy.
const libraryFile = "doorward:"

func parseLibrary(library fs.FS) (map[string]*ast.Module, error) {
	files, err := fs.Glob(library, "*.rego")
	if err != nil {
		return nil, err
	}
	modules := map[string]*ast.Module{}
	for _, file := range files {
		if kindOf(file) != module {
			continue
		}
		source, err := fs.ReadFile(library, file)
		if err != nil {
			return nil, err
		}
		m, err := ast.ParseModuleWithOpts(libraryFile+file, string(source), ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil {
			return nil, err
		}
		modules[libraryFile+file] = m
	}
	return modules, nil
}

// build compiles all modules together and prepares an evaluator for each package
// that is evaluated.
func build(ctx context.Context, src Sources, t team, c contract) (*Engine, finding.List) {
	store := inmem.NewFromObjectWithOpts(documents(t.data, c), inmem.OptReturnASTValuesOnRead(true))
	transaction, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, finding.List{{Message: fmt.Sprintf("the data cannot be read: %v", err), Fix: "correct data.json"}}
	}
	modules := maps.Clone(t.modules)
	for _, pkg := range src.packages() {
		built, err := forPackage(src.Library, pkg)
		if err != nil {
			return nil, finding.List{brokenBuild("built-in rules", err)}
		}
		maps.Copy(modules, built)
	}
	if !src.Egress {
		maps.DeleteFunc(modules, func(file string, _ *ast.Module) bool { return strings.HasPrefix(file, egressFile) })
	}
	compiler := ast.NewCompiler().
		SetErrorLimit(0).
		WithCapabilities(capabilities()).
		WithSchemas(schemas()).
		WithPathConflictsCheck(storage.NonEmpty(ctx, store, transaction))
	compiler.Compile(modules)
	if compiler.Failed() {
		return nil, compileProblems(append(compiler.Errors, relativeTo(compiler.Errors, modules)...))
	}
	e := &Engine{compiler: compiler, transaction: transaction, cache: src.Cache, evaluators: map[string]*Evaluator{}}
	problems := unread(compiler, t, src.packages())
	problems = append(problems, unreachedFiles(compiler, t, src.packages(), append(unevaluated(t), problems...))...)
	problems = append(problems, unreadData(compiler, t, src)...)
	if e.cache != nil {
		e.snapshot = e.cache.snapshot()
	}
	return e, append(problems, e.evaluatedPackages(ctx, store, src, c)...)
}

// evaluatedPackages prepares the evaluators: the common one, and one for each
// package of a resource.
func (e *Engine) evaluatedPackages(ctx context.Context, store storage.Store, src Sources, c contract) finding.List {
	authz := evaluatedPackagesOf(e.compiler, c, teamPackage, decisionRule)
	problems := warnings(authz.conflicts)
	var err error
	if e.common, err = e.prepare(ctx, store, authz); err != nil {
		return append(problems, unprepared(err))
	}
	if src.Egress {
		if err = e.prepareOurs(ctx, store); err != nil {
			return append(problems, unprepared(err))
		}
	}
	own := map[string]*Evaluator{teamPackage: e.common, "": e.common}
	for resource, pkg := range src.Packages {
		if own[pkg] == nil {
			team := evaluatedPackagesOf(e.compiler, c, pkg, decisionRule)
			problems = append(problems, warnings(team.conflicts)...)
			if own[pkg], err = e.prepare(ctx, store, authz, team); err != nil {
				return append(problems, unprepared(err))
			}
		}
		e.evaluators[resource] = own[pkg]
	}
	if src.Egress {
		if err = e.prepareEgress(ctx, store, c, own); err != nil {
			return append(problems, unprepared(err))
		}
	}
	return problems
}

func unprepared(err error) finding.Finding {
	return finding.Finding{Message: fmt.Sprintf("the policy cannot be prepared: %v", err), Fix: "report this"}
}

// documents are the team's data, and the names of the requirements where the
// library reads them. A team's modules and data under this name were refused.
func documents(data map[string]any, c contract) map[string]any {
	own := map[string]any{}
	builtIn := map[string]any{"own": own}
	for pkg, promised := range c.packages {
		list := make([]any, len(promised.requirements))
		for i, name := range promised.requirements {
			list[i] = name
		}
		if pkg == teamPackage {
			builtIn["requirements"] = list
		} else {
			own[pkg] = map[string]any{"requirements": list}
		}
	}
	all := maps.Clone(data)
	if all == nil {
		all = map[string]any{}
	}
	all[ownPackage] = builtIn
	return all
}

// capabilities are those of OPA without the refused built-ins, and without hosts
// from which a schema may come.
func capabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.AllowNet = []string{}
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool { return slices.Contains(refused(), b.Name) })
	return c
}

// compileProblems reports the errors of the compiler. One in the library repeats
// one in the team's modules (recursion through the decision), and is reported only
// where there is no other.
func compileProblems(errs ast.Errors) finding.List {
	all := regoProblems(errs, "")
	isLibrary := func(p finding.Finding) bool { return strings.HasPrefix(p.File, libraryFile) }
	own := slices.DeleteFunc(slices.Clone(all), isLibrary)
	if len(own) == 0 {
		return all
	}
	return own
}

// regoProblems are the findings for errors of OPA's parser and compiler.
func regoProblems(err error, file string) finding.List {
	var errs ast.Errors
	if one := (*ast.Error)(nil); errors.As(err, &one) {
		errs = ast.Errors{one}
	} else if !errors.As(err, &errs) {
		return finding.List{{File: file, Message: err.Error(), Fix: "correct the module"}}
	}
	var problems finding.List
	for _, e := range errs {
		p := finding.Finding{File: file}
		p.Message, p.Fix = explain(e)
		if e.Location != nil {
			p.File, p.Line, p.Column = e.Location.File, e.Location.Row, max(e.Location.Col, 1)
		}
		problems = append(problems, p)
	}
	return problems
}

// explain says what is wrong, and what to write instead.
func explain(e *ast.Error) (message, fix string) {
	if name, found := strings.CutPrefix(e.Message, "undefined function "); found && slices.Contains(refused(), name) {
		return fmt.Sprintf("built-in function %s is not allowed", name),
			"network, files and environment are closed to policies, put the facts into data.json"
	}
	if message, fix := explainType(e); message != "" {
		return message, fix
	}
	return e.Message, remedy(e)
}

func remedy(e *ast.Error) string {
	if e.Message == "empty module" {
		return "begin with `package authz`, or remove the file"
	}
	switch e.Code {
	case ast.ParseErr:
		return "correct the syntax (Rego v1: `if` before a body, `contains` for a set)"
	case ast.UnsafeVarErr:
		return "give the variable a value first, for instance with `some x in …`"
	case ast.RecursionErr:
		return "break the circle; a team's rules cannot read data.doorward or all of data"
	case ast.TypeErr:
		return "correct the name or the type; `opa check` shows more"
	}
	return "correct the module; `opa check` shows more"
}

// blocking reports whether the policy cannot be served.
func blocking(problems finding.List) bool {
	return slices.ContainsFunc(problems, func(p finding.Finding) bool { return p.Severity == finding.Error })
}

package policy

import (
	"context"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
)

// CacheResult is where a decision comes from.
type CacheResult uint8

// Where decisions come from.
const (
	Evaluated   CacheResult = iota // the rules were evaluated; the decision may be cached now
	Remembered                     // from the cache
	Uncacheable                    // the rules were evaluated, as they are for every request
)

// Evaluator decides on the requests for one resource, or for all resources
// without a package of their own. It never changes and is safe for concurrent use.
type Evaluator struct {
	engine     *Engine
	packages   []teamRules // authz, then the resource's own package if there is one
	query      rego.PreparedEvalQuery
	deps       inputDeps
	own        inputDeps // those of deps that the team's rules read
	request    inputDeps // those of deps that are members of input.request
	allHeaders bool      // one of them is the whole of input.request.headers
	headers    []string
	operation  bool // a rule reads input.mcp
	cacheable  bool
	prefix     []byte     // of every key: no other evaluator of this engine has it
	egress     *Evaluator // for what goes out; nil without Sources.Egress
}

// teamRules is one evaluated package, and what its decisions depend on.
type teamRules struct {
	pkg       string
	headers   []string // those that its rules declare
	codes     []string // constant ones in its rules, sorted
	decision  ast.Ref
	deps      inputDeps
	own       inputDeps // of the team's rules alone
	operation bool      // one of its rules reads input.mcp
	conflicts []conflict
}

// rule is the name of one of its rules, such as "authz.deny".
func (v teamRules) rule(name string) string { return v.pkg + "." + name }

// label is a code that may be the label of a metric.
func (v teamRules) label(code string) string {
	if _, constant := slices.BinarySearch(v.codes, code); constant {
		return code
	}
	return ""
}

// evaluatedPackagesOf reads the rules that make the decisions of a package, at these
// names below its folder.
func evaluatedPackagesOf(compiler *ast.Compiler, c contract, pkg string, decision ...string) teamRules {
	v := teamRules{pkg: pkg, headers: c.packages[pkg].headers, decision: packageFolder(pkg)}
	for _, name := range decision {
		v.decision = append(v.decision, ast.InternedTerm(name))
	}
	rules := reached(compiler, v.decision)
	isLibrary := func(rule *ast.Rule) bool { return strings.HasPrefix(rule.Location.File, libraryFile) }
	var paths, own [][]string
	for _, rule := range rules {
		read := inputPaths(rule)
		paths = append(paths, read...)
		if !isLibrary(rule) {
			own = append(own, read...)
		}
		v.conflicts = append(v.conflicts, conflicts(rule, read)...)
		v.operation = v.operation || readsOperation(rule, read)
	}
	v.deps, v.own = newInputDeps(paths), newInputDeps(own)
	v.codes = constantCodes(slices.DeleteFunc(rules, isLibrary))
	return v
}

// prepare makes the evaluator of these packages.
func (e *Engine) prepare(ctx context.Context, store storage.Store, packages ...teamRules) (*Evaluator, error) {
	j := &Evaluator{engine: e, packages: packages, cacheable: true}
	// [teamOutput.decide] and [inputDeps.term] read them too, so they are part of every
	// key.
	paths := [][]string{
		resourceScopes.path(), resourceScopesAny.path(), resourceOperationScopes.path(), resourceAnonymous.path(),
	}
	var own [][]string
	var query []string
	for _, v := range packages {
		query = append(query, v.decision.String())
		j.headers = append(j.headers, v.headers...)
		j.prefix = appendText(j.prefix, v.pkg)
		j.operation = j.operation || v.operation
		j.cacheable = j.cacheable && !slices.ContainsFunc(v.conflicts, conflict.blocks)
		paths = append(paths, v.deps.paths()...)
		own = append(own, v.own.paths()...)
	}
	slices.Sort(j.headers)
	j.headers = slices.Compact(j.headers)
	j.deps, j.own = newInputDeps(paths), newInputDeps(own)
	j.request = j.deps.request()
	j.allHeaders = j.request.hasAll(requestHeaders)
	var err error
	j.query, err = rego.New(
		rego.Query(strings.Join(query, "; ")),
		rego.Compiler(e.compiler),
		rego.Store(store),
		rego.Transaction(e.transaction),
		rego.StrictBuiltinErrors(true),
		rego.GenerateJSON(func(t *ast.Term, _ *rego.EvalContext) (any, error) { return t.Value, nil }),
	).PrepareForEval(ctx)
	return j, err
}

// Cacheable reports whether decisions can be cached. [Compile] warns about each
// rule that prevents it.
func (e *Evaluator) Cacheable() bool { return e.cacheable }

// ReadsOperation reports whether a rule for this resource reads input.mcp, so that a
// request whose operation is unknown must not be decided on.
func (e *Evaluator) ReadsOperation() bool { return e.operation }

// HeaderNames lists every header that the rules for this resource may set,
// sorted, in lower case. A request loses those that its decision does not set, so
// that a client cannot set them itself. The slice is shared and must not be
// changed.
func (e *Evaluator) HeaderNames() []string { return e.headers }

// Decide decides on one request before the deadline of ctx: from the cache if it
// holds the decision, otherwise by evaluation. With an error the decision is the
// zero one, [Failed], and is not cached. The error is for the log: it names the
// rule that failed if OPA knows it, and never a value of the input. The memory
// that one call of a built-in function takes is not bounded.
func (e *Evaluator) Decide(ctx context.Context, in Input) (Decision, CacheResult, error) {
	if !e.cacheable {
		d, err := e.evaluate(ctx, &in)
		return d, Uncacheable, err
	}
	var room [1024]byte
	key, has := e.key(room[:0], &in)
	if has {
		if d, hit := e.engine.cache.recall(e.engine.snapshot, key); hit {
			return *d, Remembered, nil
		}
	}
	d, err := e.evaluate(ctx, &in)
	if has && err == nil {
		e.engine.cache.remember(e.engine.snapshot, key, d)
	}
	return d, Evaluated, err
}

// maxKey is the longest key of a cached decision, in bytes: requests with longer
// ones are seldom repeated.
const maxKey = 16 << 10

// key adds to b the key of a decision. It is false where the decision is not
// cached: without a cache, for a key that is too long, and for claims of a
// type that has no key.
func (e *Evaluator) key(b []byte, in *Input) ([]byte, bool) {
	if e.engine.cache == nil {
		return nil, false
	}
	key, ok := e.deps.appendKey(append(b, e.prefix...), in)
	return key, ok && len(key) <= maxKey
}

// AppendRequestKey adds to b a key of all that decisions for this resource read
// of a request: two requests with one key have one decision, as long as resource,
// claims and token are the same. It is false where no other request can be
// expected to have the key: the rules read x-request-id or all headers, or call
// a function that is not repeatable.
func (e *Evaluator) AppendRequestKey(b []byte, r Request) ([]byte, bool) {
	if !e.cacheable || e.allHeaders {
		return nil, false
	}
	return e.request.appendKey(b, &Input{Request: r})
}

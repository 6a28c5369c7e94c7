// Package policy decides by Rego rules whether a request with verified claims
// may reach a resource. [Compile] compiles the built-in rules together with a
// team's, [Engine.For] is the [Evaluator] of a resource, and [Evaluator.Decide]
// evaluates `data.doorward.decision`:
//
//	engine, problems := policy.Compile(ctx, policy.Sources{Library: rego.Files, Paths: paths})
//	decision, _, err := engine.For("weather").Decide(ctx, input)
//
// A team's rules can only deny more requests: they are evaluated in packages of
// their own after the built-in rules hold, and cannot redefine, shadow or
// overwrite these. Tokens, Envoy's messages and configuration files are the
// business of other packages.
package policy

import (
	"io/fs"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
)

// Sources are the modules and data of one policy.
type Sources struct {
	Library  fs.FS             // the built-in modules: *.rego at the top of the tree
	Paths    []string          // the team's files and folders, as `opa run` reads them; may be empty
	Files    fs.FS             // where Paths are read, by names of the operating system; nil for its own file system
	Bundles  []Bundle          // the team's bundles, each with roots of its own
	Missing  []string          // the names of bundles that belong to it and are not there yet
	Packages map[string]string // by resource name, the package evaluated for it besides authz, such as "authz.weather"
	Cache    *DecisionCache    // of decisions; nil: none is cached

	// Egress prepares [Engine.Ours] and [Evaluator.DecideEgress].
	Egress bool

	// DataRead are the paths of data that something other than rules reads, such
	// as "security/revocations": [Compile] does not warn that no rule reads them.
	DataRead []string

	// Resources and Issuers are those of the configuration, to warn about rules
	// that no request can satisfy. Both are nil where there is no configuration.
	Resources []Resource
	Issuers   []string

	// Scopes are those that a challenge or a document of a resource names, to warn
	// about rules that deny without another; nil: not known.
	Scopes []string

	// Anonymous are the names of resources with operations that need no token, to
	// warn about rules that read one.
	Anonymous []string
}

// Engine is one compiled policy with its data, made by [Compile]. It never
// changes and is safe for concurrent use.
type Engine struct {
	compiler    *ast.Compiler
	transaction storage.Transaction // a read transaction that is never closed: the store has no writer
	common      *Evaluator
	ours        *Evaluator            // of data.doorward.egress.ours; nil without Sources.Egress
	evaluators  map[string]*Evaluator // by resource name, those with a package of their own
	cache       *DecisionCache        // nil: none
	snapshot    uint64                // the number of this policy in cache
	missing     []string              // bundles without which every decision fails
}

// waiting is an engine whose every decision fails.
func waiting(missing []string) *Engine {
	e := &Engine{missing: missing}
	e.common = &Evaluator{engine: e}
	return e
}

// Missing lists the bundles that the policy was compiled without, in the order
// of [Sources]. While there is one, every [Evaluator.Decide] fails.
func (e *Engine) Missing() []string { return slices.Clone(e.missing) }

// For is the evaluator of a resource, by its name. Resources without a package of
// their own share one, and a name that is not in [Sources] gets it too.
func (e *Engine) For(resource string) *Evaluator {
	if own := e.evaluators[resource]; own != nil {
		return own
	}
	return e.common
}

// Package policy answers one question: may this request, with these verified
// claims, go on to this resource? It compiles the built-in Rego rules together
// with a team's, and evaluates `data.doorward.decision`. It knows no token, no
// Envoy and no configuration file.
//
// A team can only tighten: its rules are read after the built-in ones hold, in
// a package of their own, and cannot redefine, shadow or overwrite them.
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
	Bundles  []Bundle          // the team's bundles, each with roots of its own
	Missing  []string          // the names of bundles that belong to it and are not there yet
	Packages map[string]string // by resource name, the package judged for it besides authz, such as "authz.weather"
	Cache    *DecisionCache    // where decisions are remembered; nil remembers none

	// Resources and Issuers are those of the configuration, to warn about rules
	// that none of them can satisfy. Both are nil where it is not known.
	Resources []Resource
	Issuers   []string
}

// Engine is one compiled policy with its data, made by [Compile]. It never
// changes and is safe for concurrent use.
type Engine struct {
	compiler    *ast.Compiler
	transaction storage.Transaction // a read held for good: the store has no writer
	common      *Evaluator
	judges      map[string]*Evaluator // by resource name, those with a package of their own
	cache       *DecisionCache        // nil: none
	snapshot    uint64                // this policy, among all that had this memory
	missing     []string              // bundles without which nothing is decided
}

// waiting is an engine that decides nothing.
func waiting(missing []string) *Engine {
	e := &Engine{missing: missing}
	e.common = &Evaluator{engine: e}
	return e
}

// Missing lists the bundles that the policy was compiled without, in the order
// of [Sources]. While there is one, every [Evaluator.Decide] fails.
func (e *Engine) Missing() []string { return slices.Clone(e.missing) }

// For is the judge of a resource, by its name. Resources without a package of
// their own share one, and a name that [Sources] does not know gets that too.
func (e *Engine) For(resource string) *Evaluator {
	if own := e.judges[resource]; own != nil {
		return own
	}
	return e.common
}

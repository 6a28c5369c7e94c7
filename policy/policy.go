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
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
)

// Sources are the modules and data of one policy.
type Sources struct {
	Library fs.FS    // the built-in modules: *.rego at the top of the tree
	Paths   []string // the team's files and folders, as `opa run` reads them; may be empty
}

// Problem is a finding about a team's files. Line and Column count from 1 and
// are 0 where the finding is about a whole file; File is "" where no one file
// can be named. Message reads "what is wrong: what to write instead".
type Problem struct {
	File         string
	Line, Column int
	Message      string
	Warning      bool // the policy can be served as it is
}

// Engine is one compiled policy with its data, made by [Compile]. It never
// changes and is safe for concurrent use.
type Engine struct {
	compiler    *ast.Compiler
	query       rego.PreparedEvalQuery
	transaction storage.Transaction // a read held for good: the store has no writer
	headers     []string
}

// HeaderNames lists every header a team's rules may set, sorted, in lower case.
// A request loses those that its decision does not set, so that a client cannot
// speak for a rule. The slice is the caller's.
func (e *Engine) HeaderNames() []string { return slices.Clone(e.headers) }

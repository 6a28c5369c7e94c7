// Package policy compiles the rules that decide about a request whose token is
// verified: the built-in Rego rules, which check the audience and remove the
// credential, and a team's own, which can only deny more.
//
//	rules, err := policy.Compile(ctx, "/etc/doorward/policy")
//	state := &extauthz.State{Policy: rules, ...}
//
// How to write rules is in rego/README.md.
package policy

import (
	"context"

	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/rego"
)

// Engine is a compiled policy, for the field Policy of an extauthz.State. Make
// it with [Compile]. It does not change and is safe for concurrent use.
type Engine = policy.Engine

// Compile compiles the built-in rules together with the Rego modules and the
// data.json or data.yaml files at paths, each a file or a folder. Without paths
// the built-in rules are the policy.
//
// The error is the list of all problems (package finding), each with file, line
// and column. Warnings are not in it; `doorward check` shows them.
func Compile(ctx context.Context, paths ...string) (*Engine, error) {
	engine, problems := policy.Compile(ctx, policy.Sources{Library: rego.Files, Paths: paths})
	return engine, problems.Errors().Err()
}

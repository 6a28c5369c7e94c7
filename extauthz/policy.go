package extauthz

import (
	"context"

	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/rego"
)

// Policy is a compiled policy for [State]: the built-in rules, which check the
// audience and remove the credential, and a team's own Rego rules, which can
// only deny more. Make it with [CompilePolicy]. It does not change and is safe
// for concurrent use.
type Policy = policy.Engine

// CompilePolicy compiles the built-in rules together with the Rego modules and
// the data.json or data.yaml files at paths, each a file or a folder:
//
//	rules, err := extauthz.CompilePolicy(ctx, "/etc/doorward/policy")
//
// Without paths the built-in rules are the policy. The error is a list of findings (package finding)
// of all problems, each with file, line and column. Warnings are not in it;
// `doorward check` shows them.
func CompilePolicy(ctx context.Context, paths ...string) (*Policy, error) {
	engine, problems := policy.Compile(ctx, policy.Sources{Library: rego.Files, Paths: paths})
	return engine, problems.Errors().Err()
}

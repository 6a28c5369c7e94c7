package main

import (
	"context"

	"github.com/doorward/doorward/cmd/doorward/config"
	"github.com/doorward/doorward/policy"
	"github.com/doorward/doorward/rego"
)

// plan is a configuration and its policy, both without errors: what serve will
// put in force.
type plan struct {
	config      *config.Config
	policy      *policy.Engine
	policyFiles []string // what the policy was read from, for the watcher
}

// source reads a configuration; it is called again at every reload.
type source func() (*config.Config, config.Problems)

// load reads configuration and policy. The plan is nil if any problem is an
// error; the problems are complete in either case.
func load(ctx context.Context, read source) (*plan, config.Problems) {
	cfg, problems := read()
	if cfg == nil {
		return nil, problems
	}
	engine, faults := policy.Compile(ctx, policy.Sources{Library: rego.Files, Paths: cfg.PolicyPaths})
	for _, fault := range faults {
		problems = append(problems, config.Problem{
			File: fault.File, Line: fault.Line, Column: fault.Column,
			Message: fault.Message, Warning: fault.Warning,
		})
	}
	files, err := policy.Files(cfg.PolicyPaths)
	if engine == nil || err != nil {
		return nil, problems
	}
	return &plan{cfg, engine, files}, problems
}

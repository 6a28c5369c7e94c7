package main

import (
	"context"
	"time"

	"github.com/doorward/doorward/cmd/doorward/config"
	"github.com/doorward/doorward/extauthz/token"
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

// verifier has the plan's bounds, and the clock that it is given.
func (p *plan) verifier(now func() time.Time) *token.Verifier {
	return token.NewVerifier(token.Options{
		MaxBytes:  int(p.config.Limits.TokenBytes),
		ClockSkew: p.config.ClockSkew,
		InFlight:  p.config.Limits.SignaturesInFlight,
		Waiting:   p.config.Limits.SignaturesWaiting,
		Now:       now,
	})
}

// source reads a configuration; it is called again at every reload.
type source func() (*config.Config, config.Problems)

// load reads configuration and policy. The plan is nil if any problem is an
// error; the problems are complete in either case.
func load(ctx context.Context, read source, memory *policy.Memory) (*plan, config.Problems) {
	cfg, problems := read()
	if cfg == nil {
		return nil, problems
	}
	engine, files, faults := compile(ctx, cfg.PolicyPaths, cfg.Packages, memory)
	problems = append(problems, faults...)
	if engine == nil {
		return nil, problems
	}
	return &plan{cfg, engine, files}, problems
}

// compile makes the policy of a team's files, and lists them. The engine is nil
// if any problem is an error.
func compile(ctx context.Context, paths []string, packages config.Packages, memory *policy.Memory) (*policy.Engine, []string, config.Problems) {
	engine, faults := policy.Compile(ctx, policy.Sources{Library: rego.Files, Paths: paths, Packages: packages.ByResource(), Memory: memory})
	var problems config.Problems
	for _, fault := range faults {
		if fault.Resource != "" {
			problems = append(problems, packages.Problem(fault.Resource, fault.Message))
			continue
		}
		problems = append(problems, config.Problem{
			File: fault.File, Line: fault.Line, Column: fault.Column,
			Message: fault.Message, Warning: fault.Warning,
		})
	}
	files, err := policy.Files(paths)
	if err != nil && engine != nil { // gone since it was compiled
		return nil, nil, append(problems, config.Problem{File: "policy.paths", Message: err.Error()})
	}
	return engine, files, problems
}

package main

import (
	"context"
	"time"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/bundles"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/policy"
	"github.com/doorward/doorward/rego"
)

// revision is a configuration and its policy, both without errors: what serve will
// put in force.
type revision struct {
	config      *config.Config
	policy      *policy.Engine
	policyFiles []string // what the policy was read from, for the watcher

	bundles     map[string]*bundles.Bundle // what it was made of, by name
	revocations staticRevocations          // from one of them

	hash string // of the files; bundles, which have revisions of their own, are not in it
}

// verifier has the plan's bounds, and the clock that it is given.
func (p *revision) verifier(now func() time.Time) *token.Verifier {
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

// buildRevision makes a plan of a configuration and of the bundles there are.
type buildRevision func(context.Context, *config.Config) (*revision, config.Problems)

// load reads configuration and policy. The plan is nil if any problem is an
// error; the problems are complete in either case.
func load(ctx context.Context, read source, generate buildRevision) (*revision, config.Problems) {
	cfg, problems := read()
	if cfg == nil {
		return nil, problems
	}
	next, faults := generate(ctx, cfg)
	return next, append(problems, faults...)
}

// withoutBundles composes before any bundle has come.
func (w watcher) withoutBundles(ctx context.Context, cfg *config.Config) (*revision, config.Problems) {
	return w.compose(ctx, cfg, nil, staticRevocations{})
}

// compose compiles the policy of a configuration with the bundles that are
// there, and tries it. Without one of them it is a plan that decides nothing.
func (w watcher) compose(ctx context.Context, cfg *config.Config, have map[string]*bundles.Bundle, revocations staticRevocations) (*revision, config.Problems) {
	src := policy.Sources{Library: rego.Files, Paths: cfg.PolicyPaths, Packages: cfg.Packages.ByResource(), Cache: w.memory}
	src.Resources, src.Issuers = policyTargets(cfg)
	for _, o := range cfg.Bundles {
		if b := have[o.Name]; b != nil {
			src.Bundles = append(src.Bundles, b.Content)
		} else {
			src.Missing = append(src.Missing, o.Name)
		}
	}
	engine, files, problems := compile(ctx, src, cfg.Packages)
	if engine == nil {
		return nil, problems
	}
	if failed := try(ctx, engine, cfg); len(failed) > 0 {
		return nil, append(problems, failed...)
	}
	return &revision{config: cfg, policy: engine, policyFiles: files, bundles: have, revocations: revocations}, problems
}

// compile makes the policy, and lists the team's files. The engine is nil if
// any problem is an error.
func compile(ctx context.Context, src policy.Sources, packages config.Packages) (*policy.Engine, []string, config.Problems) {
	engine, faults := policy.Compile(ctx, src)
	problems := asProblems(faults, packages)
	files, err := policy.Files(src.Paths)
	if err != nil && engine != nil { // gone since it was compiled
		return nil, nil, append(problems, config.Problem{File: "policy.paths", Message: err.Error()})
	}
	return engine, files, problems
}

// try asks the policy for decisions on fixed requests to every resource.
func try(ctx context.Context, engine *policy.Engine, cfg *config.Config) config.Problems {
	var doors []policy.Target
	for _, res := range cfg.Resources.All() {
		doors = append(doors, policy.Target{Resource: policyResource(res), Issuer: res.Issuers[0]})
	}
	return asProblems(engine.SelfTest(ctx, cfg.Limits.CheckTimeout, doors), cfg.Packages)
}

// asProblems makes findings about a policy problems like those of a configuration.
// The packages say where one about a resource's own stands.
func asProblems(faults []policy.Problem, packages config.Packages) config.Problems {
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
	return problems
}

// policyTargets is what rules are held against: a constant that no resource and no
// issuer has is worth a warning. Nothing is known of a configuration with errors.
func policyTargets(cfg *config.Config) (resources []policy.Resource, issuers []string) {
	if cfg == nil {
		return nil, nil
	}
	for _, r := range cfg.Resources.All() {
		resources = append(resources, policyResource(r))
	}
	for _, i := range cfg.Issuers {
		issuers = append(issuers, i.Keys.Issuer)
	}
	return resources, issuers
}

// policyResource is a resource as rules see it.
func policyResource(r *resource.Resource) policy.Resource {
	return policy.Resource{Name: r.Name, URI: r.URI, Audiences: r.Audiences, Scopes: r.Scopes, Labels: r.Labels}
}

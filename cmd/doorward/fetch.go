package main

import (
	"context"
	"slices"
	"time"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/bundles"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/online"
	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/internal/service"
)

// onlineWithin is how long check --online waits for all that it fetches at once:
// serve allows each request 5 s, and discovery may take four requests.
const onlineWithin = 25 * time.Second

// fetched reads the configuration and composes it with the bundles that can be
// downloaded now.
func fetched(ctx context.Context, paths []string) (*service.Revision, finding.List) {
	cfg, problems := config.Load(paths)
	if cfg == nil {
		return nil, problems
	}
	soon, cancel := context.WithTimeout(ctx, bundlesWithin)
	defer cancel()
	have, list, missing := arrivals(soon, cfg)
	next, faults := service.Compose(ctx, cfg, service.Parts{Bundles: have, Revocations: list})
	for i := range missing {
		missing[i].Severity = finding.Warning // the request may not need them
	}
	return next, slices.Concat(problems, missing, faults)
}

// arrivals fetches the bundles of cfg once, and leaves out those that cannot be
// used.
func arrivals(ctx context.Context, cfg *config.Config) (
	have map[string]*bundles.Bundle, list service.Revocations, problems finding.List,
) {
	have = map[string]*bundles.Bundle{}
	problem := func(o bundles.Options, message string) {
		problems = append(problems, finding.Finding{File: "policy.bundles", Message: o.Name + " " + message})
	}
	for i, status := range online.Bundles(ctx, cfg.Bundles) {
		o := cfg.Bundles[i]
		if status.Latest == nil {
			problem(o, status.Problem)
			continue
		}
		if o.Revocations != "" {
			var err error
			if list, err = service.ReadRevocations(o, status.Latest, service.Revocations{}); err != nil {
				problem(o, err.Error())
				continue
			}
		}
		have[o.Name] = status.Latest
	}
	return have, list, problems
}

// found is what check --online fetched.
type found struct {
	bundles  map[string]*bundles.Bundle
	lines    []string // what is well
	problems finding.List
}

// look fetches what serve would fetch.
func look(ctx context.Context, cfg *config.Config) found {
	ctx, cancel := context.WithTimeout(ctx, onlineWithin)
	defer cancel()
	var f found
	for i, trial := range online.Keys(ctx, cfg.Issuers) {
		f.problems = append(f.problems, online.KeyProblems(cfg.Issuers[i], trial)...)
		if line := online.KeyLine(trial); line != "" && trial.Problem == "" {
			f.lines = append(f.lines, line)
		}
	}
	have, _, problems := arrivals(ctx, cfg)
	f.bundles, f.problems = have, append(f.problems, problems...)
	for _, o := range cfg.Bundles {
		if there := have[o.Name]; there != nil {
			f.lines = append(f.lines, online.BundleLine(o, there))
		}
	}
	return f
}

// add puts what was fetched in the place of what is missing.
func (f found) add(src *policy.Sources, wanted []bundles.Options) {
	src.Missing = nil
	for _, o := range wanted {
		if there := f.bundles[o.Name]; there != nil {
			src.Bundles = append(src.Bundles, there.Content)
		} else {
			src.Missing = append(src.Missing, o.Name)
		}
	}
}

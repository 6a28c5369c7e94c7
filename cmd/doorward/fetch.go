package main

import (
	"context"
	"log/slog"

	"github.com/doorward/doorward/cmd/doorward/config"
	"github.com/doorward/doorward/policy/bundles"
)

// fetched composes once, with the bundles that can be had now.
func fetched(ctx context.Context, cfg *config.Config) (*plan, config.Problems) {
	have, problems := fetch(ctx, cfg.Bundles)
	var list given
	for _, o := range cfg.Bundles {
		if have[o.Name] == nil || o.Revocations == "" {
			continue
		}
		var err error
		if list, err = listIn(o, have[o.Name], given{}); err != nil {
			problems = append(problems, bundleProblem(o, err.Error()))
			delete(have, o.Name)
		}
	}
	next, faults := watched{}.compose(ctx, cfg, have, list)
	return next, append(problems, faults...)
}

// fetch waits a while for every bundle, and says which did not come.
func fetch(ctx context.Context, wanted []bundles.Options) (map[string]*bundles.Bundle, config.Problems) {
	sources := newBundleSources(slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithTimeout(ctx, keysWithin)
	defer sources.ended.Wait()
	defer cancel()
	sources.start(ctx, wanted)
	have := sources.latest(wanted)
	for len(have) < len(wanted) && ctx.Err() == nil {
		select {
		case <-sources.arrived:
		case <-ctx.Done():
		}
		have = sources.latest(wanted)
	}
	var problems config.Problems
	for _, o := range wanted {
		if have[o.Name] == nil {
			problems = append(problems, bundleProblem(o, sources.running[o].source.Status().Problem))
		}
	}
	return have, problems
}

func bundleProblem(o bundles.Options, problem string) config.Problem {
	return config.Problem{File: "policy.bundles", Message: o.Name + " " + problem, Warning: true}
}

package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/doorward/doorward/extauthz/revocation"
	"github.com/doorward/doorward/internal/bundles"
	"github.com/doorward/doorward/internal/config"
)

// A generation is a configuration, the files it names and one version of each
// bundle, together. Whatever changes, a new one is made and tried as a whole.

// rollout makes the next generation for cfg, of the newest bundles. A bundle that
// cannot be served is left out in favour of the one in force, so that it keeps
// nothing else from changing. The plan is nil where that does not help.
func (s *service) rollout(ctx context.Context, cfg *config.Config) (*revision, config.Problems) {
	s.bundles.start(ctx, cfg.Bundles)
	latest, refused := s.candidates(cfg)
	next, problems := s.watched.compose(ctx, cfg, latest, s.revocationsOf(cfg, latest))
	if next == nil {
		if best, warnings := s.without(ctx, cfg, latest, refused); best != nil {
			next, problems = best, warnings
		}
	}
	if next == nil {
		for _, name := range s.changed(latest) {
			refused[name] = problems.Errors().String()
		}
	}
	s.bundles.recordRefusals(refused, s.current.Load())
	return next, problems
}

// candidates are the newest bundles that may follow those in force, else those;
// refused says why a newer one may not.
func (s *service) candidates(cfg *config.Config) (have map[string]*bundles.Bundle, refused map[string]string) {
	have, refused = s.bundles.latest(cfg.Bundles), map[string]string{}
	for _, o := range cfg.Bundles {
		latest, running := have[o.Name], s.running(o)
		if latest != nil {
			err := latest.Follows(running)
			if err == nil {
				_, err = s.revocationsIn(o, latest)
			}
			if err == nil {
				continue
			}
			refused[o.Name] = err.Error()
		}
		if delete(have, o.Name); running != nil {
			have[o.Name] = running
		}
	}
	return have, refused
}

// without tries each bundle that has changed alone, beside those in force, and
// keeps what can be kept. What cannot is noted in refused.
func (s *service) without(ctx context.Context, cfg *config.Config, latest map[string]*bundles.Bundle, refused map[string]string) (*revision, config.Problems) {
	have := maps.Clone(latest)
	var changed []string
	for _, o := range cfg.Bundles {
		if running := s.running(o); running != nil && !latest[o.Name].Same(running) {
			have[o.Name] = running
			changed = append(changed, o.Name)
		}
	}
	if len(changed) == 0 {
		return nil, nil
	}
	best, problems := s.watched.compose(ctx, cfg, have, s.revocationsOf(cfg, have))
	if best == nil {
		return nil, nil
	}
	for _, name := range changed {
		one := maps.Clone(have)
		one[name] = latest[name]
		next, faults := s.watched.compose(ctx, cfg, one, s.revocationsOf(cfg, one))
		if next == nil {
			refused[name] = faults.Errors().String()
			continue
		}
		best, problems, have = next, faults, one
	}
	return best, problems
}

// running is the bundle in force of an entry that the configuration in force
// has as well; nil for none.
func (s *service) running(o bundles.Options) *bundles.Bundle {
	now := s.current.Load()
	if now == nil || !slices.Contains(now.config.Bundles, o) {
		return nil
	}
	return now.bundles[o.Name]
}

// changed names the bundles that are not in force.
func (s *service) changed(have map[string]*bundles.Bundle) []string {
	var names []string
	now := s.current.Load()
	for _, name := range sortedKeys(have) {
		if now == nil || !have[name].Same(now.bundles[name]) {
			names = append(names, name)
		}
	}
	return names
}

// staticRevocations is a revocation list from a bundle, as it was written and as it was read.
type staticRevocations struct {
	text string
	list *revocation.List
}

// revocationsOf is the list that one of the bundles brings; candidates has
// looked at it.
func (s *service) revocationsOf(cfg *config.Config, have map[string]*bundles.Bundle) staticRevocations {
	for _, o := range cfg.Bundles {
		if b := have[o.Name]; b != nil && o.Revocations != "" {
			list, _ := s.revocationsIn(o, b)
			return list
		}
	}
	return staticRevocations{}
}

// revocationsIn is the list in a bundle, which must follow the one in force.
func (s *service) revocationsIn(o bundles.Options, b *bundles.Bundle) (staticRevocations, error) {
	inForce := staticRevocations{}
	if s.running(o) != nil {
		inForce = s.current.Load().revocations
	}
	return listIn(o, b, inForce)
}

// listIn reads the list in a bundle. One that has not changed stays the same.
func listIn(o bundles.Options, b *bundles.Bundle, inForce staticRevocations) (staticRevocations, error) {
	if o.Revocations == "" {
		return staticRevocations{}, nil
	}
	text, err := b.Value(o.Revocations)
	if err != nil {
		return staticRevocations{}, fmt.Errorf("revocations: %w", err)
	}
	if string(text) == inForce.text {
		return inForce, nil
	}
	list, err := revocation.Parse(text)
	if err == nil {
		err = list.Follows(inForce.list)
	}
	if err != nil {
		return staticRevocations{}, fmt.Errorf("revocations at %s: %w", o.Revocations, err)
	}
	return staticRevocations{string(text), list}, nil
}

// renew makes the next generation after a bundle has arrived.
func (s *service) renew(ctx context.Context) {
	now := s.current.Load()
	next, problems := s.rollout(ctx, now.config)
	if next == nil || len(s.changed(next.bundles)) == 0 {
		return // what was refused has been said
	}
	next.hash = now.hash
	if err := s.activate(ctx, next); err != nil {
		s.log.Error("a new bundle cannot be put in force", slog.String("problem", err.Error()))
		return
	}
	for _, problem := range problems {
		logProblem(s.log, problem)
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

package service

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/extauthz/revocation"
	"github.com/doorward/doorward/internal/bundles"
	"github.com/doorward/doorward/internal/config"
)

// rollout composes the next revision for cfg from the newest bundles. A bundle
// that cannot be served is replaced by the one in force, so that it delays no
// other change. The revision is nil where that does not help.
func (s *Service) rollout(
	ctx context.Context, cfg *config.Config, files fs.FS,
) (*Revision, finding.List) {
	s.bundles.follow(ctx, cfg.Bundles)
	latest, refused := s.candidates(cfg)
	compose := func(have map[string]*bundles.Bundle) (*Revision, finding.List) {
		parts := Parts{Bundles: have, Revocations: s.revocationsOf(cfg, have), Cache: s.cache, Files: files}
		return Compose(ctx, cfg, parts)
	}
	next, problems := compose(latest)
	if next == nil {
		if best, warnings := s.without(cfg, latest, refused, compose); best != nil {
			next, problems = best, warnings
		}
	}
	if next == nil {
		for _, name := range s.changed(latest) {
			refused[name] = problems.Errors().Error()
		}
	}
	s.bundles.recordRefusals(refused, s.current.Load())
	return next, problems
}

// candidates are the newest bundles that may follow those in force, and for the
// others those in force; refused is why a newer one may not.
func (s *Service) candidates(cfg *config.Config) (have map[string]*bundles.Bundle, refused map[string]string) {
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

// without tries each changed bundle alone, beside those in force, and keeps
// those that compile. It adds the others to refused.
func (s *Service) without(
	cfg *config.Config, latest map[string]*bundles.Bundle, refused map[string]string,
	compose func(map[string]*bundles.Bundle) (*Revision, finding.List),
) (*Revision, finding.List) {
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
	best, problems := compose(have)
	if best == nil {
		return nil, nil
	}
	for _, name := range changed {
		one := maps.Clone(have)
		one[name] = latest[name]
		next, faults := compose(one)
		if next == nil {
			refused[name] = faults.Errors().Error()
			continue
		}
		best, problems, have = next, faults, one
	}
	return best, problems
}

// running is the bundle in force of an entry that the configuration in force
// has as well; nil if there is no such bundle.
func (s *Service) running(o bundles.Options) *bundles.Bundle {
	now := s.current.Load()
	if now == nil || !slices.Contains(now.Config.Bundles, o) {
		return nil
	}
	return now.parts.Bundles[o.Name]
}

// changed names the bundles that are not in force.
func (s *Service) changed(have map[string]*bundles.Bundle) []string {
	var names []string
	now := s.current.Load()
	for _, name := range sortedKeys(have) {
		if now == nil || !have[name].Same(now.parts.Bundles[name]) {
			names = append(names, name)
		}
	}
	return names
}

// Revocations are a revocation list in a bundle: its text, to notice a change,
// and what was read from it. The zero value is no list.
type Revocations struct {
	text string
	list *revocation.List
}

// revocationsOf is the list in one of the bundles, which candidates has checked.
func (s *Service) revocationsOf(cfg *config.Config, have map[string]*bundles.Bundle) Revocations {
	for _, o := range cfg.Bundles {
		if b := have[o.Name]; b != nil && o.Revocations != "" {
			list, _ := s.revocationsIn(o, b)
			return list
		}
	}
	return Revocations{}
}

// revocationsIn is the list in a bundle, which must follow the one in force.
func (s *Service) revocationsIn(o bundles.Options, b *bundles.Bundle) (Revocations, error) {
	inForce := Revocations{}
	if s.running(o) != nil {
		inForce = s.current.Load().parts.Revocations
	}
	return ReadRevocations(o, b, inForce)
}

// ReadRevocations reads the revocation list that o names in a bundle. It must
// follow inForce; a list with the same text is inForce itself.
func ReadRevocations(o bundles.Options, b *bundles.Bundle, inForce Revocations) (Revocations, error) {
	if o.Revocations == "" {
		return Revocations{}, nil
	}
	text, err := b.Value(o.Revocations)
	if err != nil {
		return Revocations{}, fmt.Errorf("revocations: %w", err)
	}
	if string(text) == inForce.text {
		return inForce, nil
	}
	list, err := revocation.Parse(text)
	if err == nil {
		err = list.Follows(inForce.list)
	}
	if err != nil {
		return Revocations{}, fmt.Errorf("revocations at %s: %w", o.Revocations, err)
	}
	return Revocations{string(text), list}, nil
}

// renew activates the next revision of the configuration in force after a bundle
// has arrived.
func (s *Service) renew(ctx context.Context, files fs.FS) {
	now := s.current.Load()
	next, problems := s.rollout(ctx, now.Config, files)
	if next == nil || len(s.changed(next.parts.Bundles)) == 0 {
		return // each refusal has been logged
	}
	next.files, next.fromFiles, next.hash = now.files, now.fromFiles, now.hash
	if err := s.activate(ctx, next); err != nil {
		s.log.Error("a new bundle cannot be put in force", slog.String("problem", err.Error()))
		return
	}
	for _, problem := range problems {
		LogProblem(s.log, problem)
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

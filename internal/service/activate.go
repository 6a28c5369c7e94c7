package service

import (
	"context"
	"time"

	"github.com/doorward/doorward/extauthz"
)

// activate puts a revision in force, or fails and leaves the one before in force.
// A Check that runs finishes with the state that it began with.
func (s *Service) activate(ctx context.Context, next *Revision) error {
	cfg := next.Config
	if err := fitToKeepKeys(cfg.JWKSCacheDir); err != nil {
		return err
	}
	sealer, err := next.sealer()
	if err != nil {
		return err
	}
	decisions, err := s.decisions.prepare(ctx,
		logOptions{cfg.DecisionLog, cfg.InsecureHTTPHosts, next.fromFiles.decisionLogCA})
	if err != nil {
		return err
	}
	revocations, err := s.revocations.prepare(ctx, revocationSource{next.parts.Revocations.list, cfg.RevocationFile})
	if err != nil {
		s.decisions.discard(decisions)
		return err
	}
	// From here on nothing fails in a configuration without problems.
	if next.fromFiles.tls != nil { // a start alone decides whether the port speaks TLS
		s.tls.current.Store(next.fromFiles.tls)
	}
	s.cache.SetMaximum(int64(cfg.Limits.DecisionCache))
	sources, trusted := s.issuers.follow(ctx, cfg.Issuers)
	s.options.Level.Set(cfg.Log.Level)
	err = s.checks.Swap(&extauthz.State{
		Resources:       cfg.Resources,
		Issuers:         trusted,
		Verifier:        next.Verifier(time.Now),
		Policy:          next.Policy,
		Possession:      s.binder,
		Proofs:          cfg.Proofs,
		Revocations:     revocations[single{}].value,
		Decisions:       decisions[single{}].value,
		TokenCache:      int64(cfg.Limits.TokenCache),
		CheckTimeout:    cfg.Limits.CheckTimeout,
		MetadataSubject: cfg.MetadataSubject,

		TrustClientAddress: cfg.TrustClientAddress,

		Assertions:      cfg.Assertions,
		Handles:         sealer,
		HandleResources: cfg.Egress.Exchanging(cfg.Resources.All()),
		HandleBaggage:   sealer != nil && cfg.Egress.Handle.Baggage,
	})
	if err != nil { // a configuration without problems has no such State
		return err
	}
	s.activateEgress(ctx, next, s.checks.State())
	s.decisions.use(decisions, longestCheck(cfg))
	s.revocations.activate(revocations)
	before := s.current.Swap(next)
	s.metrics.policyLoaded.Set(seconds(time.Now()))
	s.issuers.activate(sources)
	s.bundles.activated(before, next)
	s.readiness.review()
	return nil
}

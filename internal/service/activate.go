package service

import (
	"context"
	"time"

	"github.com/doorward/doorward/extauthz"
)

// activate puts a plan in force, or fails with the one before still in force. A
// Check that runs finishes with the state it began with.
func (s *Service) activate(ctx context.Context, next *Revision) error {
	cfg := next.Config
	if err := fitToKeepKeys(cfg.JWKSCacheDir); err != nil {
		return err
	}
	decisions, err := s.decisions.open(cfg.DecisionLog, cfg.InsecureHTTPHosts, next.fromFiles.decisionLogCA)
	if err != nil {
		return err
	}
	revocations, err := s.revocations.activate(ctx, cfg.RevocationFile, next.parts.Revocations.list)
	if err != nil {
		s.decisions.discard(decisions)
		return err
	}
	// From here on nothing fails in a configuration without problems.
	if next.fromFiles.tls != nil { // a start alone decides whether the port speaks TLS
		s.tls.current.Store(next.fromFiles.tls)
	}
	s.cache.SetMaximum(int64(cfg.Limits.DecisionCache))
	trusted, retire := s.issuers.activate(ctx, cfg.Issuers)
	s.options.Level.Set(cfg.Log.Level)
	err = s.checks.Swap(&extauthz.State{
		Resources:       cfg.Resources,
		Issuers:         trusted,
		Verifier:        next.Verifier(time.Now),
		Policy:          next.Policy,
		Possession:      s.binder,
		Proofs:          cfg.Proofs,
		Revocations:     revocations,
		Decisions:       decisions.Log,
		TokenCache:      int64(cfg.Limits.TokenCache),
		CheckTimeout:    cfg.Limits.CheckTimeout,
		MetadataSubject: cfg.MetadataSubject,

		TrustClientAddress: cfg.TrustClientAddress,
	})
	if err != nil { // a configuration without problems has no such State
		return err
	}
	s.decisions.activate(decisions, cfg.Limits.CheckTimeout)
	before := s.current.Swap(next)
	s.metrics.policyLoaded.Set(seconds(time.Now()))
	retire()
	s.bundles.activated(before, next)
	s.readiness.review()
	return nil
}

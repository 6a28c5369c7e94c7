package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/policy"
)

// lookEvery is how often the files are read for a change; a change is in force
// within 5 s.
const lookEvery = time.Second

// watcher is what a start and every reload read.
type watcher struct {
	paths  []string    // configuration files and folders; none in the short form
	flags  inlineFlags // the configuration of the short form
	read   source
	memory *policy.DecisionCache // of every policy that is loaded
}

// digest is one number for all that a load would read.
type digest struct {
	all [sha256.Size]byte
	// said is of the configuration and the policy alone. It may be published, and
	// what the configuration names may be a token that somebody could guess.
	said [sha256.Size]byte
}

// hash is a short name of a configuration and its policy: the same files under
// the same names have the same.
func (d digest) hash() string { return hex.EncodeToString(d.said[:8]) }

// changing stands for the hash of what was read while it changed. It is in force
// until the next look.
const changing = "changing"

// load reads configuration and policy, and returns what it saw. Where a file
// changed meanwhile, that is a digest which no files have, so that the next
// look loads again.
func (w watcher) load(ctx context.Context, inForce *config.Config, generate buildRevision) (*revision, config.Problems, digest) {
	before := w.fingerprint(inForce)
	next, problems := load(ctx, w.read, generate)
	after, hash := w.fingerprint(inForce), before.hash()
	if after.said != before.said {
		hash = changing
	}
	if next != nil {
		next.hash = hash
	}
	if after != before {
		return next, problems, digest{}
	}
	return next, problems, before
}

// fingerprint goes by content: a mounted ConfigMap changes by a swapped symbolic link,
// where neither name nor time of the file need change. The problems are part
// of it, so that a file that was missing is seen to arrive. While the
// configuration cannot be read, the one in force says which files matter.
func (w watcher) fingerprint(inForce *config.Config) digest {
	cfg, problems := w.read()
	names, err := config.Files(w.paths)
	if cfg == nil {
		cfg = inForce
	}
	var named []string
	if cfg != nil {
		policies, alsoErr := policy.Files(cfg.PolicyPaths)
		names, named, err = slices.Concat(names, policies), cfg.Files, errors.Join(err, alsoErr)
	}
	sum := sha256.New()
	note(sum, fmt.Sprint(w.flags))
	noteFiles(sum, names)
	seen := digest{said: [sha256.Size]byte(sum.Sum(nil))}
	noteFiles(sum, named)
	for _, problem := range problems {
		note(sum, problem.String())
	}
	if err != nil {
		note(sum, err.Error())
	}
	seen.all = [sha256.Size]byte(sum.Sum(nil))
	return seen
}

// note adds a text to a sum, apart from those before and after it.
func note(sum hash.Hash, text string) {
	_, _ = io.WriteString(sum, strconv.Itoa(len(text))+":"+text) // a hash cannot fail
}

func noteFiles(sum hash.Hash, names []string) {
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			content = []byte("unreadable")
		}
		note(sum, name)
		note(sum, string(content))
	}
}

// watch is the one goroutine that decides what is in force: it reloads on
// SIGHUP and whenever the files have changed since seen, and takes up bundles
// as they arrive.
func (s *service) watch(ctx context.Context, hangup <-chan os.Signal, seen digest) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			s.refused = "" // whoever asks is told again
		case <-ticker.C:
			if s.watched.fingerprint(s.current.Load().config) == seen {
				continue
			}
		case <-s.bundles.arrived:
			if !s.waiting {
				s.renew(ctx)
				continue
			}
		}
		seen = s.reload(ctx)
	}
}

// reload puts the files as they are now in force, or keeps what is in force
// and says what is wrong with them.
func (s *service) reload(ctx context.Context) digest {
	next, problems, seen := s.watched.load(ctx, s.current.Load().config, s.rollout)
	s.waiting = next != nil && len(next.policy.Missing()) > 0 && len(s.missing()) == 0
	if s.waiting { // a policy that is whole is not given up for one that is not
		s.await(next.policy.Missing())
		s.renew(ctx)
		return seen
	}
	if next != nil {
		if err := s.activate(ctx, next); err != nil {
			// What was wrong with a file that only adopt reads may be mended
			// without a change of what is looked at: try again at the next look.
			problems, next, seen = append(problems, config.Problem{File: "configuration", Message: err.Error()}), nil, digest{}
		}
	}
	if next == nil {
		s.refuse(problems)
		return seen
	}
	for _, problem := range problems {
		logProblem(s.log, problem)
	}
	s.refused = ""
	s.reloaded.Store(&reloadState{LastReload: reloadDone})
	s.metrics.reloaded(time.Now())
	s.bundles.retire(next.config.Bundles)
	if keys := s.started.RestartKeys(next.config); len(keys) > 0 {
		s.log.Warn("these settings take effect after a restart: " + strings.Join(keys, ", "))
	}
	s.describe(next)
	s.log.Info("the changed configuration is in force", slog.String("configuration", next.hash),
		slog.Int("resources", len(next.config.Resources.All())), slog.Int("issuers", len(next.config.Issuers)),
		slog.Int("policy_files", len(next.policyFiles)))
	return seen
}

// refuse keeps what is in force. The same refusal again is told once.
func (s *service) refuse(problems config.Problems) {
	s.metrics.reloadOK.Set(0)
	s.reloaded.Store(&reloadState{LastReload: reloadRefused, Problem: firstOf(problems)})
	said := fmt.Sprint(problems)
	if said == s.refused {
		return
	}
	s.refused = said
	for _, problem := range problems {
		logProblem(s.log, problem)
	}
	s.log.Error("the changed configuration was refused: the one before stays in force")
}

// firstOf is the first error, and how many more there are.
func firstOf(problems config.Problems) string {
	wrong := problems.Errors()
	if len(wrong) == 0 {
		return ""
	}
	if more := len(wrong) - 1; more > 0 {
		return fmt.Sprintf("%s (and %s: see the log)", wrong[0], count(more, "more problem"))
	}
	return wrong[0].String()
}

// await keeps what is in force until a bundle is there. It is told once.
func (s *service) await(missing []string) {
	s.metrics.reloadOK.Set(0)
	said := "waits for " + strings.Join(missing, ", ")
	s.reloaded.Store(&reloadState{LastReload: reloadWaits, Problem: said})
	if said == s.refused {
		return
	}
	s.refused = said
	s.log.Warn("the changed configuration waits for a bundle: the one before stays in force", slog.String("missing", strings.Join(missing, ", ")))
}

// activate puts a plan in force, or fails with the one before still in force. A
// Check that runs finishes with the state it began with.
func (s *service) activate(ctx context.Context, next *revision) error {
	cfg := next.config
	if err := fitToKeepKeys(cfg.JWKSCacheDir); err != nil {
		return err
	}
	certificate, err := readTLS(cfg.Listen.TLS)
	if err != nil {
		return err
	}
	decisions, err := s.decisions.open(cfg.DecisionLog, cfg.InsecureHTTPHosts)
	if err != nil {
		return err
	}
	revocations, err := s.revocations.activate(ctx, cfg.RevocationFile, next.revocations.list)
	if err != nil {
		s.decisions.discard(decisions)
		return err
	}
	// From here on nothing fails.
	if certificate != nil { // whether the port speaks TLS is settled at the start
		s.tls.current.Store(certificate)
	}
	s.watched.memory.SetMaximum(int64(cfg.Limits.DecisionCache))
	trusted, retire := s.issuers.activate(ctx, cfg.Issuers)
	s.level.Set(cfg.Log.Level)
	s.checks.Swap(&extauthz.State{
		Resources:       cfg.Resources,
		Issuers:         trusted,
		Verifier:        next.verifier(time.Now),
		Policy:          next.policy,
		Possession:      s.binder,
		Proofs:          cfg.Proofs,
		Revocations:     revocations,
		Decisions:       decisions.Log,
		TokenCache:      int64(cfg.Limits.TokenCache),
		CheckTimeout:    cfg.Limits.CheckTimeout,
		MetadataSubject: cfg.MetadataSubject,

		TrustClientAddress: cfg.TrustClientAddress,

		ReferenceDecoder: s.referenceDecoder,
	})
	s.decisions.activate(decisions, cfg.Limits.CheckTimeout)
	before := s.current.Swap(next)
	s.metrics.policyLoaded.Set(seconds(time.Now()))
	retire()
	s.bundles.activated(before, next)
	s.readiness.review()
	return nil
}

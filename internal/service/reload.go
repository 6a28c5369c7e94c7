package service

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

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/policy"
)

// lookEvery is how often the files are read for a change; a change is in force
// within 5 s.
const lookEvery = time.Second

// Source is where a configuration comes from: files, or the flags of the short
// form.
type Source struct {
	Paths []string // configuration files and folders; empty for the short form
	Flags string   // the flags of the short form, for the hash
	Read  func() (*config.Config, finding.List)
}

// compose makes a revision of a configuration and of the bundles that are there.
type compose func(context.Context, *config.Config) (*Revision, finding.List)

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

// Load reads and composes the first revision, before any bundle has arrived. It
// is nil if a problem is an error; the problems are complete in either case.
func Load(ctx context.Context, source Source) (*Revision, finding.List) {
	parts := Parts{Cache: policy.NewDecisionCache()}
	first, problems, seen := source.load(ctx, nil, func(ctx context.Context, cfg *config.Config) (*Revision, finding.List) {
		return Compose(ctx, cfg, parts)
	})
	if first != nil {
		first.seen = seen
	}
	return first, problems
}

// load reads configuration and policy, and returns what it saw. Where a file
// changed meanwhile, that is a digest which no files have, so that the next
// look loads again.
func (w Source) load(ctx context.Context, inForce *config.Config, compose compose) (*Revision, finding.List, digest) {
	before := w.fingerprint(inForce)
	cfg, problems := w.Read()
	var next *Revision
	if cfg != nil {
		var faults finding.List
		next, faults = compose(ctx, cfg)
		problems = append(problems, faults...)
	}
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
func (w Source) fingerprint(inForce *config.Config) digest {
	cfg, problems := w.Read()
	names, err := config.Files(w.Paths)
	if cfg == nil {
		cfg = inForce
	}
	var named []string
	if cfg != nil {
		policies, alsoErr := policy.Files(cfg.PolicyPaths)
		names, named, err = slices.Concat(names, policies), cfg.Files, errors.Join(err, alsoErr)
	}
	sum := sha256.New()
	note(sum, w.Flags)
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
func (s *Service) watch(ctx context.Context, hangup <-chan os.Signal, seen digest) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			s.refused = "" // whoever asks is told again
		case <-ticker.C:
			if s.source.fingerprint(s.current.Load().Config) == seen {
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
func (s *Service) reload(ctx context.Context) digest {
	next, problems, seen := s.source.load(ctx, s.current.Load().Config, s.rollout)
	s.waiting = next != nil && len(next.Policy.Missing()) > 0 && len(s.missing()) == 0
	if s.waiting { // a policy that is whole is not given up for one that is not
		s.await(next.Policy.Missing())
		s.renew(ctx)
		return seen
	}
	if next != nil {
		if err := s.activate(ctx, next); err != nil {
			// What was wrong with a file that only adopt reads may be mended
			// without a change of what is looked at: try again at the next look.
			problems, next, seen = append(problems, finding.Finding{File: "configuration", Message: err.Error()}), nil, digest{}
		}
	}
	if next == nil {
		s.refuse(problems)
		return seen
	}
	for _, problem := range problems {
		LogProblem(s.log, problem)
	}
	s.refused = ""
	s.reloaded.Store(&reloadState{LastReload: reloadDone})
	s.metrics.reloaded(time.Now())
	s.bundles.retire(next.Config.Bundles)
	if keys := s.first.Config.RestartKeys(next.Config); len(keys) > 0 {
		s.log.Warn("these settings take effect after a restart: " + strings.Join(keys, ", "))
	}
	s.describe(next)
	s.log.Info("the changed configuration is in force", slog.String("configuration", next.hash),
		slog.Int("resources", len(next.Config.Resources.All())), slog.Int("issuers", len(next.Config.Issuers)),
		slog.Int("policy_files", len(next.policyFiles)))
	return seen
}

// refuse keeps what is in force. The same refusal again is told once.
func (s *Service) refuse(problems finding.List) {
	s.metrics.reloadOK.Set(0)
	s.reloaded.Store(&reloadState{LastReload: reloadRefused, Problem: firstOf(problems)})
	said := fmt.Sprint(problems)
	if said == s.refused {
		return
	}
	s.refused = said
	for _, problem := range problems {
		LogProblem(s.log, problem)
	}
	s.log.Error("the changed configuration was refused: the one before stays in force")
}

// firstOf is the first error, and how many more there are.
func firstOf(problems finding.List) string {
	wrong := problems.Errors()
	if len(wrong) == 0 {
		return ""
	}
	switch more := len(wrong) - 1; more {
	case 0:
		return wrong[0].String()
	case 1:
		return wrong[0].String() + " (and 1 more problem: see the log)"
	default:
		return fmt.Sprintf("%s (and %d more problems: see the log)", wrong[0], more)
	}
}

// await keeps what is in force until a bundle is there. It is told once.
func (s *Service) await(missing []string) {
	s.metrics.reloadOK.Set(0)
	said := "waits for " + strings.Join(missing, ", ")
	s.reloaded.Store(&reloadState{LastReload: reloadWaits, Problem: said})
	if said == s.refused {
		return
	}
	s.refused = said
	s.log.Warn("the changed configuration waits for a bundle: the one before stays in force", slog.String("missing", strings.Join(missing, ", ")))
}

// LogProblem logs a problem of the configuration.
func LogProblem(log *slog.Logger, problem finding.Finding) {
	if problem.Severity == finding.Warning {
		log.Warn("configuration", slog.String("warning", problem.String()))
		return
	}
	log.Error("configuration", slog.String("problem", problem.String()))
}

package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/internal/snapshot"
)

// lookEvery is how often the files are compared with those in force; a change is
// in force within 5 s.
const lookEvery = time.Second

// Source is where a configuration comes from: files, or the flags of the short
// form.
type Source struct {
	Flags string // the flags of the short form, for the hash
	// Read parses the configuration. It reads files through the snapshot alone.
	Read func(*snapshot.Snapshot) (*config.Config, finding.List)
}

// Load reads and composes the first revision, before any bundle has arrived. It
// is nil if a problem is an error; the problems are complete in either case.
func Load(ctx context.Context, source Source) (*Revision, finding.List) {
	defer collectOften()()
	files := snapshot.New()
	defer files.Seal()
	parts := Parts{Cache: policy.NewDecisionCache(), Files: files}
	return source.load(ctx, files, func(ctx context.Context, cfg *config.Config) (*Revision, finding.List) {
		return Compose(ctx, cfg, parts)
	})
}

// load makes a revision of the files in a snapshot.
func (s Source) load(ctx context.Context, files *snapshot.Snapshot, compose compose) (*Revision, finding.List) {
	cfg, problems := s.Read(files)
	if cfg == nil {
		return nil, problems
	}
	next, faults := compose(ctx, cfg)
	problems = append(problems, faults...)
	if next == nil {
		return nil, problems
	}
	var err error
	if next.fromFiles, err = readFiles(cfg, files); err != nil {
		return nil, append(problems, finding.Finding{File: "configuration", Message: err.Error()})
	}
	next.files, next.hash = files, s.hash(next, files)
	return next, problems
}

// compose makes a revision of a configuration and of the bundles that are there.
type compose func(context.Context, *config.Config) (*Revision, finding.List)

// hash is a short name of a configuration and its policy: the same files under
// the same names have the same. Files that the configuration names are not in it:
// the hash is public, and the text of a short secret could be guessed.
func (s Source) hash(r *Revision, files *snapshot.Snapshot) string {
	sum := sha256.New()
	note(sum, s.Flags)
	for _, name := range append(r.Config.Sources, r.policyFiles...) {
		text, _ := files.ReadFile(name) // it has been read
		note(sum, name)
		note(sum, string(text))
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// note adds a text to a sum, apart from those before and after it.
func note(sum hash.Hash, text string) {
	_, _ = io.WriteString(sum, strconv.Itoa(len(text))+":"+text) // a hash never fails
}

// watch is the one goroutine that activates revisions: it reloads on SIGHUP and
// when the files differ from those of the last load, and takes up bundles as they
// arrive.
func (s *Service) watch(ctx context.Context, hangup <-chan os.Signal) {
	debug.FreeOSMemory() // of the first load
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for seen := s.current.Load().files; ; {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			s.refused = "" // a refusal is logged again
			seen = s.reload(ctx, snapshot.New())
		case <-ticker.C:
			seen = s.look(ctx, seen)
		case <-s.bundles.arrived:
			seen = s.bundleArrived(ctx, seen)
		}
	}
}

// look reloads if the files have changed since seen. It returns what was seen last.
func (s *Service) look(ctx context.Context, seen *snapshot.Snapshot) *snapshot.Snapshot {
	next := seen.Again()
	if s.settled && next.Equal(seen) {
		return seen
	}
	return s.reload(ctx, next)
}

// bundleArrived activates the bundle, with the files if they have changed as well.
func (s *Service) bundleArrived(ctx context.Context, seen *snapshot.Snapshot) *snapshot.Snapshot {
	next := seen.Again()
	if s.waiting || !s.settled || !next.Equal(seen) {
		return s.reload(ctx, next)
	}
	s.renew(ctx, next)
	return seen
}

// reload activates a revision of the files, or leaves the one before in force and
// logs the problems. It seals the snapshot.
func (s *Service) reload(ctx context.Context, files *snapshot.Snapshot) *snapshot.Snapshot {
	if s.isLarge() {
		defer debug.FreeOSMemory()
		defer collectOften()()
	}
	s.settled = s.replace(ctx, files)
	files.Seal()
	return files
}

// replace is false if the same files may succeed later.
func (s *Service) replace(ctx context.Context, files *snapshot.Snapshot) (settled bool) {
	next, problems := s.source.load(ctx, files,
		func(ctx context.Context, cfg *config.Config) (*Revision, finding.List) {
			return s.rollout(ctx, cfg, files)
		})
	s.waiting = next != nil && len(next.Policy.Missing()) > 0 && len(s.missing()) == 0
	if s.waiting { // a complete policy is not replaced by an incomplete one
		s.await(next.Policy.Missing())
		s.renew(ctx, files)
		return true
	}
	if next == nil {
		s.refuse(problems)
		return true
	}
	if err := s.activate(ctx, next); err != nil {
		// activate depends on more than the files, such as the mode of a folder.
		s.refuse(append(problems, finding.Finding{File: "configuration", Message: err.Error()}))
		return false
	}
	for _, problem := range problems {
		LogProblem(s.log, problem)
	}
	s.refused = ""
	s.reloaded.Store(&reloadState{LastReload: reloadDone})
	s.metrics.reloaded(time.Now())
	s.bundles.followOnly(ctx, next.Config.Bundles)
	if keys := s.started.RestartKeys(next.Config); len(keys) > 0 {
		s.log.Warn("these settings take effect after a restart: " + strings.Join(keys, ", "))
	}
	s.describe(next)
	s.log.Info("the changed configuration is in force", slog.String("configuration", next.hash),
		slog.Int("resources", len(next.Config.Resources.All())), slog.Int("issuers", len(next.Config.Issuers)),
		slog.Int("policy_files", len(next.policyFiles)))
	return true
}

// refuse leaves the revision before in force. It logs the same refusal once.
func (s *Service) refuse(problems finding.List) {
	s.metrics.reloadOK.Set(0)
	s.reloaded.Store(&reloadState{LastReload: reloadRefused, Problem: firstOf(problems)})
	text := fmt.Sprint(problems)
	if text == s.refused {
		return
	}
	s.refused = text
	for _, problem := range problems {
		LogProblem(s.log, problem)
	}
	s.log.Error("the changed configuration was refused: the one before stays in force")
}

// await leaves the revision before in force until a bundle has arrived. It logs
// that once.
func (s *Service) await(missing []string) {
	s.metrics.reloadOK.Set(0)
	text := "waits for " + strings.Join(missing, ", ")
	s.reloaded.Store(&reloadState{LastReload: reloadWaits, Problem: text})
	if text == s.refused {
		return
	}
	s.refused = text
	s.log.Warn("the changed configuration waits for a bundle: the one before stays in force",
		slog.String("missing", strings.Join(missing, ", ")))
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

// LogProblem logs a problem of the configuration.
func LogProblem(log *slog.Logger, problem finding.Finding) {
	if problem.Severity == finding.Warning {
		log.Warn("configuration", slog.String("warning", problem.String()))
		return
	}
	log.Error("configuration", slog.String("problem", problem.String()))
}

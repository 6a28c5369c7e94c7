package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// verdict is the result for a mutant.
type verdict string

const (
	killed      verdict = "killed"
	timedOut    verdict = "timed out" // the tests noticed: they did not end
	notCompiled verdict = "no program"
	equivalent  verdict = "equivalent" // survived, and equivalent.txt has the reason
	survived    verdict = "SURVIVED"
	notTried    verdict = "not tried"
)

var verdicts = []verdict{killed, timedOut, notCompiled, equivalent, survived, notTried}

// runner tries mutants, one after the other.
type runner struct {
	folder    string              // for overlays
	root      string              // of the module
	importers map[string][]string // packages of the module that import a package, tests included
	usual     map[string]time.Duration
	reasons   map[string]bool // of equivalent mutants
}

const module = "github.com/doorward/doorward"

func newRunner(ctx context.Context) (*runner, error) {
	folder, err := os.MkdirTemp("", "doorward-mutate-")
	if err != nil {
		return nil, err
	}
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	listed, err := output(ctx, "go", "list", "-f",
		`{{.ImportPath}} {{join .Imports " "}} {{join .TestImports " "}} {{join .XTestImports " "}}`, "./...")
	if err != nil {
		return nil, err
	}
	r := &runner{
		folder: folder, root: root, importers: map[string][]string{},
		usual: map[string]time.Duration{}, reasons: reasons(equivalentList),
	}
	for line := range strings.Lines(listed) {
		fields := strings.Fields(line)
		for _, imported := range fields[1:] {
			if name, ours := strings.CutPrefix(imported, module+"/"); ours && imported != fields[0] {
				r.importers[name] = append(r.importers[name], strings.TrimPrefix(fields[0], module+"/"))
			}
		}
	}
	return r, nil
}

func (r *runner) close() error { return os.RemoveAll(r.folder) }

// reasons returns the mutants that equivalent.txt explains: "file: change: reason".
func reasons(list string) map[string]bool {
	explained := map[string]bool{}
	for line := range strings.Lines(list) {
		if parts := strings.SplitN(strings.TrimSpace(line), ": ", 3); len(parts) == 3 && !strings.HasPrefix(line, "#") {
			explained[parts[0]+": "+parts[1]] = true
		}
	}
	return explained
}

// try runs the tests of the mutant's package and, if they notice nothing, those of
// the packages that import it.
func (r *runner) try(ctx context.Context, m mutant) verdict {
	if path.Ext(m.file) == ".rego" {
		return r.tryEmbedded(ctx, m)
	}
	overlay, err := r.overlay(m)
	if err != nil {
		return notTried
	}
	return r.tests(ctx, m, overlay)
}

// tryEmbedded writes the mutant into the tree and restores the file afterwards,
// since go:embed does not read an overlay.
func (r *runner) tryEmbedded(ctx context.Context, m mutant) verdict {
	name := filepath.Join(r.root, filepath.FromSlash(m.file))
	defer func() { _ = os.WriteFile(name, m.original, 0o600) }()
	if err := os.WriteFile(name, m.text(), 0o600); err != nil {
		return notTried
	}
	return r.tests(ctx, m, "")
}

func (r *runner) tests(ctx context.Context, m mutant, overlay string) verdict {
	for _, tested := range r.tested(m) {
		if v := r.test(ctx, overlay, tested); v != survived {
			return v
		}
	}
	if r.reasons[m.file+": "+m.change()] {
		return equivalent
	}
	return survived
}

func (r *runner) overlay(m mutant) (string, error) {
	changed := filepath.Join(r.folder, "mutant"+path.Ext(m.file))
	if err := os.WriteFile(changed, m.text(), 0o600); err != nil {
		return "", err
	}
	original := filepath.Join(r.root, filepath.FromSlash(m.file))
	content, err := json.Marshal(map[string]map[string]string{"Replace": {original: changed}})
	if err != nil {
		return "", err
	}
	name := filepath.Join(r.folder, "overlay.json")
	return name, os.WriteFile(name, content, 0o600)
}

// test runs one package's tests with an overlay. After a timeout it runs them again
// with ten times the limit, because the machine may be busy.
func (r *runner) test(ctx context.Context, overlay, tested string) verdict {
	limit := r.limit(ctx, tested)
	v := r.once(ctx, overlay, tested, limit)
	if v == timedOut {
		v = r.once(ctx, overlay, tested, 10*limit)
	}
	return v
}

// limit is three times the time of the tests without a mutant, and ten seconds.
func (r *runner) limit(ctx context.Context, tested string) time.Duration {
	if _, known := r.usual[tested]; !known {
		began := time.Now()
		r.once(ctx, "", tested, 10*time.Minute)
		r.usual[tested] = time.Since(began)
	}
	return 3*r.usual[tested] + 10*time.Second
}

func (r *runner) once(ctx context.Context, overlay, tested string, limit time.Duration) verdict {
	args := []string{"test", "-count=1", "-failfast", "-vet=off", "-timeout", strconv.Itoa(int(limit.Seconds())) + "s"}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	command := exec.CommandContext(ctx, "go", append(args, "./"+tested)...)
	command.Dir = r.root
	text, err := command.CombinedOutput()
	return verdictOf(string(text), err)
}

func verdictOf(text string, err error) verdict {
	switch {
	case err == nil:
		return survived
	case strings.Contains(text, "panic: test timed out"):
		return timedOut
	case strings.Contains(text, "[build failed]"), strings.Contains(text, "[setup failed]"):
		return notCompiled
	default:
		return killed
	}
}

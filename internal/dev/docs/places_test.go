package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// handWritten are the documents that name files, symbols, tests and commands.
func handWritten(t *testing.T) []string {
	t.Helper()
	documents := []string{
		"ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "SECURITY.md", "examples/README.md", "rego/README.md",
		"docs/kubernetes.md",
	}
	records, err := filepath.Glob(filepath.Join(root, "docs", "adr", "*.md"))
	if err != nil || len(records) < 12 {
		t.Fatalf("%d decision records, %v", len(records), err)
	}
	for _, record := range records {
		documents = append(documents, "docs/adr/"+filepath.Base(record))
	}
	return documents
}

func readDocument(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestPlacesExist fails where a document names a file, folder, symbol or test
// that the module does not have.
func TestPlacesExist(t *testing.T) {
	t.Parallel()
	all, err := declarations(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range handWritten(t) {
		for _, stale := range all.stalePlaces(root, readDocument(t, name)) {
			t.Errorf("%s: %s", name, stale)
		}
	}
	for text, want := range map[string]string{
		"`internal/dev/docs/places.go:index.has`":    "",
		"`internal/dev/docs:TestPlacesExist`":        "",
		"`rego/audience.rego:matches`":               "",
		"`internal/dev/docs/gone.go`":                "no such file",
		"`internal/dev/docs/places.go:index.absent`": "no such declaration",
		"`internal/dev/docs/main.go:index.has`":      "now in internal/dev/docs/places.go",
		"`application/json`":                         "",
	} {
		stale := strings.Join(all.stalePlaces(root, text), "")
		if (want == "") != (stale == "") || !strings.Contains(stale, want) {
			t.Errorf("%s: got %q, want %q", text, stale, want)
		}
	}
}

// TestTestsExist fails where a document names a test by its function alone and
// no package has it.
func TestTestsExist(t *testing.T) {
	t.Parallel()
	all, err := declarations(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range handWritten(t) {
		for _, span := range regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w+)").FindAllStringSubmatch(readDocument(t, name), -1) {
			if all.hint("", span[1]) == "" {
				t.Errorf("%s: no test %s", name, span[1])
			}
		}
	}
}

// TestEveryInvariantHasATest reads the table of ARCHITECTURE.md.
func TestEveryInvariantHasATest(t *testing.T) {
	_, table, _ := strings.Cut(readDocument(t, "ARCHITECTURE.md"), "| invariant | held by |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := strings.Split(strings.TrimSpace(table), "\n")
	if len(rows) < 24 {
		t.Fatalf("%d invariants", len(rows))
	}
	for _, row := range rows {
		if !regexp.MustCompile("`[\\w/]+:(?:Test|Fuzz|test_)\\w+").MatchString(row) {
			t.Errorf("no test in %q", row)
		}
	}
}

// TestCommandsExist fails where a document shows a make target, a command of
// doorward or a flag that does not exist. docs/reference.md has the help texts.
func TestCommandsExist(t *testing.T) {
	makefile, reference := readDocument(t, "Makefile"), readDocument(t, "docs/reference.md")
	for _, name := range handWritten(t) {
		document := readDocument(t, name)
		for _, match := range regexp.MustCompile("(?m)(?:^ +|`)make ([a-z-]+)").FindAllStringSubmatch(document, -1) {
			if !strings.Contains(makefile, "\n"+match[1]+":") {
				t.Errorf("%s: no target %q in Makefile", name, match[1])
			}
		}
		for _, match := range regexp.MustCompile("(?m)(?:^ +|`)doorward ([a-z]+)([^`\n]*)").FindAllStringSubmatch(document, -1) {
			_, help, found := strings.Cut(reference, "### doorward "+match[1]+"\n")
			if !found {
				t.Errorf("%s: no command %q", name, match[1])
				continue
			}
			help, _, _ = strings.Cut(help, "\n### ")
			for _, flag := range regexp.MustCompile(`--[a-z-]+`).FindAllString(match[2], -1) {
				if !strings.Contains(help, flag) {
					t.Errorf("%s: doorward %s has no flag %s", name, match[1], flag)
				}
			}
		}
	}
}

// TestLinksLead fails where a relative link leads to no file.
func TestLinksLead(t *testing.T) {
	for _, name := range slices.Concat(handWritten(t), []string{"CHANGELOG.md"}) {
		for _, link := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(readDocument(t, name), -1) {
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(name), link[1])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestDependenciesAreExplained compares the table of ARCHITECTURE.md with the
// direct requirements of go.mod.
func TestDependenciesAreExplained(t *testing.T) {
	module := readDocument(t, "go.mod")
	var want []string
	for _, match := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(module, -1) {
		want = append(want, match[1])
	}
	_, table, _ := strings.Cut(readDocument(t, "ARCHITECTURE.md"), "## Direct dependencies")
	var got []string
	for _, match := range regexp.MustCompile("(?m)^\\| `(\\S+)` \\| \\S").FindAllStringSubmatch(table, -1) {
		got = append(got, match[1])
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("ARCHITECTURE.md explains %q, go.mod requires %q", got, want)
	}
}

// TestActionsArePinned fails where a workflow uses an action by a tag or branch, or
// runs anything but .ci/run.
func TestActionsArePinned(t *testing.T) {
	workflow := readDocument(t, ".github/workflows/ci.yml")
	actions := regexp.MustCompile(`(?m)uses: (.*)$`).FindAllStringSubmatch(workflow, -1)
	for _, action := range actions {
		if !regexp.MustCompile(`^actions/[a-z-]+@[0-9a-f]{40} # v[0-9.]+$`).MatchString(action[1]) {
			t.Errorf("%s is not pinned by a commit", action[1])
		}
	}
	runs := regexp.MustCompile(`(?m)run: (.*)$`).FindAllStringSubmatch(workflow, -1)
	if len(actions) == 0 || len(runs) != 1 || runs[0][1] != ".ci/run" {
		t.Errorf("%d actions, commands %q", len(actions), runs)
	}
}

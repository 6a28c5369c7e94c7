package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/doorward/doorward/extauthz/reason"
)

// TestWhatTheDocumentsShowWorks: the sample and the README's configuration and
// rules pass check together, as a newcomer would copy them.
func TestWhatTheDocumentsShowWorks(t *testing.T) {
	f := newFolder(t)
	readme := readFile(t, filepath.Join("..", "..", "README.md"))
	f.write(t, "policy/team.rego", block(t, readme, "rego"))
	f.write(t, "readme.yaml", block(t, readme, "yaml")+"\npolicy: {paths: [policy]}\n")
	for _, config := range []string{f.path("readme.yaml"), filepath.Join("..", "..", "envoy", "doorward.yaml")} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), []string{"check", "--config", config}, &stdout, &stderr)
		if code != 0 || strings.Contains(stdout.String(), "decides nothing") {
			t.Errorf("%s: exit %d, %s%s", config, code, &stdout, &stderr)
		}
	}
}

// TestTheReadmeNamesEveryReason as its table of verdicts promises.
func TestTheReadmeNamesEveryReason(t *testing.T) {
	readme := readFile(t, filepath.Join("..", "..", "README.md"))
	for _, r := range reason.All() {
		if r != reason.Passthrough && !strings.Contains(readme, "`"+r.String()+"`") {
			t.Errorf("no %s", r)
		}
	}
}

// TestLinksLead somewhere.
func TestLinksLead(t *testing.T) {
	root := filepath.Join("..", "..")
	for _, document := range []string{"README.md", "ARCHITECTURE.md", "SECURITY.md", "CHANGELOG.md"} {
		for _, link := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(readFile(t, filepath.Join(root, document)), -1) {
			if _, err := os.Stat(filepath.Join(root, link[1])); err != nil {
				t.Errorf("%s: %v", document, err)
			}
		}
	}
}

// TestArchitectureNamesRealTests: an invariant whose test is gone is a claim.
func TestArchitectureNamesRealTests(t *testing.T) {
	page := readFile(t, filepath.Join("..", "..", "ARCHITECTURE.md"))
	names := regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z]+)").FindAllStringSubmatch(page, -1)
	if len(names) == 0 {
		t.Fatal("no invariant names a test")
	}
	var sources strings.Builder
	files, err := filepath.Glob(filepath.Join("..", "..", "*", "*", "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob(filepath.Join("..", "..", "*", "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, more...) {
		sources.WriteString(readFile(t, file))
	}
	for _, name := range names {
		if !strings.Contains(sources.String(), "func "+name[1]+"(") {
			t.Errorf("no test %s", name[1])
		}
	}
}

// block is the first fenced block of this language, with its indentation taken
// off.
func block(t *testing.T, document, language string) string {
	t.Helper()
	found := regexp.MustCompile("(?ms)^( *)```" + language + "\n(.*?)^ *```").FindStringSubmatch(document)
	if found == nil {
		t.Fatalf("no %s block", language)
	}
	return regexp.MustCompile("(?m)^"+found[1]).ReplaceAllString(found[2], "")
}

package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const root = "../../.."

// TestPagesAreFresh fails where a page differs from the output of its generator.
func TestPagesAreFresh(t *testing.T) {
	t.Parallel()
	for name, page := range pages {
		want, err := page(root)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := os.ReadFile(filepath.Join(root, "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("docs/%s is stale, run `make docs`:\n%s", name, diff)
		}
	}
}

// TestCitationsAreListed fails where Go or Rego code cites an id that
// docs/requirements.md does not list.
func TestCitationsAreListed(t *testing.T) {
	t.Parallel()
	unknown, err := unknownCitations(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, place := range unknown {
		t.Errorf("%s is not in internal/dev/docs/requirements.go", place)
	}
	folder := t.TempDir()
	source := "package p\n\n// Holds T" + "K-1 and CH" + "-99.\n"
	if err := os.WriteFile(filepath.Join(folder, "p.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	unknown, err = unknownCitations(folder)
	if want := []string{filepath.Join(folder, "p.go") + ": CH" + "-99"}; err != nil || !slices.Equal(unknown, want) {
		t.Errorf("%q, %v", unknown, err)
	}
}

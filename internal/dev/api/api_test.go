package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFilesAreCurrent: each file lists what its package exports.
func TestFilesAreCurrent(t *testing.T) {
	for _, folder := range publicPackages() {
		want, err := os.ReadFile(fileOf(folder))
		if err != nil {
			t.Fatal(err)
		}
		got, err := exported(filepath.Join("..", "..", "..", folder))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("the API of %s changed: run make api (-file +code):\n%s", folder, diff)
		}
	}
}

// TestEveryPublicPackageHasAFile: a package that is neither a command nor below
// internal, envoy or benchmarks is public.
func TestEveryPublicPackageHasAFile(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	for _, top := range []string{"extauthz", "policy", "rego"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(name string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.IsDir() {
				return err
			}
			if entry.Name() == "internal" || entry.Name() == "testdata" {
				return filepath.SkipDir
			}
			folder, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			sources, err := filepath.Glob(filepath.Join(name, "*.go"))
			if len(sources) > 0 && !slices.Contains(publicPackages(), filepath.ToSlash(folder)) {
				t.Errorf("%s is public and has no file", folder)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestOnlyExportedDeclarations(t *testing.T) {
	folder := t.TempDir()
	source := `package p

import "io"

// T has a comment.
type T struct {
	Name   string // exported
	hidden io.Reader
}

func (t T) Get() string { return t.Name }
func (t T) get() string { return "" }

func helper() {}

type local[K any] struct{}

func (l *local[K]) Public() {}

const A, b = 1, 2
`
	if err := os.WriteFile(filepath.Join(folder, "p.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := exported(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, unwanted := range []string{"hidden io", "helper", "get()", "local", "comment", "return", "import"} {
		if strings.Contains(string(got), unwanted) {
			t.Errorf("%q is listed:\n%s", unwanted, got)
		}
	}
	for _, wanted := range []string{"func (t T) Get() string", "Name\tstring", "const A"} {
		if !strings.Contains(strings.ReplaceAll(string(got), "Name string", "Name\tstring"), wanted) {
			t.Errorf("%q is not listed:\n%s", wanted, got)
		}
	}
}

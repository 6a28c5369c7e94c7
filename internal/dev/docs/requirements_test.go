package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestRequirements fails where an id is missing, or a test that a row names.
func TestRequirements(t *testing.T) {
	t.Parallel()
	known := testsOfModule(t)
	var want []string
	for _, group := range []struct {
		prefix string
		last   int
	}{{"TK", 11}, {"CH", 14}, {"PR", 13}, {"AU", 7}, {"PT", 5}, {"T", 14}, {"J", 10}, {"X", 6}} {
		for i := range group.last {
			want = append(want, fmt.Sprintf("%s-%d", group.prefix, i+1))
		}
	}
	want = append(want, "G-6") // of the gaps that public reports show, the one that a test cites
	rows := requirements
	if len(rows) != len(want) {
		t.Fatalf("%d rows instead of %d", len(rows), len(want))
	}
	for i, row := range rows {
		if row.id != want[i] {
			t.Fatalf("row %d is %s instead of %s", i, row.id, want[i])
		}
		if len(row.tests) == 0 && row.note == "" {
			t.Errorf("%s has neither a test nor a reason", row.id)
		}
		for _, name := range row.tests {
			if !known.has(name) {
				t.Errorf("%s names %q, which is no test", row.id, name)
			}
		}
	}
}

// testIndex lists the functions and strings of the module's tests.
type testIndex struct {
	functions map[string]bool // folder:Test
	words     map[string]bool // folder:a string of a test, which may name a subtest
}

// has knows a test by its function, and a subtest by the string that names it.
func (x testIndex) has(name string) bool {
	folder, path, _ := strings.Cut(name, ":")
	function, subtest, nested := strings.Cut(path, "/")
	return x.functions[folder+":"+function] && (!nested || x.words[folder+":"+subtest])
}

func testsOfModule(t *testing.T) testIndex {
	t.Helper()
	index := testIndex{map[string]bool{}, map[string]bool{}}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata"):
			return filepath.SkipDir
		case strings.HasSuffix(path, "_test.go"):
			return index.readGo(root, path)
		case strings.HasSuffix(path, "_test.rego"):
			return index.readRego(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return index
}

func (x testIndex) readGo(root, path string) error {
	folder, err := filepath.Rel(root, filepath.Dir(path))
	if err != nil {
		return err
	}
	folder = filepath.ToSlash(folder)
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil && strings.HasPrefix(n.Name.Name, "Test") {
				x.functions[folder+":"+n.Name.Name] = true
			}
		case *ast.BasicLit:
			if word, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil && filepath.Base(filepath.Dir(path)) != "docs" {
				x.words[folder+":"+word] = true
			}
		}
		return true
	})
	return nil
}

func (x testIndex) readRego(path string) error {
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for _, name := range regexp.MustCompile(`(?m)^test_\w+`).FindAllString(string(source), -1) {
		x.functions["rego:"+name] = true
	}
	return nil
}

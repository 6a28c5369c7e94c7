package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryFuzzTargetHasSeeds: a corpus that has gone missing is no error to
// go test, and a target without seeds tries next to nothing in CI.
func TestEveryFuzzTargetHasSeeds(t *testing.T) {
	targets := 0
	err := filepath.WalkDir(filepath.Join("..", ".."), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") || strings.Contains(name, ".tools") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			return err
		}
		for _, declaration := range file.Decls {
			target, isFunc := declaration.(*ast.FuncDecl)
			if !isFunc || !strings.HasPrefix(target.Name.Name, "Fuzz") {
				continue
			}
			targets++
			if !adds(target.Body) {
				t.Errorf("%s: %s has no seed", name, target.Name.Name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if targets < 10 {
		t.Errorf("found %d fuzz targets: this test looks in the wrong place", targets)
	}
}

// adds sees a call of f.Add.
func adds(body *ast.BlockStmt) bool {
	found := false
	ast.Inspect(body, func(node ast.Node) bool {
		call, isSelector := node.(*ast.SelectorExpr)
		found = found || isSelector && call.Sel.Name == "Add"
		return !found
	})
	return found
}

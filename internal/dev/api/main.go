// Command api writes the exported declarations of every public package into
// internal/dev/api/testdata, one file a package. A test fails when a file and
// its package differ: a change of the public surface is then part of a review.
//
//	make api
package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// publicPackages returns the folders of the packages that other modules may import.
func publicPackages() []string {
	return []string{
		"extauthz", "extauthz/finding", "extauthz/httpauth", "extauthz/jwks", "extauthz/reason", "extauthz/resource",
		"extauthz/revocation", "extauthz/token", "policy", "rego", "rego/library",
	}
}

func main() {
	if err := write("."); err != nil {
		fmt.Fprintln(os.Stderr, "api:", err)
		os.Exit(1)
	}
}

// write writes the files of the module in root.
func write(root string) error {
	for _, folder := range publicPackages() {
		text, err := exported(filepath.Join(root, folder))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(root, "internal/dev/api", fileOf(folder)), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// fileOf returns the file that lists a package.
func fileOf(folder string) string {
	return filepath.Join("testdata", strings.ReplaceAll(folder, "/", ".")+".txt")
}

// exported prints the exported declarations of a package: no comments, bodies
// or unexported members, sorted by their text.
func exported(folder string) ([]byte, error) {
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, err
	}
	var declarations []string
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		more, err := exportedOf(name)
		if err != nil {
			return nil, err
		}
		declarations = append(declarations, more...)
	}
	if len(declarations) == 0 {
		return nil, fmt.Errorf("%s exports nothing", folder)
	}
	slices.Sort(declarations)
	return []byte(strings.Join(declarations, "\n") + "\n"), nil
}

func exportedOf(name string) ([]string, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	ast.FileExports(file)
	var declarations []string
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			if d.Recv != nil && !isExported(d.Recv.List[0].Type) {
				continue
			}
			d.Body = nil
		case *ast.GenDecl:
			if d.Tok == token.IMPORT {
				continue
			}
		}
		var text bytes.Buffer
		if err := printer.Fprint(&text, set, declaration); err != nil {
			return nil, err
		}
		declarations = append(declarations, text.String())
	}
	return declarations, nil
}

// isExported reports whether a receiver's type is exported.
func isExported(receiver ast.Expr) bool {
	switch r := receiver.(type) {
	case *ast.StarExpr:
		return isExported(r.X)
	case *ast.IndexExpr:
		return isExported(r.X)
	case *ast.Ident:
		return r.IsExported()
	}
	return true
}

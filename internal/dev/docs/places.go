package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// index lists the declarations of each file of the module. Methods and fields are
// written Type.Member, rules and tests in Rego by their name.
type index map[string][]string

var regoRule = regexp.MustCompile(`(?m)^(\w+)\b`)

func declarations(root string) (index, error) {
	all := index{}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(entry.Name(), ".") || entry.Name() == "bin" || entry.Name() == "testdata"
		if entry.IsDir() && name != root && hidden {
			return filepath.SkipDir
		}
		relative, err := filepath.Rel(root, name)
		if err != nil || entry.IsDir() {
			return err
		}
		return all.read(filepath.ToSlash(relative), name)
	})
	return all, err
}

func (x index) read(relative, name string) error {
	switch path.Ext(relative) {
	case ".go":
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, declaration := range file.Decls {
			x[relative] = append(x[relative], namesOf(declaration)...)
		}
	case ".rego":
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, match := range regoRule.FindAllSubmatch(content, -1) {
			x[relative] = append(x[relative], string(match[1]))
		}
	}
	return nil
}

func namesOf(declaration ast.Decl) []string {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			return []string{d.Name.Name}
		}
		return []string{receiver(d.Recv.List[0].Type) + "." + d.Name.Name}
	case *ast.GenDecl:
		var names []string
		for _, spec := range d.Specs {
			names = append(names, namesOfSpec(spec)...)
		}
		return names
	}
	return nil
}

func namesOfSpec(spec ast.Spec) []string {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		var names []string
		for _, name := range s.Names {
			names = append(names, name.Name)
		}
		return names
	case *ast.TypeSpec:
		if body, ok := s.Type.(*ast.StructType); ok {
			return append(fieldsOf(s.Name.Name, body), s.Name.Name)
		}
		return []string{s.Name.Name}
	}
	return nil
}

// fieldsOf returns Type.Field for each named field.
func fieldsOf(name string, body *ast.StructType) []string {
	var fields []string
	for _, field := range body.Fields.List {
		for _, ident := range field.Names {
			fields = append(fields, name+"."+ident.Name)
		}
	}
	return fields
}

func receiver(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// codeSpan matches inline code; place matches inline code that names a file or
// folder of the module, with a symbol after the colon.
var (
	codeSpan = regexp.MustCompile("`([^`\n]+)`")
	fence    = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	place    = regexp.MustCompile(`^(` + folders + `(?:/[\w.-]+)*/?)(?::([A-Za-z_][\w.]*))?(?:/.*)?$`)
)

const folders = `(?:\.github|benchmarks|cmd|deploy|docs|envoy|examples|extauthz|internal|rego)`

// stalePlaces lists the code spans of a document that name a file, folder or
// symbol which does not exist, each with the file that has the symbol now.
func (x index) stalePlaces(root, document string) []string {
	var stale []string
	for _, span := range codeSpan.FindAllStringSubmatch(fence.ReplaceAllString(document, ""), -1) {
		found := place.FindStringSubmatch(span[1])
		if found == nil {
			continue
		}
		name, symbol := strings.TrimSuffix(found[1], "/"), found[2]
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			stale = append(stale, fmt.Sprintf("`%s`: no such file or folder%s", span[1], x.hint(name, symbol)))
			continue
		}
		if symbol != "" && !x.has(name, symbol) {
			stale = append(stale, fmt.Sprintf("`%s`: no such declaration%s", span[1], x.hint(name, symbol)))
		}
	}
	return stale
}

// has reports whether a file, or a file of a folder, declares symbol.
func (x index) has(name, symbol string) bool {
	if path.Ext(name) != "" {
		return slices.Contains(x[name], symbol)
	}
	for file, symbols := range x {
		if path.Dir(file) == name && slices.Contains(symbols, symbol) {
			return true
		}
	}
	return false
}

// hint lists the files that declare the symbol, or have the file's name.
func (x index) hint(name, symbol string) string {
	var files []string
	for file, symbols := range x {
		if symbol != "" && slices.Contains(symbols, symbol) || symbol == "" && path.Base(file) == path.Base(name) {
			files = append(files, file)
		}
	}
	if len(files) == 0 {
		return ""
	}
	slices.Sort(files)
	return "; now in " + strings.Join(files, ", ")
}

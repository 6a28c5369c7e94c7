package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// source is one Go file that was written by hand.
type source struct {
	path    string // from the module's folder, with slashes
	content []byte
	set     *token.FileSet
	file    *ast.File
}

type sources []source

// readModule parses every Go file below root, except generated files and those in
// testdata, hidden folders and bin.
func readModule(root string) (sources, error) {
	var all sources
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		skipped := strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata" || entry.Name() == "bin"
		if entry.IsDir() && name != root && skipped {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, content, parser.ParseComments)
		if err != nil || ast.IsGenerated(file) {
			return err
		}
		relative, err := filepath.Rel(root, name)
		all = append(all, source{filepath.ToSlash(relative), content, set, file})
		return err
	})
	return all, err
}

func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

func (s source) folder() string {
	first, _, nested := strings.Cut(s.path, "/")
	if !nested {
		return "."
	}
	return first
}

func (s sources) folders() []string {
	seen := map[string]bool{}
	for _, source := range s {
		seen[source.folder()] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// code counts the code lines of a top-level folder without tests; "" is every folder.
func (s sources) code(folder string) int {
	total := 0
	for _, source := range s {
		if !source.isTest() && (folder == "" || source.folder() == folder) {
			total += source.codeLines()
		}
	}
	return total
}

func (s sources) testCode() int {
	total := 0
	for _, source := range s {
		if source.isTest() {
			total += source.codeLines()
		}
	}
	return total
}

// codeLines counts the lines with at least a part of a token: neither blank lines
// nor lines of comments alone.
func (s source) codeLines() int {
	set := token.NewFileSet()
	file := set.AddFile(s.path, set.Base(), len(s.content))
	var scan scanner.Scanner
	scan.Init(file, s.content, nil, 0)
	lines := map[int]bool{}
	for {
		at, kind, text := scan.Scan()
		if kind == token.EOF {
			return len(lines)
		}
		if kind == token.SEMICOLON && text == "\n" {
			continue // inserted, not written
		}
		first := file.Line(at)
		for line := range 1 + strings.Count(text, "\n") {
			lines[first+line] = true
		}
	}
}

// isPublic reports whether the file's package is for import by other modules.
func (s source) isPublic() bool {
	hidden := strings.Contains("/"+s.path, "/internal/") || s.folder() == "envoy" || s.folder() == "benchmarks"
	return !s.isTest() && !hidden && s.file.Name.Name != "main"
}

// exported lists package.Name of every exported function, type, constant and
// variable of the public packages; methods and fields are not counted.
func (s sources) exported() []string {
	var names []string
	for _, source := range s {
		if !source.isPublic() {
			continue
		}
		for _, name := range exportedIn(source.file) {
			names = append(names, filepath.ToSlash(filepath.Dir(source.path))+"."+name)
		}
	}
	slices.Sort(names)
	return names
}

func exportedIn(file *ast.File) []string {
	var names []string
	add := func(name *ast.Ident) {
		if name.IsExported() {
			names = append(names, name.Name)
		}
	}
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				add(d.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				addNames(spec, add)
			}
		}
	}
	return names
}

func addNames(spec ast.Spec, add func(*ast.Ident)) {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		add(s.Name)
	case *ast.ValueSpec:
		for _, name := range s.Names {
			add(name)
		}
	}
}

// wide lists the lines of more than 120 columns, with tabs of four.
func (s sources) wide() []string {
	const columns, tab = 120, 4
	var wide []string
	for _, source := range s {
		if source.isTest() {
			continue
		}
		for i, text := range strings.Split(string(source.content), "\n") {
			if utf8.RuneCountInString(text)+(tab-1)*strings.Count(text, "\t") > columns {
				wide = append(wide, fmt.Sprintf("%s:%d", source.path, i+1))
			}
		}
	}
	return wide
}

// functions calls visit for every function outside tests.
func (s sources) functions(visit func(source, *ast.FuncDecl)) {
	for _, source := range s {
		if source.isTest() {
			continue
		}
		for _, declaration := range source.file.Decls {
			if function, ok := declaration.(*ast.FuncDecl); ok {
				visit(source, function)
			}
		}
	}
}

// measure is a number of each function outside tests. The result has the largest,
// and the functions that are above most.
func (s sources) measure(number func(source, *ast.FuncDecl) int, most int) (largest int, above []string) {
	s.functions(func(in source, f *ast.FuncDecl) {
		n := number(in, f)
		largest = max(largest, n)
		if n > most {
			at := in.set.Position(f.Pos())
			above = append(above, fmt.Sprintf("%s:%d: %s: %d", in.path, at.Line, f.Name.Name, n))
		}
	})
	return largest, above
}

func linesOf(in source, f *ast.FuncDecl) int {
	return in.set.Position(f.End()).Line - in.set.Position(f.Pos()).Line + 1
}

func parametersOf(_ source, f *ast.FuncDecl) int { return f.Type.Params.NumFields() }

// nestingOf is how deep if, for, switch and select are nested. An else if is as
// deep as its if, and a function literal begins anew.
func nestingOf(_ source, f *ast.FuncDecl) int {
	if f.Body == nil {
		return 0
	}
	deepest := 0
	ast.Walk(nesting{&deepest, 0, nil}, f.Body)
	return deepest
}

type nesting struct {
	deepest *int
	depth   int
	same    ast.Stmt // the else of an if
}

// Visit returns the visitor of what is below a node.
func (n nesting) Visit(node ast.Node) ast.Visitor {
	switch at := node.(type) {
	case *ast.FuncLit:
		n.depth = 0
	case *ast.IfStmt:
		if n.same != at {
			n.depth++
		}
		n.same = at.Else
	case *ast.ForStmt, *ast.RangeStmt, *ast.SwitchStmt, *ast.TypeSwitchStmt, *ast.SelectStmt:
		n.depth++
	}
	*n.deepest = max(*n.deepest, n.depth)
	return n
}

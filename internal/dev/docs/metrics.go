package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// metric is the help text and the labels of one metric.
type metric struct {
	help   string
	labels []string
}

// writeMetrics writes every metric in the sources: a string that begins with
// "doorward_", the text after it, and the labels in the same call.
func writeMetrics(page *bytes.Buffer, root string) error {
	found := map[string]metric{}
	for _, folder := range []string{"cmd/doorward", "extauthz", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, declaration := range file.Decls {
				collectMetrics(declaration, found)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	page.WriteString("## Metrics\n\n| metric | labels | meaning |\n|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(found)) {
		fmt.Fprintf(page, "| `%s` | %s | %s |\n", name, strings.Join(found[name].labels, ", "), cell(found[name].help))
	}
	return nil
}

// collectMetrics reads the calls in one declaration. Labels in a variable are those
// of the declaration's first list.
func collectMetrics(declaration ast.Decl, found map[string]metric) {
	listed := labelsIn(declaration)
	ast.Inspect(declaration, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return true
		}
		texts, labels := textsOf(call), []string(nil)
		for _, argument := range call.Args {
			if list := stringsOf(argument); list != nil {
				labels = list
			}
			if name, ok := argument.(*ast.Ident); ok && name.Name == "label" {
				labels = listed
			}
		}
		if len(texts) < 2 || !strings.HasPrefix(texts[0], "doorward_") {
			return true
		}
		if labels == nil && mentionsConstLabels(call) {
			labels = listed
		}
		if before, known := found[texts[0]]; !known || len(before.labels) < len(labels) {
			found[texts[0]] = metric{texts[1], labels}
		}
		return true
	})
}

// textsOf returns the string literals of a call and of the options in it, in order.
// Literals that are joined with + are one.
func textsOf(call *ast.CallExpr) []string {
	var texts []string
	for _, argument := range call.Args {
		options, ok := argument.(*ast.CompositeLit)
		if !ok || stringsOf(argument) != nil {
			texts = appendText(texts, argument)
			continue
		}
		for _, element := range options.Elts {
			if pair, ok := element.(*ast.KeyValueExpr); ok {
				texts = appendText(texts, pair.Value)
			}
		}
	}
	return texts
}

func appendText(texts []string, expression ast.Expr) []string {
	if text, ok := textOf(expression); ok {
		return append(texts, text)
	}
	return texts
}

func textOf(expression ast.Expr) (string, bool) {
	switch e := expression.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		left, ok := textOf(e.X)
		right, also := textOf(e.Y)
		return left + right, ok && also
	}
	return "", false
}

// stringsOf returns the elements of a []string literal, nil for any other expression.
func stringsOf(expression ast.Expr) []string {
	list, ok := expression.(*ast.CompositeLit)
	if !ok {
		return nil
	}
	array, ok := list.Type.(*ast.ArrayType)
	if !ok || array.Len != nil {
		return nil
	}
	var texts []string
	for _, element := range list.Elts {
		texts = appendText(texts, element)
	}
	return texts
}

// labelsIn returns the first label list of a function, or the keys of its first
// label map.
func labelsIn(declaration ast.Decl) []string {
	var labels []string
	ast.Inspect(declaration, func(node ast.Node) bool {
		literal, ok := node.(*ast.CompositeLit)
		if !ok || labels != nil {
			return labels == nil
		}
		if labels = stringsOf(literal); labels != nil {
			return false
		}
		if kind, ok := literal.Type.(*ast.SelectorExpr); ok && kind.Sel.Name == "Labels" {
			labels = keysIn(literal)
		}
		return true
	})
	return labels
}

// keysIn returns the keys of a map literal that are string literals.
func keysIn(literal *ast.CompositeLit) []string {
	var keys []string
	for _, element := range literal.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			keys = appendText(keys, pair.Key)
		}
	}
	return keys
}

func mentionsConstLabels(call *ast.CallExpr) bool {
	mentioned := false
	ast.Inspect(call, func(node ast.Node) bool {
		name, ok := node.(*ast.Ident)
		mentioned = mentioned || ok && name.Name == "ConstLabels"
		return !mentioned
	})
	return mentioned
}

package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	regoast "github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
)

// TestRegoIsAsOPAFormatsIt: every file, every block and phrase of a document,
// and every message that tells somebody what to write. What we show survives
// `opa fmt`.
func TestRegoIsAsOPAFormatsIt(t *testing.T) {
	seen := map[string]int{}
	err := filepath.WalkDir(filepath.Join("..", ".."), func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && len(entry.Name()) > 2:
			return filepath.SkipDir
		case entry.IsDir() || entry.Name() == "CHANGELOG.md" || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		kind := filepath.Ext(name)
		for _, source := range shownRego(t, name) {
			seen[kind]++
			formatted, err := format.SourceWithOpts(name, []byte(source), format.Opts{RegoVersion: regoast.RegoV1})
			if err != nil {
				t.Errorf("%s: %v in\n%s", name, err, source)
			} else if strings.TrimSpace(string(formatted)) != strings.TrimSpace(source) {
				t.Errorf("%s has\n%s\nwhich opa fmt makes\n%s", name, source, formatted)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen[".rego"] < 15 || seen[".md"] < 20 || seen[".go"] < 12 {
		t.Errorf("the test has lost its sight: %v", seen)
	}
}

// shownRego is the Rego in a file, each piece a module.
func shownRego(t *testing.T, file string) []string {
	t.Helper()
	switch filepath.Ext(file) {
	case ".rego":
		return []string{readFile(t, file)}
	case ".md":
		var all []string
		text := readFile(t, file)
		fences := regexp.MustCompile("(?ms)^```rego\n(.*?)^```")
		for _, block := range fences.FindAllStringSubmatch(text, -1) {
			all = append(all, block[1])
		}
		return append(all, phrases(fences.ReplaceAllString(text, ""))...)
	case ".go":
		var all []string
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if literal, is := n.(*ast.BasicLit); is && literal.Kind == token.STRING {
				text, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, phrases(text)...)
			}
			return true
		})
		return all
	}
	return nil
}

// phrases are the rules in a text that says what to write, with something in
// place of what a message fills in.
func phrases(text string) []string {
	var all []string
	for _, found := range regexp.MustCompile(
		`(?:require|headers|%s)(?:\.(?:NAME|%s|[a-z_]+)|\["[^"]*"\]|\[%q\])(?: :?= (?:…|"[^"]*"))?(?: if (?:…|[a-z_.]+))?`+
			`|(?:deny|warn|%s) contains (?:…|\{"code": [^}]*\})`+
			`|test_\w+ if [^\n]*`).FindAllString(text, -1) {
		if !strings.ContainsAny(found, " ") && !strings.Contains(found, `NAME`) {
			continue // a path, and no rule
		}
		if !strings.Contains(found, " ") {
			found += " if …"
		}
		whole := regexp.MustCompile(`^%s( contains|[.\[])`).ReplaceAllString(found, "require$1")
		whole = strings.Replace(whole, "require contains", "deny contains", 1)
		whole = strings.NewReplacer(`[%q]`, `["NAME"]`, `.%s`, `.NAME`, " if …", " if input.claims.a", " := …", ` := "…"`, "contains …", `contains "…"`).Replace(whole)
		all = append(all, "package authz\n\n"+whole+"\n")
	}
	return all
}

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// vagueWords mark a sentence without a clear subject, or a picture in the place of
// the standard's term.
var vagueWords = regexp.MustCompile(`(?i)\b(` + strings.Join([]string{
	"told", "said", "given", "stands?", "stood", "be it", "nobody", "somebody", "whoever", "whom", "by and by",
	"of no use", "hence", "doors?", "rigs?", "mint(s|ed)?", "gates?", "shelf", "shelves", "voices?", "hears?",
	"judges?", "judged", "judging", "moods?", "troubles?", "contenders?",
}, "|") + `)\b`)

// allowedWords are lines that keep such a word, by a part of the line.
var allowedWords = []struct{ file, part, reason string }{
	{"README.md", "issued for this door", "the picture of the product, in its first lines alone"},
}

// TestWords holds the prose of code and documents to plain words.
func TestWords(t *testing.T) {
	used, read := make([]bool, len(allowedWords)), 0
	root := filepath.Join("..", "..", "..")
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path, err := filepath.Rel(root, name)
		if err != nil || entry.IsDir() {
			return skipFolder(err, path, entry.Name())
		}
		if !hasProse(path) {
			return nil
		}
		content, err := os.ReadFile(name)
		read++
		for i, line := range strings.Split(string(content), "\n") {
			if word := vagueWords.FindString(line); word != "" && !allowWord(used, path, line) {
				t.Errorf("%s:%d: %q: write the sentence anew\n\t%s", path, i+1, word, strings.TrimSpace(line))
			}
		}
		return err
	})
	if err != nil || read < 300 {
		t.Fatalf("%d files were read: %v", read, err)
	}
	for i, allowed := range allowedWords {
		if !used[i] {
			t.Errorf("%s: no line with %q: remove the exception", allowed.file, allowed.part)
		}
	}
}

// skipFolder leaves folders out that hold no source of this module.
func skipFolder(err error, path, name string) error {
	hidden := strings.HasPrefix(name, ".") && path != "." && name != ".github"
	if err == nil && (hidden || slices.Contains([]string{"testdata", "bin", "node_modules"}, name)) {
		return filepath.SkipDir
	}
	return err
}

// hasProse is false for tests, for the history in CHANGELOG.md, and for files in
// formats without sentences.
func hasProse(path string) bool {
	isTest := strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "_test.rego")
	written := slices.Contains([]string{".go", ".md", ".yaml", ".yml", ".rego", ".sh"}, filepath.Ext(path)) ||
		slices.Contains([]string{"Makefile", "Dockerfile", "install"}, filepath.Base(path))
	return written && !isTest && path != "CHANGELOG.md"
}

func allowWord(used []bool, path, line string) bool {
	for i, allowed := range allowedWords {
		if filepath.ToSlash(path) == allowed.file && strings.Contains(line, allowed.part) {
			used[i] = true
			return true
		}
	}
	return false
}

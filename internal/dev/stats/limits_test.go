package main

import (
	"path/filepath"
	"testing"
)

// TestLimits holds the limits of size for all code outside tests.
func TestLimits(t *testing.T) {
	s, err := readModule(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if len(s) < 100 {
		t.Fatalf("%d files were read", len(s))
	}
	_, long := s.measure(linesOf, maxLines)
	_, deep := s.measure(nestingOf, maxNesting)
	_, many := s.measure(parametersOf, maxParameters)
	for limit, above := range map[string][]string{
		"a line has more than 120 columns":       s.wide(),
		"a function has more than 60 lines":      long,
		"statements are nested more than 3 deep": deep,
		"a function has more than 5 parameters":  many,
		"more than 111 names are exported (100, of issue 13 two types and four reasons, and of issue 14 two types and three reasons), the last:": s.exported()[min(maxExported, len(s.exported())):],
	} {
		for _, place := range above {
			t.Errorf("%s: %s", limit, place)
		}
	}
}

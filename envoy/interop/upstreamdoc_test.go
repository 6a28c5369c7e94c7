package interop

import (
	"os"
	"strings"
	"testing"
)

// TestTheDocumentHasTheCodeThatRuns with `make interop ONLY=upstream`.
func TestTheDocumentHasTheCodeThatRuns(t *testing.T) {
	page, err := os.ReadFile("../../docs/upstream.md")
	if err != nil {
		t.Fatal(err)
	}
	for language, file := range map[string]string{"python": "upstream/forecast.py", "go": "upstream/forecast.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(page), "\n```"+language+"\n")
		code, _, found := strings.Cut(rest, "```\n")
		if !found || code == "" || !strings.Contains(string(source), code) {
			t.Errorf("docs/upstream.md shows other code than %s:\n%s", file, code)
		}
	}
}

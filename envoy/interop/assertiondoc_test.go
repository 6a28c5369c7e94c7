package interop

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// documentCode is the code of docs/assertion.md in a language.
func documentCode(language string) (string, error) {
	page, err := os.ReadFile("../../docs/assertion.md")
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(string(page), "\n```"+language+"\n")
	code, rest, found := strings.Cut(rest, "```\n")
	if !found || code == "" || strings.Contains(rest, "```"+language+"\n") {
		return "", fmt.Errorf("docs/assertion.md has not one piece of %s", language)
	}
	return code, nil
}

// TestTheCodeOfAssertionsIsTheOneThatRuns with `make interop ONLY=assertion`, which reads the Python from the document.
func TestTheCodeOfAssertionsIsTheOneThatRuns(t *testing.T) {
	for language, file := range map[string]string{
		"go": "assertion/verify.go", "java": "assertion/src/main/java/doorward/interop/AssertionServer.java",
	} {
		code, err := documentCode(language)
		if err != nil {
			t.Fatal(err)
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(source), code) {
			t.Errorf("docs/assertion.md shows other code than %s:\n%s", file, code)
		}
	}
	if err := writePython(t.TempDir(), "0.0.0.0:1"); err != nil {
		t.Error(err)
	}
}

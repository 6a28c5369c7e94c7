package interop

import (
	"os"
	"regexp"
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

// TestTheDocumentsNameTheLibraries in the versions that ran.
func TestTheDocumentsNameTheLibraries(t *testing.T) {
	page, err := os.ReadFile("../../docs/upstream.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ file, pattern, text, before string }{
		{"upstream/requirements.txt", `(?m)^opentelemetry-api==(\S+)`, string(page), "| Python "},
		{"upstream/go.mod", `go.opentelemetry.io/otel v(\S+)`, string(page), "| Go "},
		{"upstream/requirements.txt", `(?m)^opentelemetry-instrumentation-httpx==(\S+)`, upstreamPage, "OpenTelemetry ("},
		{"upstream/go.mod", `net/http/otelhttp v(\S+)`, upstreamPage, "otelhttp "},
		{"zitadel/go.mod", `zitadel/oidc/v3 v(\S+)`, upstreamPage, "zitadel/oidc "},
	} {
		text, err := os.ReadFile(row.file)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(row.pattern).FindSubmatch(text)
		if found == nil || !strings.Contains(row.text, row.before+string(found[1])) {
			t.Errorf("%s: %q is not behind %q", row.file, found, row.before)
		}
	}
}

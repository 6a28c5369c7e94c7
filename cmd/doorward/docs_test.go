package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/doorward/doorward/extauthz/reason"
)

// TestWhatTheDocumentsShowWorks: the sample and the README's configuration and
// rules pass check together, as a newcomer would copy them.
func TestWhatTheDocumentsShowWorks(t *testing.T) {
	f := newFolder(t)
	readme := readFile(t, filepath.Join("..", "..", "README.md"))
	f.write(t, "policy/team.rego", block(t, readme, "rego"))
	f.write(t, "readme.yaml", block(t, readme, "yaml")+"\npolicy: {paths: [policy]}\n")
	for _, config := range []string{f.path("readme.yaml"), filepath.Join("..", "..", "envoy", "doorward.yaml")} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), []string{"check", "--config", config}, &stdout, &stderr)
		if code != 0 || strings.Contains(stdout.String(), "decides nothing") {
			t.Errorf("%s: exit %d, %s%s", config, code, &stdout, &stderr)
		}
	}
}

// TestTheUpstreamPageWorks: each of its configurations, below that of the README.
func TestTheUpstreamPageWorks(t *testing.T) {
	page := readFile(t, filepath.Join("..", "..", "docs", "upstream.md"))
	readme := block(t, readFile(t, filepath.Join("..", "..", "README.md")), "yaml")
	blocks := regexp.MustCompile("(?s)\n```yaml\n(.*?)```").FindAllStringSubmatch(page, -1)
	if len(blocks) != 2 {
		t.Fatalf("%d configurations", len(blocks))
	}
	for _, found := range blocks {
		f := newFolder(t)
		f.write(t, "handle.key", strings.Repeat("k", 32))
		f.write(t, "client.secret", "secret")
		text := readme + "\n" + found[1]
		if !strings.Contains(text, "listeners:") {
			text += "  listeners: [{listen: unix:///run/doorward/weather.sock, resource: weather}]\n"
		}
		f.write(t, "doorward.yaml", text)
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), []string{"check", "--config", f.path("doorward.yaml")}, &stdout, &stderr); code != 0 {
			t.Errorf("exit %d, %s%s of\n%s", code, &stdout, &stderr, text)
		}
	}
}

// TestTheReadmeNamesEveryReason as its table of verdicts promises.
func TestTheReadmeNamesEveryReason(t *testing.T) {
	readme := readFile(t, filepath.Join("..", "..", "README.md"))
	for _, r := range reason.All() {
		if r != reason.Passthrough && !strings.Contains(readme, "`"+r.String()+"`") {
			t.Errorf("no %s", r)
		}
	}
}

// TestTheExamplesWork runs the commands of examples/README.md, with the claims
// that it shows.
func TestTheExamplesWork(t *testing.T) {
	examples := filepath.Join("..", "..", "examples")
	claims := filepath.Join(t.TempDir(), "claims.json")
	if err := os.WriteFile(claims, []byte(block(t, readFile(t, filepath.Join(examples, "README.md")), "json")), 0o600); err != nil {
		t.Fatal(err)
	}
	config, rules := filepath.Join(examples, "minimal", "doorward.yaml"), filepath.Join(examples, "minimal", "policy")
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"check", "--config", config}, 0, "ok: 1 resource"},
		{[]string{"test", rules}, 0, "5 passed, 0 failed"},
		{[]string{"explain", "--config", config, "--url", "https://mcp.example.com/mcp", "--insecure-claims", claims}, 3, "known_tenant"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), test.args, &stdout, &stderr)
		if code != test.code || !strings.Contains(stdout.String(), test.want) {
			t.Errorf("%q: exit %d, %s%s", test.args, code, &stdout, &stderr)
		}
	}
}

// block is the first fenced block of this language, with its indentation taken
// off.
func block(t *testing.T, document, language string) string {
	t.Helper()
	found := regexp.MustCompile("(?ms)^( *)```" + language + "\n(.*?)^ *```").FindStringSubmatch(document)
	if found == nil {
		t.Fatalf("no %s block", language)
	}
	return regexp.MustCompile("(?m)^"+found[1]).ReplaceAllString(found[2], "")
}

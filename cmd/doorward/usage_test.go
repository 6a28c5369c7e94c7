package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestMistakesAreNamed: what is wrong with a command line names the command or
// the flag that it is about, and what was meant, most likely.
func TestMistakesAreNamed(t *testing.T) {
	for _, row := range []struct{ args, want string }{
		{"chek --config x.yaml", `unknown command "chek" for "doorward"`},
		{"chek --config x.yaml", "\tcheck\n"},
		{"sevre", "\tserve\n"},
		{"nonsense", "see doorward --help"},
		{"serve --configg x.yaml", "unknown flag: --configg: did you mean --config?"},
		{"serve --configg x.yaml", "see doorward serve --help"},
		{"serve --grpc_addr 127.0.0.1:1", "did you mean --grpc-addr?"},
		{"test --coverge", "did you mean --coverage?"},
		{"serve --grpc-addr", "flag needs an argument: --grpc-addr"},
		{"serve --issuer https://as.example.com", "--resource is missing"},
		{"serve --resource https://mcp.example.com", "--issuer is missing"},
		{"serve --config x.yaml --scope a --http-addr off", "--scope, --http-addr and --config exclude each other"},
		{"explain --config x.yaml --url mcp", "--url is no absolute URL"},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), strings.Fields(row.args), &stdout, &stderr); code != exitUsage || !strings.Contains(stderr.String(), row.want) {
			t.Errorf("%s: exit %d, no %q in %s", row.args, code, row.want, &stderr)
		}
	}
}

// TestNothingIsCountedWithoutGrammar: "1 problems" is what a format of its own
// would write; [count] knows better.
func TestNothingIsCountedWithoutGrammar(t *testing.T) {
	if one, two := count(1, "policy file"), count(2, "policy file"); one != "1 policy file" || two != "2 policy files" {
		t.Errorf("%s, %s", one, two)
	}
	sources, err := filepath.Glob("*.go")
	if err != nil || len(sources) == 0 {
		t.Fatal(err)
	}
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`%d (?:[a-z]+ )*[a-z]+s\b`).FindAllString(string(text), -1) {
			t.Errorf("%s: %q", source, found)
		}
	}
}

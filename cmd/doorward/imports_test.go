package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/doorward/doorward"

// arrows are the only imports of ours that production code may have. They go
// one way; a new one is a change of the architecture.
var arrows = map[string][]string{
	"cmd/doorward":         {"internal/snapshot", "internal/explain", "extauthz/finding", "internal/config", "internal/routes", "internal/service", "internal/online", "extauthz", "extauthz/jwks", "extauthz/resource", "extauthz/revocation", "extauthz/token", "internal/policy", "internal/bundles", "internal/redact", "internal/regotest", "rego/library", "rego"},
	"internal/explain":     {"extauthz", "extauthz/jwks", "extauthz/resource", "extauthz/token", "internal/mcp", "internal/policy", "internal/config", "internal/redact", "internal/service"},
	"internal/service":     {"internal/snapshot", "extauthz/finding", "internal/config", "extauthz", "extauthz/jwks", "extauthz/resource", "extauthz/revocation", "extauthz/token", "internal/policy", "internal/bundles", "internal/assertion", "internal/decisionlog", "internal/handle", "rego", "internal/destination", "internal/egress", "internal/exchange", "internal/tracing"},
	"internal/config":      {"internal/snapshot", "extauthz/finding", "extauthz/jwks", "extauthz/resource", "extauthz/token", "internal/mcp", "internal/outbound", "internal/assertion", "internal/bundles", "internal/destination", "internal/exchange", "internal/handle"},
	"internal/denials":     {"extauthz/reason"},
	"internal/egress":      {"extauthz", "extauthz/reason", "extauthz/token", "internal/assertion", "internal/checkgrpc", "internal/checkwire", "internal/decisionlog", "internal/denials", "internal/destination", "internal/exchange", "internal/folding", "internal/handle", "internal/policy", "internal/redact", "internal/tokensearch", "internal/tracing"},
	"internal/destination": {"extauthz/finding", "internal/exchange", "internal/hostpath", "internal/outbound"},
	"internal/mcp":         {"internal/strictjson"},
	"internal/online":      {"extauthz/finding", "internal/config", "extauthz/jwks", "internal/bundles"},
	"extauthz":             {"extauthz/reason", "extauthz/resource", "extauthz/revocation", "extauthz/token", "internal/policy", "internal/assertion", "internal/checkgrpc", "internal/checkwire", "internal/clientcert", "internal/decisionlog", "internal/denials", "internal/folding", "internal/handle", "internal/mcp", "internal/redact", "internal/tracing"},
	"extauthz/httpauth":    {"extauthz"},
	"extauthz/token":       {"extauthz/jwks", "extauthz/reason", "internal/strictjson"},
	"extauthz/jwks":        {"extauthz/finding", "extauthz/reason", "internal/outbound", "internal/strictjson", "internal/tracing"},
	"extauthz/finding":     {},
	"extauthz/reason":      {},
	"extauthz/resource":    {"extauthz/finding", "internal/hostpath", "internal/mcp"},
	"extauthz/revocation":  {"internal/strictjson"},
	"internal/checkgrpc":   {},
	"internal/checkwire":   {"internal/folding", "internal/redact"},
	"internal/clientcert":  {},
	"internal/exchange":    {"extauthz/finding", "extauthz/jwks", "extauthz/token", "internal/outbound", "internal/signing", "internal/strictjson"},
	"internal/outbound":    {},
	"internal/policy":      {"extauthz/finding", "internal/lint", "internal/folding"},
	"internal/bundles":     {"extauthz/finding", "internal/outbound", "internal/policy"},
	"internal/decisionlog": {"internal/outbound", "internal/redact"},
	"internal/assertion":   {"internal/signing"},
	"internal/folding":     {},
	"internal/handle":      {},
	"internal/routes":      {"extauthz/resource"},
	"internal/snapshot":    {},
	"internal/hostpath":    {},
	"internal/lint":        {"extauthz/finding", "internal/folding"},
	"internal/redact":      {},
	"internal/regotest":    {"extauthz/finding", "internal/policy"},
	"internal/signing":     {},
	"internal/strictjson":  {},
	"internal/tokensearch": {"internal/redact"},
	"internal/tracing":     {"internal/redact"},
	"policy":               {"internal/policy", "rego"},
	"rego":                 {},
	"rego/library":         {},
	// For the demo, the benchmarks and the tests alone.
	"benchmarks/authority":       {"internal/testenv", "internal/testenv/jwttest"},
	"benchmarks/chart":           {},
	"benchmarks/compare":         {"benchmarks/gobench"},
	"benchmarks/scenario":        {"benchmarks/authority", "benchmarks/chart", "benchmarks/traffic", "internal/testenv"},
	"benchmarks/fairness":        {"benchmarks/traffic", "internal/testenv", "internal/testenv/jwttest"},
	"benchmarks/gobench":         {},
	"benchmarks/load":            {"benchmarks/authority", "benchmarks/chart", "benchmarks/scenario", "benchmarks/gobench", "benchmarks/machine", "benchmarks/traffic", "internal/testenv", "internal/testenv/jwttest"},
	"benchmarks/machine":         {},
	"benchmarks/peers/empty":     {},
	"benchmarks/peers/usual":     {},
	"benchmarks/scale":           {"benchmarks/traffic", "internal/testenv", "internal/testenv/jwttest"},
	"benchmarks/traffic":         {},
	"cmd/demo":                   {"envoy", "internal/testenv", "internal/testenv/jwttest"},
	"envoy":                      {},
	"envoy/interop/messages":     {},
	"internal/testenv":           {"envoy", "internal/testenv/jwttest"},
	"internal/testenv/collector": {},
	"internal/testenv/hiding":    {},
	"internal/testenv/jwttest":   {},
	"internal/testenv/providers": {"internal/testenv/jwttest"},
	"internal/testenv/readers":   {},
	"internal/dev/api":           {},
	"internal/dev/docs":          {"extauthz/reason"},
	"internal/dev/mutate":        {},
	"internal/dev/schemas":       {},
	"internal/dev/stats":         {},
}

// TestArrows parses the sources in process: the test cache would not see what
// a subprocess reads.
func TestArrows(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && name != root && (strings.HasPrefix(entry.Name(), ".") || isModule(name)) {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		relative, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		from := filepath.ToSlash(relative)
		seen[from] = true
		for _, to := range oursImportedBy(t, name) {
			if !slices.Contains(arrows[from], to) {
				t.Errorf("%s imports %s: no such arrow", from, to)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for from := range arrows {
		if !seen[from] {
			t.Errorf("no package %s: take its arrows out", from)
		}
	}
	for from := range seen {
		if _, known := arrows[from]; !known {
			t.Errorf("package %s is not on the list", from)
		}
	}
}

// isModule reports whether a folder is a Go module of its own.
func isModule(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, "go.mod"))
	return err == nil
}

func oursImportedBy(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var ours []string
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if to, isOurs := strings.CutPrefix(imported, module+"/"); isOurs {
			ours = append(ours, to)
		}
	}
	return ours
}

// TestTheDemoStaysOut: nothing that only the demo or a test of ours needs is in
// the binary. (OPA's test runner, for `doorward test`, brings package testing.)
func TestTheDemoStaysOut(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "./").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, module+"/extauthz") {
		t.Fatalf("go list says %d packages, and ours is not among them", len(deps))
	}
	for _, dep := range deps {
		for _, unwanted := range []string{path.Join(module, "cmd/demo"), path.Join(module, "envoy"), "github.com/modelcontextprotocol", "github.com/open-policy-agent/opa/v1/server", "github.com/google/go-cmp", "github.com/google/jsonschema-go", "net/http/httptest"} {
			if dep == unwanted || strings.HasPrefix(dep, unwanted+"/") {
				t.Errorf("the binary holds %s", dep)
			}
		}
	}
}

// TestStaticBinary runs the Dockerfile's build line and starts what it makes in
// an empty directory, without an environment.
func TestStaticBinary(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the whole binary")
	}
	line := dockerBuildLine(t)
	binary := filepath.Join(t.TempDir(), "doorward")
	line = strings.Replace(line, "-o /doorward", "-o "+binary, 1)
	build := exec.CommandContext(t.Context(), "sh", "-c", line)
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	run := exec.CommandContext(t.Context(), binary, "version")
	run.Dir, run.Env = t.TempDir(), []string{"A=B"}
	out, err := run.CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "doorward ") {
		t.Errorf("%v: %s", err, out)
	}
	checkListensEverywhere(t, binary)
}

func dockerBuildLine(t *testing.T) string {
	t.Helper()
	dockerfile, err := os.ReadFile(filepath.Join("..", "..", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(dockerfile)) {
		if command, found := strings.CutPrefix(line, "RUN "); found && strings.Contains(command, "go build") {
			return strings.TrimSpace(command)
		}
	}
	t.Fatal("the Dockerfile builds nothing")
	return ""
}

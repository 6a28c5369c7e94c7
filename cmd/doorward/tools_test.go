package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/loader"
	"github.com/open-policy-agent/opa/v1/tester"
	"go.yaml.in/yaml/v3"
)

// command runs one and returns its exit code and what it said.
func command(t testing.TB, args ...string) (int, string, string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// TestTestCommand: what it says, and how it ends.
func TestTestCommand(t *testing.T) {
	const head = "package authz_test\n\nimport data.authz\n\nimport data.doorward\n\n"
	for _, row := range []struct {
		intent, test string
		code         int
		says         []string
		complains    string
	}{
		{"a pass", head + "test_a if authz.require.a with input as doorward.request({\"method\": \"GET\"})\n", 0, []string{"1 passed, 0 failed\n"}, ""},
		{"a failure", head + "test_a if authz.require.a with input as doorward.request({\"method\": \"POST\"})\n", 1, []string{
			"a_test.rego:7: FAIL authz_test.test_a\n", `authz.rego:3: input.request.method == "GET"  ["POST" == "GET"]`,
			"    input:    as of doorward.request({})\n", `    decision: {"outcome":"policy_denied","team":{"unmet":["a"]}}`, "0 passed, 1 failed\n",
		}, ""},
		{"no test", head + "helps := 1\n", 1, nil, "no test was run"},
		{"one that is not done", head + "todo_test_a := true\n", 1, []string{"SKIP authz_test.todo_test_a"}, "no test was run"},
		{"a mistake", head + "test_a if nonsense(1)\n", 1, []string{"a_test.rego:7:11: undefined function nonsense"}, "1 problem, no test was run"},
	} {
		t.Run(row.intent, func(t *testing.T) {
			f := newFolder(t)
			f.write(t, "policy/authz.rego", "package authz\n\nrequire.a if input.request.method == \"GET\"\n")
			f.write(t, "policy/a_test.rego", row.test)
			code, stdout, stderr := command(t, "test", f.path("policy"))
			if code != row.code || !strings.Contains(stderr, row.complains) || row.complains == "" && stderr != "" {
				t.Errorf("exit %d, %s", code, stderr)
			}
			for _, want := range row.says {
				if !strings.Contains(stdout, want) {
					t.Errorf("no %q in:\n%s", want, stdout)
				}
			}
		})
	}
}

// TestTestCommandCounts: coverage, and the tests that passed.
func TestTestCommandCounts(t *testing.T) {
	f := newFolder(t)
	f.write(t, "policy/authz.rego", "package authz\n\nrequire.a if input.request.method == \"GET\"\n\nrequire.b if input.claims.b\n")
	f.write(t, "policy/a_test.rego", "package authz_test\n\nimport data.authz\n\ntest_a if not authz.require.b\n")
	_, stdout, _ := command(t, "test", "--coverage", "--verbose", f.path("policy"))
	for _, want := range []string{"a_test.rego:5: PASS authz_test.test_a\n", "  0.0%  ", "authz.rego  not evaluated: 3, 5\n", "1 passed, 0 failed\n"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in:\n%s", want, stdout)
		}
	}
}

// TestSchemaCommand prints JSON that is a schema.
func TestSchemaCommand(t *testing.T) {
	for _, which := range []string{"config", "input"} {
		code, stdout, stderr := command(t, "schema", which)
		var schema struct {
			Schema     string `json:"$schema"`
			Type       string
			Properties map[string]any
		}
		if err := json.Unmarshal([]byte(stdout), &schema); err != nil || code != 0 || stderr != "" {
			t.Fatalf("%s: exit %d, %v, %s", which, code, err, stderr)
		}
		if schema.Schema != "http://json-schema.org/draft-07/schema#" || schema.Type != "object" || len(schema.Properties) < 5 {
			t.Errorf("%s: %+v", which, schema)
		}
	}
}

// TestSchemaPresets prints YAML with what each preset fills in.
func TestSchemaPresets(t *testing.T) {
	code, stdout, stderr := command(t, "schema", "presets")
	var presets map[string][]map[string]any
	if err := yaml.Unmarshal([]byte(stdout), &presets); err != nil || code != 0 || stderr != "" {
		t.Fatalf("exit %d, %v, %s", code, err, stderr)
	}
	if len(presets) < 16 || presets["keycloak"][0]["version"] != 1 || presets["keycloak"][0]["generic_audiences"] == nil {
		t.Errorf("%v", presets)
	}
}

// TestStarter: the folder to start from passes its own tests, check, and OPA's
// own runner beside the library.
func TestStarter(t *testing.T) {
	f := newFolder(t)
	policy := f.path("policy")
	if code, stdout, stderr := command(t, "library", "--starter", policy); code != 0 || !strings.Contains(stdout, filepath.Join("policy", "authz_test.rego")) {
		t.Fatalf("exit %d, %s%s", code, stdout, stderr)
	}
	code, stdout, stderr := command(t, "test", "--coverage", policy)
	if code != 0 || !strings.Contains(stdout, "7 passed, 0 failed") || !strings.Contains(stdout, "100.0%") {
		t.Errorf("exit %d, %s%s", code, stdout, stderr)
	}
	if code, stdout, _ := command(t, "check", "--config", f.configure(t, "policy: {paths: [policy]}")); code != 0 || strings.Contains(stdout, "warning") {
		t.Errorf("exit %d, %s", code, stdout)
	}
	f.write(t, "policy/authz.rego", "package authz\n")
	if code, _, stderr := command(t, "library", "--starter", policy); code != exitFailure || !strings.Contains(stderr, "authz.rego is there, and not as doorward wrote it") {
		t.Errorf("again: exit %d, %s", code, stderr)
	}
}

// TestLibraryForOPA does what `opa test DIR policy` and `opa check --strict
// --schema DIR/schemas/input.json DIR policy` do.
func TestLibraryForOPA(t *testing.T) {
	f := newFolder(t)
	library, policy := f.path("library"), f.path("policy")
	command(t, "library", library)
	command(t, "library", "--starter", policy)

	modules, store, err := tester.Load([]string{library, policy}, nil)
	if err != nil {
		t.Fatal(err)
	}
	results, err := tester.NewRunner().SetStore(store).SetModules(maps.Clone(modules)).RaiseBuiltinErrors(true).RunTests(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for result := range results {
		ran++
		if !result.Pass() {
			t.Error(result)
		}
	}
	if ran != 7 {
		t.Errorf("%d tests ran", ran)
	}

	f.write(t, "policy/more.rego", "package authz\n\nrequire.more if input.request.methd == \"GET\"\n")
	if got := opaCheck(t, library, policy); len(got) != 1 || got[0].Location.File != filepath.Join(policy, "more.rego") || got[0].Location.Row != 3 {
		t.Errorf("with a path that is never there: %v", got)
	}
	f.write(t, "policy/more.rego", "package authz\n\nrequire.more if input.request.method == \"GET\"\n")
	if got := opaCheck(t, library, policy); len(got) > 0 {
		t.Error(got)
	}
}

func opaCheck(t *testing.T, library, policy string) ast.Errors {
	t.Helper()
	schemas, err := loader.Schemas(filepath.Join(library, "schemas", "input.json"))
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := loader.NewFileLoader().WithProcessAnnotation(true).All([]string{library, policy})
	if err != nil {
		t.Fatal(err)
	}
	compiler := ast.NewCompiler().WithStrict(true).WithSchemas(schemas).WithUseTypeCheckAnnotations(true)
	compiler.Compile(loaded.ParsedModules())
	return compiler.Errors
}

// TestLibraryOverwritesItsOwnAlone: an older library is replaced; what somebody
// wrote or changed stays, and then nothing at all is written.
func TestLibraryOverwritesItsOwnAlone(t *testing.T) {
	f := newFolder(t)
	dir := f.path("library")
	_, first, _ := command(t, "library", dir)
	if code, stdout, _ := command(t, "library", dir); code != 0 || stdout != "" {
		t.Errorf("again: exit %d, %s", code, stdout)
	}
	if strings.Count(first, "\n") < 8 {
		t.Errorf("written: %s", first)
	}

	// An older doorward wrote another text, and noted its sum.
	old := "# older\npackage doorward.scope\n"
	sums := readFile(t, filepath.Join(dir, sumsFile))
	now := sum([]byte(readFile(t, filepath.Join(dir, "doorward", "scope.rego"))))
	f.write(t, "library/doorward/scope.rego", old)
	f.write(t, "library/"+sumsFile, strings.Replace(sums, now, sum([]byte(old)), 1))
	if code, stdout, stderr := command(t, "library", dir); code != 0 || strings.Count(stdout, "\n") != 2 || readFile(t, filepath.Join(dir, sumsFile)) != sums {
		t.Errorf("an older one: exit %d, %s%s", code, stdout, stderr)
	}

	f.write(t, "library/doorward/scope.rego", "# mine\n")
	if err := os.Remove(filepath.Join(dir, "doorward", "audience.rego")); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := command(t, "library", dir)
	if code != exitFailure || stdout != "" || !strings.Contains(stderr, filepath.Join("doorward", "scope.rego")+" is there, and not as doorward wrote it: move it away, or name another folder") {
		t.Errorf("a changed one: exit %d, %s%s", code, stdout, stderr)
	}
	if _, err := os.Stat(filepath.Join(dir, "doorward", "audience.rego")); err == nil {
		t.Error("something was written all the same")
	}
	if got := readFile(t, filepath.Join(dir, "doorward", "scope.rego")); got != "# mine\n" {
		t.Errorf("overwritten: %s", got)
	}

	f.write(t, "other/README.md", "mine\n")
	if code, _, stderr := command(t, "library", f.path("other")); code != exitFailure || !strings.Contains(stderr, "README.md is there") {
		t.Errorf("a folder of somebody: exit %d, %s", code, stderr)
	}
}

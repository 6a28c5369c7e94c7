package rego_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/doorward/doorward/rego"
	"github.com/doorward/doorward/rego/library"
)

func parse(t *testing.T, files []string) map[string]*ast.Module {
	t.Helper()
	modules := map[string]*ast.Module{}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m, err := ast.ParseModuleWithOpts(file, string(source), ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil {
			t.Fatal(err)
		}
		modules[file] = m
	}
	return modules
}

func glob(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.rego")
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// besides are the modules for tests, with theirs.
func besides(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("library/*.rego")
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Every test_ rule beside the modules, through OPA's own runner.
func TestRego(t *testing.T) {
	results, err := tester.NewRunner().RaiseBuiltinErrors(true).SetModules(parse(t, append(glob(t), besides(t)...))).RunTests(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ran := map[string]int{}
	for r := range results {
		ran[r.Package]++
		t.Run(r.Package+"."+r.Name, func(t *testing.T) {
			if r.Error != nil {
				t.Fatal(r.Error)
			}
			if r.Fail || r.Skip {
				t.Fatalf("%s: fail %v, skip %v", r.Location, r.Fail, r.Skip)
			}
		})
	}
	for _, name := range []string{"audience", "passthrough", "scope", "team", "authentication", "anonymous", "egress", "decision", "builders"} {
		if ran["data.doorward."+name+"_test"] == 0 {
			t.Errorf("no test of %s ran; ran: %v", name, ran)
		}
	}
}

// The modules pass OPA's strict checks (unused variables and imports, deprecated
// built-ins) and are formatted as `opa fmt` would.
func TestModulesAreCleanRego(t *testing.T) {
	files := append(glob(t), besides(t)...)
	c := ast.NewCompiler().WithStrict(true)
	if c.Compile(parse(t, files)); c.Failed() {
		t.Error(c.Errors)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := format.SourceWithOpts(file, source, format.Opts{RegoVersion: ast.RegoV1})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(source, want) {
			t.Errorf("%s is not formatted (-want +got):\n%s", file, cmp.Diff(string(want), string(source)))
		}
	}
}

// Every module is embedded, and no test is. What serves has no builder.
func TestFiles(t *testing.T) {
	for _, row := range []struct {
		files fs.FS
		all   []string
	}{{rego.Files, glob(t)}, {library.Files, besides(t)}} {
		embedded, err := fs.Glob(row.files, "*.rego")
		if err != nil {
			t.Fatal(err)
		}
		want := slices.DeleteFunc(row.all, func(file string) bool { return strings.HasSuffix(file, "_test.rego") })
		for i := range want {
			want[i] = filepath.Base(want[i])
		}
		if diff := cmp.Diff(want, embedded); diff != "" {
			t.Errorf("embedded files (-want +got):\n%s", diff)
		}
	}
}

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sample = `package p

func f(a, b int, ok bool) int {
	if a < b && !ok {
		a = b
		g()
	}
	s := "x" + "y"
	_ = s
	return a + b
}
`

func everyLine(int) bool { return true }

func changesOf(mutants []mutant) []string {
	var changes []string
	for _, m := range mutants {
		changes = append(changes, m.change())
	}
	slices.Sort(changes)
	return changes
}

func TestGoMutants(t *testing.T) {
	mutants, err := goMutants("p.go", []byte(sample), everyLine)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"! -> (nothing)", "&& -> ||", "+ -> -", "< -> <=", "_ = s -> (nothing)", "a = b -> (nothing)",
		"a < b && !ok -> false && (a < b && !ok)", "a < b && !ok -> true || a < b && !ok", "g() -> (nothing)",
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, changesOf(mutants)); diff != "" {
		t.Error(diff)
	}
	some, err := goMutants("p.go", []byte(sample), func(line int) bool { return line == 10 })
	if err != nil || len(some) != 1 || some[0].line != 10 || !strings.Contains(string(some[0].text()), "return a - b") {
		t.Errorf("%v, %v", some, err)
	}
}

func TestRegoMutants(t *testing.T) {
	const rules = "package p\n\n# a == b\nallow if {\n\tnot input.x\n\tinput.y == 1\n}\n"
	want := []string{"== -> !=", "input.y == 1 -> (nothing)", "not -> (nothing)", "not input.x -> (nothing)"}
	if diff := cmp.Diff(want, changesOf(regoMutants("p.rego", []byte(rules), everyLine))); diff != "" {
		t.Error(diff)
	}
}

func TestParseDiff(t *testing.T) {
	got := parseDiff("--- a/p.go\n+++ b/p.go\n@@ -1,2 +3,2 @@ func x\n+a\n+b\n@@ -9 +8,0 @@\n-c\n@@ -20 +19 @@\n+d\n")
	if diff := cmp.Diff(map[string]map[int]bool{"p.go": {3: true, 4: true, 19: true}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestShips(t *testing.T) {
	for file, want := range map[string]bool{
		"extauthz/request.go": true, "extauthz/read_test.go": false, "rego/scope.rego": true, "rego/scope_test.rego": false,
		"cmd/demo/main.go": false, "cmd/doorward/main.go": true, "internal/dev/mutate/main.go": false, "benchmarks/x.go": false,
		"internal/bundles/source.go": true, "policy/testdata/x.go": false,
	} {
		if ships(file) != want {
			t.Errorf("%s: %v", file, !want)
		}
	}
}

func TestVerdictOf(t *testing.T) {
	failed := errors.New("exit status 1")
	for text, want := range map[string]verdict{
		"--- FAIL: TestX": killed, "panic: test timed out after 1s": timedOut, "FAIL p [build failed]": notCompiled,
	} {
		if got := verdictOf(text, failed); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
	if got := verdictOf("ok", nil); got != survived {
		t.Errorf("no failure: %s", got)
	}
}

// TestPlanted: every mutant of the list fits the code.
func TestPlanted(t *testing.T) {
	mutants, err := plantedMutants("../../..", plantedList)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		if !ships(m.file) || string(m.original) == string(m.text()) {
			t.Errorf("%s changes nothing that ships", m)
		}
	}
	if _, err := plantedMutants(t.TempDir(), "a.go | x | y\n"); err == nil {
		t.Error("a missing file was planted into")
	}
}

// TestEquivalentNamesMutants: every reason belongs to a mutant.
func TestEquivalentNamesMutants(t *testing.T) {
	for key := range reasons(equivalentList) {
		file, change, _ := strings.Cut(key, ": ")
		content, err := os.ReadFile(filepath.Join("../../..", file))
		if err != nil {
			t.Error(err)
			continue
		}
		mutants, err := goMutants(file, content, everyLine)
		if err != nil || !slices.Contains(changesOf(mutants), change) {
			t.Errorf("%s has no mutant %q", file, change)
		}
	}
}

// TestOverlay tries two mutants of a small package for real: one that its test
// notices, and one that it does not.
func TestOverlay(t *testing.T) {
	if testing.Short() {
		t.Skip("builds test binaries")
	}
	folder := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":      "module " + module + "\n\ngo 1.26\n",
		"p/p.go":      "package p\n\nfunc Less(a, b int) bool {\n\tlog()\n\treturn a < b\n}\n\nfunc log() {}\n",
		"p/r.rego":    "package p\n",
		"p/e.go":      "package p\n\nimport _ \"embed\"\n\n//go:embed r.rego\nvar rules string\n",
		"p/e_test.go": "package p\n\nimport \"testing\"\n\nfunc TestRules(t *testing.T) {\n\tif rules != \"package p\\n\" {\n\t\tt.Fatal()\n\t}\n}\n",
		"p/p_test.go": "package p\n\nimport \"testing\"\n\nfunc TestLess(t *testing.T) {\n\tif Less(1, 1) {\n\t\tt.Fatal()\n\t}\n}\n",
	} {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(folder)
	r, err := newRunner(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	content, err := os.ReadFile("p/p.go")
	if err != nil {
		t.Fatal(err)
	}
	mutants, err := goMutants("p/p.go", content, everyLine)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]verdict{}
	for _, m := range mutants {
		got[m.change()] = r.try(t.Context(), m)
	}
	if diff := cmp.Diff(map[string]verdict{"< -> <=": killed, "log() -> (nothing)": survived}, got); diff != "" {
		t.Error(diff)
	}
	embedded := mutant{file: "p/r.rego", line: 1, to: len("package"), with: "import", original: []byte("package p\n")}
	if v := r.try(t.Context(), embedded); v != killed {
		t.Errorf("an embedded file: %s", v)
	}
	if kept, err := os.ReadFile("p/r.rego"); err != nil || string(kept) != "package p\n" {
		t.Errorf("the embedded file is %q afterwards, %v", kept, err)
	}
}

func TestNoSelection(t *testing.T) {
	if _, err := run(context.Background(), options{}, io.Discard); err == nil || !strings.Contains(err.Error(), "BASE") {
		t.Errorf("%v", err)
	}
}

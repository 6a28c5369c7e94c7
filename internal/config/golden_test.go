package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/config"
)

var update = flag.Bool("update", false, "write the golden files")

// fewest is the least number of different problems that must have a message.
const fewest = 36

// TestBadConfiguration compares the message of every problem. A case is a file or
// a folder in testdata/bad; its .golden file has what is printed about it.
func TestBadConfiguration(t *testing.T) {
	t.Chdir("testdata/bad")
	names := cases(t)
	if len(names) < fewest {
		t.Fatalf("%d cases of bad configuration, want at least %d", len(names), fewest)
	}
	// Every other case has one mistake, and no second error follows from it.
	mistakes := map[string]int{"alias.yaml": 2, "many-mistakes.yaml": 19}
	kinds := map[string]string{}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			c, problems := config.Load([]string{name})
			if c != nil {
				t.Error("a bad configuration was loaded")
			}
			compare(t, name, problems)
			want, ok := mistakes[name]
			if !ok {
				want = 1
			}
			errors := problems.Errors()
			if len(errors) != want {
				t.Fatalf("%d mistakes, %d errors", want, len(errors))
			}
			kinds[errors[0].Message+errors[0].Fix] = name
		})
	}
	if len(kinds) < fewest {
		t.Errorf("%d different kinds of problem, want at least %d", len(kinds), fewest)
	}
}

// TestWarnings: a configuration with warnings alone is loaded.
func TestWarnings(t *testing.T) {
	t.Chdir("testdata/warn")
	for _, name := range cases(t) {
		t.Run(name, func(t *testing.T) {
			c, problems := config.Load([]string{name})
			if c == nil {
				t.Error("a configuration with warnings alone was refused")
			}
			if len(problems.Warnings()) == 0 {
				t.Error("no warning")
			}
			compare(t, name, problems)
		})
	}
}

func TestGoodConfiguration(t *testing.T) {
	t.Chdir("testdata/good")
	for _, name := range cases(t) {
		t.Run(name, func(t *testing.T) {
			c, problems := config.Load([]string{name})
			if c == nil || len(problems) > 0 {
				t.Errorf("config = %v, problems:\n%s", c, text(problems))
			}
		})
	}
}

func cases(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() || filepath.Ext(e.Name()) == ".yaml" {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		t.Fatal("no cases found")
	}
	return names
}

func compare(t *testing.T, name string, problems finding.List) {
	t.Helper()
	golden := strings.TrimSuffix(name, ".yaml") + ".golden"
	got := text(problems)
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-golden +got), run with -update if it is meant:\n%s", diff)
	}
}

func text(problems finding.List) string {
	var b strings.Builder
	for _, p := range problems {
		b.WriteString(p.String() + "\n")
	}
	return b.String()
}

// TestGoldenHasItsCase: every golden file belongs to a case.
func TestGoldenHasItsCase(t *testing.T) {
	for _, folder := range []string{"bad", "warn"} {
		goldens, err := filepath.Glob("testdata/" + folder + "/*.golden")
		if err != nil || len(goldens) == 0 {
			t.Fatalf("no golden files in %s: %v", folder, err)
		}
		for _, g := range goldens {
			name := strings.TrimSuffix(g, ".golden")
			if !slices.ContainsFunc([]string{name, name + ".yaml"}, exists) {
				t.Errorf("%s has no case", g)
			}
		}
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

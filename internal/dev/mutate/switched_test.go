package main

import (
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const counted = `package p

const most = 2 + 1

func Count(a, b int, ok bool) int {
	if a < b && !ok {
		a++
	}
	if ok == (a != b) || b > most {
		note(a)
	}
	return a + b*2
}

var notes []int

func note(a int) { notes = append(notes, a) }

func unreached(s, t string) string {
	if s < t {
		return s + t
	}
	panic("p")
}
`

const countedTest = `package p

import "testing"

func TestCount(t *testing.T) {
	if Count(1, 2, false) != 6 || Count(2, 2, false) != 6 || Count(1, 3, true) != 7 {
		t.Fatal("count")
	}
}

func TestOther(t *testing.T) {
	if Count(3, 1, false) != 5 {
		t.Fatal("count")
	}
}
`

// countedModule is a module with one package, in the working directory.
func countedModule(t *testing.T) []mutant {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"go.mod": "module " + module + "\n\ngo 1.26\n", "internal/p/p.go": counted, "internal/p/p_test.go": countedTest,
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mutants, err := goMutants("internal/p/p.go", []byte(counted), everyLine)
	if err != nil {
		t.Fatal(err)
	}
	return mutants
}

// TestOneProgramAgrees: a mutant in a program with all others has the verdict that
// it has alone.
func TestOneProgramAgrees(t *testing.T) {
	mutants := countedModule(t)
	r, err := newRunner(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.close() })
	got, want := map[string]verdict{}, map[string]verdict{}
	p, err := buildProgram(t.Context(), r, mutants)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		want[m.String()] = r.try(t.Context(), m)
	}
	for _, m := range p.refused {
		got[m.String()] = r.try(t.Context(), m)
	}
	trial, err := newTrial(t.Context(), p, func(string, ...any) {})
	if err != nil || len(trial.fails) > 0 {
		t.Fatal(err, trial.fails)
	}
	numbers := slices.Sorted(maps.Keys(p.mutants))
	trial.all(t.Context(), numbers, func(m mutant, v verdict) { got[m.String()] = v })
	for name, v := range want {
		if v == notCompiled && got[name] == survived {
			delete(want, name) // a variable that nothing reads is no error there
			delete(got, name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	counts := map[verdict]int{}
	for _, v := range got {
		counts[v]++
	}
	if counts[killed] < 8 || counts[survived] < 3 || len(p.refused) < 3 || len(numbers) < 15 {
		t.Errorf("%d in one program, %d alone: %v", len(numbers), len(p.refused), counts)
	}
}

// TestSwitchedTextKeepsLines: errors of the compiler name the lines of the file.
func TestSwitchedTextKeepsLines(t *testing.T) {
	mutants, err := goMutants("p.go", []byte(sample), everyLine)
	if err != nil {
		t.Fatal(err)
	}
	numbered := map[int]mutant{}
	for i, m := range mutants {
		numbered[i+1] = m
	}
	text := switchedText([]byte(sample), numbered)
	if bytes.Count(text, []byte("\n")) != strings.Count(sample, "\n") {
		t.Errorf("%s", text)
	}
	if _, err := parser.ParseFile(token.NewFileSet(), "p.go", text, 0); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	for number := range numbered {
		if !bytes.Contains(text, fmt.Appendf(nil, "(%d", number)) {
			t.Errorf("mutant %d is missing:\n%s", number, text)
		}
	}
}

// TestJournal: a second run tries what the first did not.
func TestJournal(t *testing.T) {
	mutants, err := goMutants("p.go", []byte(sample), everyLine)
	if err != nil {
		t.Fatal(err)
	}
	journal := filepath.Join(t.TempDir(), "journal")
	for round, left := range []int{len(mutants), len(mutants) - 3} {
		first := tally{out: &bytes.Buffer{}, counts: map[verdict]int{}}
		rest, err := first.resume(journal, mutants)
		if err != nil || len(rest) != left {
			t.Fatalf("round %d: %d left, want %d, %v", round, len(rest), left, err)
		}
		for i, v := range []verdict{killed, survived, notCompiled, notTried}[:4*(1-round)] {
			first.count(rest[i], v)
		}
		if round == 1 && (first.counts[killed] != 1 || first.counts[survived] != 1 || first.counts[notCompiled] != 1) {
			t.Errorf("%v", first.counts)
		}
		if err := first.journal.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

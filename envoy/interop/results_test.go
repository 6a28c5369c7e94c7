package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestExitCode(t *testing.T) {
	well := row{server: "a", wanted: "200 allowed", got: "200 allowed"}
	wrong := row{server: "a", wanted: "200 allowed", got: "401 key_unknown"}
	noKeycloak := notRun{flag: halfKeycloak}
	for _, test := range []struct {
		name    string
		results results
		want    int
	}{
		{"every step as wanted", results{rows: []row{well, well}}, 0},
		{"one difference", results{rows: []row{well, wrong, well}}, exitFailure},
		{"Keycloak cannot be run here", results{rows: []row{well}, notRun: []notRun{noKeycloak}}, 0},
		{"Keycloak cannot be run here, and must", results{rows: []row{well}, notRun: []notRun{noKeycloak}, requireKeycloak: true}, exitFailure},
		{"lighttpd or PHP is not installed", results{rows: []row{well}, notRun: []notRun{{flag: halfReaders}}}, 0},
		{"oidc-provider is never left out", results{rows: []row{well}, notRun: []notRun{{flag: halfOIDC}}}, exitFailure},
		{"nothing was run: nothing was shown", results{notRun: []notRun{noKeycloak}}, exitFailure},
	} {
		if got := test.results.exit(); got != test.want {
			t.Errorf("%s: exit %d, want %d", test.name, got, test.want)
		}
	}
}

// gives is a step's work that has its outcome ready.
func gives(got string, err error) func(context.Context) (outcome, error) {
	return func(context.Context) (outcome, error) { return outcome{got: got, note: "a note"}, err }
}

func TestAStepThatFailsIsADifference(t *testing.T) {
	h := &half{name: "server", steps: []step{
		{name: "as wanted", wanted: "yes", do: gives("yes", nil)},
		{name: "differs", wanted: "yes", do: gives("no", nil)},
		{name: "fails, whatever it had got", wanted: "yes", do: gives("yes", errors.New("broken"))},
	}}
	results := &results{}
	h.run(t.Context(), &page{out: &bytes.Buffer{}}, results)
	want := []string{"yes", "no", "error: broken"}
	if diff := cmp.Diff(want, gots(results)); diff != "" {
		t.Errorf("got (-want +got):\n%s", diff)
	}
	if results.wrong() != 2 {
		t.Errorf("%d differences instead of 2", results.wrong())
	}
}

func gots(r *results) []string {
	var all []string
	for _, row := range r.rows {
		all = append(all, row.got)
	}
	return all
}

// TestStepsThatAreNotTaken are counted as differences, since nobody knows.
func TestStepsThatAreNotTaken(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	for _, test := range []struct {
		name  string
		first step
	}{
		{"a vital step differs", step{wanted: "yes", vital: true, do: gives("no", nil)}},
		{"interrupted", step{wanted: "no", do: func(context.Context) (outcome, error) { cancel(); return outcome{got: "no"}, nil }}},
	} {
		h := &half{steps: []step{test.first, {wanted: "yes", do: func(context.Context) (outcome, error) {
			t.Errorf("%s: the next step was taken", test.name)
			return outcome{}, nil
		}}}}
		results := &results{}
		h.run(ctx, &page{out: &bytes.Buffer{}}, results)
		if diff := cmp.Diff([]string{"no", "not tried"}, gots(results)); diff != "" || results.exit() != exitFailure {
			t.Errorf("%s: exit %d, got (-want +got):\n%s", test.name, results.exit(), diff)
		}
	}
}

func TestAStepHasAnEnd(t *testing.T) {
	s := step{within: time.Nanosecond, do: func(ctx context.Context) (outcome, error) {
		<-ctx.Done()
		return outcome{}, ctx.Err()
	}}
	if r := s.take(t.Context(), "server", &page{out: &bytes.Buffer{}}); r.got != "error: context deadline exceeded" {
		t.Errorf("got %q", r.got)
	}
}

func TestAServerThatIsMissingSaysWhy(t *testing.T) {
	var out bytes.Buffer
	h := &half{flag: halfKeycloak, name: "Keycloak", missing: "java is missing", steps: []step{{do: gives("", nil)}}}
	results := &results{}
	h.run(t.Context(), &page{out: &out}, results)
	if err := h.stop(); err != nil || len(results.rows) > 0 {
		t.Errorf("%d steps were taken; %v", len(results.rows), err)
	}
	if got := out.String(); got != "\nKeycloak\n   not run: java is missing\n" {
		t.Errorf("the page says %q", got)
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	p := &page{out: &out}
	results := &results{
		rows: []row{
			{server: "oidc", step: "a token", wanted: "200 allowed", got: "200 allowed", note: "5 ms"},
			{server: "Keycloak", step: "starts", wanted: "up", got: "error: it did not\nlast lines"},
		},
		notRun: []notRun{{halfKeycloak, "Other", "some words that are longer than any step's name"}},
	}
	p.table(results)
	p.summary(results, 90*time.Second)
	want := `
Summary
  server    step     wanted       got
✓ oidc      a token  200 allowed  200 allowed
✗ Keycloak  starts   up           error: it did not
  Other     not run: some words that are longer than any step's name

✗ 1 of 2 steps differed from what was wanted (90 s)
Other was not run: some words that are longer than any step's name
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestSummary(t *testing.T) {
	for want, results := range map[string]*results{
		"\n\x1b[32m✓ All 1 steps went as they should (1 s)\x1b[0m\n":            {rows: []row{{got: "a", wanted: "a"}}},
		"\n\x1b[31m✗ 1 of 1 steps differed from what was wanted (1 s)\x1b[0m\n": {rows: []row{{got: "a", wanted: "b"}}},
		"\nNothing was run (1 s)\nKeycloak was not run: java is missing\n":      {notRun: []notRun{{halfKeycloak, "Keycloak", "java is missing"}}},
	} {
		var out bytes.Buffer
		(&page{out: &out, colour: true}).summary(results, time.Second)
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("summary (-want +got):\n%s", diff)
		}
	}
}

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	p := &page{out: &out}
	p.begin("a step")
	p.end(row{wanted: "yes", got: "no", note: "a note", took: 1500 * time.Millisecond})
	want := indent + "a step" + strings.Repeat(" ", stepWidth-len("a step")) + "    1.5 s  ✗ no; wanted: yes (a note)\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}

func TestFlags(t *testing.T) {
	for _, test := range []struct {
		args, stderr string
		want         int
	}{
		{"-help", "Usage of interop", 0},
		{"-only dex", "interop: -only dex is no half: oidc, keycloak or readers\n", exitUsage},
		{"now", `interop: "now" is no flag`, exitUsage},
		{"-fast", "flag provided but not defined: -fast", exitUsage},
		// Nothing is installed in an empty folder: told, and a failure.
		{"-only keycloak -tools " + t.TempDir(), "", exitFailure},
	} {
		var out, stderr bytes.Buffer
		code := run(t.Context(), strings.Fields(test.args), &page{out: &out}, &stderr)
		if code != test.want || !strings.HasPrefix(stderr.String(), test.stderr) {
			t.Errorf("%s: exit %d, stderr %q", test.args, code, &stderr)
		}
		if test.want == exitFailure && !strings.Contains(out.String(), "Nothing was run") {
			t.Errorf("%s: the page says %q", test.args, &out)
		}
	}
}

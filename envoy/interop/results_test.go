package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestVerdict(t *testing.T) {
	well := row{server: "a", wanted: "200 allowed", got: "200 allowed"}
	wrong := row{server: "a", wanted: "200 allowed", got: "401 key_unknown"}
	noKeycloak, noOIDC := notRun{flag: suiteKeycloak}, notRun{flag: suiteOIDC}
	for _, test := range []struct {
		name    string
		results results
		options options
		failed  bool
	}{
		{"every step as wanted", results{rows: []row{well, well}}, options{}, false},
		{"one difference", results{rows: []row{well, wrong, well}}, options{}, true},
		{"Keycloak cannot run here", results{rows: []row{well}, notRun: []notRun{noKeycloak}}, options{}, false},
		{"Keycloak cannot run here, and must", results{rows: []row{well}, notRun: []notRun{noKeycloak}}, options{require: true}, true},
		{"lighttpd or PHP is not installed", results{rows: []row{well}, notRun: []notRun{{flag: suiteReaders}}}, options{}, false},
		{"Node is not installed", results{rows: []row{well}, notRun: []notRun{noOIDC}}, options{}, false},
		{"Node is not installed, and oidc was asked for", results{rows: []row{well}, notRun: []notRun{noOIDC}}, options{only: suiteOIDC}, true},
		{"nothing was run: nothing was shown", results{notRun: []notRun{noKeycloak}}, options{}, true},
	} {
		if err := test.results.verdict(test.options); (err != nil) != test.failed {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// gives is a step's work that has its outcome ready.
func gives(got string, err error) func(context.Context) (outcome, error) {
	return func(context.Context) (outcome, error) { return outcome{got: got, note: "a note"}, err }
}

func TestAStepThatFailsIsADifference(t *testing.T) {
	h := &suite{name: "server", steps: []step{
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

// TestStepsThatAreNotTaken are counted as differences.
func TestStepsThatAreNotTaken(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	for _, test := range []struct {
		name  string
		first step
	}{
		{"a vital step differs", step{wanted: "yes", vital: true, do: gives("no", nil)}},
		{"interrupted", step{wanted: "no", do: func(context.Context) (outcome, error) { cancel(); return outcome{got: "no"}, nil }}},
	} {
		h := &suite{steps: []step{test.first, {wanted: "yes", do: func(context.Context) (outcome, error) {
			t.Errorf("%s: the next step was taken", test.name)
			return outcome{}, nil
		}}}}
		results := &results{}
		h.run(ctx, &page{out: &bytes.Buffer{}}, results)
		if diff := cmp.Diff([]string{"no", "not tried"}, gots(results)); diff != "" || results.verdict(options{}) == nil {
			t.Errorf("%s: %v, got (-want +got):\n%s", test.name, results.verdict(options{}), diff)
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
	h := &suite{flag: suiteKeycloak, name: "Keycloak", missing: "java is missing", steps: []step{{do: gives("", nil)}}}
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
		notRun: []notRun{{suiteKeycloak, "Other", "some words that are longer than any step's name"}},
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
		"\n✓ All 1 steps went as they should (1 s)\n":                      {rows: []row{{got: "a", wanted: "a"}}},
		"\n✗ 1 of 1 steps differed from what was wanted (1 s)\n":           {rows: []row{{got: "a", wanted: "b"}}},
		"\nNothing was run (1 s)\nKeycloak was not run: java is missing\n": {notRun: []notRun{{suiteKeycloak, "Keycloak", "java is missing"}}},
	} {
		var out bytes.Buffer
		(&page{out: &out}).summary(results, time.Second)
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

func TestOptions(t *testing.T) {
	empty := t.TempDir()
	for _, test := range []struct {
		only, problem string
		want          []string
	}{
		{"dex", "-only dex: write one of readers, messages, oidc, keycloak, zitadel, spring, upstream, assertion, sdks, conformance, browser", nil},
		{"", "", []string{suiteReaders, suiteMessages, suiteOIDC, suiteKeycloak, suiteZitadel, suiteSpring, suiteUpstream, suiteAssertion, suiteSDKs, suiteConformance, suiteBrowser}},
		{suiteKeycloak, "", []string{suiteKeycloak}},
	} {
		suites, err := options{only: test.only, tools: empty, folder: empty}.suites()
		var flags []string
		for _, s := range suites {
			flags = append(flags, s.flag)
			if s.flag != suiteReaders && s.missing == "" {
				t.Errorf("%s: %s can run though it is not installed", test.only, s.flag)
			}
		}
		if diff := cmp.Diff(test.want, flags); diff != "" || fmt.Sprint(err) != orNil(test.problem) {
			t.Errorf("%s: %v, suites (-want +got):\n%s", test.only, err, diff)
		}
	}
}

func orNil(problem string) string {
	if problem == "" {
		return "<nil>"
	}
	return problem
}

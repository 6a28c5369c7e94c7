package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/internal/regotest"
	"github.com/doorward/doorward/rego"
	"github.com/doorward/doorward/rego/library"
)

func testCommand() *cobra.Command {
	var coverage, verbose bool
	cmd := &cobra.Command{
		Use:   "test [PATH]...",
		Short: "Run the tests of your own rules",
		Long: "Runs every rule whose name begins with test_ in *_test.rego, beside the rules and data that\n" +
			"serve would read from the same paths (by default this folder). A test reads\n\n" +
			"  package authz_test\n\n" +
			"  import data.authz\n" +
			"  import data.doorward\n\n" +
			"  test_reading if count(authz.deny) == 0 with input as doorward.request({\"method\": \"GET\"})\n\n" +
			"doorward.request makes a complete input of an allowed request, changed by its argument; members\n" +
			"of the request are at the top level, beside claims, token and resource. doorward.decision is the whole\n" +
			"decision. For a test that fails, its false line, the input and the decision are shown, the latter\n" +
			"with what the test's own `with` put in place of data and functions.",
		Example: "  doorward test policy/\n  doorward test --coverage policy/",
		RunE: func(cmd *cobra.Command, paths []string) error {
			if len(paths) == 0 {
				paths = []string{"."}
			}
			src := policy.Sources{Library: rego.Files, Paths: paths}
			tests, problems, err := regotest.Run(cmd.Context(), src, library.Files, coverage)
			if err != nil {
				return &failure{err}
			}
			return printTests(cmd.OutOrStdout(), tests, problems, verbose)
		},
	}
	cmd.Flags().BoolVar(&coverage, "coverage", false,
		"how much of each file of rules was evaluated, and which lines were not")
	cmd.Flags().BoolVar(&verbose, "verbose", false, "tests that passed, too")
	return cmd
}

// printTests prints the results of the tests, and fails where one did not pass.
func printTests(out io.Writer, tests regotest.Report, problems finding.List, verbose bool) error {
	var b strings.Builder
	wrong := len(problems.Errors())
	for _, p := range problems {
		fmt.Fprintln(&b, p)
	}
	for _, result := range tests.Results {
		b.WriteString(describe(result, verbose))
	}
	for _, c := range tests.Coverage {
		fmt.Fprintln(&b, c)
	}
	passed, failed, skipped := tests.Count()
	summary := fmt.Sprintf("%d passed, %d failed", passed, failed)
	if skipped > 0 {
		summary += fmt.Sprintf(", %d skipped", skipped)
	}
	if wrong == 0 && passed+failed > 0 {
		fmt.Fprintln(&b, summary)
	}
	if _, err := io.WriteString(out, b.String()); err != nil {
		return &failure{err}
	}
	switch {
	case wrong > 0:
		return &failure{fmt.Errorf("%s, no test was run", count(wrong, "problem"))}
	case passed+failed == 0:
		return &failure{fmt.Errorf("no test was run: write test_… rules in *_test.rego below these paths")}
	case failed > 0:
		return &failure{}
	}
	return nil
}

// describe is the text about one test; "" for one that passed without output.
func describe(r regotest.Result, verbose bool) string {
	word := "FAIL"
	switch {
	case r.Skipped:
		word = "SKIP"
	case r.Passed && !verbose && r.Output == "":
		return ""
	case r.Passed:
		word = "PASS"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d: %s %s\n", r.File, r.Line, word, r.Name)
	for line := range strings.Lines(r.Output) {
		fmt.Fprintf(&b, "    printed: %s\n", strings.TrimRight(line, "\n"))
	}
	for _, line := range r.Why {
		fmt.Fprintf(&b, "    %s\n", line)
	}
	return b.String()
}

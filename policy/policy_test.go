package policy_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/policy"
)

// Every problem of the rules is in the error, at its place, and no warning is.
func TestCompile(t *testing.T) {
	if built, err := policy.Compile(t.Context()); built == nil || err != nil {
		t.Errorf("without paths: %v, %v", built, err)
	}
	file := filepath.Join(t.TempDir(), "a.rego")
	for rules, want := range map[string][]int{
		"package authz\n\nallow if true": nil, // a warning alone
		"package authz\n\nrequire.a if input.request.metod\n\nrequire.b if input.token.isuer\n\nallow if true": {3, 5},
	} {
		if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
			t.Fatal(err)
		}
		built, err := policy.Compile(t.Context(), file)
		if (built == nil) != (want != nil) || (err == nil) != (want == nil) {
			t.Fatalf("%q: %v, %v", rules, built, err)
		}
		var all finding.List
		var lines []int
		errors.As(err, &all)
		for _, f := range all {
			if f.File == file {
				lines = append(lines, f.Line)
			}
		}
		if !slices.Equal(lines, want) {
			t.Errorf("%q: lines %v, want %v", rules, lines, want)
		}
	}
}

package finding_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/extauthz/finding"
)

func TestString(t *testing.T) {
	for want, f := range map[string]finding.Finding{
		"a.yaml:2:3: version is 2: write 1":     {File: "a.yaml", Line: 2, Column: 3, Message: "version is 2", Fix: "write 1"},
		"a.yaml: cannot be read":                {File: "a.yaml", Path: "version", Message: "cannot be read"},
		"issuer: has a query":                   {Path: "issuer", Message: "has a query"},
		"a.yaml:2:3: warning: is http://":       {File: "a.yaml", Line: 2, Column: 3, Message: "is http://", Severity: finding.Warning},
		"no place":                              {Message: "no place"},
		"a.yaml: unknown key \"a [31m b\": x y": {File: "a.yaml", Message: "unknown key \"a\x1b[31m b\"", Fix: "x\ny"},
	} {
		if got := f.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestSorted(t *testing.T) {
	last := finding.Finding{File: "b", Line: 10, Column: 2, Message: "m"}
	l := finding.List{last, {File: "b", Line: 2, Column: 11}, {File: "b", Line: 2, Column: 3}, {File: "a", Line: 30}, last, {File: "b", Line: 10, Column: 2, Message: "l"}}
	want := finding.List{l[3], l[2], l[1], l[5], last}
	if diff := cmp.Diff(want, l.Sorted()); diff != "" {
		t.Error(diff)
	}
	if l[0] != last || l[4] != last {
		t.Error("the list itself was changed")
	}
}

func TestSeverity(t *testing.T) {
	l := finding.List{{Message: "one"}, {Message: "two", Severity: finding.Warning}, {Message: "three"}}
	if got := l.Errors().Error(); got != "one; three" {
		t.Errorf("errors are %q", got)
	}
	if got := l.Warnings().Error(); got != "warning: two" {
		t.Errorf("warnings are %q", got)
	}
	if err := l.Warnings().Err(); err != nil {
		t.Errorf("warnings are the error %v", err)
	}
	if finding.List(nil).Err() != nil {
		t.Error("no finding is an error")
	}
}

func TestErrorsAs(t *testing.T) {
	wrapped := fmt.Errorf("reload: %w", finding.List{{Message: "two", Severity: finding.Warning}, {Path: "issuer", Message: "one"}}.Err())
	var f finding.Finding
	var l finding.List
	if !errors.As(wrapped, &f) || f.Path != "issuer" {
		t.Errorf("no finding in %v: %v", wrapped, f)
	}
	if !errors.As(wrapped, &l) || len(l) != 1 {
		t.Errorf("no list in %v: %v", wrapped, l)
	}
}

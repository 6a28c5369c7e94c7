package interop

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// document is what `make interop` writes for readers.
const document = "../INTEROP.md"

const preface = "# Interoperability\n\n" +
	"`make interop` ([its code](interop)) writes this page: real MCP clients, servers, a browser and the official conformance suite, through a real\n" +
	"Envoy 1.40 with the shipped [envoy.yaml](envoy.yaml) and doorward, with [operations](../docs/operations.md) configured. *Filter* is Envoy's mcp\n" +
	"filter, *bodies* is `with_request_body`: the two ways that the comments of envoy.yaml show. The authorization server is oidc-provider 9.13.3.\n"

// section is the table of a suite, "" where it has none.
func (r *results) section(s *suite, day time.Time) string {
	if s.head == nil || s.missing != "" {
		return ""
	}
	var text strings.Builder
	fmt.Fprintf(&text, "## %s\n\nRun on %s.\n", s.name, day.Format(time.DateOnly))
	if s.about != "" {
		text.WriteString("\n" + s.about + "\n")
	}
	var lines, words []string
	for _, row := range r.rows {
		if row.suite != s.flag {
			continue
		}
		if row.cells != nil {
			lines = append(lines, strings.Join(row.cells, " | "))
		}
		if line := strings.Join(row.words, " | "); row.words != nil && !slices.Contains(words, line) {
			words = append(words, line)
		}
	}
	text.WriteString(table(s.head, lines))
	if s.words != nil {
		text.WriteString(table(s.words, words))
	}
	return text.String()
}

func table(head, lines []string) string {
	text := fmt.Sprintf("\n| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, line := range lines {
		text += "| " + line + " |\n"
	}
	return text
}

// document writes the sections of the suites that were run, and keeps those of others.
func (r *results) document(file string, suites []*suite, day time.Time) error {
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_, rest, _ := strings.Cut(string(old), "\n## ")
	kept := strings.Split(rest, "\n## ")
	text := preface
	for _, s := range suites {
		section := r.section(s, day)
		if section == "" {
			continue
		}
		kept = slices.DeleteFunc(kept, func(old string) bool { return strings.HasPrefix(old, s.name+"\n") })
		text += "\n" + section
	}
	for _, old := range kept {
		if strings.TrimSpace(old) != "" {
			text += "\n## " + strings.TrimRight(old, "\n") + "\n"
		}
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

func TestDocument(t *testing.T) {
	file := t.TempDir() + "/page.md"
	day := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	first := &suite{flag: "a", name: "First", head: []string{"x", "y"}, words: []string{"w"}, about: "Words."}
	second := &suite{flag: "b", name: "Second", head: []string{"z"}}
	r := &results{rows: []row{
		{suite: "a", cells: []string{"1", "2"}, words: []string{"4"}},
		{suite: "a", words: []string{"4"}},
		{suite: "b", cells: []string{"3"}},
	}}
	none, missing := &suite{flag: "c", name: "No table"}, &suite{flag: "b", name: "Second", head: []string{"z"}, missing: "Node is missing"}
	const one, two = "\n## First\n\nRun on 2026-11-26.\n\nWords.\n\n| x | y |\n|---|---|\n| 1 | 2 |\n\n| w |\n|---|\n| 4 |\n", "\n## Second\n\nRun on 2026-11-26.\n\n| z |\n|---|\n| 3 |\n"
	for i, run := range []struct {
		suites []*suite
		want   string
	}{
		{[]*suite{first}, preface + one},
		{[]*suite{none, second}, preface + two + one},
		{[]*suite{first, missing}, preface + one + two},
		{[]*suite{first, second}, preface + one + two},
	} {
		if err := r.document(file, run.suites, day); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(file); err != nil || string(text) != run.want {
			t.Errorf("run %d: %v\n%s\nwant\n%s", i, err, text, run.want)
		}
	}
}

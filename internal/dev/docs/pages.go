package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var citation = regexp.MustCompile(`\b(?:TK|CH|PR|AU|PT|T|G|J|X)-\d{1,2}\b`)

// unknownCitations lists the places in Go and Rego files that cite an id which
// the page does not have.
func unknownCitations(root string) ([]string, error) {
	known := map[string]bool{}
	for _, r := range requirements {
		known[r.id] = true
	}
	var unknown []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(entry.Name(), ".") || entry.Name() == "bin"
		if entry.IsDir() && path != root && hidden {
			return filepath.SkipDir
		}
		if extension := filepath.Ext(path); entry.IsDir() || extension != ".go" && extension != ".rego" {
			return nil
		}
		content, err := os.ReadFile(path)
		for _, id := range citation.FindAllString(string(content), -1) {
			if !known[id] {
				unknown = append(unknown, path+": "+id)
			}
		}
		return err
	})
	return unknown, err
}

const requirementsHead = generatedMark + `
# Requirements

What the standards demand of a resource server and of the gateway in front of it. Code and tests cite these ids. MCP is
the Model Context Protocol, 2025-03-26 to 2026-07-28, chapters authorization and transports. A test is written as
folder:Test/subtest; text after a semicolon is what the tests do not cover.

| id | level | requirement | source | tests |
|---|---|---|---|---|
`

func requirementsPage(string) ([]byte, error) {
	var page bytes.Buffer
	page.WriteString(requirementsHead)
	for _, r := range requirements {
		fmt.Fprintf(&page, "| %s | %s | %s | %s | %s |\n", r.id, r.level, r.text, r.source, r.evidence())
	}
	return page.Bytes(), nil
}

// evidence lists the tests of a requirement and what they do not cover.
func (r requirement) evidence() string {
	var parts []string
	for _, test := range r.tests {
		parts = append(parts, "`"+test+"`")
	}
	text := strings.Join(parts, ", ")
	if r.note == "" {
		return text
	}
	if text != "" {
		text += "; "
	}
	return text + r.note
}

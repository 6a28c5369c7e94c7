package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// ships reports whether a file is part of the binary.
func ships(file string) bool {
	switch {
	case strings.HasSuffix(file, "_test.go"), strings.HasSuffix(file, "_test.rego"),
		strings.Contains("/"+file, "/testdata/"):
		return false
	case strings.HasSuffix(file, ".rego"):
		return path.Dir(file) == "rego"
	}
	top, _, _ := strings.Cut(file, "/")
	shipped := top == "extauthz" || top == "internal" || strings.HasPrefix(file, "cmd/doorward/")
	return shipped && strings.HasSuffix(file, ".go") && !strings.HasPrefix(file, "internal/dev/") &&
		!strings.HasPrefix(file, "internal/testenv/")
}

// mutantsOfModule returns the mutants of every file that ships, on these lines of
// each file; nil is every line.
func mutantsOfModule(ctx context.Context, lines map[string]map[int]bool) ([]mutant, error) {
	files, err := output(ctx, "git", "ls-files", "*.go", "*.rego")
	if err != nil {
		return nil, err
	}
	var all []mutant
	for _, file := range strings.Fields(files) {
		if !ships(file) || lines != nil && lines[file] == nil {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		wanted := func(line int) bool { return lines == nil || lines[file][line] }
		if strings.HasSuffix(file, ".rego") {
			all = append(all, regoMutants(file, content, wanted)...)
			continue
		}
		mutants, err := goMutants(file, content, wanted)
		if err != nil {
			return nil, err
		}
		all = append(all, mutants...)
	}
	return all, nil
}

// changedLines returns, for each file, the lines of the working tree that base does
// not have.
func changedLines(ctx context.Context, base string) (map[string]map[int]bool, error) {
	diff, err := output(ctx, "git", "diff", "--unified=0", "--no-color", "--no-ext-diff", base, "--", "*.go", "*.rego")
	if err != nil {
		return nil, err
	}
	return parseDiff(diff), nil
}

var hunk = regexp.MustCompile(`^@@ -\S+ \+(\d+)(?:,(\d+))? @@`)

func parseDiff(diff string) map[string]map[int]bool {
	lines := map[string]map[int]bool{}
	file := ""
	for line := range strings.Lines(diff) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "+++ b/"); ok {
			file = name
			lines[file] = map[int]bool{}
		}
		match := hunk.FindStringSubmatch(line)
		if match == nil || file == "" {
			continue
		}
		first, _ := strconv.Atoi(match[1]) // digits alone
		count := 1
		if match[2] != "" {
			count, _ = strconv.Atoi(match[2])
		}
		for i := range count {
			lines[file][first+i] = true
		}
	}
	return lines
}

func output(ctx context.Context, name string, args ...string) (string, error) {
	text, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return string(text), nil
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// suite is the result of one run of all tests.
type suite struct {
	passed, skipped int
	coverage        float64 // percent of all statements
}

// event is a line of `go test -json` (go doc test2json).
type event struct{ Action, Test string }

// runTests runs every test of the module once, with coverage over all packages.
func runTests(ctx context.Context, root string) (suite, error) {
	folder, err := os.MkdirTemp("", "doorward-stats-")
	if err != nil {
		return suite{}, err
	}
	defer os.RemoveAll(folder)
	profile := filepath.Join(folder, "cover.out")
	test := exec.CommandContext(ctx, "go", "test", "-json", "-coverpkg=./...", "-coverprofile", profile, "./...")
	test.Dir = root
	output, failed := test.Output()
	s := countCases(string(output))
	cover := exec.CommandContext(ctx, "go", "tool", "cover", "-func", profile)
	cover.Dir = root
	text, err := cover.Output()
	if err != nil {
		return s, fmt.Errorf("coverage: %w", err)
	}
	s.coverage = totalCoverage(string(text))
	if failed != nil {
		return s, fmt.Errorf("the suite failed: %w", failed)
	}
	return s, nil
}

// countCases counts tests and subtests.
func countCases(output string) suite {
	var s suite
	lines := bufio.NewScanner(strings.NewReader(output))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Test == "" {
			continue
		}
		switch e.Action {
		case "pass":
			s.passed++
		case "skip":
			s.skipped++
		}
	}
	return s
}

// totalCoverage reads the last line of `go tool cover -func`.
func totalCoverage(text string) float64 {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return 0
	}
	percent, err := strconv.ParseFloat(strings.TrimSuffix(fields[len(fields)-1], "%"), 64)
	if err != nil {
		return 0
	}
	return percent
}

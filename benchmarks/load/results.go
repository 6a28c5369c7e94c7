package main

import (
	"os"
	"path/filepath"
	"time"

	"github.com/doorward/doorward/benchmarks/gobench"
	"github.com/doorward/doorward/benchmarks/machine"
	"github.com/doorward/doorward/benchmarks/scenario"
)

// results has everything that was measured. A part that was not measured is empty.
type results struct {
	machine  machine.Machine
	versions []string // of dependencies and Envoy
	gogc     string   // doorward's own GC setting
	plan     plan
	took     time.Duration
	skipped  []string // parts that this machine cannot run, with the reason

	checks    cells                         // over gRPC
	requests  cells                         // through Envoy
	traffic   float64                       // all requests a second during a scenario
	scenarios map[string][]*scenario.Result // by title, one for each round
	keys      []*scenario.Result
	memory    *memory
	process   map[string]gobench.Values
}

// refused counts the good requests that were not allowed, in all parts.
func (r *results) refused() int {
	refused := 0
	for _, all := range []cells{r.checks, r.requests} {
		refused += all.refused()
	}
	for _, rounds := range r.scenarios {
		for _, result := range rounds {
			refused += result.Refused()
		}
	}
	for _, result := range r.keys {
		refused += result.Refused()
	}
	if r.memory != nil {
		refused += r.memory.refused
	}
	return refused
}

// write writes the page into a folder, and the pictures below it.
func (r *results) write(folder string) error {
	if err := os.MkdirAll(filepath.Join(folder, "plots"), 0o750); err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		"RESULTS.md":            r.page(),
		"plots/cost.svg":        r.drawCost(),
		"plots/latency.svg":     r.drawServices(),
		"plots/decisionlog.svg": r.drawLogs(),
		"plots/disturbance.svg": r.drawScenarios(),
		"plots/keys.svg":        r.drawKeys(),
	} {
		if content == nil {
			continue // not measured
		}
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.WriteFile(path, content, 0o644); err != nil { //nolint:gosec // a page to read
			return err
		}
	}
	return nil
}

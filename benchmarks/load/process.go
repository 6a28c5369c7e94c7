package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
)

// benched is what a Go benchmark says, by unit ("ns/op", "allocs/op", …), once
// for each round.
type benched map[string][]float64

// measureProcess runs the Go benchmarks of Checks without gRPC.
func (r *results) measureProcess(ctx context.Context, _ *stage, progress io.Writer) error {
	_, _ = fmt.Fprintln(progress, "  the Go benchmarks of this folder")
	out, err := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^Benchmark(HotAnswer|ColdCheck|Decision)$", "-benchmem", //nolint:gosec // a plan's numbers
		"-benchtime", r.plan.benchTime, "-count", strconv.Itoa(r.plan.rounds), "github.com/doorward/doorward/benchmarks").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	r.process = parseBenchmarks(string(out))
	return nil
}

// parseBenchmarks reads lines such as "BenchmarkHotCheck-2 1000 5 ns/op 1 B/op".
func parseBenchmarks(out string) map[string]benched {
	all := map[string]benched{}
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(fields[0], "Benchmark")
		if dash := strings.LastIndexByte(name, '-'); dash > 0 {
			name = name[:dash] // the number of processors
		}
		if all[name] == nil {
			all[name] = benched{}
		}
		for i := 2; i+1 < len(fields); i += 2 {
			if value, err := strconv.ParseFloat(fields[i], 64); err == nil {
				all[name][fields[i+1]] = append(all[name][fields[i+1]], value)
			}
		}
	}
	return all
}

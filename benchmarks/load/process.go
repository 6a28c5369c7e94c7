package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"

	"github.com/doorward/doorward/benchmarks/gobench"
)

// measureProcess runs the Go benchmarks of Checks without gRPC.
func (r *results) measureProcess(ctx context.Context, _ *testbed, progress io.Writer) error {
	_, _ = fmt.Fprintln(progress, "  the Go benchmarks of this folder")
	out, err := exec.CommandContext(ctx, "go", "test", "-run", "^$", //nolint:gosec // a plan's numbers
		"-bench", "^Benchmark(HotAnswer|ColdCheck|Decision)$", "-benchmem", "-benchtime", r.plan.benchTime,
		"-count", strconv.Itoa(r.plan.rounds), "github.com/doorward/doorward/benchmarks").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	r.process = gobench.Parse(string(out))
	return nil
}

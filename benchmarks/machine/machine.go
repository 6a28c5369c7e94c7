// Package machine describes the machine and the versions of a measurement.
package machine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Machine is the machine and the versions of a measurement. A text that the system
// does not provide is "unknown".
type Machine struct {
	System, Processor, Load, Commit string
	Cores                           int
	Day                             time.Time
}

// This returns the machine that it runs on.
func This(ctx context.Context) Machine {
	m := Machine{
		System: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(), Day: time.Now().UTC(),
		Processor: "unknown", Load: "unknown", Commit: "unknown",
	}
	info, _ := os.ReadFile("/proc/cpuinfo") // only Linux has it
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.Processor = strings.TrimSpace(value)
			break
		}
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(load), " ")
	}
	describe := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
	if out, err := describe.Output(); err == nil {
		m.Commit = strings.TrimSpace(string(out))
	}
	return m
}

// Busy reports whether the load average was too high for a measurement.
func (m Machine) Busy() bool {
	load, err := strconv.ParseFloat(m.Load, 64)
	return err == nil && load > 0.75*float64(m.Cores)
}

// Modules returns the versions of Go modules that this one uses, as "name version".
// It leaves out modules that this one does not use.
func Modules(ctx context.Context, paths ...string) []string {
	args := append([]string{"list", "-m", "-f", "{{.Path}} {{.Version}}"}, paths...)
	out, err := exec.CommandContext(ctx, "go", args...).Output() //nolint:gosec // paths of modules
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// String is one line for the head of a page.
func (m Machine) String() string {
	return fmt.Sprintf("%s, %s, %d cores (%s), load average at the start %s; %s; doorward %s",
		m.Day.Format(time.DateOnly), m.System, m.Cores, m.Processor, m.Load, runtime.Version(), m.Commit)
}

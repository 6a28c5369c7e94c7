// Package machine says where and with what something was measured.
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

// Machine is where and with what it was measured. What the system does not say
// is "unknown".
type Machine struct {
	System, Processor, Load, Commit string
	Cores                           int
	Day                             time.Time
}

// This asks the system.
func This(ctx context.Context) Machine {
	m := Machine{
		System: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(), Day: time.Now().UTC(),
		Processor: "unknown", Load: "unknown", Commit: "unknown",
	}
	info, _ := os.ReadFile("/proc/cpuinfo") // elsewhere than on Linux it is not there
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.Processor = strings.TrimSpace(value)
			break
		}
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(load), " ")
	}
	if out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*").Output(); err == nil {
		m.Commit = strings.TrimSpace(string(out))
	}
	return m
}

// Busy tells that the machine had more to do than one measurement leaves room
// for, by its load average.
func (m Machine) Busy() bool {
	load, err := strconv.ParseFloat(m.Load, 64)
	return err == nil && load > 0.75*float64(m.Cores)
}

// Modules are the versions of Go modules that this one uses, as "name version";
// what Go does not know is left out.
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

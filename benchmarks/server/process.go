// Package server builds and runs the programs that the benchmarks measure, each
// in a process of its own, and reads what the kernel says of them.
package server

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/doorward/doorward/internal/testenv"
)

const (
	startWithin = 15 * time.Second
	stopWithin  = 10 * time.Second
)

// Build makes programs as users get them, and returns where each is, in the
// order of their import paths below this module.
func Build(ctx context.Context, folder string, packages ...string) ([]string, error) {
	args := []string{"build", "-trimpath", "-o", folder + string(filepath.Separator)}
	programs := make([]string, len(packages))
	for i, name := range packages {
		args = append(args, "github.com/doorward/doorward/"+name)
		programs[i] = filepath.Join(folder, filepath.Base(name))
	}
	if out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil { //nolint:gosec // packages of this module
		return nil, fmt.Errorf("cannot build %v: %w\n%s", packages, err, out)
	}
	return programs, nil
}

// Command is a program and how to start it.
type Command struct {
	Program string
	Args    []string
	Env     []string // added to ours, as name=value
	Dir     string   // "": ours
}

// On keeps the program to some processors, as a list for taskset; "" to none.
func (c Command) On(cpus string) Command {
	if cpus != "" {
		c.Args = append([]string{"-c", cpus, c.Program}, c.Args...)
		c.Program = "taskset"
	}
	return c
}

// Process is a running program.
type Process struct {
	PID int
	Log testenv.LogBuffer // what it wrote to standard output and error

	cancel context.CancelFunc
	ended  chan struct{} // closed when the process is gone
}

// Start runs a program until Stop, or until ctx ends.
func Start(ctx context.Context, c Command) (*Process, error) {
	p := &Process{ended: make(chan struct{})}
	ctx, p.cancel = context.WithCancel(ctx)
	command := exec.CommandContext(ctx, c.Program, c.Args...) //nolint:gosec // what is measured is what the caller names
	command.Dir, command.Env = c.Dir, append(plain(os.Environ()), c.Env...)
	command.Stdout, command.Stderr = &p.Log, &p.Log
	command.SysProcAttr = processAttributes()
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = stopWithin
	if err := command.Start(); err != nil {
		p.cancel()
		return nil, fmt.Errorf("cannot run %s: %w", c.Program, err)
	}
	p.PID = command.Process.Pid
	go func() {
		_ = command.Wait() // how it ended shows in its log
		close(p.ended)
	}()
	return p, nil
}

// plain is an environment without what would change how a Go program runs:
// every service runs as it comes, but for what its [Command] says.
func plain(environment []string) []string {
	return slices.DeleteFunc(environment, func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains([]string{"GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GODEBUG"}, name)
	})
}

// Stop ends the process: SIGTERM, and SIGKILL should that not do.
func (p *Process) Stop() {
	p.cancel()
	<-p.ended
}

// Ended is closed when the process is gone, by Stop or by itself.
func (p *Process) Ended() <-chan struct{} { return p.ended }

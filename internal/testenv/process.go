package testenv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	startWithin = 30 * time.Second
	stopWithin  = 20 * time.Second
	pollEvery   = 20 * time.Millisecond
)

// module is the import path that [Build] prefixes.
const module = "github.com/doorward/doorward/"

// Build compiles main packages of this module, named by their path below it,
// with the flags of a release: one set of flags for every caller, so that the
// build cache has each package once. It returns the path of each program in
// folder, in the order of packages.
func Build(ctx context.Context, folder string, packages ...string) ([]string, error) {
	args := []string{"build", "-trimpath", "-ldflags", "-s -w", "-o", folder + string(filepath.Separator)}
	programs := make([]string, len(packages))
	for i, name := range packages {
		args = append(args, module+name)
		programs[i] = filepath.Join(folder, filepath.Base(name))
	}
	build := exec.CommandContext(ctx, "go", args...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("cannot build %v: %w\n%s", packages, err, out)
	}
	return programs, nil
}

// Command is a program and how to start it.
type Command struct {
	Program string
	Args    []string
	Env     []string // name=value, added to the environment of this process
	Dir     string   // working directory; "" is that of this process
	CPUs    string   // processors to run on, as a list for taskset; "" is all
	LogFile string   // a file that receives a copy of the log; "" is no file

	output *LogBuffer // receives standard output; nil is [Process.Log]
}

// Process is a running program in a process group of its own, so that Ctrl-C
// reaches the parent alone, which stops the parts in order. On Linux the kernel
// kills the program when the parent dies.
type Process struct {
	PID int
	Log LogBuffer // standard output and standard error

	program string
	once    sync.Once
	ended   chan struct{} // closed when the process has ended; failure is set before
	failure error
}

// Start runs a program until [Process.Stop]; ctx does not end it. The variables
// that change how the Go runtime works (GOGC, GOMAXPROCS, GOMEMLIMIT, GODEBUG)
// are not inherited, so that a program under test runs with its own defaults.
func Start(ctx context.Context, c Command) (*Process, error) {
	p := &Process{}
	if err := p.start(ctx, c); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Process) start(ctx context.Context, c Command) error {
	p.program, p.ended = filepath.Base(c.Program), make(chan struct{})
	program, args := c.Program, c.Args
	if c.CPUs != "" {
		program, args = "taskset", append([]string{"-c", c.CPUs, c.Program}, c.Args...)
	}
	command := exec.CommandContext(context.WithoutCancel(ctx), program, args...)
	command.Dir, command.Env = c.Dir, append(withoutRuntimeVariables(os.Environ()), c.Env...)
	command.SysProcAttr = processAttributes()
	command.WaitDelay = stopWithin // a child that left the group may hold the pipes open
	var log io.Writer = &p.Log
	var file io.Closer = io.NopCloser(nil)
	if c.LogFile != "" {
		created, err := os.Create(c.LogFile)
		if err != nil {
			return err
		}
		log, file = io.MultiWriter(&p.Log, created), created
	}
	command.Stdout, command.Stderr = log, log
	if c.output != nil {
		command.Stdout = c.output
	}
	if err := command.Start(); err != nil {
		return errors.Join(fmt.Errorf("cannot run %s: %w", p.program, err), file.Close())
	}
	p.PID = command.Process.Pid
	go func() {
		p.failure = errors.Join(command.Wait(), file.Close())
		close(p.ended)
	}()
	return nil
}

func withoutRuntimeVariables(environment []string) []string {
	return slices.DeleteFunc(environment, func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains([]string{"GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GODEBUG"}, name)
	})
}

// Ended is closed when the process has ended, by Stop or by itself.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Failure is the error of a process that has ended: why, and what it logged last.
// It is nil while the process runs.
func (p *Process) Failure() error {
	select {
	case <-p.ended:
	default:
		return nil
	}
	if p.failure == nil {
		return fmt.Errorf("the process ended; its last lines:\n%s", p.Log.Tail())
	}
	return fmt.Errorf("the process ended: %w; its last lines:\n%s", p.failure, p.Log.Tail())
}

// Until calls ready until it returns nil. The error is that of a process that
// ended before, or of ctx together with the last one of ready; it quotes the
// last lines of the log.
func (p *Process) Until(ctx context.Context, ready func(context.Context) error) error {
	err := Poll(ctx, func(ctx context.Context) (bool, error) {
		if err := p.Failure(); err != nil {
			return true, err
		}
		err := ready(ctx)
		return err == nil, err
	})
	if err != nil && p.Failure() == nil {
		err = fmt.Errorf("%w; its last lines:\n%s", err, p.Log.Tail())
	}
	return err
}

// Stop ends the process and its children: SIGTERM, and SIGKILL after 20 s. The
// error is that of a process that had ended before or had to be killed; how a
// process exits after SIGTERM is no error. Further calls return nil, as do those
// of a nil process.
func (p *Process) Stop() (err error) {
	if p == nil {
		return nil
	}
	p.once.Do(func() { err = p.stop() })
	return err
}

func (p *Process) stop() error {
	if p.ended == nil {
		return nil // never started
	}
	if err := p.Failure(); err != nil {
		return fmt.Errorf("%s: %w", p.program, err)
	}
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	timeout := time.NewTimer(stopWithin)
	defer timeout.Stop()
	select {
	case <-p.ended:
		return nil
	case <-timeout.C:
	}
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.ended
	return fmt.Errorf("%s did not stop within %v and was killed", p.program, stopWithin)
}

// signal reaches the whole process group: Keycloak is a script that starts Java.
func (p *Process) signal(s syscall.Signal) error {
	if err := syscall.Kill(-p.PID, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("cannot send %v to %s: %w", s, p.program, err)
	}
	return nil
}

// Poll calls ask every 20 ms until it reports done. It returns the last error
// of ask, joined with that of ctx when ctx ended first.
func Poll(ctx context.Context, ask func(context.Context) (done bool, err error)) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		done, err := ask(ctx)
		if done {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

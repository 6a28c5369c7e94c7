package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/doorward/doorward/internal/testenv"
)

const (
	pollEvery  = 50 * time.Millisecond
	stopWithin = 20 * time.Second
)

// process is a program of somebody's, in a process group of its own: Keycloak
// is a shell script that starts Java.
type process struct {
	name    string
	log     testenv.LogBuffer // stdout and stderr
	command *exec.Cmd
	ended   chan struct{} // closed when the process is gone; then failure holds
	failure error
}

// launch starts a program, which outlives ctx.
func launch(ctx context.Context, name, dir string, env []string, program string, args ...string) (*process, error) {
	p := &process{name: name, ended: make(chan struct{})}
	p.command = exec.CommandContext(context.WithoutCancel(ctx), program, args...) //nolint:gosec // our own arguments
	p.command.Dir = dir
	p.command.Env = append(os.Environ(), env...)
	p.command.Stdout, p.command.Stderr = &p.log, &p.log
	p.command.SysProcAttr = processAttributes()
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("cannot run %s: %w", name, err)
	}
	go func() {
		p.failure = p.command.Wait()
		close(p.ended)
	}()
	return p, nil
}

// until polls ready, as long as the process lives and ctx lasts.
func (p *process) until(ctx context.Context, ready func(context.Context) error) error {
	err := poll(ctx, func(ctx context.Context) (bool, error) {
		select {
		case <-p.ended:
			return true, fmt.Errorf("the process ended: %w", p.failure)
		default:
		}
		err := ready(ctx)
		return err == nil, err
	})
	if err != nil {
		return fmt.Errorf("%s: %w; its last lines:\n%s", p.name, err, p.lastLines())
	}
	return nil
}

// poll asks until done; then, or when ctx ends, it returns the last error.
func poll(ctx context.Context, ask func(context.Context) (done bool, err error)) error {
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

func (p *process) lastLines() string {
	lines := strings.Split(strings.TrimSpace(p.log.String()), "\n")
	return indent + strings.Join(lines[max(0, len(lines)-8):], "\n"+indent)
}

// stop ends the process and its children: SIGTERM, and SIGKILL should that not
// do. A nil process is stopped already. How a server of somebody else's exits
// is its own business; that it has to be killed, or had died before, is ours.
func (p *process) stop() error {
	if p == nil {
		return nil
	}
	select {
	case <-p.ended:
		return fmt.Errorf("%s had ended already: %w; its last lines:\n%s", p.name, p.failure, p.lastLines())
	default:
	}
	group := -p.command.Process.Pid
	if err := syscall.Kill(group, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("cannot stop %s: %w", p.name, err)
	}
	patience := time.NewTimer(stopWithin)
	defer patience.Stop()
	select {
	case <-p.ended:
		return nil
	case <-patience.C:
	}
	if err := syscall.Kill(group, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("cannot kill %s: %w", p.name, err)
	}
	<-p.ended
	return fmt.Errorf("%s did not stop within %v and was killed", p.name, stopWithin)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/doorward/doorward/internal/testenv"
)

const (
	startWithin = 15 * time.Second
	stopWithin  = 10 * time.Second
	pollEvery   = 20 * time.Millisecond
)

// Files of a run, in its folder.
const (
	configFile = "doorward.yaml"
	policyFile = "policy/team.rego"
	logFile    = "doorward.log"
)

// teamPolicy is a rule of a team's own: it asks for more than the built-in
// rules, and cannot ask for less.
const teamPolicy = `package authz

# What lies under /mcp/admin needs one more scope.
scopes contains "mcp:write" if startswith(input.request.path, "/mcp/admin")
`

// settings are what changes from one run to the next.
type settings struct {
	folder, grpc, http, resource, issuer string
}

func (s settings) yaml() string {
	var text strings.Builder
	for _, line := range [][2]string{
		{"listen:"},
		{"  grpc: " + s.grpc, "Envoy asks here"},
		{"  http: " + s.http, "health, metrics, metadata documents"},
		{"issuers:"},
		{"- issuer: " + s.issuer, "its keys are discovered (RFC 8414)"},
		{"resources:"},
		{"- resource: " + s.resource, "tokens must be issued for exactly this"},
		{"  name: demo"},
		{"  scopes: [mcp:read]", "needed by every request"},
		{"  metadata: {scopes_supported: [mcp:read, mcp:write]}"},
		{"policy: {paths: [policy/]}", "rules of the team's own"},
		{"insecure_http_hosts: [loopback]", "http:// is for this machine alone"},
		{"drain: 0s", "no other replica waits to take over"},
	} {
		if line[1] != "" {
			line[0] = fmt.Sprintf("%-40s # %s", line[0], line[1])
		}
		text.WriteString(line[0] + "\n")
	}
	return text.String()
}

// doorward is the running program.
type doorward struct {
	log     testenv.LogBuffer // JSON, one object a line
	config  string
	address string // of its HTTP listener

	command *exec.Cmd
	file    *os.File
	ended   chan struct{} // closed when the process is gone; then failure holds
	failure error
}

// startDoorward writes the configuration and runs the program until stop. It
// returns when doorward is ready; the error quotes its last lines.
func startDoorward(ctx context.Context, program string, s settings) (*doorward, error) {
	d := &doorward{config: s.yaml(), address: s.http, ended: make(chan struct{})}
	if err := d.write(s.folder); err != nil {
		return nil, err
	}
	if err := d.run(ctx, program, s.folder); err != nil {
		return nil, errors.Join(err, d.file.Close())
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	if err := d.waitReady(ctx); err != nil {
		_ = d.stop() // what went wrong before says more
		return nil, fmt.Errorf("%w; its last lines:\n%s", err, lastLines(d.log.String()))
	}
	return d, nil
}

func (d *doorward) write(folder string) (err error) {
	if err := os.Mkdir(filepath.Join(folder, filepath.Dir(policyFile)), 0o700); err != nil {
		return err
	}
	for name, text := range map[string]string{configFile: d.config, policyFile: teamPolicy} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	d.file, err = os.Create(filepath.Join(folder, logFile))
	return err
}

// run starts the process, which outlives ctx.
func (d *doorward) run(ctx context.Context, program, folder string) error {
	d.command = exec.CommandContext(context.WithoutCancel(ctx), program, "serve", "--config", configFile)
	d.command.Dir = folder
	d.command.Stderr = io.MultiWriter(&d.log, d.file)
	d.command.SysProcAttr = processAttributes()
	if err := d.command.Start(); err != nil {
		return fmt.Errorf("cannot run doorward: %w", err)
	}
	go func() {
		d.failure = d.command.Wait()
		close(d.ended)
	}()
	return nil
}

// waitReady polls readyz, which says yes once doorward has its issuer's keys.
func (d *doorward) waitReady(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := d.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-d.ended:
			return d.gone()
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

func (d *doorward) ready(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.address+"/readyz", nil)
	if err != nil {
		return err
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("readyz: %s", response.Status)
	}
	return nil
}

// gone says how the process ended; d.ended is closed.
func (d *doorward) gone() error {
	if d.failure != nil {
		return fmt.Errorf("the process ended: %w", d.failure)
	}
	return errors.New("the process ended")
}

// stop ends the process: SIGTERM, and SIGKILL should that not do.
func (d *doorward) stop() error {
	defer func() { _ = d.file.Close() }() // a copy of what the journal holds
	select {
	case <-d.ended:
		return d.gone()
	default:
	}
	if err := d.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	patience := time.NewTimer(stopWithin)
	defer patience.Stop()
	select {
	case <-d.ended:
		return d.failure
	case <-patience.C:
	}
	if err := d.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-d.ended
	return fmt.Errorf("it did not stop within %v and was killed", stopWithin)
}

// lastLines is the end of a log, indented.
func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return indent + strings.Join(lines[max(0, len(lines)-8):], "\n"+indent)
}

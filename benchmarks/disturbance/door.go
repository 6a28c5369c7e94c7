package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/doorward/doorward/envoy/rig"
)

const (
	startWithin = 15 * time.Second
	stopWithin  = 10 * time.Second
)

const resourceURI = "https://mcp.example.com/mcp"

// teamPolicy is what most teams will have: one rule of their own.
const teamPolicy = `package authz

deny contains {"code": "no_deletes", "message": "nothing is deleted here"} if input.request.method == "DELETE"
`

// configuration is all that doorward is told. refresh is one line of YAML or
// "" for the defaults.
func configuration(grpc, http, issuer, refresh string) string {
	lines := []string{
		"listen: {grpc: '" + grpc + "', http: '" + http + "'}",
		"issuers:",
		"- issuer: " + issuer,
		"  jwks_uri: " + issuer + "/jwks.json",
	}
	if refresh != "" {
		lines = append(lines, "  refresh: "+refresh)
	}
	return strings.Join(append(
		lines,
		"resources:",
		"- resource: "+resourceURI,
		"  name: benchmark",
		"  scopes: [mcp:read]",
		"policy: {paths: [policy/]}",
		"insecure_http_hosts: [loopback]",
		"drain: 0s",
	), "\n") + "\n"
}

// build makes the program that is measured: this repository's, as users get it.
func build(ctx context.Context, folder string) (program string, err error) {
	program = filepath.Join(folder, "doorward")
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", program, "github.com/doorward/doorward/cmd/doorward") //nolint:gosec // program is in a folder that we made
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build doorward: %w\n%s", err, out)
	}
	return program, nil
}

// door is the running program.
type door struct {
	grpc, http string // host:port
	log        rig.Journal
	cancel     context.CancelFunc
	ended      chan struct{} // closed when the process is gone
}

// openDoor runs the program until close. It returns when doorward is ready; the
// error quotes its log.
func openDoor(ctx context.Context, program, folder, issuer, refresh string) (*door, error) {
	addresses, err := rig.FreeAddresses(2)
	if err != nil {
		return nil, err
	}
	d := &door{grpc: addresses[0], http: addresses[1], ended: make(chan struct{})}
	if err := os.MkdirAll(filepath.Join(folder, "policy"), 0o700); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{
		"doorward.yaml":    configuration(d.grpc, d.http, issuer, refresh),
		"policy/team.rego": teamPolicy,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	if err := d.start(ctx, program, folder); err != nil {
		return nil, err
	}
	if err := d.waitReady(ctx); err != nil {
		d.close()
		return nil, fmt.Errorf("doorward did not become ready: %w; its log:\n%s", err, d.log.String())
	}
	return d, nil
}

func (d *door) start(ctx context.Context, program, folder string) error {
	ctx, d.cancel = context.WithCancel(ctx)
	command := exec.CommandContext(ctx, program, "serve", "--config", "doorward.yaml")
	command.Dir, command.Stderr = folder, &d.log
	command.SysProcAttr = processAttributes()
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = stopWithin
	if err := command.Start(); err != nil {
		d.cancel()
		return fmt.Errorf("cannot run doorward: %w", err)
	}
	go func() {
		_ = command.Wait() // how it ended shows in its log
		close(d.ended)
	}()
	return nil
}

// close ends the process: SIGTERM, and SIGKILL should that not do.
func (d *door) close() {
	d.cancel()
	<-d.ended
}

// waitReady polls readyz, which says yes once doorward has its issuer's keys.
func (d *door) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !d.ready(ctx) {
		select {
		case <-tick.C:
		case <-d.ended:
			return errors.New("the process ended")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (d *door) ready(ctx context.Context) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.http+"/readyz", nil)
	if err != nil {
		return false
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close() // its status is all there is to know
	return response.StatusCode == http.StatusOK
}

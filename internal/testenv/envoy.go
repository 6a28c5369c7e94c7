package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/doorward/doorward/envoy"
)

const (
	startWithin = 30 * time.Second
	stopWithin  = 5 * time.Second
	pollEvery   = 20 * time.Millisecond
)

// EnvoyOptions says where an Envoy listens and who stands around it.
type EnvoyOptions struct {
	Listen   string // host:port for clients; "" is a free port on 127.0.0.1
	Admin    string // host:port of the admin interface; "" as above
	Doorward string // host:port of the ext_authz gRPC service
	Upstream string // host:port of the MCP server

	// Replicas are further doorwards, host:port each, beside the first.
	Replicas []string

	// Edit changes the shipped configuration, after the addresses above were
	// put in; nil runs it as it is. What it returns is why Envoy did not start.
	Edit func(*Bootstrap) error
}

// Envoy is a running Envoy process.
type Envoy struct {
	// AccessLog is what the shipped configuration logs, one JSON object a line.
	AccessLog LogBuffer
	// Log is Envoy's own log, warnings and worse.
	Log LogBuffer

	command       *exec.Cmd
	dir           string
	listen, admin string
	stop          sync.Once
	ended         chan struct{} // closed when the process is gone; then failure holds
	failure       error
}

// StartEnvoy runs the shipped envoy.yaml in a real Envoy, and returns when it
// accepts connections. ctx is for the start alone; the caller calls Stop. It fails with [ErrNoEnvoy] where
// there is no binary, when a requested port is busy, and when Envoy refuses the
// configuration or is not ready within 30 s or the time of ctx.
func StartEnvoy(ctx context.Context, o EnvoyOptions) (*Envoy, error) {
	binary, err := EnvoyBinary()
	if err != nil {
		return nil, err
	}
	config, err := o.config()
	if err != nil {
		return nil, fmt.Errorf("cannot make Envoy's configuration: %w", err)
	}
	dir, err := os.MkdirTemp("", "doorward-envoy-")
	if err != nil {
		return nil, err
	}
	e := &Envoy{dir: dir, ended: make(chan struct{})}
	if err := e.run(ctx, binary, config); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	if err := e.waitReady(ctx); err != nil {
		_ = e.Stop() // what went wrong before says more
		return nil, fmt.Errorf("envoy did not start: %w; it said:\n%s", err, e.Log.tail())
	}
	return e, nil
}

// config is the shipped configuration with the addresses of this run.
func (o EnvoyOptions) config() ([]byte, error) {
	b, err := ParseBootstrap(envoy.Bootstrap())
	if err != nil {
		return nil, err
	}
	for _, place := range []struct {
		socket  *corev3.SocketAddress
		address string
	}{
		{b.Listener.GetAddress().GetSocketAddress(), orAnyPort(o.Listen)},
		{b.Whole.GetAdmin().GetAddress().GetSocketAddress(), orAnyPort(o.Admin)},
		{b.Endpoint("doorward"), o.Doorward},
		{b.Endpoint("mcp-server"), o.Upstream},
	} {
		if err := point(place.socket, place.address); err != nil {
			return nil, err
		}
	}
	if err := b.addReplicas(o.Replicas); err != nil {
		return nil, err
	}
	for _, address := range []string{o.Listen, o.Admin} {
		if err := mustBeFree(address); err != nil {
			return nil, err
		}
	}
	// With SO_REUSEPORT two Envoys would share a port and its clients.
	b.Listener.EnableReusePort = wrapperspb.Bool(false)
	if o.Edit != nil {
		if err := o.Edit(b); err != nil {
			return nil, err
		}
	}
	return b.JSON()
}

func orAnyPort(address string) string {
	if address == "" {
		return anyPort
	}
	return address
}

// point makes a socket of the configuration lead to host:port.
func point(socket *corev3.SocketAddress, address string) error {
	if socket == nil {
		return fmt.Errorf("no place for address %q in the configuration", address)
	}
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	socket.Address = host
	socket.PortSpecifier = &corev3.SocketAddress_PortValue{PortValue: uint32(port)}
	return nil
}

// mustBeFree tells of a busy port before Envoy does, in words.
func mustBeFree(address string) error {
	if address == "" {
		return nil
	}
	listener, err := Listen(address)
	if err != nil {
		return err
	}
	return listener.Close()
}

// run starts the process, which outlives ctx.
func (e *Envoy) run(ctx context.Context, binary string, config []byte) error {
	file := filepath.Join(e.dir, "envoy.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return err
	}
	e.command = exec.CommandContext(context.WithoutCancel(ctx), binary,
		"-c", file,
		"--admin-address-path", e.adminFile(),
		"--concurrency", "1",
		"--disable-hot-restart",
		"--file-flush-interval-msec", "20", // the access log: the default of 10 s is long for a reader who waits
		"-l", "warning")
	e.command.Stdout = &e.AccessLog
	e.command.Stderr = &e.Log
	e.command.SysProcAttr = processAttributes()
	if err := e.command.Start(); err != nil {
		return fmt.Errorf("cannot run Envoy: %w", err)
	}
	go func() {
		e.failure = e.command.Wait()
		close(e.ended)
	}()
	return nil
}

// adminFile is where Envoy writes the admin address that it got.
func (e *Envoy) adminFile() string { return filepath.Join(e.dir, "admin.address") }

// waitReady polls until Envoy serves, and learns the ports on the way.
func (e *Envoy) waitReady(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := e.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-e.ended:
			return fmt.Errorf("the process ended: %w", e.failure)
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

func (e *Envoy) ready(ctx context.Context) error {
	address, err := os.ReadFile(e.adminFile())
	if err != nil {
		return err
	}
	e.admin = strings.TrimSpace(string(address))
	if e.admin == "" {
		return errors.New("no admin address yet")
	}
	if _, err := fetch(ctx, e.AdminURL()+"/ready"); err != nil {
		return err
	}
	e.listen, err = e.listenerAddress(ctx)
	return err
}

// URL is where clients come in, without a path.
func (e *Envoy) URL() string { return "http://" + e.listen }

// Address is the host:port of URL.
func (e *Envoy) Address() string { return e.listen }

// PID is the process, for those who ask the kernel about it.
func (e *Envoy) PID() int { return e.command.Process.Pid }

// AdminURL is the admin interface, without a path.
func (e *Envoy) AdminURL() string { return "http://" + e.admin }

// Stop ends the process: SIGTERM, and after 5 s SIGKILL. The error tells of a
// process that had ended before, or had to be killed. Further calls do nothing.
func (e *Envoy) Stop() error {
	var err error
	e.stop.Do(func() {
		err = errors.Join(e.end(), os.RemoveAll(e.dir))
	})
	return err
}

func (e *Envoy) end() error {
	select {
	case <-e.ended:
		return fmt.Errorf("envoy had ended already: %w", e.failure)
	default:
	}
	patience := time.NewTimer(stopWithin)
	defer patience.Stop()
	if err := e.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("cannot stop Envoy: %w", err)
	}
	select {
	case <-e.ended:
		return nil
	case <-patience.C:
	}
	if err := e.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("cannot kill Envoy: %w", err)
	}
	<-e.ended
	return fmt.Errorf("envoy did not stop within %v and was killed", stopWithin)
}

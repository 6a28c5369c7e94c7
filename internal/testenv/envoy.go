package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/doorward/doorward/envoy"
)

// EnvoyOptions are the addresses of an Envoy and of the servers that it uses.
type EnvoyOptions struct {
	Listen   string // host:port for clients; "" is a free port on 127.0.0.1
	Admin    string // host:port of the admin interface; "" as above
	Doorward string // host:port of the ext_authz gRPC service
	Upstream string // host:port of the MCP server

	// Replicas are further doorwards, host:port each, beside the first.
	Replicas []string

	// Egress makes the shipped sidecar.yaml the configuration, with these addresses.
	Egress *EgressOptions

	// Config is a configuration of the shape of the shipped one, as a mesh makes
	// it; nil is the shipped one.
	Config []byte

	// Edit changes the configuration, after the addresses above were
	// put in; nil runs it as it is. What it returns is why Envoy did not start.
	Edit func(*Bootstrap) error
}

// Envoy is a running Envoy process. Its Log has warnings and worse.
type Envoy struct {
	Process
	// AccessLog is what the shipped configuration logs, one JSON object a line.
	AccessLog LogBuffer

	dir           string
	listen, admin string
}

// StartEnvoy runs the shipped envoy.yaml in a real Envoy, and returns when it
// accepts connections. ctx is for the start alone; the caller calls Stop. It
// fails with [ErrNoEnvoy] where there is no binary, when a requested port is
// busy, and when Envoy refuses the configuration or is not ready within 30 s or
// the time of ctx.
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
	e := &Envoy{dir: dir}
	if err := e.run(ctx, binary, config); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	if err := e.Until(ctx, e.ready); err != nil {
		_ = e.Stop() // the error above says more
		return nil, fmt.Errorf("envoy did not start: %w", err)
	}
	return e, nil
}

// config is the configuration with the addresses of this run.
func (o EnvoyOptions) config() ([]byte, error) {
	text := o.Config
	switch {
	case text == nil && o.Egress != nil:
		text = envoy.Sidecar()
	case text == nil:
		text = envoy.Bootstrap()
	}
	b, err := ParseBootstrap(text)
	if err != nil {
		return nil, err
	}
	if b.Whole.GetAdmin() == nil { // a mesh's own is not part of what it makes of resources
		b.Whole.Admin = &bootstrapv3.Admin{Address: &corev3.Address{
			Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{}},
		}}
	}
	for _, place := range []struct {
		socket  *corev3.SocketAddress
		address string
	}{
		{b.Listener.GetAddress().GetSocketAddress(), orAnyPort(o.Listen)},
		{b.Whole.GetAdmin().GetAddress().GetSocketAddress(), orAnyPort(o.Admin)},
		{b.Endpoint(b.DoorwardCluster()), o.Doorward},
		{b.Endpoint(b.ServerCluster()), o.Upstream},
	} {
		if err := point(place.socket, place.address); err != nil {
			return nil, err
		}
	}
	if err := b.addReplicas(o.Replicas); err != nil {
		return nil, err
	}
	if o.Egress != nil {
		if err := o.Egress.point(b); err != nil {
			return nil, err
		}
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

// mustBeFree reports a busy port before Envoy does, in a plain message.
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
	return e.start(ctx, Command{
		Program: binary, output: &e.AccessLog,
		Args: []string{
			"-c", file, "--admin-address-path", e.adminFile(), "--concurrency", "1", "--disable-hot-restart",
			"--file-flush-interval-msec", "20", // the access log: a test that waits for a line would wait for 10 s
			"-l", "warning",
		},
	})
}

// adminFile is where Envoy writes the admin address that it got.
func (e *Envoy) adminFile() string { return filepath.Join(e.dir, "admin.address") }

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

// AdminURL is the admin interface, without a path.
func (e *Envoy) AdminURL() string { return "http://" + e.admin }

// Stop ends the process as [Process.Stop] does, and removes its files.
func (e *Envoy) Stop() error { return errors.Join(e.Process.Stop(), os.RemoveAll(e.dir)) }

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/doorward/doorward/internal/testenv"
)

// options are the flags. A port of 0 is any free one.
type options struct {
	once     bool
	doorward string // path of the program; "" is the one beside this program
	ports    [portCount]port
}

// port is one port and the flag that chooses it.
type port struct {
	flag, use string
	number    int
}

// The ports, in the order of [options.ports].
const (
	envoyPort = iota
	grpcPort
	httpPort
	mcpPort
	authPort
	adminPort
	egressPort
	apiPort
	portCount
)

// parseOptions reads the flags. The error has been written to stderr.
func parseOptions(args []string, stderr io.Writer) (options, error) {
	o := options{ports: [portCount]port{
		envoyPort:  {flag: "envoy-port", use: "where clients come in, at Envoy"},
		grpcPort:   {flag: "doorward-port", use: "where Envoy asks doorward"},
		httpPort:   {flag: "http-port", use: "doorward's health, metrics and metadata documents"},
		mcpPort:    {flag: "mcp-port", use: "the MCP server"},
		authPort:   {flag: "as-port", use: "the authorization server"},
		adminPort:  {flag: "admin-port", use: "Envoy's admin interface"},
		egressPort: {flag: "egress-port", use: "where requests of the MCP server go out, at Envoy"},
		apiPort:    {flag: "api-port", use: "the API that the MCP server calls"},
	}}
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&o.once, "once", false, "end after the last step; exit 1 if any step differed")
	flags.StringVar(&o.doorward, "doorward", "",
		"`path` of the doorward program (default: the one beside this program)")
	for i := range o.ports {
		flags.IntVar(&o.ports[i].number, o.ports[i].flag, 0, "`port` for "+o.ports[i].use+" (0 is any free one)")
	}
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if err := o.check(flags.Args()); err != nil {
		_, _ = fmt.Fprintf(stderr, "demo: %v\nsee demo -help\n", err)
		return o, err
	}
	return o, nil
}

func (o *options) check(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("%q is no flag", rest[0])
	}
	chosen := map[int]string{}
	for _, p := range o.ports {
		if p.number < 0 || p.number > 65535 {
			return fmt.Errorf("-%s %d is no port: 0 to 65535", p.flag, p.number)
		}
		if other, twice := chosen[p.number]; twice && p.number != 0 {
			return fmt.Errorf("-%s and -%s are both %d: each part needs a port of its own", other, p.flag, p.number)
		}
		chosen[p.number] = p.flag
	}
	return nil
}

// addresses names a host:port on loopback for each port. A busy one is an error
// that says which flag chooses another.
func (o *options) addresses() ([portCount]string, error) {
	var addresses [portCount]string
	free, err := testenv.FreeAddresses(portCount)
	if err != nil {
		return addresses, err
	}
	for i, p := range o.ports {
		if p.number == 0 {
			addresses[i] = free[i]
			continue
		}
		addresses[i] = net.JoinHostPort("127.0.0.1", strconv.Itoa(p.number))
		listener, err := testenv.Listen(addresses[i])
		if errors.Is(err, syscall.EADDRINUSE) {
			return addresses, fmt.Errorf("port %d is busy: another process listens there. Stop it, or choose "+
				"another port with -%s (0 is any free one)", p.number, p.flag)
		}
		if err != nil {
			return addresses, fmt.Errorf("-%s %d: %w", p.flag, p.number, err)
		}
		if err := listener.Close(); err != nil {
			return addresses, err
		}
	}
	return addresses, nil
}

// program finds doorward.
func (o *options) program() (string, error) {
	path := o.doorward
	if path == "" {
		self, err := os.Executable()
		if err != nil {
			return "", err
		}
		path = filepath.Join(filepath.Dir(self), "doorward")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		return "", fmt.Errorf("there is no doorward program at %s: build it with `make build`, or say where it is "+
			"with -doorward", path)
	}
	return path, nil
}

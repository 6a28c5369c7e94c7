package interop

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/doorward/doorward/internal/testenv"
)

// caller is an MCP server that calls an API.
type caller struct {
	name, traces string // as a person reads them
	command      func(home string) []string

	members  int    // of baggage, the most that its OpenTelemetry keeps
	filled   string // what the API gets with so many, the handle included
	long     string // and with a member of 4100 bytes
	sessions string // for whom the call of another user in the session of alice is, by baggage
}

var callers = []caller{
	{name: nameFastMCP, traces: "opentelemetry-instrument", command: func(home string) []string {
		bin := filepath.Join(home, "venv", "bin")
		return []string{filepath.Join(bin, "opentelemetry-instrument"), filepath.Join(bin, "python"), "server.py"}
	}, members: 180, filled: ofAlice + ", baggage of 1142 bytes", long: ofAlice, sessions: ofMachine},
	{name: nameGoSDK, traces: "otelhttp", command: func(home string) []string {
		return []string{filepath.Join(home, "server")}
		// The context of a tool is that of the request that opened the session, and has its baggage.
	}, members: 64, filled: ofAlice + ", baggage of 367 bytes", long: ofAlice + ", baggage of 4103 bytes", sessions: ofAlice},
}

// middle is an MCP server between two listeners of one Envoy, as sidecar.yaml has them, and the API behind it.
type middle struct {
	zitadel *zitadelServer
	service *service
	home    string // of the MCP servers
	other   string // the URI of another resource, whose requests go to the same server
	egress  string // of doorward.yaml, with handles in the header

	carry  string // of the handles
	server *testenv.Process
	api    *httptest.Server

	mu      sync.Mutex
	arrived []*http.Request // at the API
}

const upstreamPage = "The MCP server calls an API for its user, through the shipped [sidecar.yaml](sidecar.yaml): one Envoy for both directions, and\n" +
	"doorward, which exchanges the user's token at zitadel/oidc 3.51.17. The servers are [these](interop/upstream); the tool that copies the\n" +
	"header is that of [docs/upstream.md](../docs/upstream.md), the one that leaves it to OpenTelemetry (0.66b1 for Python, otelhttp 0.72.0 for\n" +
	"Go) has no code for it."

// upstreamSuite prepares the steps with MCP servers that call an API; nothing runs yet.
func upstreamSuite(o options) (*suite, error) {
	h := &suite{
		flag: suiteUpstream, name: "MCP servers that call an API", about: upstreamPage,
		head:  []string{"Server", "The handle is carried by", "What is tried", "What the API gets"},
		words: []string{"Server", "What it sends on", "What becomes of it"},
	}
	home := filepath.Join(o.tools, "interop-upstream")
	z := &zitadelServer{program: filepath.Join(o.tools, "interop-zitadel", "zitadel")}
	for _, path := range []string{z.program, filepath.Join(home, "server"), filepath.Join(home, "complete")} {
		if !exists(path) {
			h.missing = "it is not installed; `envoy/interop/install upstream` does that"
			return h, nil
		}
	}
	s, address, err := newService(o, h.flag, "  preset: zitadel\n")
	if err != nil {
		return nil, err
	}
	s.issuer, z.address, z.service = "http://"+address, address, s
	_, port, _ := net.SplitHostPort(s.listen)
	m := &middle{zitadel: z, service: s, home: home, other: "http://localhost:" + port + "/mcp"}
	if err := s.leaves("audience: \""+destination+"\", client_id: svc, client_secret_file: client.secret", []byte("svc-secret")); err != nil {
		return nil, err
	}
	m.egress = s.egress
	m.api = httptest.NewUnstartedServer(m)
	m.api.StartTLS()
	h.service, h.steps, h.end = s, m.steps(), m.end
	return h, os.CopyFS(s.folder, os.DirFS("upstream"))
}

// ServeHTTP is the API. It answers with who is who in the token that it gets.
func (m *middle) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.arrived = append(m.arrived, r)
	m.mu.Unlock()
	claims, err := part(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), 1)
	if err != nil {
		http.Error(w, "no token", http.StatusUnauthorized)
		return
	}
	_, _ = fmt.Fprintf(w, "%s, sub %v", aboutUpstream(claims), claims["sub"])
}

// reached are the requests that arrived at the API since the last call.
func (m *middle) reached() []*http.Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	arrived := m.arrived
	m.arrived = nil
	return arrived
}

// opens starts a server, doorward and Envoy, and ends those before them.
func (m *middle) opens(c caller, carry string, arguments ...string) func(context.Context) (outcome, error) {
	return func(ctx context.Context) (outcome, error) {
		if err := m.close(); err != nil {
			return outcome{}, err
		}
		free, err := testenv.FreeAddresses(2)
		if err != nil {
			return outcome{}, err
		}
		server, out := free[0], free[1]
		_, port, _ := net.SplitHostPort(server)
		command := append(append(c.command(m.home), port), arguments...)
		m.server, err = testenv.Start(ctx, testenv.Command{
			Program: command[0], Args: command[1:], Dir: m.service.folder,
			Env: []string{
				"HTTP_PROXY=http://" + out, "OTEL_TRACES_EXPORTER=none", "OTEL_METRICS_EXPORTER=none", "OTEL_LOGS_EXPORTER=none",
			},
		})
		if err != nil {
			return outcome{}, err
		}
		if err := m.server.Until(ctx, func(ctx context.Context) error { return dial(ctx, server) }); err != nil {
			return outcome{}, err
		}
		return outcome{got: "up"}, m.openEnvoy(ctx, carry, server, out)
	}
}

// openEnvoy starts doorward with handles in a header or in baggage, and the shipped sidecar.
func (m *middle) openEnvoy(ctx context.Context, carry, server, out string) error {
	s := m.service
	s.resourceLines = fmt.Sprintf("  audiences: [%q]\n- resource: %q\n  name: other\n  audiences: [%q]\n", project, m.other, otherProject)
	m.carry, s.egress = carry, strings.Replace(m.egress, "handle: {", "handle: {carry: "+carry+", ", 1)
	var err error
	s.doorward, err = testenv.StartDoorward(ctx, testenv.DoorwardOptions{
		Program: s.program, Dir: s.folder, GRPC: s.grpc, HTTP: s.http, Config: s.yaml(false),
	})
	if err != nil {
		return err
	}
	configuration, err := m.sidecar(out)
	if err != nil {
		return err
	}
	s.envoy, err = testenv.StartEnvoy(ctx, testenv.EnvoyOptions{
		Config: configuration, Listen: s.listen, Doorward: s.grpc, Upstream: server, Edit: testenv.WithLongTimeouts,
	})
	if err != nil {
		return err
	}
	return s.ready(ctx)
}

// sidecar is the shipped file with the addresses of this run, and for baggage what docs/upstream.md says.
func (m *middle) sidecar(out string) ([]byte, error) {
	authority := filepath.Join(m.service.folder, "api.pem")
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.api.Certificate().Raw})
	text, err := os.ReadFile("../sidecar.yaml")
	if err := errors.Join(err, os.WriteFile(authority, encoded, 0o600)); err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(out)
	_, behind, _ := net.SplitHostPort(m.api.Listener.Addr().String())
	configuration := string(text)
	changes := [][2]string{
		{"port_value: 10001}", "port_value: " + port + "}"},
		{"/run/doorward/weather.sock", m.service.socket()},
		{"/etc/ssl/certs/ca-certificates.crt", authority},
		{"{address: api.example.com, port_value: 443}", "{address: 127.0.0.1, port_value: " + behind + "}"},
	}
	if m.carry == inBaggage {
		changes = append(changes, [2]string{"^(authorization|dpop|x[^a-z0-9].+)$", "^(authorization|dpop|baggage|x[^a-z0-9].+)$"})
	}
	for _, change := range changes {
		if n := strings.Count(configuration, change[0]); n != 1 {
			return nil, fmt.Errorf("%q is in sidecar.yaml %d times", change[0], n)
		}
		configuration = strings.Replace(configuration, change[0], change[1], 1)
	}
	return []byte(configuration), nil
}

// close ends Envoy, doorward and the MCP server.
func (m *middle) close() error {
	m.service.client.CloseIdleConnections()
	var problems []error
	if m.service.envoy != nil {
		problems = append(problems, m.service.envoy.Stop())
	}
	problems = append(problems, m.service.doorward.Stop(), m.server.Stop())
	m.service.envoy, m.service.doorward, m.server = nil, nil, nil
	return errors.Join(problems...)
}

func (m *middle) end() error {
	m.api.Close()
	return errors.Join(m.server.Stop(), m.zitadel.process.Stop())
}

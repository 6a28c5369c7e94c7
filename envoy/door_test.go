package envoy_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/tracing"
)

const (
	issuerURL   = "https://as.example.com"
	weatherURI  = "https://mcp.example.com/mcp"
	adminURI    = "https://mcp.example.com/mcp/admin"
	otherURI    = "https://mcp.example.com/other"
	metadataURL = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"

	receiveMax = 256 << 10        // bytes of one Check: above 60 KiB of headers, below the large body of a test
	patience   = 60 * time.Second // for whatever should happen within moments, on a machine that is busy
)

// testTime is the time at every door: tokens are valid or not for ever.
var testTime = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// claims are those of a good token for the weather, after changes; nil deletes.
func claims(changes ...map[string]any) map[string]any {
	all := map[string]any{
		"iss": issuerURL, "sub": "alice", "aud": weatherURI, "client_id": "app", "jti": "id-1",
		"iat": testTime.Add(-time.Minute).Unix(), "exp": testTime.Add(time.Hour).Unix(), "scope": "mcp:read mcp:write",
	}
	for _, change := range changes {
		maps.Copy(all, change)
		maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	}
	return all
}

// environment is a real Envoy with doorward at its door.
type environment struct {
	envoy    *testenv.Envoy
	doorward *extauthz.Server
	tracer   *tracing.Tracer    // of doorward; nil where the environment names no collector
	address  string             // of doorward
	log      *testenv.LogBuffer // doorward's own
	leave    func()             // stops doorward, as a crash would
}

// edit changes one thing of the shipped configuration.
type edit func(*testenv.Bootstrap)

// startEnvironment runs the shipped envoy.yaml with these edits before an upstream.
func startEnvironment(t *testing.T, upstream string, edits ...edit) *environment {
	t.Helper()
	return startEnvironmentOf(t, nil, upstream, edits...)
}

// startEnvironmentOf runs a configuration instead of the shipped one; nil is that.
func startEnvironmentOf(t *testing.T, configuration []byte, upstream string, edits ...edit) *environment {
	t.Helper()
	h := startDoorward(t)
	h.startEnvoy(t, testenv.EnvoyOptions{
		Config:   configuration,
		Upstream: upstream,
		Edit: func(b *testenv.Bootstrap) error {
			for _, change := range edits {
				change(b)
			}
			return testenv.WithLongTimeouts(b)
		},
	})
	return h
}

// startDoorward is an environment without an Envoy.
func startDoorward(t *testing.T) *environment {
	t.Helper()
	testenv.RequireEnvoy(t)
	h := &environment{log: &testenv.LogBuffer{}}
	log := slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	h.tracer = tracing.New(tracing.Options{Log: log, Registry: prometheus.NewRegistry()})
	if h.doorward, err = extauthz.New(extauthz.Options{Log: log, Tracer: h.tracer}); err != nil {
		t.Fatal(err)
	}
	listener, err := testenv.Listen("")
	if err != nil {
		t.Fatal(err)
	}
	h.address = listener.Addr().String()
	server := extauthz.NewGRPCServer(h.doorward, receiveMax)
	well := health.NewServer()
	well.SetServingStatus(extauthz.ServiceName, grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(server, well)
	go func() { _ = server.Serve(listener) }()
	h.leave = server.Stop
	t.Cleanup(server.Stop)
	return h
}

// startEnvoy starts an Envoy that calls the environment's doorward.
func (h *environment) startEnvoy(t *testing.T, options testenv.EnvoyOptions) {
	t.Helper()
	options.Doorward = h.address
	var err error
	if h.envoy, err = testenv.StartEnvoy(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.envoy.Stop(); err != nil {
			t.Error(err)
		}
	})
}

func (h *environment) activate(t *testing.T, state *extauthz.State) {
	t.Helper()
	if err := h.doorward.Swap(state); err != nil {
		t.Fatal(err)
	}
}

func withPatience(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// clientRequest is one request as it is on the wire: no library changes it.
type clientRequest struct {
	method, host, path string // "": GET, mcp.example.com, /mcp
	headers            [][2]string
	body               string
	chunked            bool        // without Content-Length, in pieces
	trailers           [][2]string // over HTTP/2 only
}

func bearer(token string) clientRequest {
	return clientRequest{headers: [][2]string{{"Authorization", "Bearer " + token}}}
}

func (a clientRequest) at(path string) clientRequest { a.path = path; return a }

func (a clientRequest) on(host string) clientRequest { a.host = host; return a }

func (a clientRequest) by(method string) clientRequest { a.method = method; return a }

func (a clientRequest) with(name, value string) clientRequest {
	a.headers = append(a.headers[:len(a.headers):len(a.headers)], [2]string{name, value})
	return a
}

func or(value, usual string) string {
	if value == "" {
		return usual
	}
	return value
}

func (a clientRequest) bytes() []byte {
	var wire bytes.Buffer
	fmt.Fprintf(&wire, "%s %s HTTP/1.1\r\nHost: %s\r\n", or(a.method, "GET"), or(a.path, "/mcp"), or(a.host, "mcp.example.com"))
	for _, header := range a.headers {
		fmt.Fprintf(&wire, "%s: %s\r\n", header[0], header[1])
	}
	switch {
	case a.chunked:
		wire.WriteString("Transfer-Encoding: chunked\r\n\r\n")
		for piece := range slices.Chunk([]byte(a.body), 7000) {
			wire.WriteString(chunk(string(piece)))
		}
		wire.WriteString(chunk(""))
	case a.body != "":
		fmt.Fprintf(&wire, "Content-Length: %d\r\n\r\n%s", len(a.body), a.body)
	default:
		wire.WriteString("\r\n")
	}
	return wire.Bytes()
}

// reply is what came back, and who asked: Envoy logs the client's port.
type reply struct {
	status int
	header http.Header
	body   string
	client string
}

func (r reply) String() string { return fmt.Sprintf("%d %v %.200q", r.status, r.header, r.body) }

// exchange sends a request on a connection of its own.
func (h *environment) exchange(ctx context.Context, a clientRequest) (reply, error) {
	return a.exchange(ctx, h.envoy.Address())
}

func (a clientRequest) exchange(ctx context.Context, address string) (reply, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = conn.Close() }()
	if deadline, has := ctx.Deadline(); has {
		_ = conn.SetDeadline(deadline)
	}
	go func() { _, _ = conn.Write(a.bytes()) }() // an answer may come before the whole request was read
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: or(a.method, "GET")})
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, string(body), conn.LocalAddr().String()}, err
}

func (h *environment) send(t *testing.T, a clientRequest) reply {
	t.Helper()
	got, err := h.exchange(withPatience(t), a)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// logged is Envoy's access log line about a request.
func (h *environment) logged(t *testing.T, r reply) map[string]any {
	t.Helper()
	line, err := h.envoy.AccessLog.Wait(withPatience(t), `"client":"`+r.client+`"`)
	if err != nil {
		t.Fatal(err)
	}
	return decodeLine(t, line)
}

// noted is doorward's own line about the request of an access log line: the
// two are joined by x-request-id.
func (h *environment) noted(t *testing.T, access map[string]any) map[string]any {
	t.Helper()
	id, _ := access["request_id"].(string)
	if id == "" {
		t.Fatalf("the access log has no request_id: %v", access)
	}
	line, err := h.log.Wait(withPatience(t), `"request_id":"`+id+`"`)
	if err != nil {
		t.Fatal(err)
	}
	return decodeLine(t, line)
}

func decodeLine(t *testing.T, line string) map[string]any {
	t.Helper()
	var decoded map[string]any
	if err := json.Unmarshal([]byte(line), &decoded); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return decoded
}

func mentions(text string, secrets ...string) bool {
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			return true
		}
	}
	return false
}

package envoy_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"

	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

const sidecarFile = "sidecar.yaml"

// sidecar is envoy.yaml with its comments about egress taken as YAML.
func sidecar(t *testing.T) string {
	t.Helper()
	text := string(uncomment(t, "# - name: egress", "# - name: doorward-egress", "# - name: api.example.com"))
	_, rest, found := strings.Cut(text, "\nadmin:\n")
	if !found {
		t.Fatal("envoy.yaml does not begin as it did")
	}
	return sidecarHead + "\nadmin:\n" + rest
}

const sidecarHead = `# A hardened Envoy (1.37 or newer; tested with 1.40) beside one MCP server, with doorward for both directions: what
# comes in (listener mcp), and what the server sends out (listener egress). It is envoy.yaml with the parts about egress
# taken out of their comments: go test ./envoy -run TestTheSidecarFile -record
#
# Edit the addresses marked HERE, the socket of doorward-egress, and one virtual host and one cluster for each
# destination of doorward.yaml. The server sends its requests as http:// to the listener egress, which speaks TLS to the
# destination; docs/upstream.md says how.
#
#   envoy --mode validate -c sidecar.yaml     and     envoy -c sidecar.yaml
`

// TestTheSidecarFile has what envoy.yaml says, so that its tests are about both.
func TestTheSidecarFile(t *testing.T) {
	want := sidecar(t)
	if *record {
		if err := os.WriteFile(sidecarFile, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(sidecarFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not envoy.yaml with egress: go test ./envoy -run TestTheSidecarFile -record", sidecarFile)
	}
	if err := parse(t, got).Whole.ValidateAll(); err != nil {
		t.Error(err)
	}
}

// checks is an ext_authz service that notes what it is asked, and answers as answer
// says; nil allows.
type checks struct {
	authv3.UnimplementedAuthorizationServer
	answer *authv3.CheckResponse

	mu   sync.Mutex
	seen []*authv3.AttributeContext
}

func (c *checks) Check(_ context.Context, request *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, request.GetAttributes())
	if c.answer != nil {
		return c.answer, nil
	}
	return &authv3.CheckResponse{Status: &status.Status{}}, nil
}

// last is the last Check, and how many there were.
func (c *checks) last() (*authv3.AttributeContext, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.seen) == 0 {
		return nil, 0
	}
	return c.seen[len(c.seen)-1], len(c.seen)
}

// wayOut is the shipped sidecar between a server and a destination with TLS.
type wayOut struct {
	address string
	checks  *checks
	stop    func()             // stops doorward
	logged  *testenv.LogBuffer // Envoy's access log

	mu      sync.Mutex
	arrived []*http.Request
}

// startWayOut runs the shipped sidecar. certified is the name in the certificate of what
// is behind api.example.com.
func startWayOut(t *testing.T, certified string) *wayOut {
	t.Helper()
	w := &wayOut{checks: &checks{}}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(4 << 20))
	authv3.RegisterAuthorizationServer(server, w.checks)
	w.start(t, certified, server)
	return w
}

// start is startWayOut with another service in the place of checks.
func (w *wayOut) start(t *testing.T, certified string, server *grpc.Server) {
	t.Helper()
	testenv.RequireEnvoy(t)
	destination := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.arrived = append(w.arrived, r)
	}))
	dir := t.TempDir()
	authority := filepath.Join(dir, "ca.pem")
	destination.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t, certified, authority)}, MinVersion: tls.VersionTLS12}
	destination.StartTLS()
	t.Cleanup(destination.Close)
	socket := filepath.Join(dir, "weather.sock")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	w.stop = server.Stop
	t.Cleanup(server.Stop)
	free, err := testenv.FreeAddresses(3)
	if err != nil {
		t.Fatal(err)
	}
	w.address = free[0]
	_, port, _ := net.SplitHostPort(w.address)
	_, behind, _ := net.SplitHostPort(destination.Listener.Addr().String())
	text, err := os.ReadFile(sidecarFile)
	if err != nil {
		t.Fatal(err)
	}
	configuration := string(text)
	for _, change := range [][2]string{
		{"port_value: 10001}", "port_value: " + port + "}"},
		{"/run/doorward/weather.sock", socket},
		{"/etc/ssl/certs/ca-certificates.crt", authority},
		{"{address: api.example.com, port_value: 443}", "{address: 127.0.0.1, port_value: " + behind + "}"},
	} {
		if strings.Count(configuration, change[0]) != 1 {
			t.Fatalf("%q is in the file %d times", change[0], strings.Count(configuration, change[0]))
		}
		configuration = strings.Replace(configuration, change[0], change[1], 1)
	}
	envoy, err := testenv.StartEnvoy(t.Context(), testenv.EnvoyOptions{
		Config: []byte(configuration), Doorward: free[1], Upstream: free[2],
	})
	if err != nil {
		t.Fatal(err)
	}
	w.logged = &envoy.AccessLog
	t.Cleanup(func() {
		if err := envoy.Stop(); err != nil {
			t.Error(err)
		}
	})
}

// certificate makes one that is its own authority, which it writes to a file.
func certificate(t *testing.T, name, authority string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// send writes a request byte for byte and returns the status of the answer.
func (w *wayOut) send(t *testing.T, request string) int {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", w.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(conn, request) }()
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

// reached is what arrived at the destination since the last call.
func (w *wayOut) reached() []*http.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	arrived := w.arrived
	w.arrived = nil
	return arrived
}

func fetching(target string, headers ...string) string {
	return "GET " + target + " HTTP/1.1\r\n" + strings.Join(headers, "\r\n") + "\r\nConnection: close\r\n\r\n"
}

// A server that lies about where it calls reaches the destination that the route names,
// or nothing.
func TestALyingHostReachesNoOtherCluster(t *testing.T) {
	w := startWayOut(t, "api.example.com")
	for _, row := range []struct {
		intent, request string
		status          int
		reaches         bool   // the destination
		destination     string // in the Check; "": none
	}{
		{"an honest request", fetching("/v1", "Host: api.example.com"), 200, true, "api.example.com"},
		{"with the port", fetching("/v1", "Host: api.example.com:443"), 200, true, "api.example.com"},
		{"in another case", fetching("/v1", "Host: API.example.com"), 200, true, "api.example.com"},
		{"as a proxy", fetching("http://api.example.com/v1", "Host: api.example.com"), 200, true, "api.example.com"},
		{"as a proxy, with another Host", fetching("http://api.example.com/v1", "Host: evil.example"), 200, true, "api.example.com"},
		{"another host", fetching("/v1", "Host: evil.example"), 403, false, ""},
		{"another host as a proxy", fetching("http://evil.example/v1", "Host: api.example.com"), 403, false, ""},
		{"an address", fetching("/v1", "Host: 127.0.0.1:9191"), 403, false, ""},
		{"the host of the metadata service", fetching("/latest", "Host: 169.254.169.254"), 403, false, ""},
		{"another port", fetching("/v1", "Host: api.example.com:8443"), 403, false, ""},
		{"a trailing dot", fetching("/v1", "Host: api.example.com."), 403, false, ""},
		{"two hosts", fetching("/v1", "Host: api.example.com", "Host: evil.example"), 403, false, ""},
		{"a forwarded host", fetching("/v1", "Host: api.example.com", "X-Forwarded-Host: evil.example"), 200, true, "api.example.com"},
		{"an original destination", fetching("/v1", "Host: api.example.com", "X-Envoy-Original-Dst-Host: 127.0.0.1:1"), 200, true, "api.example.com"},
		{"CONNECT", "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n", 404, false, ""},
		{"CONNECT to the destination", "CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n\r\n", 404, false, ""},
		{"an upgrade", "GET /v1 HTTP/1.1\r\nHost: api.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 403, false, ""},
		{"HTTP/1.0", "GET /v1 HTTP/1.0\r\nHost: api.example.com\r\n\r\n", 426, false, ""},
	} {
		_, before := w.checks.last()
		got := w.send(t, row.request)
		reached := w.reached()
		check, after := w.checks.last()
		if got != row.status || (len(reached) == 1) != row.reaches {
			t.Errorf("%s: status %d, %d requests arrived", row.intent, got, len(reached))
		}
		named := ""
		if after > before {
			named = check.GetContextExtensions()["destination"]
		}
		if named != row.destination {
			t.Errorf("%s: the Check names %q", row.intent, named)
		}
		for _, r := range reached {
			if r.Host != "api.example.com" || r.TLS.ServerName != "api.example.com" || after != before+1 {
				t.Errorf("%s: %s arrived with SNI %s after %d Checks", row.intent, r.Host, r.TLS.ServerName, after-before)
			}
		}
	}
}

// A destination that has another name in its certificate gets nothing.
func TestEnvoyVerifiesTheDestination(t *testing.T) {
	w := startWayOut(t, "evil.example")
	if got := w.send(t, fetching("/v1", "Host: api.example.com")); got != 503 || len(w.reached()) != 0 {
		t.Errorf("status %d, and a request arrived", got)
	}
}

func upload(path string, size int) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", path, size, strings.Repeat("a", size))
}

// doorward gets bodies up to 1 MiB whole and larger ones cut, and none of a stream.
func TestBodiesOnTheWayOut(t *testing.T) {
	w := startWayOut(t, "api.example.com")
	for _, row := range []struct {
		intent, request string
		body            int
		partial         string
	}{
		{"no body", fetching("/v1", "Host: api.example.com"), 0, ""},
		{"a body", upload("/v1", 1000), 1000, "false"},
		{"the largest", upload("/v1", 1<<20), 1 << 20, "false"},
		{"a larger one", upload("/v1", 1<<20+1), 1 << 20, "true"},
		{"a much larger one", upload("/v1", 3<<20), 1 << 20, "true"},
		{"a stream", upload("/v1/uploads/a", 1000), 0, ""},
		{"a large stream", upload("/v1/uploads", 3<<20), 0, ""},
	} {
		if got := w.send(t, row.request); got != 200 || len(w.reached()) != 1 {
			t.Errorf("%s: status %d", row.intent, got)
		}
		check, _ := w.checks.last()
		request := check.GetRequest().GetHttp()
		partial := ""
		for _, header := range request.GetHeaderMap().GetHeaders() {
			if header.GetKey() == "x-envoy-auth-partial-body" {
				partial = string(header.GetRawValue())
			}
		}
		if got := len(request.GetRawBody()); got != row.body || partial != row.partial && row.partial != "" {
			t.Errorf("%s: a body of %d, partial %q", row.intent, got, partial)
		}
		if got := check.GetContextExtensions()["destination"]; got != "api.example.com" {
			t.Errorf("%s: the Check names %q", row.intent, got)
		}
	}
}

// A body in pieces is sent to doorward for every method with which it would not notice
// that one is missing.
func TestBodiesInPiecesAreNotHidden(t *testing.T) {
	w := startWayOut(t, "api.example.com")
	for _, method := range []string{"GET", "DELETE", "OPTIONS", "POST", "PUT", "PATCH"} {
		streams := method[0] == 'P'
		got := w.send(t, method+" /v1/uploads HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n"+
			"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n")
		if reached := w.reached(); got != 200 || len(reached) != 1 || len(reached[0].TransferEncoding) != 1 {
			t.Errorf("%s: status %d", method, got)
		}
		check, _ := w.checks.last()
		if body := string(check.GetRequest().GetHttp().GetRawBody()); (body == "") != streams || !streams && body != "body" {
			t.Errorf("%s: doorward gets %q", method, body)
		}
	}
}

// What Envoy itself would write into x-envoy-auth-partial-body is not shown to doorward
// where a server writes it, and does not leave.
func TestTheHeaderThatNoCheckHasDoesNotLeave(t *testing.T) {
	testenv.RequireEnvoy(t)
	key := jwttest.NewKey("ES256", "key-1")
	l, w := newLeaving(t, key), &wayOut{}
	w.start(t, "api.example.com", l.server())
	for _, name := range []string{"X-Envoy-Auth-Partial-Body", "x-mcp-auth-", "X_mcp_auth_"} {
		got := w.send(t, fetching("/v1", "Host: api.example.com", name+": Bearer t"))
		for _, r := range w.reached() {
			for left := range r.Header {
				if strings.EqualFold(left, name) {
					t.Errorf("%s left", name)
				}
			}
		}
		if got != 200 {
			t.Errorf("%s: status %d", name, got)
		}
	}
}

// Envoy's access log has no whole token of a request that doorward refused.
func TestTheAccessLogOfTheWayOutHasNoToken(t *testing.T) {
	testenv.RequireEnvoy(t)
	key := jwttest.NewKey("ES256", "key-1")
	l, w := newLeaving(t, key), &wayOut{}
	w.start(t, "api.example.com", l.server())
	compact := key.Sign(claims())
	const last = "/the-last-request"
	for _, request := range []string{
		fetching("/v1/"+compact+"/x", "Host: api.example.com"), fetching("/", "Host: "+compact),
		fetching("/", "Host: api.example.com", "X-Request-Id: "+compact), fetching("/?t="+compact, "Host: api.example.com"),
		fetching(last, "Host: api.example.com"),
	} {
		w.send(t, request)
	}
	if _, err := w.logged.Wait(withPatience(t), last); err != nil {
		t.Fatal(err)
	}
	signature := compact[strings.LastIndexByte(compact, '.')+1:]
	if strings.Contains(w.logged.String(), signature) {
		t.Errorf("the log: %s", w.logged.String())
	}
}

// The answer may remove and set credentials, and nothing that selects a route.
func TestMutationsOnTheWayOut(t *testing.T) {
	w := startWayOut(t, "api.example.com")
	ours := []string{"authorization", "proxy-authorization", "proxy_authorization", "dpop", "cookie", "baggage", "x-mcp-auth-handle", "x_mcp_auth_subject", "x.mcp.auth.assertion"}
	answer := func(remove []string, set ...string) *authv3.CheckResponse {
		ok := &authv3.OkHttpResponse{HeadersToRemove: remove, QueryParametersToRemove: []string{"access_token"}}
		for _, name := range set {
			ok.Headers = append(ok.Headers, &corev3.HeaderValueOption{
				Header:       &corev3.HeaderValue{Key: name, Value: "ours"},
				AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
			})
		}
		return &authv3.CheckResponse{Status: &status.Status{}, HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: ok}}
	}
	headers := []string{"Host: api.example.com"}
	for _, name := range ours {
		headers = append(headers, name+": theirs")
	}
	w.checks.answer = answer(ours[1:], ours[0]) // Envoy removes after it sets
	if got := w.send(t, fetching("/v1?a=1&access_token=theirs", headers...)); got != 200 {
		t.Fatalf("status %d", got)
	}
	for _, r := range w.reached() {
		for name, values := range r.Header {
			if strings.Contains(strings.Join(values, " "), "theirs") {
				t.Errorf("%s left", name)
			}
		}
		if r.Header.Get("Authorization") != "ours" || r.URL.RawQuery != "a=1" {
			t.Errorf("authorization %q, query %q", r.Header.Get("Authorization"), r.URL.RawQuery)
		}
		for name := range r.Header {
			if strings.HasPrefix(name, "X-Envoy") || name == "X-Forwarded-For" {
				t.Errorf("Envoy's own %s left", name)
			}
		}
	}
	for _, name := range []string{"host", ":authority", ":path", "x-envoy-original-dst-host", "x-forwarded-host", "content-length", "x-other"} {
		w.checks.answer = answer(nil, name)
		if got := w.send(t, fetching("/v1", "Host: api.example.com")); got != 500 || len(w.reached()) != 0 {
			t.Errorf("a Check that sets %s: status %d", name, got)
		}
	}
}

// Without doorward nothing leaves.
func TestTheWayOutFailsClosed(t *testing.T) {
	w := startWayOut(t, "api.example.com")
	w.stop()
	for _, host := range []string{"api.example.com", "evil.example"} {
		if got := w.send(t, fetching("/v1", "Host: "+host)); got != 503 || len(w.reached()) != 0 {
			t.Errorf("%s: status %d", host, got)
		}
	}
}

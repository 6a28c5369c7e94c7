package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// TestUsage: a mistake in the command line is exit 2 and one line on stderr.
func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{"nonsense"},
		{"serve", "--nonsense"},
		{"serve"},
		{"serve", "--resource", "https://a.example/mcp"},
		{"check"},
		{"explain"},
		{"serve", "--config", "x.yaml", "--resource", "https://a.example/mcp"},
		{"version", "extra"},
		{"test", "--nonsense"},
		{"library"},
		{"library", "a", "b"},
		{"schema"},
		{"schema", "nonsense"},
		{"schema", "config", "input"},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), args, &stdout, &stderr); code != exitUsage || stdout.Len() > 0 || stderr.Len() == 0 {
			t.Errorf("%q: exit %d, stdout %q, stderr %q", args, code, &stdout, &stderr)
		}
	}
}

func TestHelpShowsARealExample(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"check", "--help"}, {"explain", "--help"}, {"test", "--help"}, {"library", "--help"}, {"schema", "--help"}, {"version", "--help"}} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), args, &stdout, &stderr); code != 0 || !strings.Contains(stdout.String(), "Example") {
			t.Errorf("%q: exit %d, %q", args, code, &stdout)
		}
	}
}

func TestVersion(t *testing.T) {
	for _, args := range []string{"version", "--version"} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), []string{args}, &stdout, &stderr); code != 0 {
			t.Fatalf("%s: exit %d: %s", args, code, &stderr)
		}
		for _, word := range []string{"doorward ", "commit ", "go1.", "opa "} {
			if !strings.Contains(stdout.String(), word) {
				t.Errorf("%s: no %q in %s", args, word, &stdout)
			}
		}
	}
}

// TestCheck prints problems of configuration and policy alike to stdout.
func TestCheck(t *testing.T) {
	f := newFolder(t)
	good := f.configure(t, "policy: {paths: [policy]}")
	f.write(t, "policy/team.rego", "package authz\n\nrequire.office if input.request.host == \"mcp.example.com\"\n")
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"check", "--config", good}, &stdout, &stderr); code != 0 || !strings.Contains(stdout.String(), "ok: 1 resource, 1 issuer, 1 policy file\n") {
		t.Errorf("good: exit %d, %s%s", code, &stdout, &stderr)
	}
	f.write(t, "policy/team.rego", "package authz\n\nrequire.office if nonsense(1)\n")
	stdout.Reset()
	if code := run(t.Context(), []string{"check", "--config", good}, &stdout, &stderr); code != exitFailure ||
		!regexp.MustCompile(`team\.rego:3:\d+: .+nonsense`).MatchString(stdout.String()) {
		t.Errorf("bad policy: exit %d, %s", code, &stdout)
	}
	bad := f.configure(t, "clock_skew: 6m\nnonsense: 1")
	stdout.Reset()
	if code := run(t.Context(), []string{"check", bad}, &stdout, &stderr); code != exitUsage {
		t.Logf("PATH without --config: exit %d", code)
	}
	stdout.Reset()
	if code := run(t.Context(), []string{"check", "--config", bad}, &stdout, &stderr); code != exitFailure || strings.Count(stdout.String(), "\n") != 2 {
		t.Errorf("bad configuration: exit %d, %s", code, &stdout)
	}
}

// TestCheckTellsEverything at once, with places, whatever is wrong elsewhere.
func TestCheckTellsEverything(t *testing.T) {
	f := newFolder(t)
	config := f.configure(t, "nonsense: 1\npolicy: {paths: [policy]}\nrevocation_file: list.json")
	f.write(t, "policy/team.rego", "package authz\n\nrequire.office if nonsense(1)\n")
	f.write(t, "list.json", `{"serial": 0}`)
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"check", "--config", config}, &stdout, &stderr)
	for _, want := range []string{`doorward\.yaml:\d+:\d+: unknown key "nonsense"`, `team\.rego:3:\d+: .*nonsense`, `doorward\.yaml:\d+:\d+: revocation_file is not usable: .*list\.json:1:12`} {
		if !regexp.MustCompile(want).MatchString(stdout.String()) {
			t.Errorf("no %s in:\n%s", want, &stdout)
		}
	}
	if code != exitFailure || strings.Count(stdout.String(), "\n") != 3 {
		t.Errorf("exit %d:\n%s%s", code, &stdout, &stderr)
	}
}

// TestServeRefusesBadConfiguration starts nothing and says why.
func TestServeRefusesBadConfiguration(t *testing.T) {
	f := newFolder(t)
	log := newLines()
	if code := run(t.Context(), []string{"serve", "--config", f.configure(t, "nonsense: 1")}, &bytes.Buffer{}, log); code != exitFailure {
		t.Errorf("exit %d", code)
	}
	if !strings.Contains(log.String(), `doorward.yaml:10:1: unknown key`) {
		t.Errorf("log: %s", log)
	}
}

// TestLifeCycle: ready, serving, then not ready, drained and out with 0.
func TestLifeCycle(t *testing.T) {
	f := newFolder(t)
	began := time.Now()
	p := start(t, "--config", f.configure(t, ""))
	t.Logf("serving after %v", time.Since(began))
	conn := p.dial(t, p.grpc, nil)
	if got := verdict(t, conn, goodToken(f.key)); got != "allowed" {
		t.Errorf("a good token: %s", got)
	}
	health := healthpb.NewHealthClient(conn)
	for _, service := range []string{"", extauthz.ServiceName} {
		got, err := health.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
		if err != nil || got.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("health of %q: %v, %v", service, got, err)
		}
	}
	watching, endWatch := context.WithCancel(t.Context())
	defer endWatch()
	watch, err := health.Watch(watching, &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := watch.Recv(); err != nil || got.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("watch: %v, %v", got, err)
	}
	for path, want := range map[string]string{
		"/livez": `"live":true`, "/readyz": `"https://as.example.com","state":"well"`, "/metrics": "doorward_build_info",
	} {
		if code, _, body := get(t, "http://"+p.http+path); code != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	p.stop()
	if got, err := watch.Recv(); err != nil || got.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Errorf("watch while draining: %v, %v", got, err)
	}
	endWatch()
	if code := p.wait(t); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// TestDrainStillAnswers: between the signal and the end, readiness is gone and
// answers are not.
func TestDrainStillAnswers(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	config := strings.Replace(readFile(t, f.configure(t, "")), "drain: 0s", "drain: 2s", 1)
	f.write(t, "doorward.yaml", config)
	p := start(t, "--config", f.path("doorward.yaml"))
	conn := p.dial(t, p.grpc, nil)
	verdict(t, conn, "")
	p.stop()
	p.log.await(t, 1, "draining")
	if code, _, _ := get(t, "http://"+p.http+"/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("readyz while draining: %d", code)
	}
	if got := verdict(t, conn, goodToken(f.key)); got != "allowed" {
		t.Errorf("while draining: %s", got)
	}
	if code := p.wait(t); code != 0 {
		t.Errorf("exit %d", code)
	}
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestMetadataOnTheHTTPListener is PR-2 and PR-6 without Envoy.
func TestMetadataOnTheHTTPListener(t *testing.T) {
	f := newFolder(t)
	p := start(t, "--config", f.configure(t, ""))
	base := "http://" + p.http
	for _, row := range []struct {
		path, host string
		want       int
	}{
		{"/.well-known/oauth-protected-resource/mcp", "mcp.example.com", 200},
		{"/.well-known/oauth-protected-resource", "mcp.example.com", 200},
		{"/.well-known/oauth-protected-resource/mcp?x=1", "mcp.example.com:443", 200},
		{"/.well-known/oauth-protected-resource//mcp", "mcp.example.com", 404},
		{"/.well-known/oauth-protected-resource/mcp", "other.example.com", 404},
		{"/.well-known/oauth-protected-resourceful", "mcp.example.com", 404},
	} {
		code, header, body := get(t, base+row.path, row.host)
		if code != row.want {
			t.Errorf("%s on %s: %d %s", row.path, row.host, code, body)
		}
		if code == 200 && (header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(body, `"resource":"https://mcp.example.com/mcp"`)) {
			t.Errorf("%s: %v %s", row.path, header, body)
		}
	}
}

// TestARefusedReloadChangesNothing, not even the part that was fine; and what
// was wrong is taken once it is mended, though no file that names it changed.
func TestARefusedReloadChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	certificate := newCertificate(t)
	certificate.write(t, f)
	f.write(t, "ca.pem", certificate.certPEM)
	shut := strings.Replace(readFile(t, f.configure(t, "")), `listen: {`, `listen: {tls: {cert_file: cert.pem, key_file: key.pem, client_ca_file: ca.pem}, `, 1)
	f.write(t, "doorward.yaml", shut)
	p := start(t, "--config", f.path("doorward.yaml"))
	f.write(t, "list.json", `{"serial": 0}`)
	f.write(t, "doorward.yaml", strings.Replace(shut, ", client_ca_file: ca.pem", "", 1)+"\nrevocation_file: list.json\n")
	p.log.await(t, 1, "was refused")
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(certificate.certPEM))
	stranger := credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: "doorward.test", MinVersion: tls.VersionTLS12})
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if _, err := authv3.NewAuthorizationClient(p.dial(t, p.grpc, stranger)).Check(ctx, checkRequest("")); err == nil {
		t.Error("a stranger without a certificate is answered")
	}
	f.write(t, "list.json", `{"serial": 1, "revoked": [{"issuer": "https://as.example.com", "sub": "alice"}]}`)
	p.log.await(t, 1, "is in force")
	if got := verdict(t, p.dial(t, p.grpc, stranger), goodToken(f.key)); got != "token_revoked" {
		t.Errorf("after the list was mended: %s", got)
	}
	if got := strings.Count(p.log.String(), "was refused"); got != 1 {
		t.Errorf("the same refusal is told %d times", got)
	}
}

// TestHangup reloads at once, changed or not.
func TestHangup(t *testing.T) {
	f := newFolder(t)
	p := start(t, "--config", f.configure(t, ""))
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.log.await(t, 1, "is in force")
	if got := verdict(t, p.dial(t, p.grpc, nil), goodToken(f.key)); got != "allowed" {
		t.Errorf("after SIGHUP: %s", got)
	}
}

// TestStartWithTheAuthorizationServerDown: it starts, is not ready, tells who
// is missing, and answers 401 without a token and 503 with one.
func TestStartWithTheAuthorizationServerDown(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	issuer := "http://" + listener.Addr().String()
	_ = listener.Close() // nobody listens there now
	p := start(t, "--resource", "https://mcp.example.com/mcp", "--issuer", issuer, "--insecure-http-host", "loopback",
		"--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0")
	code, _, body := get(t, "http://"+p.http+"/readyz")
	if code != http.StatusServiceUnavailable || !strings.Contains(body, issuer) || !strings.Contains(body, "missing") {
		t.Errorf("readyz: %d %s", code, body)
	}
	conn := p.dial(t, p.grpc, nil)
	health, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil || health.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health: %v, %v", health, err)
	}
	if got := verdict(t, conn, ""); got != "no_credentials" {
		t.Errorf("without a token: %s", got)
	}
	key := jwttest.NewKey("ES256", "key-1")
	given := key.Sign(map[string]any{"iss": issuer, "aud": "https://mcp.example.com/mcp", "exp": time.Now().Add(time.Hour).Unix()})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	response, err := authv3.NewAuthorizationClient(conn).Check(ctx, checkRequest(given))
	if err != nil {
		t.Fatalf("the wait for keys outlived the deadline: %v", err)
	}
	if got := response.GetDynamicMetadata().GetFields()["reason"].GetStringValue(); got != "keys_unavailable" {
		t.Errorf("with a token: %s", got)
	}
}

// TestUnixSocket has its mode from the first moment, and takes the place of one
// that was left behind.
func TestUnixSocket(t *testing.T) {
	f := newFolder(t)
	socket := filepath.Join(t.TempDir(), "s")
	left, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = left.Close()
	f.write(t, "doorward.yaml", strings.Replace(readFile(t, f.configure(t, "")), `grpc: "127.0.0.1:0"`, `grpc: "unix://`+socket+`", socket_mode: "0600"`, 1))
	p := start(t, "--config", f.path("doorward.yaml"))
	info, err := os.Stat(socket)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if got := verdict(t, p.dial(t, "unix://"+socket, nil), goodToken(f.key)); got != "allowed" {
		t.Errorf("over the socket: %s", got)
	}
	log := newLines()
	if code := run(t.Context(), []string{"serve", "--config", f.path("doorward.yaml")}, &bytes.Buffer{}, log); code != exitFailure || !strings.Contains(log.String(), "in use") {
		t.Errorf("a second one on the same socket: exit %d, %s", code, log)
	}
}

func TestBusyPort(t *testing.T) {
	f := newFolder(t)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	f.write(t, "doorward.yaml", strings.Replace(readFile(t, f.configure(t, "")), `grpc: "127.0.0.1:0"`, `grpc: "`+listener.Addr().String()+`"`, 1))
	log := newLines()
	if code := run(t.Context(), []string{"serve", "--config", f.path("doorward.yaml")}, &bytes.Buffer{}, log); code != exitFailure || !strings.Contains(log.String(), "is in use by another process") {
		t.Errorf("exit %d, %s", code, log)
	}
}

// TestTLS: a client without a certificate is turned away, and new files are
// used for new connections.
func TestTLS(t *testing.T) {
	f := newFolder(t)
	first, second := newCertificate(t), newCertificate(t)
	first.write(t, f)
	f.write(t, "ca.pem", first.certPEM)
	f.write(t, "doorward.yaml", strings.Replace(readFile(t, f.configure(t, "")), `listen: {`, `listen: {tls: {cert_file: cert.pem, key_file: key.pem, client_ca_file: ca.pem}, `, 1))
	p := start(t, "--config", f.path("doorward.yaml"))
	with := func(server certificate, client ...tls.Certificate) credentials.TransportCredentials {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM([]byte(server.certPEM))
		return credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: "doorward.test", Certificates: client, MinVersion: tls.VersionTLS12})
	}
	if got := verdict(t, p.dial(t, p.grpc, with(first, first.pair)), goodToken(f.key)); got != "allowed" {
		t.Errorf("with a certificate: %s", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if _, err := authv3.NewAuthorizationClient(p.dial(t, p.grpc, with(first))).Check(ctx, checkRequest("")); err == nil {
		t.Error("a stranger without a certificate is answered")
	}
	second.write(t, f)
	p.log.await(t, 1, "is in force")
	if got := verdict(t, p.dial(t, p.grpc, with(second, first.pair)), goodToken(f.key)); got != "allowed" {
		t.Errorf("after the files changed: %s", got)
	}
}

// TestTLSOrNoneIsSettledAtTheStart: a reload that takes TLS away, or brings it,
// says that it waits, and the port goes on as it was.
func TestTLSOrNoneIsSettledAtTheStart(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	certificate := newCertificate(t)
	certificate.write(t, f)
	plain := readFile(t, f.configure(t, ""))
	secure := strings.Replace(plain, `listen: {`, `listen: {tls: {cert_file: cert.pem, key_file: key.pem}, `, 1)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(certificate.certPEM))
	for intent, row := range map[string]struct {
		before, after string
		creds         credentials.TransportCredentials
	}{
		"taken away": {secure, plain, credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: "doorward.test", MinVersion: tls.VersionTLS12})},
		"brought":    {plain, secure, nil},
	} {
		t.Run(intent, func(t *testing.T) {
			f.write(t, "doorward.yaml", row.before)
			p := start(t, "--config", f.path("doorward.yaml"))
			f.write(t, "doorward.yaml", row.after)
			p.log.await(t, 1, "these settings take effect after a restart: listen.tls")
			p.log.await(t, 1, "is in force")
			if got := verdict(t, p.dial(t, p.grpc, row.creds), goodToken(f.key)); got != "allowed" {
				t.Errorf("after: %s", got)
			}
		})
	}
}

// checkListensEverywhere asks the image's binary where it would listen.
func checkListensEverywhere(t *testing.T, binary string) {
	t.Helper()
	f := newFolder(t)
	config := strings.Replace(readFile(t, f.configure(t, "")), `listen: {grpc: "127.0.0.1:0", http: "127.0.0.1:0"}`, `listen: {http: "off"}`, 1)
	f.write(t, "doorward.yaml", config)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	log := newLines()
	cmd := exec.CommandContext(ctx, binary, "serve", "--config", f.path("doorward.yaml"))
	cmd.Dir, cmd.Env, cmd.Stderr = t.TempDir(), []string{"A=B"}, log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	defer cancel()
	if line := log.await(t, 1, `"grpc"`); !strings.Contains(line, `"grpc":"[::]:9191"`) && !strings.Contains(line, `"grpc":"0.0.0.0:9191"`) {
		t.Errorf("the image listens at %s", line)
	}
}

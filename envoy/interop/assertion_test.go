package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"

	"github.com/doorward/doorward/internal/assertion"
	"github.com/doorward/doorward/internal/signing"
	"github.com/doorward/doorward/internal/testenv"
)

// assertionHeader is what a server verifies.
const assertionHeader = "x-mcp-auth-assertion"

// verifier is an MCP server that takes assertions, with the code of docs/assertion.md.
type verifier struct {
	name    string // as a person reads it
	missing string // why it cannot run here; "" if it can
	command func(port, keys string) []string
}

// verifiers are a doorward with assertions, and the servers behind it, one after the other.
type verifiers struct {
	auth    *testenv.AuthServer
	service *service
	private []byte              // the key of assertions
	server  *testenv.Process    // the one that runs
	got     map[string][]string // by what it gets, of one server after the other

	// A second Envoy, whose ext_authz service sets what a step tries.
	forged *testenv.Envoy
	grpc   *grpc.Server
	mu     sync.Mutex
	value  string // of the header; "" sets none

	authv3.UnimplementedAuthorizationServer
}

const assertionAbout = "MCP servers that verify `x-mcp-auth-assertion` with the code of [docs/assertion.md](../docs/assertion.md), behind a real Envoy: that of\n" +
	"doorward, and those that an ext_authz service of the test sets in its place. All but the access token are signed with the same key."

// assertionHead is of the table in INTEROP.md.
var assertionHead = []string{"What the server gets", nameFastMCP, nameGoSDK, nameSpringResource}

// assertionSuite prepares the steps with servers that verify assertions; nothing runs yet.
func assertionSuite(o options) (*suite, error) {
	h := &suite{flag: suiteAssertion, name: "MCP servers that verify an assertion", about: assertionAbout, head: assertionHead}
	all := verifiersIn(o.tools)
	for _, one := range all {
		if one.missing != "" {
			h.missing = one.name + ": " + one.missing
			return h, nil
		}
	}
	s, address, err := newService(o, h.flag, "")
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(s.http)
	s.http = "0.0.0.0:" + port // servers fetch the keys there: doorward refuses loopback
	v := &verifiers{service: s, got: map[string][]string{}}
	if v.auth, err = testenv.StartAuthServer(testenv.AuthServerOptions{Listen: address, Scopes: []string{"mcp:read"}}); err != nil {
		return nil, err
	}
	s.issuer = v.auth.Issuer()
	if v.private, err = privateKey(); err != nil {
		return nil, err
	}
	file := filepath.Join(s.folder, "assertion.pem")
	if err := os.WriteFile(file, v.private, 0o600); err != nil {
		return nil, err
	}
	s.resourceLines += fmt.Sprintf("  assertion: {issuer: %q, audience: %q, key_file: %q, lifetime: 60s}\n", v.options().Issuer, v.options().Audience, file)
	h.service, h.end = s, v.end
	for _, one := range all {
		h.steps = append(h.steps, v.steps(one)...)
	}
	return h, writePython(s.folder, s.http)
}

func verifiersIn(tools string) []verifier {
	home, venv := filepath.Join(tools, "interop-assertion"), filepath.Join(tools, "interop-upstream", "venv", "bin", "python")
	program, jar := filepath.Join(home, "server"), filepath.Join(home, "target", "server.jar")
	all := []verifier{
		{name: nameFastMCP, command: func(port, _ string) []string { return []string{venv, "server.py", port} }},
		{name: nameGoSDK, command: func(port, keys string) []string { return []string{program, port, keys} }},
		{name: nameSpringResource, command: func(port, keys string) []string {
			return []string{"java", "-Xmx128m", "-Dserver.address=127.0.0.1", "-Dserver.port=" + port, "-Ddoorward.keys=" + keys, "-jar", jar}
		}},
	}
	for i, path := range []string{venv, program, jar} {
		if !exists(path) {
			all[i].missing = "it is not installed; `envoy/interop/install assertion` does that"
		}
	}
	if _, err := exec.LookPath("java"); err != nil {
		all[2].missing = "it needs Java 17"
	}
	return all
}

// documentKeys is the URL of the keys in the document.
const documentKeys = "http://doorward:9190/.well-known/jwks.json"

// writePython writes the Python of the document as a server, with the address of this run.
func writePython(folder, address string) error {
	code, err := documentCode("python")
	if err != nil {
		return err
	}
	if n := strings.Count(code, documentKeys); n != 1 {
		return fmt.Errorf("the document has %s %d times", documentKeys, n)
	}
	code = "import sys\n" + strings.Replace(code, documentKeys, keysAt(address), 1) + `

@mcp.tool
def who() -> str:
    return "accepted"


mcp.run(
    transport="http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False, log_level="error",
    stateless_http=True, json_response=True,
)
`
	return os.WriteFile(filepath.Join(folder, "server.py"), []byte(code), 0o600)
}

// keysAt is the URL of doorward's keys, for a server on this machine.
func keysAt(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return "http://127.0.0.1:" + port + "/.well-known/jwks.json"
}

func (v *verifiers) options() assertion.Options {
	return assertion.Options{
		Issuer: "https://doorward.example.com", Audience: "https://weather.internal", Lifetime: time.Minute, Key: v.private,
	}
}

// steps are what is tried with one server: first the assertion of doorward, so that a refusal has a reason.
func (v *verifiers) steps(one verifier) []step {
	const accepted, refused = "200 accepted", "refused"
	all := []step{
		{name: one.name + " starts", wanted: "up", vital: true, within: 2 * time.Minute, do: v.starts(one)},
		{name: one.name + ": that of doorward", wanted: accepted, vital: true, do: v.real},
	}
	for _, row := range []struct {
		name, wanted string
		make         func() (string, error)
	}{
		{"one for this server", accepted, v.signs("", 0)},
		{"one for another `aud`", refused, v.signs("https://other.internal", 0)},
		{"one that ended an hour ago", refused, v.signs("", -time.Hour)},
		{"one of another `iss`", refused, v.signsAs("mcp-auth+jwt", map[string]any{"iss": "https://other.example.com"})},
		{"the same claims with `typ: JWT`", refused, v.signsAs("JWT", nil)},
		{"the same claims with `typ: at+jwt`", refused, v.signsAs("at+jwt", nil)},
		{"one that lacks its last characters", refused, v.cut},
		{"the user's access token", refused, func() (string, error) { return v.auth.Token(v.service.resource, "mcp:read"), nil }},
		{"none", refused, func() (string, error) { return "", nil }},
	} {
		all = append(all, step{name: one.name + ": " + row.name, wanted: row.wanted, do: func(ctx context.Context) (outcome, error) {
			text, err := row.make()
			if err != nil {
				return outcome{}, err
			}
			v.mu.Lock()
			v.value = text
			v.mu.Unlock()
			return v.call(ctx, v.forged.URL(), "", row.name)
		}})
	}
	return all
}

// starts the server, doorward and the two Envoys, and ends those before them.
func (v *verifiers) starts(one verifier) func(context.Context) (outcome, error) {
	return func(ctx context.Context) (outcome, error) {
		if err := v.close(); err != nil {
			return outcome{}, err
		}
		s := v.service
		var err error
		s.doorward, err = testenv.StartDoorward(ctx, testenv.DoorwardOptions{
			Program: s.program, Dir: s.folder, GRPC: s.grpc, HTTP: s.http, Config: s.yaml(false),
		})
		if err != nil {
			return outcome{}, err
		}
		free, err := testenv.FreeAddresses(1)
		if err != nil {
			return outcome{}, err
		}
		_, port, _ := net.SplitHostPort(free[0])
		command := one.command(port, keysAt(s.http))
		v.server, err = testenv.Start(ctx, testenv.Command{Program: command[0], Args: command[1:], Dir: s.folder})
		if err != nil {
			return outcome{}, err
		}
		if err := v.server.Until(ctx, func(ctx context.Context) error { return dial(ctx, free[0]) }); err != nil {
			return outcome{}, err
		}
		return outcome{got: "up"}, v.startEnvoys(ctx, free[0])
	}
}

func (v *verifiers) startEnvoys(ctx context.Context, upstream string) (err error) {
	s := v.service
	s.envoy, err = testenv.StartEnvoy(ctx, testenv.EnvoyOptions{
		Listen: s.listen, Doorward: s.grpc, Upstream: upstream, Edit: testenv.WithLongTimeouts,
	})
	if err != nil {
		return err
	}
	listener, err := testenv.Listen("")
	if err != nil {
		return err
	}
	v.grpc = grpc.NewServer()
	authv3.RegisterAuthorizationServer(v.grpc, v)
	go func() { _ = v.grpc.Serve(listener) }()
	v.forged, err = testenv.StartEnvoy(ctx, testenv.EnvoyOptions{
		Doorward: listener.Addr().String(), Upstream: upstream,
		Edit: func(b *testenv.Bootstrap) error {
			b.Cluster(b.DoorwardCluster()).HealthChecks = nil // this service has none
			return testenv.WithLongTimeouts(b)
		},
	})
	if err != nil {
		return err
	}
	return s.ready(ctx)
}

// Check sets what a step tries.
func (v *verifiers) Check(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	answer := &authv3.OkHttpResponse{HeadersToRemove: []string{"authorization"}}
	if v.value != "" {
		answer.Headers = []*corev3.HeaderValueOption{{
			Header:       &corev3.HeaderValue{Key: assertionHeader, Value: v.value},
			AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
		}}
	}
	return &authv3.CheckResponse{
		Status: &status.Status{}, HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: answer},
	}, nil
}

// real is the assertion of doorward, for a client that sends one of its own.
func (v *verifiers) real(ctx context.Context) (outcome, error) {
	return v.call(ctx, "http://"+v.service.listen, v.auth.Token(v.service.resource, "mcp:read"), "that of doorward")
}

// call calls the tool, and is "200 accepted" or "refused".
func (v *verifiers) call(ctx context.Context, envoy, token, name string) (outcome, error) {
	body := strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"who","arguments":{}}}`)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, envoy+"/mcp", body)
	if err != nil {
		return outcome{}, err
	}
	request.Close = true
	request.Header = http.Header{
		"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"},
		"Mcp-Protocol-Version": {"2025-06-18"},
	}
	if token != "" { // to doorward, which removes what a client forges
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set(assertionHeader, "forged")
	}
	response, err := v.service.client.Do(request)
	if err != nil {
		return outcome{}, err
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	text := string(read)
	o := outcome{got: "refused", note: fmt.Sprintf("%d %.80q", response.StatusCode, text)}
	if response.StatusCode == http.StatusOK && strings.Contains(text, "accepted") {
		o.got, o.note = "200 accepted", ""
	}
	if v.got[name] = append(v.got[name], o.got); len(v.got[name]) == len(assertionHead)-1 { // of the last server
		o.cells = append([]string{name}, v.got[name]...)
	}
	return o, err
}

// signs an assertion at a time from now.
func (v *verifiers) signs(audience string, later time.Duration) func() (string, error) {
	return func() (string, error) {
		signer, err := assertion.New(v.options())
		if err != nil {
			return "", err
		}
		claims := assertion.Claims{Issuer: v.auth.Issuer(), Subject: "alice", Expiry: time.Now().Add(time.Hour)}
		text, _, err := signer.Sign(claims, audience, time.Now().Add(later))
		return text, err
	}
}

// signsAs signs the claims of an assertion, after changes, with another typ.
func (v *verifiers) signsAs(typ string, changes map[string]any) func() (string, error) {
	return func() (string, error) {
		text, err := v.signs("", 0)()
		if err != nil {
			return "", err
		}
		claims, err := part(text, 1)
		if err != nil {
			return "", err
		}
		for name, value := range changes {
			claims[name] = value
		}
		key, err := signing.Read(v.private)
		if err != nil {
			return "", err
		}
		return key.Sign(typ, key.ID, claims)
	}
}

func (v *verifiers) cut() (string, error) {
	text, err := v.signs("", 0)()
	return text[:max(0, len(text)-8)], err
}

// close ends the Envoys, doorward and the server.
func (v *verifiers) close() error {
	s := v.service
	s.client.CloseIdleConnections()
	var problems []error
	for _, envoy := range []*testenv.Envoy{v.forged, s.envoy} {
		if envoy != nil {
			problems = append(problems, envoy.Stop())
		}
	}
	if v.grpc != nil {
		v.grpc.Stop()
	}
	problems = append(problems, s.doorward.Stop(), v.server.Stop())
	v.forged, s.envoy, v.grpc, s.doorward, v.server = nil, nil, nil, nil, nil
	return errors.Join(problems...)
}

func (v *verifiers) end() error { return errors.Join(v.close(), v.auth.Close()) }

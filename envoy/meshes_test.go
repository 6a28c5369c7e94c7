package envoy_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/doorward/doorward/envoy"
	"github.com/doorward/doorward/internal/testenv"
)

// mesh is the Envoy configuration of one mesh.
type mesh struct {
	name   string
	golden string // what its control plane made, a file below this folder; "" is envoy.yaml with the settings below
	edits  []edit // by hand: what is documented of a control plane that cannot be run here

	doorward string // the doorward.yaml beside it
	more     string // lines of that resource

	down    int  // the status while doorward cannot be asked
	removes bool // it removes forged x-mcp-auth-* headers itself, before a Check
}

const (
	istioConfig   = "istio/doorward.yaml"
	gatewayConfig = "gateway/doorward.yaml"

	// What a mesh needs that sends MCP metadata or bodies.
	operations = "  operations: [{method: tools/call, name: \"delete_*\", scopes: [mcp:write]}]\n  operations_default: resource\n"
)

func meshes() []mesh {
	return []mesh{
		{name: "envoy.yaml", doorward: gatewayConfig, down: 503},
		{name: "Istio gateway", golden: "istio/golden/gateway.yaml", doorward: istioConfig, down: 503},
		{
			name: "Istio gateway, filters.yaml", golden: "istio/golden/gateway-filters.yaml", doorward: istioConfig, down: 503, removes: true,
			more: operations + "  mcp: {filter_metadata: trusted}\n",
		},
		{name: "Istio sidecar", golden: "istio/golden/sidecar.yaml", doorward: istioConfig, down: 503},
		{name: "Istio waypoint", golden: "istio/golden/waypoint.yaml", doorward: istioConfig, down: 503},
		{name: "Envoy Gateway", golden: "gateway/golden/gateway.yaml", doorward: gatewayConfig, down: 503, removes: true},
		{name: "Contour", edits: []edit{contour}, doorward: gatewayConfig, down: 403},
		{name: "Gateway API ExternalAuth", edits: []edit{externalAuth, withoutCORS}, doorward: istioConfig, down: 403, more: operations},
		{name: "kgateway", edits: []edit{kgateway, withoutCORS}, doorward: istioConfig, down: 403, more: operations},
		{name: "Emissary", edits: []edit{emissary, withoutCORS}, doorward: istioConfig, down: 403, more: operations},
	}
}

// bootstrap is the configuration before its edits.
func (m mesh) bootstrap(t *testing.T) []byte {
	t.Helper()
	if m.golden == "" {
		return envoy.Bootstrap()
	}
	text, err := os.ReadFile(filepath.FromSlash(m.golden))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// meshRun is one mesh with everything around it.
type meshRun struct {
	*environment
	mesh   mesh
	server *testenv.MCPServer
	issuer *testenv.AuthServer
}

const meshHost = "mcp.example.com"

// TestMeshes runs what each mesh makes of its resources.
func TestMeshes(t *testing.T) {
	testenv.RequireEnvoy(t)
	for _, m := range meshes() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			r := startMesh(t, m)
			for _, promise := range []struct {
				name string
				keep func(*testing.T, meshRun)
			}{
				{"a client logs in and calls a tool", logsIn},
				{"no token is a 401 with the challenge", isChallenged},
				{"a token for another resource is a 401", refusesAnotherAudience},
				{"the metadata document is at the root of the host", servesMetadata},
				{"a preflight needs no token", answersPreflights},
				{"no spelling of a path or a host passes without a Check", hasNoWayRound},
				{"two credentials are refused", refusesTwoCredentials},
				{"a client cannot write doorward's headers", removesForgedHeaders},
				{"the operation arrives where the mesh sends it", knowsTheOperation},
				{"a body larger than the mesh sends does not pass", refusesCutBodies},
				{"doorward down: nobody passes", failsClosed}, // the last: it stays down
			} {
				r.server.Forget()
				t.Run(promise.name, func(t *testing.T) { promise.keep(t, r) })
			}
		})
	}
}

func startMesh(t *testing.T, m mesh) meshRun {
	t.Helper()
	server, err := testenv.StartMCPServer(testenv.MCPServerOptions{Sessions: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	issuer, err := testenv.StartAuthServer(testenv.AuthServerOptions{Scopes: []string{"mcp:read", "mcp:write"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = issuer.Close() })
	r := meshRun{startEnvironmentOf(t, m.bootstrap(t), server.Address(), m.edits...), m, server, issuer}
	text, err := os.ReadFile(filepath.FromSlash(m.doorward))
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte(issuerURL), []byte(issuer.Issuer()))
	r.activate(t, stateAt(t, string(text)+m.more+"insecure_http_hosts: [loopback]\n", issuer.Key(), time.Now))
	return r
}

// token is one that the issuer signed, for the weather, after changes.
func (r meshRun) token(changes map[string]any) clientRequest {
	all := map[string]any{
		"iss": r.issuer.Issuer(), "sub": "alice", "aud": weatherURI, "client_id": "app", "jti": "id-1", "scope": "mcp:read",
		"iat": time.Now().Add(-time.Minute).Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	maps.Copy(all, changes)
	return bearer(r.issuer.Key().Sign(all))
}

// nothingArrived fails where the server saw a request.
func (r meshRun) nothingArrived(t *testing.T, intent string) {
	t.Helper()
	for _, request := range r.server.Requests() {
		t.Errorf("%s: %s %s arrived", intent, request.Method, request.URL)
	}
	r.server.Forget()
}

// oneHost leads one host to an Envoy, without TLS, and leaves all others alone.
type oneHost struct{ host, address string }

func (o oneHost) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != o.host {
		return http.DefaultTransport.RoundTrip(r)
	}
	return thisEnvoy{o.address}.RoundTrip(r)
}

func logsIn(t *testing.T, r meshRun) {
	t.Helper()
	client := &http.Client{Transport: oneHost{meshHost, r.envoy.Address()}}
	login, err := testenv.Login(client)
	if err != nil {
		t.Fatal(err)
	}
	session, err := testenv.Connect(withPatience(t), testenv.ClientOptions{Endpoint: weatherURI, OAuth: login, HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	var who testenv.Identity
	if err := testenv.Call(withPatience(t), session, "whoami", nil, &who); err != nil {
		t.Fatal(err)
	}
	want := testenv.Identity{Issuer: r.issuer.Issuer(), Subject: "alice", Scope: "mcp:read"}
	if diff := cmp.Diff(want, who, cmpopts.IgnoreFields(testenv.Identity{}, "Client")); diff != "" || who.Client == "" {
		t.Errorf("whoami (-want +got):\n%s", diff)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
	nothingSecretArrived(t, r.server.Requests())
}

func isChallenged(t *testing.T, r meshRun) {
	t.Helper()
	const challenge = `Bearer resource_metadata="` + metadataURL + `", scope="mcp:read"`
	for _, ask := range []clientRequest{{}, post(callEcho), {host: meshHost + ":443"}, {path: "/mcp/x?y"}} {
		got := r.send(t, ask)
		if got.status != http.StatusUnauthorized || !slices.Equal(got.header["Www-Authenticate"], []string{challenge}) {
			t.Errorf("%v: %v", ask, got)
		}
	}
	r.nothingArrived(t, "no token")
}

func refusesAnotherAudience(t *testing.T, r meshRun) {
	t.Helper()
	got := r.send(t, r.token(map[string]any{"aud": otherURI}))
	if got.status != http.StatusUnauthorized || !strings.Contains(got.header.Get("Www-Authenticate"), `error="invalid_token"`) {
		t.Error(got)
	}
	r.nothingArrived(t, "another audience")
}

func servesMetadata(t *testing.T, r meshRun) {
	t.Helper()
	got := r.send(t, clientRequest{path: wellKnown + "/mcp"})
	var document struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
	}
	if err := json.Unmarshal([]byte(got.body), &document); err != nil {
		t.Fatalf("%v: %v", err, got)
	}
	if got.status != http.StatusOK || document.Resource != weatherURI || !slices.Equal(document.Servers, []string{r.issuer.Issuer()}) {
		t.Error(got)
	}
	for _, path := range []string{wellKnown + "/other", "/.well-known/oauth-authorization-server"} {
		if got := r.send(t, clientRequest{path: path}); got.status != http.StatusNotFound {
			t.Errorf("%s: %v", path, got)
		}
	}
	r.nothingArrived(t, "metadata")
}

func answersPreflights(t *testing.T, r meshRun) {
	t.Helper()
	const page = "https://app.example.com"
	preflight := func(origin string) reply {
		return r.send(t, clientRequest{method: "OPTIONS"}.with("Origin", origin).
			with("Access-Control-Request-Method", "POST").with("Access-Control-Request-Headers", "authorization"))
	}
	if got := preflight(page); got.status/100 != 2 || got.header.Get("Access-Control-Allow-Origin") != page ||
		!strings.Contains(got.header.Get("Access-Control-Allow-Headers"), "authorization") {
		t.Errorf("a preflight: %v", got)
	}
	if got := preflight("https://evil.example.com"); got.header["Access-Control-Allow-Origin"] != nil {
		t.Errorf("a preflight of another page: %v", got)
	}
	got := r.send(t, clientRequest{}.with("Origin", page))
	if got.status != http.StatusUnauthorized || !slices.Equal(got.header["Access-Control-Allow-Origin"], []string{page}) ||
		!strings.Contains(strings.ToLower(got.header.Get("Access-Control-Expose-Headers")), "www-authenticate") {
		t.Errorf("a page without a token: %v", got)
	}
	r.nothingArrived(t, "preflights")
}

func hasNoWayRound(t *testing.T, r meshRun) {
	t.Helper()
	for _, path := range []string{
		"/", "/MCP", "/mcp/", "/mcp;x", "/%6dcp", "/m%63p", "//mcp", "/./mcp", "/x/../mcp", "/x/%2e%2e/mcp", "/mcp%2fx", "/mcp%5cx",
		`/x\..\mcp`, "/mcp?x=/.well-known/", "/mcp%00", "/.well-known", "/.well-known/", wellKnown + "/../../mcp", wellKnown + "/%2e%2e/%2e%2e/mcp",
		wellKnown + "x", wellKnown + "/mcp/../../../mcp", "/health", "/ready", "/grpc.health.v1.Health/Check",
	} {
		for _, method := range []string{"GET", "POST", "OPTIONS", "HEAD", "TRACE", "BREW"} {
			if got := r.send(t, clientRequest{path: path}.by(method)); got.status < 300 && !strings.HasPrefix(path, wellKnown) {
				t.Errorf("%s %s: %v", method, path, got)
			}
		}
	}
	for _, host := range []string{
		"MCP.EXAMPLE.COM", "mcp.example.com:80", "mcp.example.com:8443", "mcp.example.com.", "other.example.com",
		"x.mcp.example.com", "127.0.0.1", "mcp-server.mcp.svc.cluster.local", "mcp-server.mcp:8080",
	} {
		if got := r.send(t, clientRequest{host: host}); got.status < 400 {
			t.Errorf("%s: %v", host, got)
		}
	}
	r.nothingArrived(t, "a spelling")
}

func refusesTwoCredentials(t *testing.T, r meshRun) {
	t.Helper()
	good := r.token(nil)
	for intent, ask := range map[string]clientRequest{
		"two tokens": good.with("Authorization", r.token(map[string]any{"sub": "bob"}).headers[0][1]),
		"the same":   good.with("Authorization", good.headers[0][1]),
	} {
		if got := r.send(t, ask); got.status != http.StatusBadRequest && got.status != http.StatusUnauthorized {
			t.Errorf("%s: %v", intent, got)
		}
	}
	r.nothingArrived(t, "two credentials")
}

func removesForgedHeaders(t *testing.T, r meshRun) {
	t.Helper()
	for _, name := range []string{"x-mcp-auth-subject", "X-MCP-Auth-Role", "x.mcp.auth.subject", "x-mcp-auth~subject"} {
		if got := r.send(t, r.token(nil).with(name, "forged")); got.status != http.StatusOK && got.status != http.StatusMethodNotAllowed &&
			got.status != http.StatusBadRequest {
			t.Errorf("%s: %v", name, got)
		}
	}
	r.send(t, r.token(nil).with("x_mcp_auth_subject", "forged")) // refused, or removed
	requests := r.server.Requests()
	if len(requests) < 4 {
		t.Fatalf("%d requests arrived", len(requests))
	}
	for _, request := range requests {
		for name, values := range request.Header {
			if slices.Contains(values, "forged") {
				t.Errorf("%s arrived", name)
			}
		}
	}
}

func knowsTheOperation(t *testing.T, r meshRun) {
	t.Helper()
	if !strings.Contains(r.mesh.more, "operations:") {
		t.Skip("no operations")
	}
	const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_repo","arguments":{}}}`
	ask := post(call)
	got := r.send(t, ask.with("Authorization", r.token(nil).headers[0][1]))
	if got.status != http.StatusForbidden || !strings.Contains(got.header.Get("Www-Authenticate"), `error="insufficient_scope", scope="mcp:read mcp:write"`) &&
		!strings.Contains(got.header.Get("Www-Authenticate"), "mcp:write") {
		t.Errorf("without mcp:write: %v", got)
	}
	r.nothingArrived(t, "delete_repo without mcp:write")
	r.send(t, ask.with("Authorization", r.token(map[string]any{"scope": "mcp:read mcp:write"}).headers[0][1]))
	if len(r.server.Requests()) != 1 {
		t.Error("delete_repo did not arrive with mcp:write")
	}
}

// refusesCutBodies: a call whose name is behind what the mesh sends.
func refusesCutBodies(t *testing.T, r meshRun) {
	t.Helper()
	if !strings.Contains(r.mesh.more, "operations:") {
		t.Skip("no operations")
	}
	body := `{"jsonrpc":"2.0","id":1,"params":{"arguments":{"a":"` + strings.Repeat("a", 70000) + `"},"name":"delete_repo"},"method":"tools/call"}`
	got := r.send(t, post(body).with("Authorization", r.token(nil).headers[0][1]))
	if got.status != http.StatusBadRequest && got.status != http.StatusRequestEntityTooLarge && got.status != http.StatusForbidden {
		t.Errorf("%v", got)
	}
	r.nothingArrived(t, "a cut body")
}

func failsClosed(t *testing.T, r meshRun) {
	t.Helper()
	r.leave()
	for intent, ask := range map[string]clientRequest{"with a token": r.token(nil), "without": {}, "a call": post(callEcho), "metadata": {path: wellKnown + "/mcp"}} {
		if got := r.send(t, ask); got.status != r.mesh.down {
			t.Errorf("%s: %v, want %d", intent, got, r.mesh.down)
		}
	}
	r.nothingArrived(t, "doorward down")
}

// TestAMeshThatFailsOpen: where somebody lets requests pass while doorward is
// down, what a client wrote into doorward's headers does not pass with them.
func TestAMeshThatFailsOpen(t *testing.T) {
	testenv.RequireEnvoy(t)
	for _, m := range meshes() {
		t.Run(m.name, func(t *testing.T) {
			if !m.removes {
				t.Skip("it removes none: it must not fail open")
			}
			t.Parallel()
			m.edits = append(m.edits, func(b *testenv.Bootstrap) { b.Authz.FailureModeAllow = true })
			r := startMesh(t, m)
			r.leave()
			for _, forged := range forgeries() {
				if folded := strings.ToLower(forged[0]); strings.HasSuffix(folded, "team") || strings.HasSuffix(folded, "admin") {
					continue // headers of a policy, which the mesh does not know
				}
				r.server.Forget()
				r.send(t, clientRequest{}.with(forged[0], forged[1]))
				for _, request := range r.server.Requests() {
					if got := request.Header[http.CanonicalHeaderKey(forged[0])]; got != nil {
						t.Errorf("%s arrived", forged[0])
					}
				}
				if len(r.server.Requests()) != 1 {
					t.Errorf("%s: %d requests arrived", forged[0], len(r.server.Requests()))
				}
			}
		})
	}
}

package envoy_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

const wellKnown = "/.well-known/oauth-protected-resource"

// town is several resources on several hosts: two share one, one has a host
// for itself, one lives deep down on a port and is also shown by a mesh.
func town(key *jwttest.Key) plan {
	const mesh = "https://c.ns.svc:8080/x/y"
	p := standard(key)
	issuers := []string{issuerURL}
	p.resources = []resource.Spec{
		{
			URI: "https://a.example.com/mcp", Name: "a", Issuers: issuers, Scopes: []string{"mcp:read"},
			Origins:  []string{"https://app.example.com"},
			Metadata: map[string]any{"resource_name": "The first", "scopes_supported": []any{"mcp:read", "mcp:write"}},
		},
		{URI: "https://a.example.com/other", Name: "a-other", Issuers: issuers},
		{URI: "https://b.example.com", Name: "b", Issuers: issuers},
		{URI: "https://c.example.com:8443/x/y", Name: "c", Issuers: issuers, AlsoAt: []string{mesh}},
	}
	return p
}

// TestMetadataThroughEnvoy is PR-1 to PR-7, PR-11 and PR-12 on the wire: the
// Check itself serves the documents of several resources on several hosts.
func TestMetadataThroughEnvoy(t *testing.T) {
	testenv.RequireEnvoy(t)
	behind := startUpstream(t)
	h := startEnvironment(t, behind.address)
	h.activate(t, town(jwttest.NewKey("ES256", "key-1")).state(t))
	t.Run("PR-2, PR-3: which document a request means", func(t *testing.T) { whichDocument(t, h) })
	t.Run("PR-13: no authorization server on this host", func(t *testing.T) { noAuthorizationServer(t, h) })
	t.Run("PR-6, PR-11: methods and headers", func(t *testing.T) { documentHeaders(t, h) })
	t.Run("PR-5, PR-12: the SDK accepts them", func(t *testing.T) { theSDKAccepts(t, h) })
	t.Run("CH-1, CH-6: each challenge names its own document", func(t *testing.T) { challenges(t, h) })
	t.Run("T-13: CORS", func(t *testing.T) { cors(t, h) })
	if n := len(behind.take()); n != 0 {
		t.Errorf("%d requests arrived", n)
	}
}

func whichDocument(t *testing.T, h *environment) {
	t.Helper()
	for _, row := range []struct{ host, path, resource string }{
		{"a.example.com", "/mcp", "https://a.example.com/mcp"},
		{"A.Example.COM:443", "/mcp", "https://a.example.com/mcp"},
		{"a.example.com", "/mcp?resource=https://b.example.com", "https://a.example.com/mcp"},
		{"a.example.com", "/other", "https://a.example.com/other"},
		{"a.example.com", "", ""}, // two live there
		{"a.example.com", "/", ""},
		{"a.example.com", "/mcp/", "https://a.example.com/mcp"},
		{"a.example.com", "/mcp/x", ""},
		{"a.example.com", "/mc", ""},
		{"b.example.com", "", "https://b.example.com"},
		{"b.example.com", "/", "https://b.example.com"},
		{"b.example.com", "/mcp", ""},
		{"c.example.com:8443", "/x/y", "https://c.example.com:8443/x/y"},
		{"c.example.com:8443", "", "https://c.example.com:8443/x/y"},
		{"c.ns.svc:8080", "/x/y", "https://c.example.com:8443/x/y"},
		{"c.example.com", "/x/y", ""},
		{"nowhere.example.com", "/mcp", ""},
		{"b.example.com.", "", ""},
	} {
		// Who asks needs no token, and a token changes nothing.
		for _, a := range []clientRequest{{host: row.host, path: wellKnown + row.path}, bearer("x").on(row.host).at(wellKnown + row.path)} {
			got := h.send(t, a)
			var document struct {
				Resource string `json:"resource"`
			}
			if err := json.Unmarshal([]byte(got.body), &document); err != nil {
				t.Errorf("%s %s: %v, %v", row.host, a.path, got, err)
			}
			if document.Resource != row.resource || (got.status == 200) != (row.resource != "") || got.status != 200 && got.status != 404 {
				t.Errorf("%s %s: %v, want %q", row.host, a.path, got, row.resource)
			}
			if challenge := got.header.Get("WWW-Authenticate"); challenge != "" {
				t.Errorf("%s %s is challenged: %s", row.host, a.path, challenge)
			}
			if logged := h.logged(t, got); logged["reason"] != "metadata" {
				t.Errorf("the access log says %v", logged)
			}
		}
	}
}

// noAuthorizationServer: clients that look for one on the resource's own host go
// on after a 404.
func noAuthorizationServer(t *testing.T, h *environment) {
	t.Helper()
	for path, want := range map[string]int{
		"/.well-known/oauth-authorization-server":     404,
		"/.well-known/oauth-authorization-server/mcp": 404,
		"/.well-known/openid-configuration":           404,
		"/.well-known/openid-configuration/mcp":       404,
		"/mcp/.well-known/openid-configuration":       401, // a URL of the resource
	} {
		got := h.send(t, clientRequest{host: "a.example.com"}.at(path))
		if got.status != want || want == 404 && got.body != `{"error":"not_found"}` {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func documentHeaders(t *testing.T, h *environment) {
	t.Helper()
	const document = `{"resource":"https://a.example.com/mcp","authorization_servers":["https://as.example.com"],` +
		`"scopes_supported":["mcp:read","mcp:write"],"bearer_methods_supported":["header"],"resource_name":"The first"}`
	jsonType := map[string]string{"Content-Type": "application/json"}
	for _, row := range []struct {
		method, path string
		status       int
		headers      map[string]string
		body         string
	}{
		{"GET", "/mcp", 200, map[string]string{"Content-Type": "application/json", "Cache-Control": "public, max-age=3600", "Content-Length": strconv.Itoa(len(document))}, document},
		{"HEAD", "/mcp", 200, map[string]string{"Cache-Control": "public, max-age=3600"}, ""},
		{"OPTIONS", "/mcp", 204, map[string]string{"Access-Control-Allow-Methods": "GET, HEAD, OPTIONS"}, ""},
		{"POST", "/mcp", 405, map[string]string{"Allow": "GET, HEAD, OPTIONS", "Cache-Control": "no-store"}, `{"error":"method_not_allowed"}`},
		{"DELETE", "/mcp", 405, jsonType, `{"error":"method_not_allowed"}`},
		{"GET", "/nothing", 404, map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store"}, `{"error":"not_found"}`},
	} {
		got := h.send(t, clientRequest{host: "a.example.com"}.by(row.method).at(wellKnown+row.path))
		if got.status != row.status || got.body != row.body {
			t.Errorf("%s %s: %v, want %d %s", row.method, row.path, got, row.status, row.body)
		}
		row.headers["Access-Control-Allow-Origin"] = "*"
		for name, want := range row.headers {
			if have := strings.Join(got.header[name], "|"); have != want {
				t.Errorf("%s %s: %s %q, want %q", row.method, row.path, name, have, want)
			}
		}
	}
}

// thisEnvoy leads every host to one Envoy, which here has no certificate.
type thisEnvoy struct{ address string }

func (e thisEnvoy) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host = r.URL.Host
	r.URL.Scheme, r.URL.Host = "http", e.address
	return http.DefaultTransport.RoundTrip(r)
}

// theSDKAccepts: the Go SDK compares resource byte for byte, and demands https.
func theSDKAccepts(t *testing.T, h *environment) {
	t.Helper()
	client := &http.Client{Transport: thisEnvoy{h.envoy.Address()}}
	for document, of := range map[string]string{
		"https://a.example.com" + wellKnown + "/mcp":      "https://a.example.com/mcp",
		"https://a.example.com" + wellKnown + "/other":    "https://a.example.com/other",
		"https://b.example.com" + wellKnown:               "https://b.example.com",
		"https://c.example.com:8443" + wellKnown + "/x/y": "https://c.example.com:8443/x/y",
	} {
		got, err := oauthex.GetProtectedResourceMetadata(withPatience(t), document, of, client)
		if err != nil {
			t.Errorf("%s: %v", document, err)
			continue
		}
		if diff := cmp.Diff([]string{issuerURL}, got.AuthorizationServers); diff != "" {
			t.Errorf("%s: authorization_servers (-want +got):\n%s", document, diff)
		}
	}
	if _, err := oauthex.GetProtectedResourceMetadata(withPatience(t), "https://c.ns.svc:8080"+wellKnown+"/x/y", "https://c.ns.svc:8080/x/y", client); err == nil {
		t.Error("a document is accepted for the mesh's URL, which clients must not use")
	}
}

// challenges: scope is that of the resource, and left out where it has none.
func challenges(t *testing.T, h *environment) {
	t.Helper()
	for _, row := range []struct{ host, path, challenge string }{
		{"a.example.com", "/mcp/x", `Bearer resource_metadata="https://a.example.com` + wellKnown + `/mcp", scope="mcp:read"`},
		{"A.example.com:443", "/other", `Bearer resource_metadata="https://a.example.com` + wellKnown + `/other"`},
		{"b.example.com", "/", `Bearer resource_metadata="https://b.example.com` + wellKnown + `"`},
		{"b.example.com", "/any/thing", `Bearer resource_metadata="https://b.example.com` + wellKnown + `"`},
		{"c.example.com:8443", "/x/y", `Bearer resource_metadata="https://c.example.com:8443` + wellKnown + `/x/y"`},
		{"c.ns.svc:8080", "/x/y", `Bearer resource_metadata="https://c.example.com:8443` + wellKnown + `/x/y"`},
	} {
		got := h.send(t, clientRequest{host: row.host, path: row.path})
		if have := strings.Join(got.header["Www-Authenticate"], "\n"); got.status != 401 || have != row.challenge {
			t.Errorf("%s%s: %d, %s; want %s", row.host, row.path, got.status, have, row.challenge)
		}
	}
}

// cors is what a page in a browser can do and read.
func cors(t *testing.T, h *environment) {
	t.Helper()
	const app, evil = "https://app.example.com", "https://evil.example.com"
	asked := func(a clientRequest, origin string) clientRequest {
		return a.on("a.example.com").with("Origin", origin)
	}
	preflight := func(path, origin string) clientRequest {
		return asked(clientRequest{method: "OPTIONS", path: path}, origin).
			with("Access-Control-Request-Method", "POST").with("Access-Control-Request-Headers", "authorization,mcp-protocol-version")
	}
	for _, row := range []struct {
		intent string
		ask    clientRequest
		status int
		header map[string]string
		log    string // reason in the access log: "" where doorward was not asked
	}{
		{"a preflight needs no token", preflight("/mcp", app), 200, map[string]string{
			"Access-Control-Allow-Origin":  app,
			"Access-Control-Allow-Methods": "GET, POST, DELETE, OPTIONS",
			"Access-Control-Allow-Headers": "authorization, content-type, accept, last-event-id, mcp-protocol-version, mcp-session-id, mcp-method, mcp-name, dpop",
		}, ""},
		{"a preflight of another page ends at Envoy", preflight("/mcp", evil), 200, map[string]string{"Access-Control-Allow-Origin": ""}, ""},
		{"OPTIONS that is no preflight is judged", asked(clientRequest{method: "OPTIONS", path: "/mcp"}, app), 401, nil, "no_credentials"},
		{"a page reads the challenge", asked(clientRequest{path: "/mcp"}, app), 401, map[string]string{
			"Access-Control-Allow-Origin":   app,
			"Access-Control-Expose-Headers": "www-authenticate, mcp-session-id, dpop-nonce",
			"Www-Authenticate":              `Bearer resource_metadata="https://a.example.com` + wellKnown + `/mcp", scope="mcp:read"`,
		}, "no_credentials"},
		{"another page is refused and reads nothing", asked(clientRequest{path: "/mcp"}, evil), 403, map[string]string{"Access-Control-Allow-Origin": ""}, "origin_not_allowed"},
		{"null is an origin like any other", asked(clientRequest{path: "/mcp"}, "null"), 403, map[string]string{"Access-Control-Allow-Origin": ""}, "origin_not_allowed"},
		{"the resource's own page", asked(clientRequest{path: "/mcp"}, "https://a.example.com"), 401, nil, "no_credentials"},
		{"PR-11: any page reads a document", asked(clientRequest{path: wellKnown + "/mcp"}, evil), 200, map[string]string{"Access-Control-Allow-Origin": "*"}, "metadata"},
		{"PR-11: a listed page too", asked(clientRequest{path: wellKnown + "/mcp"}, app), 200, map[string]string{"Access-Control-Allow-Origin": "*"}, "metadata"},
		{"PR-11: a listed page asks first", preflight(wellKnown+"/mcp", app), 204, map[string]string{"Access-Control-Allow-Origin": "*"}, "metadata"},
		{"PR-11: any page asks first", preflight(wellKnown+"/mcp", evil), 204, map[string]string{"Access-Control-Allow-Origin": "*"}, "metadata"},
	} {
		t.Run(row.intent, func(t *testing.T) {
			got := h.send(t, row.ask)
			if got.status != row.status {
				t.Errorf("%v, want %d", got, row.status)
			}
			for name, want := range row.header {
				if have := strings.Join(got.header[name], "|"); have != want {
					t.Errorf("%s: %q, want %q", name, have, want)
				}
			}
			if logged, _ := h.logged(t, got)["reason"].(string); logged != row.log {
				t.Errorf("the access log has reason %q, want %q", logged, row.log)
			}
		})
	}
}

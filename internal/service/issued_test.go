package service

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/doorward/doorward/internal/handle"
)

const withIssued = `  assertion: {issuer: "https://doorward.example", audience: "https://example.internal", key_file: assertion.pem}
egress:
  listeners: [{listen: "unix:///tmp/doorward-issued-test.sock", resource: example}]
  handle: {key_files: [handle.key, handle.old.key]}
  destinations:
  - host: api.example.com
    token: exchange
    exchange:
    - {issuer: "https://as.example.com", token_endpoint: "https://as.example.com/token", resource: "https://api.example.com", client_id: doorward, client_secret_file: secret}
`

func (f *folder) writeIssued(t *testing.T, more string) {
	t.Helper()
	f.configure(t, more)
	text := strings.Replace(readText(t, f.path("doorward.yaml")), `http: "127.0.0.1:0"`, `http: "0.0.0.0:0"`, 1)
	f.write(t, "doorward.yaml", text)
	f.write(t, "secret", "a secret of a client")
}

func (f *folder) writeSigningKey(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	f.write(t, "assertion.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

// keySet is the answer at the path of the keys.
func (r *trial) keySet() *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r.http.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.well-known/jwks.json", nil))
	return w
}

// handleOf is the handle that the server gets with a request with this token.
func (r *trial) handleOf(t *testing.T, token string) string {
	t.Helper()
	request := &authv3.AttributeContext_HttpRequest{
		Method: "POST", Scheme: "https", Host: "mcp.example.com", Path: "/mcp",
		Headers: map[string]string{"authorization": "Bearer " + token},
	}
	response := r.checks.Check(t.Context(), &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Request: &authv3.AttributeContext_Request{Http: request},
	}})
	for _, option := range response.GetOkResponse().GetHeaders() {
		if option.GetHeader().GetKey() == "x-mcp-auth-handle" {
			return option.GetHeader().GetValue()
		}
	}
	t.Fatalf("no handle: %v", response)
	return ""
}

// TestNewKeysAreInForceAtAReload, and a key file that is wrong changes nothing.
func TestNewKeysAreInForceAtAReload(t *testing.T) {
	f := newFolder(t)
	f.writeIssued(t, withIssued)
	f.writeSigningKey(t)
	f.write(t, "handle.key", strings.Repeat("1", handle.KeyBytes))
	f.write(t, "handle.old.key", strings.Repeat("0", handle.KeyBytes))
	r := begin(t, f.path("doorward.yaml"))
	token := goodToken(f.key)
	first, set := r.handleOf(t, token), r.keySet()
	if set.Code != http.StatusOK || set.Header().Get("Content-Type") != "application/jwk-set+json" ||
		set.Header().Get("Cache-Control") != "public, max-age=300" || strings.Contains(set.Body.String(), `"d"`) {
		t.Errorf("%d %v %s", set.Code, set.Header(), set.Body)
	}

	for name, content := range map[string]string{"handle.key": "short", "assertion.pem": "no key"} {
		before, inForce := readText(t, f.path(name)), r.handleOf(t, token)
		f.write(t, name, content)
		r.again(t)
		if got := r.handleOf(t, token); got != inForce || r.keySet().Body.String() != set.Body.String() {
			t.Errorf("%s: a refused file has changed something", name)
		}
		f.write(t, name, before)
		r.again(t)
	}

	f.write(t, "handle.old.key", strings.Repeat("1", handle.KeyBytes))
	f.write(t, "handle.key", strings.Repeat("2", handle.KeyBytes))
	f.writeSigningKey(t)
	r.again(t)
	second, sealer := r.handleOf(t, token), r.checks.State().Handles
	for name, text := range map[string]string{"before": first, "after": second} {
		if content, err := sealer.Open(text, "example", time.Now()); err != nil || content.Token != token {
			t.Errorf("%s: %v", name, err)
		}
	}
	if first == second || r.keySet().Body.String() == set.Body.String() {
		t.Error("the new keys are not in force")
	}
}

// TestWithoutAssertionsThereAreNoKeys to fetch.
func TestWithoutAssertionsThereAreNoKeys(t *testing.T) {
	f := newFolder(t)
	f.configure(t, "")
	if got := begin(t, f.path("doorward.yaml")).keySet(); got.Code != http.StatusNotFound {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

func readText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

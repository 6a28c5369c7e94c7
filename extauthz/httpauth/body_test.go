package httpauth_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/httpauth"
	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/internal/testenv/jwttest"
	"github.com/doorward/doorward/rego"
)

const (
	bodyResource = "https://mcp.example.com/mcp"
	bodyIssuer   = "https://as.example.com"
)

// withOperations is a middleware whose resource has these operations, and a handler
// that answers with the body that it reads.
func withOperations(t *testing.T, key *jwttest.Key, operations ...resource.Operation) http.Handler {
	t.Helper()
	table, problems := resource.NewTable([]resource.Spec{{
		URI: bodyResource, Issuers: []string{bodyIssuer}, Operations: operations,
	}}, nil)
	if table == nil {
		t.Fatal(problems)
	}
	engine, faults := policy.Compile(t.Context(), policy.Sources{Library: rego.Files})
	if engine == nil {
		t.Fatal(faults)
	}
	keys := jwks.NewSource(jwks.Options{Issuer: bodyIssuer, Static: jwttest.JWKS(key)}, jwks.Environment{})
	server, err := extauthz.New(extauthz.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Swap(&extauthz.State{
		Resources:    table,
		Issuers:      map[string]*token.Issuer{bodyIssuer: {ID: bodyIssuer, Algorithms: token.DefaultAlgorithms(), Keys: keys}},
		Verifier:     token.NewVerifier(token.Options{Waiting: 1000}),
		Policy:       engine,
		Possession:   token.NewPossessionVerifier(token.PossessionOptions{}),
		CheckTimeout: time.Minute,
	}); err != nil {
		t.Fatal(err)
	}
	return httpauth.Handler(server, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusTeapot)
		}
		_, _ = w.Write(body)
		_ = r.Body.Close()
	}))
}

// interrupted is a body whose client goes away.
type interrupted struct{ io.Reader }

func (i interrupted) Read(into []byte) (int, error) {
	n, err := i.Reader.Read(into)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// TestBodies: the operation decides, and the handler reads the body from its
// beginning.
func TestBodies(t *testing.T) {
	key := jwttest.NewKey("ES256", "key-1")
	bearer := "Bearer " + key.Sign(map[string]any{
		"iss": bodyIssuer, "aud": bodyResource, "sub": "alice", "client_id": "app", "jti": "1", "scope": "mcp:read",
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	})
	call := func(name, arguments string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + name + `","arguments":{"a":"` + arguments + `"}}}`
	}
	withOperation := withOperations(t, key, resource.Operation{Method: "tools/call", Name: "delete_*", Scopes: []string{"mcp:write"}})
	without := withOperations(t, key)
	large := strings.Repeat("x", 1<<20)
	for _, row := range []struct {
		intent  string
		handler http.Handler
		body    io.Reader
		change  func(*http.Request)
		status  int
		reads   string // by the handler
	}{
		{"a tool without an entry", withOperation, strings.NewReader(call("search", "a")), nil, 200, call("search", "a")},
		{"a tool that needs a scope", withOperation, strings.NewReader(call("delete_all", "a")), nil, 403, ""},
		{"headers that say something else", withOperation, strings.NewReader(call("delete_all", "a")), func(r *http.Request) {
			r.Header.Set("MCP-Protocol-Version", "2026-07-28")
			r.Header.Set("Mcp-Method", "tools/call")
			r.Header.Set("Mcp-Name", "search")
		}, 403, ""},
		{"no JSON", withOperation, strings.NewReader("nonsense"), nil, 400, ""},
		{"no body", withOperation, http.NoBody, nil, 400, ""},
		{"no body, and a client that says so", withOperation, http.NoBody, func(r *http.Request) {
			r.Header.Set("X-Envoy-Auth-Partial-Body", "false")
		}, 400, ""},
		{"a client that calls its body a part", withOperation, strings.NewReader(call("search", "a")), func(r *http.Request) {
			r.Header.Set("X-Envoy-Auth-Partial-Body", "true")
		}, 200, call("search", "a")},
		{"almost too large", withOperation, strings.NewReader(call("search", large[:1<<20-200])), nil, 200, call("search", large[:1<<20-200])},
		{"too large", withOperation, strings.NewReader(call("search", large)), nil, 400, ""},
		{"too large, without a token", withOperation, strings.NewReader(call("search", large)), func(r *http.Request) {
			r.Header.Del("Authorization")
		}, 401, ""},
		{"a client that goes away", withOperation, interrupted{strings.NewReader(call("search", "a"))}, nil, 400, ""},
		{"another method of HTTP", withOperation, strings.NewReader("nonsense"), func(r *http.Request) { r.Method = "DELETE" }, 200, "nonsense"},
		{"a resource without operations", without, strings.NewReader("nonsense"), nil, 200, "nonsense"},
		{"too large for operations", without, strings.NewReader(large + large), nil, 200, large + large},
		{"no resource", withOperation, strings.NewReader("nonsense"), func(r *http.Request) { r.URL.Path, r.RequestURI = "/x", "/x" }, 403, ""},
	} {
		r := httptest.NewRequest(http.MethodPost, bodyResource, row.body)
		r.RequestURI = "/mcp"
		r.Header.Set("Authorization", bearer)
		r.Header.Set("Content-Type", "application/json")
		if row.change != nil {
			row.change(r)
		}
		w := httptest.NewRecorder()
		row.handler.ServeHTTP(w, r)
		if w.Code != row.status || w.Code == 200 && w.Body.String() != row.reads {
			t.Errorf("%s: %d, %d bytes, want %d\n%.300s", row.intent, w.Code, w.Body.Len(), row.status, w.Body)
		}
	}
}

// TestTheBodyIsClosed by the handler that reads it, as without the middleware.
func TestTheBodyIsClosed(t *testing.T) {
	key := jwttest.NewKey("ES256", "key-1")
	handler := withOperations(t, key, resource.Operation{Method: "*"})
	body := &closing{Reader: bytes.NewReader([]byte(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))}
	r := httptest.NewRequest(http.MethodPost, bodyResource, body)
	r.RequestURI = "/mcp"
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+key.Sign(map[string]any{
		"iss": bodyIssuer, "aud": bodyResource, "sub": "alice", "client_id": "app", "jti": "1",
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code != 200 || !body.closed {
		t.Errorf("%d %s, closed: %t", w.Code, w.Body, body.closed)
	}
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

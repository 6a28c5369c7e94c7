package service

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/snapshot"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// folder holds the files of a configuration that a test changes.
type folder struct {
	dir string
	key *jwttest.Key
}

func newFolder(t *testing.T) *folder {
	t.Helper()
	return &folder{t.TempDir(), jwttest.NewKey("ES256", "key-1")}
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, name) }

func (f *folder) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(f.path(name)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.path(name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// configure writes doorward.yaml with more lines after the usual ones.
func (f *folder) configure(t *testing.T, more string) {
	t.Helper()
	f.write(t, "keys.json", string(jwttest.JWKS(f.key)))
	f.write(t, "doorward.yaml", fmt.Sprintf(`
listen: {grpc: "127.0.0.1:0", http: "127.0.0.1:0"}
issuers:
- issuer: https://as.example.com
  jwks_file: keys.json
resources:
- resource: https://mcp.example.com/mcp
  name: example
%s
`, more))
}

// trial is a service without listeners, which reloads when a test looks.
type trial struct {
	*Service
	log    *journal
	seen   *snapshot.Snapshot
	parses int
	http   http.Handler
}

func begin(t *testing.T, path string) *trial {
	t.Helper()
	r := &trial{log: new(journal)}
	source := Source{Read: func(files *snapshot.Snapshot) (*config.Config, finding.List) {
		r.parses++
		return config.LoadFrom(files, []string{path})
	}}
	first, problems := Load(t.Context(), source)
	if first == nil {
		t.Fatal(problems)
	}
	log := slog.New(slog.NewJSONHandler(r.log, nil))
	s, err := New(Options{Log: log, Level: new(slog.LevelVar), Stdout: io.Discard, Source: source}, first)
	if err != nil {
		t.Fatal(err)
	}
	r.Service, r.seen, r.http = s, first.files, s.httpHandler()
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(func() {
		stop()
		s.bundles.ended.Wait()
	})
	if err := s.begin(ctx); err != nil {
		t.Fatal(err)
	}
	return r
}

// again is what happens each second.
func (r *trial) again(t *testing.T) {
	t.Helper()
	r.seen = r.look(t.Context(), r.seen)
}

// reason is that of the answer to a request with this token and id.
func (r *trial) reason(t *testing.T, token, id string) string {
	t.Helper()
	request := &authv3.AttributeContext_HttpRequest{
		Method: "POST", Scheme: "https", Host: "mcp.example.com", Path: "/mcp",
		Headers: map[string]string{"x-request-id": id},
	}
	if token != "" {
		request.Headers["authorization"] = "Bearer " + token
	}
	response := r.checks.Check(t.Context(), &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Request: &authv3.AttributeContext_Request{Http: request},
	}})
	return response.GetDynamicMetadata().GetFields()["reason"].GetStringValue()
}

func (r *trial) metrics() string {
	w := httptest.NewRecorder()
	r.http.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

func goodToken(key *jwttest.Key) string {
	return key.Sign(map[string]any{
		"iss": "https://as.example.com", "aud": "https://mcp.example.com/mcp", "sub": "alice", "client_id": "app",
		"exp": time.Now().Add(time.Hour).Unix(), "scope": "mcp:read",
	})
}

// journal is a log that can be read while it is written.
type journal struct {
	mu      sync.Mutex
	written bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.written.Write(p)
}

func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.written.String(), text)
}

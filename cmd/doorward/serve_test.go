package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// within bounds every wait of these tests; what takes longer has failed.
const within = 20 * time.Second

// lines is a log that tells when a line has come.
type lines struct {
	mu      sync.Mutex
	written bytes.Buffer
	changed chan struct{}
}

func newLines() *lines { return &lines{changed: make(chan struct{})} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
	return l.written.Write(p)
}

func (l *lines) look() (string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.written.String(), l.changed
}

func (l *lines) String() string {
	text, _ := l.look()
	return text
}

// await returns the nth line that holds text, counted from 1.
func (l *lines) await(t testing.TB, nth int, text string) string {
	t.Helper()
	timeout := time.After(within)
	for {
		written, changed := l.look()
		left := nth
		for line := range strings.Lines(written) {
			if strings.Contains(line, text) {
				if left--; left == 0 {
					return line
				}
			}
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("no line %d with %q in:\n%s", nth, text, written)
		}
	}
}

// program is doorward serve as a person runs it.
type program struct {
	log        *lines
	grpc, http string
	stop       context.CancelFunc
	exit       chan int
}

func start(t testing.TB, args ...string) *program {
	t.Helper()
	return startTo(t, io.Discard, args...)
}

func startTo(t testing.TB, stdout io.Writer, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &program{log: newLines(), stop: cancel, exit: make(chan int, 1)}
	go func() { p.exit <- run(ctx, append([]string{"serve"}, args...), stdout, p.log) }()
	t.Cleanup(func() {
		cancel()
		select {
		case <-p.exit:
		case <-time.After(within):
			t.Error("serve does not stop")
		}
	})
	var serving struct{ GRPC, HTTP string }
	if err := json.Unmarshal([]byte(p.log.await(t, 1, `"msg":"serving"`)), &serving); err != nil {
		t.Fatal(err)
	}
	p.grpc, p.http = serving.GRPC, serving.HTTP
	return p
}

// wait is the exit code of a program that was told to stop.
func (p *program) wait(t testing.TB) int {
	t.Helper()
	select {
	case code := <-p.exit:
		p.exit <- code
		return code
	case <-time.After(within):
		t.Fatal("serve does not stop")
		return 0
	}
}

func (p *program) dial(t testing.TB, target string, creds credentials.TransportCredentials) *grpc.ClientConn {
	t.Helper()
	if creds == nil {
		creds = insecure.NewCredentials()
	}
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// verdict is the reason of a request with this token.
func verdict(t testing.TB, conn *grpc.ClientConn, token string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	response, err := authv3.NewAuthorizationClient(conn).Check(ctx, checkRequest(token))
	if err != nil {
		t.Fatalf("Check ended in a gRPC error: %v", err)
	}
	return response.GetDynamicMetadata().GetFields()["reason"].GetStringValue()
}

func checkRequest(token string) *authv3.CheckRequest {
	http := &authv3.AttributeContext_HttpRequest{Method: "POST", Scheme: "https", Host: "mcp.example.com", Path: "/mcp"}
	if token != "" {
		http.Headers = map[string]string{"authorization": "Bearer " + token}
	}
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{Http: http}}}
}

func get(t testing.TB, url string, header ...string) (int, http.Header, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(header) > 0 {
		request.Host = header[0]
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(body)
}

// folder holds the files of a configuration that a test changes.
type folder struct {
	dir string
	key *jwttest.Key
}

func newFolder(t testing.TB) *folder {
	t.Helper()
	return &folder{t.TempDir(), jwttest.NewKey("ES256", "key-1")}
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, name) }

func (f *folder) write(t testing.TB, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(f.path(name)), 0o700); err != nil {
		t.Fatal(err)
	}
	// Replaced in one step, as an editor or a ConfigMap does it.
	if err := os.WriteFile(f.path(name)+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(f.path(name)+".new", f.path(name)); err != nil {
		t.Fatal(err)
	}
}

// configure writes doorward.yaml with more lines behind the usual ones.
func (f *folder) configure(t testing.TB, more string) string {
	t.Helper()
	f.write(t, "keys.json", string(jwttest.JWKS(f.key)))
	f.write(t, "doorward.yaml", fmt.Sprintf(`
listen: {grpc: "127.0.0.1:0", http: "127.0.0.1:0"}
drain: 0s
issuers:
- issuer: https://as.example.com
  jwks_file: keys.json
resources:
- resource: https://mcp.example.com/mcp
  name: example
%s
`, more))
	return f.path("doorward.yaml")
}

func goodToken(key *jwttest.Key) string {
	return key.Sign(map[string]any{
		"iss": "https://as.example.com", "aud": "https://mcp.example.com/mcp", "sub": "alice", "client_id": "app",
		"exp": time.Now().Add(time.Hour).Unix(), "scope": "mcp:read",
	})
}

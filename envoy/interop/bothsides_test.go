package interop

import (
	"context"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/doorward/doorward/internal/testenv"
)

// bothSides is what a request to an API through an Envoy on each side of the MCP server comes to.
const bothSides = "aud https://api.example.com, %s; without the handle 403 exchange_refused; with the token itself 403 passthrough"

// wayOut heads the table of what leaves the MCP server.
var wayOut = []string{"What leaves the MCP server, through Envoy on both sides", "What the API gets"}

// leaves configures the way out of the MCP server: to one API, with a token by an entry of exchange, in YAML.
func (s *service) leaves(entry string, secret []byte) error {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	for name, content := range map[string][]byte{"handle.key": key, "client.secret": secret} {
		if err := os.WriteFile(filepath.Join(s.folder, name), content, 0o600); err != nil {
			return err
		}
	}
	s.egress = fmt.Sprintf(`egress:
  listeners: [{listen: "unix://%s", resource: interop}]
  handle: {key_files: [%q]}
  destinations:
  - host: api.example.com
    token: exchange
    exchange: [{issuer: %q, %s}]
`, s.socket(), filepath.Join(s.folder, "handle.key"), s.issuer, entry)
	return nil
}

func (s *service) socket() string { return filepath.Join(s.folder, "egress.sock") }

// goesOut calls the MCP server with a token, as a client, and then the API with the handle that arrived there.
func (s *service) goesOut(ctx context.Context, token string) (outcome, error) {
	handle, err := s.handle(ctx, token)
	if err != nil {
		return outcome{}, err
	}
	statuses, api, err := s.callsOut(ctx, "/v1/things",
		http.Header{"X-Mcp-Auth-Handle": {handle}, "Authorization": {"Bearer what-the-server-wrote"}},
		http.Header{},
		http.Header{"X-Mcp-Auth-Handle": {handle}, "X-Forwarded-Access-Token": {token}},
	)
	if err != nil {
		return outcome{}, err
	}
	claims, _, err := api.token(statuses)
	if err != nil {
		return outcome{}, err
	}
	got := fmt.Sprintf("%s; without the handle %s; with the token itself %s", aboutUpstream(claims), statuses[1], statuses[2])
	return outcome{got: got, words: []string{"the user's token, exchanged at its issuer", got}}, nil
}

// handle is what arrives at the MCP server with a token.
func (s *service) handle(ctx context.Context, token string) (string, error) {
	if in, err := s.send(ctx, token); err != nil || in.got != "200 allowed" {
		return "", fmt.Errorf("the way in: %s, %w", in.got, err)
	}
	requests := s.mcp.Requests()
	return requests[len(requests)-1].Header.Get("X-Mcp-Auth-Handle"), nil
}

// callsOut calls the API as the MCP server, once with each of these headers, through the shipped sidecar.yaml.
func (s *service) callsOut(ctx context.Context, path string, headers ...http.Header) (statuses []string, api *recorder, err error) {
	api = &recorder{}
	server := httptest.NewTLSServer(api)
	defer server.Close()
	authority := filepath.Join(s.folder, "api.pem")
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	free, err := testenv.FreeAddresses(1)
	if err := errors.Join(err, os.WriteFile(authority, encoded, 0o600)); err != nil {
		return nil, nil, err
	}
	out, err := testenv.StartEnvoy(ctx, testenv.EnvoyOptions{
		Doorward: s.grpc, Upstream: s.mcp.Address(), Edit: testenv.WithLongTimeouts,
		Egress: &testenv.EgressOptions{
			Listen: free[0], Socket: s.socket(), API: server.Listener.Addr().String(), AuthorityIn: authority,
		},
	})
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = out.Stop() }() // what it did is known by then
	for _, header := range headers {
		status, err := s.callAPI(ctx, "http://"+free[0]+path, header)
		if err != nil {
			return nil, nil, err
		}
		statuses = append(statuses, status)
	}
	return statuses, api, nil
}

// callAPI returns the status, and the reason of a refusal.
func (s *service) callAPI(ctx context.Context, url string, header http.Header) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	request.Host, request.Header, request.Close = "api.example.com", header, true
	response, err := s.client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusOK {
		return "200", nil
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	return refusal(fmt.Sprintf("%d %s", response.StatusCode, body), 0)
}

// recorder is an API that keeps the headers of its requests.
type recorder struct {
	mu   sync.Mutex
	seen []http.Header
}

func (r *recorder) ServeHTTP(_ http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, request.Header.Clone())
}

// token is that of the one request that arrived, the first one, which has nothing of doorward.
func (r *recorder) token(statuses []string) (claims map[string]any, compact string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.seen) != 1 || statuses[0] != "200" {
		return nil, "", fmt.Errorf("%d requests reached the API; the answers are %q", len(r.seen), statuses)
	}
	for name := range r.seen[0] {
		if strings.HasPrefix(name, "X-Mcp-Auth-") {
			return nil, "", fmt.Errorf("%s reached the API", name)
		}
	}
	compact, isBearer := strings.CutPrefix(r.seen[0].Get("Authorization"), "Bearer ")
	claims, err = part(compact, 1)
	if err != nil || !isBearer {
		return nil, "", fmt.Errorf("what reached the API is no token: %w", err)
	}
	return claims, compact, nil
}

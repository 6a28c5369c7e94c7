package interop

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/doorward/doorward/internal/testenv"
)

// bothSides is what a request to an API through an Envoy on each side of the MCP server comes to.
const bothSides = "aud https://api.example.com, %s; without the handle 403; with the token itself 403"

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
	api := &recorder{}
	server := httptest.NewServer(api)
	defer server.Close()
	out, err := testenv.StartEnvoy(ctx, testenv.EnvoyOptions{
		Doorward: server.Listener.Addr().String(), Upstream: server.Listener.Addr().String(),
		Edit: func(b *testenv.Bootstrap) error {
			cluster := b.Cluster(b.DoorwardCluster())
			cluster.HealthChecks = nil
			cluster.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC} // as a pipe needs
			cluster.GetLoadAssignment().GetEndpoints()[0].GetLbEndpoints()[0].GetEndpoint().Address = &corev3.Address{
				Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: s.socket()}},
			}
			// As the listener egress of the shipped file has it.
			rules := b.Authz.GetDecoderHeaderMutationRules()
			rules.GetAllowExpression().Regex = "^(authorization|proxy[^a-z0-9]authorization|dpop|cookie|baggage|x[^a-z0-9]mcp[^a-z0-9]auth[^a-z0-9].*|x-envoy-auth-partial-body)$"
			rules.DisallowExpression = nil
			return testenv.WithLongTimeouts(b)
		},
	})
	if err != nil {
		return outcome{}, err
	}
	defer func() { _ = out.Stop() }() // what it did is known by then
	if in, err := s.send(ctx, token); err != nil || in.got != "200 allowed" {
		return outcome{}, fmt.Errorf("the way in: %s, %w", in.got, err)
	}
	requests := s.mcp.Requests()
	handle := requests[len(requests)-1].Header.Get("X-Mcp-Auth-Handle")
	var statuses []int
	for _, header := range []http.Header{
		{"X-Mcp-Auth-Handle": {handle}, "Authorization": {"Bearer what-the-server-wrote"}},
		{},
		{"X-Mcp-Auth-Handle": {handle}, "X-Forwarded-Access-Token": {token}},
	} {
		status, err := s.callAPI(ctx, out.URL(), header)
		if err != nil {
			return outcome{}, err
		}
		statuses = append(statuses, status)
	}
	return api.outcome(statuses)
}

func (s *service) callAPI(ctx context.Context, envoy string, header http.Header) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, envoy+"/v1/things", nil)
	if err != nil {
		return 0, err
	}
	request.Host, request.Header, request.Close = "api.example.com", header, true
	response, err := s.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
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

// outcome is of the one request that arrived, which has a token of its own and nothing of doorward.
func (r *recorder) outcome(statuses []int) (outcome, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.seen) != 1 || statuses[0] != http.StatusOK {
		return outcome{}, fmt.Errorf("%d requests reached the API; the statuses are %v", len(r.seen), statuses)
	}
	for name := range r.seen[0] {
		if strings.HasPrefix(name, "X-Mcp-Auth-") {
			return outcome{}, fmt.Errorf("%s reached the API", name)
		}
	}
	token, isBearer := strings.CutPrefix(r.seen[0].Get("Authorization"), "Bearer ")
	claims, err := part(token, 1)
	if err != nil || !isBearer {
		return outcome{}, fmt.Errorf("what reached the API is no token: %w", err)
	}
	return outcome{got: fmt.Sprintf("%s; without the handle %d; with the token itself %d",
		aboutUpstream(claims), statuses[1], statuses[2])}, nil
}

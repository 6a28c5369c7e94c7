package envoy_test

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/service"
	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// TestTwoServersBehindOneEnvoy follows README: its doorward.yaml, and what it
// adds there and to envoy.yaml for a second server. Each server is reached with
// a token of its own audience, and by no request with a token of the other.
func TestTwoServersBehindOneEnvoy(t *testing.T) {
	testenv.RequireEnvoy(t)
	text, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, second, _ := strings.Cut(string(text), "**Two MCP servers behind one Envoy**")
	first, added := yamlBlocks(string(text)), yamlBlocks(second)
	key := jwttest.NewKey("ES256", "key-1")
	servers := map[string]*upstream{"/mcp": startUpstream(t), "/other": startUpstream(t)}
	h := startEnvironment(t, servers["/mcp"].address, secondServer(t, added[1], servers["/other"].address))
	h.activate(t, stateOf(t, first[0]+added[0], key))

	tokens := map[string]string{}
	for _, path := range []string{"/mcp", "/other"} {
		tokens[path] = key.Sign(claims(map[string]any{
			"aud": "https://mcp.example.com" + path, "scope": "mcp:read other:read",
		}))
	}
	for _, row := range []struct {
		of, at string
		status int
	}{
		{"/mcp", "/mcp", http.StatusOK},
		{"/mcp", "/mcp/x", http.StatusOK},
		{"/other", "/other", http.StatusOK},
		{"/other", "/other/x?y", http.StatusOK},
		{"/mcp", "/other", http.StatusUnauthorized},
		{"/mcp", "/other/x", http.StatusUnauthorized},
		{"/other", "/mcp", http.StatusUnauthorized},
		{"/other", "/mcp/../mcp", http.StatusUnauthorized},
		{"/mcp", "/mcp/../other", http.StatusUnauthorized},
		{"/other", "/otherwise", http.StatusForbidden}, // no resource
	} {
		got := h.send(t, bearer(tokens[row.of]).at(row.at))
		if got.status != row.status {
			t.Errorf("a token for %s at %s: %v, want %d", row.of, row.at, got, row.status)
		}
		if got.status == http.StatusUnauthorized {
			if access := h.logged(t, got); access["reason"] != "audience_mismatch" {
				t.Errorf("a token for %s at %s: the reason is %v", row.of, row.at, access["reason"])
			}
		}
		for path, server := range servers {
			want := 0
			if row.status == http.StatusOK && path == row.of {
				want = 1
			}
			if n := len(server.take()); n != want {
				t.Errorf("a token for %s at %s: %d requests reached the server of %s, want %d", row.of, row.at, n, path, want)
			}
		}
	}
}

// yamlBlocks are the fenced blocks of YAML, without their indentation.
func yamlBlocks(document string) []string {
	var blocks []string
	for _, found := range regexp.MustCompile("(?ms)^( *)```yaml\n(.*?)^ *```").FindAllStringSubmatch(document, -1) {
		blocks = append(blocks, regexp.MustCompile("(?m)^"+found[1]).ReplaceAllString(found[2], ""))
	}
	return blocks
}

// secondServer puts the route before the last one, and makes its cluster of a
// copy of mcp-server.
func secondServer(t *testing.T, routes, address string) edit {
	t.Helper()
	var generic []any
	if err := yaml.Unmarshal([]byte(routes), &generic); err != nil || len(generic) != 1 {
		t.Fatalf("%d routes: %v", len(generic), err)
	}
	asJSON, err := json.Marshal(generic[0])
	if err != nil {
		t.Fatal(err)
	}
	route := &routev3.Route{}
	if err := protojson.Unmarshal(asJSON, route); err != nil {
		t.Fatal(err)
	}
	return func(b *testenv.Bootstrap) {
		last := len(b.Host.GetRoutes()) - 1
		asShipped := proto.CloneOf(b.Host.GetRoutes()[last].GetRoute())
		asShipped.ClusterSpecifier = route.GetRoute().GetClusterSpecifier()
		if diff := cmp.Diff(asShipped, route.GetRoute(), protocmp.Transform()); diff != "" {
			t.Errorf("the route to the second server differs from the first one's (-first +second):\n%s", diff)
		}
		b.Host.Routes = slices.Insert(b.Host.Routes, last, route)
		cluster := proto.CloneOf(b.Cluster("mcp-server"))
		cluster.Name = route.GetRoute().GetCluster()
		cluster.LoadAssignment.ClusterName = cluster.Name
		clusters := &b.Whole.GetStaticResources().Clusters
		*clusters = append(*clusters, cluster)
		at := netip.MustParseAddrPort(address)
		b.Endpoint(cluster.Name).Address = at.Addr().String()
		b.Endpoint(cluster.Name).PortSpecifier = &corev3.SocketAddress_PortValue{PortValue: uint32(at.Port())}
	}
}

// stateOf is what serve makes of a configuration whose issuer has this key.
func stateOf(t *testing.T, configuration string, key *jwttest.Key) *extauthz.State {
	t.Helper()
	return stateAt(t, configuration, key, func() time.Time { return testTime })
}

func stateAt(t *testing.T, configuration string, key *jwttest.Key, now func() time.Time) *extauthz.State {
	t.Helper()
	folder := t.TempDir()
	file := filepath.Join(folder, "doorward.yaml")
	found := strings.Replace(configuration, "\n  profile:", "\n  jwks_file: keys.json\n  profile:", 1)
	for name, content := range map[string]string{file: found, filepath.Join(folder, "keys.json"): string(jwttest.JWKS(key))} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, problems := config.Load([]string{file})
	if cfg == nil {
		t.Fatal(problems)
	}
	cfg.Limits.CheckTimeout = patience
	revision, problems := service.Compose(t.Context(), cfg, service.Parts{})
	if revision == nil {
		t.Fatal(problems)
	}
	server, err := service.Offline(t.Context(), revision, now)
	if err != nil {
		t.Fatal(err)
	}
	return server.State()
}

package envoy_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/doorward/doorward/extauthz/resource"
	meshroutes "github.com/doorward/doorward/internal/routes"
	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// TestPrintedRoutes runs what doorward check --routes envoy prints: every document
// and every server is reached, and no other path.
func TestPrintedRoutes(t *testing.T) {
	testenv.RequireEnvoy(t)
	key := jwttest.NewKey("ES256", "key-1")
	p := town(key)
	p.resources[0].Aliases = []string{"https://alias.example.com/v1/mcp"}
	p.resources = append(p.resources, resource.Spec{
		URI: "https://{tenant}.tenants.example.com/mcp", Name: "tenants", Issuers: []string{issuerURL},
		Parameters: map[string]string{"tenant": "org"},
	})
	table, problems := resource.NewTable(p.resources, nil)
	if table == nil {
		t.Fatal(problems)
	}
	var printed bytes.Buffer
	if err := meshroutes.Write(&printed, "envoy", table.All()); err != nil {
		t.Fatal(err)
	}
	hosts := virtualHosts(t, printed.Bytes())
	server := startUpstream(t)
	h := startEnvironment(t, server.address, func(b *testenv.Bootstrap) {
		b.Manager.GetRouteConfig().VirtualHosts = hosts
		b.Host = hosts[0]
	})
	h.activate(t, p.state(t))
	for _, row := range []struct {
		host, path string
		status     int
	}{
		{"a.example.com", wellKnown + "/mcp", 200},
		{"alias.example.com", wellKnown + "/v1/mcp", 200},
		{"b.example.com", wellKnown, 200},
		{"c.example.com:8443", wellKnown + "/x/y", 200},
		{"t.tenants.example.com", wellKnown + "/mcp", 200},
		{"a.example.com", "/mcp", 401},
		{"a.example.com", "/other/x", 401},
		{"alias.example.com", "/v1/mcp", 401},
		{"b.example.com", "/any", 401},
		{"c.example.com:8443", "/x/y", 401},
		{"t.tenants.example.com", "/mcp", 401},
		{"a.example.com", "/mcpx", 404},
		{"a.example.com", "/", 404},
		{"nowhere.example.com", "/mcp", 404},
	} {
		if got := h.send(t, clientRequest{host: row.host, path: row.path}); got.status != row.status {
			t.Errorf("%s%s: %v, want %d", row.host, row.path, got, row.status)
		}
	}
	token := key.Sign(claims(map[string]any{"aud": "https://b.example.com"}))
	if got := h.send(t, bearer(token).on("b.example.com")); got.status != http.StatusOK || len(server.take()) != 1 {
		t.Error(got)
	}
}

// virtualHosts reads printed routes, and gives them the only server that there is.
func virtualHosts(t *testing.T, text []byte) []*routev3.VirtualHost {
	t.Helper()
	var all []any
	if err := yaml.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	hosts := make([]*routev3.VirtualHost, len(all))
	for i, one := range all {
		asJSON, err := json.Marshal(one)
		if err != nil {
			t.Fatal(err)
		}
		hosts[i] = &routev3.VirtualHost{}
		if err := protojson.Unmarshal(asJSON, hosts[i]); err != nil {
			t.Fatal(err)
		}
		for _, route := range hosts[i].GetRoutes() {
			if to := route.GetRoute(); to != nil {
				to.ClusterSpecifier = &routev3.RouteAction_Cluster{Cluster: "mcp-server"}
			}
		}
	}
	return hosts
}

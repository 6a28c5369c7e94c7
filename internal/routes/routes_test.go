package routes_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/internal/routes"
)

var update = flag.Bool("update", false, "write the golden files")

func table(t *testing.T, specs ...resource.Spec) []*resource.Resource {
	t.Helper()
	for i := range specs {
		specs[i].Issuers = []string{"https://as.example.com"}
	}
	table, problems := resource.NewTable(specs, nil)
	if table == nil {
		t.Fatal(problems)
	}
	return table.All()
}

// TestGolden holds what is written for two resources of one host, one with an
// alias and a port, and two patterns.
func TestGolden(t *testing.T) {
	resources := table(t,
		resource.Spec{URI: "https://mcp.example.com/mcp", Name: "weather", Aliases: []string{"https://mcp.example.net:8443/v1/mcp"}},
		resource.Spec{URI: "https://mcp.example.com/mcp/admin", Name: "Admin tools", MirrorMetadata: true},
		resource.Spec{URI: "https://whole.example.com", Name: "whole"},
		resource.Spec{URI: "https://{tenant}.tenants.example.com/mcp", Name: "tenants", Parameters: map[string]string{"tenant": "org"}},
		resource.Spec{URI: "https://mcp.example.org/servers/{server}/mcp", Name: "many", Parameters: map[string]string{"server": "srv"}},
	)
	for _, mesh := range routes.Meshes() {
		t.Run(mesh, func(t *testing.T) {
			var got bytes.Buffer
			if err := routes.Write(&got, mesh, resources); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", mesh+".yaml")
			if *update {
				if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
			everyHostHasItsDocuments(t, got.Bytes())
		})
	}
}

// everyHostHasItsDocuments reads the output as YAML: each resource in it has a route
// for metadata before those of the servers.
func everyHostHasItsDocuments(t *testing.T, text []byte) {
	t.Helper()
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	documents := 0
	for {
		var document any
		if decoder.Decode(&document) != nil {
			break
		}
		documents++
	}
	if documents == 0 {
		t.Fatal("the output is no YAML")
	}
	for _, part := range strings.Split(string(text), "\n---\n") {
		metadata := strings.Index(part, "/.well-known/oauth-protected-resource")
		server := strings.LastIndex(part, "# HERE")
		if metadata < 0 || server < 0 {
			t.Errorf("no metadata or no server:\n%s", part)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, row := range []struct{ intent, mesh, uri, want string }{
		{"an unknown mesh", "linkerd", "https://mcp.example.com/mcp", `no mesh "linkerd": write one of contour, envoy, envoy-gateway, gateway-api, istio`},
		{"a placeholder in the middle of a host", "istio", "https://mcp.{tenant}.example.com/mcp", "weather: no mesh has routes for mcp.{tenant}.example.com"},
		{"a host of two placeholders", "contour", "https://{a}.{b}.example.com/mcp", "weather: no mesh has routes for *.{b}.example.com"},
		{"an escape in a path", "envoy", "https://mcp.example.com/m%C3%BC", "weather: the path /m%C3%BC has an escape"},
	} {
		specs := resource.Spec{URI: row.uri, Name: "weather", Issuers: []string{"https://as.example.com"}}
		placeholders, _ := resource.Placeholders(row.uri)
		for _, name := range placeholders {
			if specs.Parameters == nil {
				specs.Parameters = map[string]string{}
			}
			specs.Parameters[name] = name
		}
		var out bytes.Buffer
		err := routes.Write(&out, row.mesh, table(t, specs))
		if err == nil || !strings.HasPrefix(err.Error(), row.want) || out.Len() != 0 {
			t.Errorf("%s: %v, %s", row.intent, err, out.String())
		}
	}
}

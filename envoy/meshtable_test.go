package envoy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	managerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/doorward/doorward/internal/testenv"
)

// TestMeshSettings compares the table of docs/meshes.md with what the
// configurations say; `make golden` may have changed them.
func TestMeshSettings(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "meshes.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := []string{
		"| | repeated headers | body | MCP metadata | names the resource | client certificate | timeout | doorward down | route after the Check | CORS |",
		"|---|---|---|---|---|---|---|---|---|---|",
	}
	for _, m := range meshes() {
		b := parse(t, m.bootstrap(t))
		for _, change := range m.edits {
			change(b)
		}
		rows = append(rows, "| "+m.name+" | "+strings.Join(settings(b), " | ")+" |")
	}
	if table := strings.Join(rows, "\n"); !strings.Contains(string(page), table+"\n") {
		t.Errorf("docs/meshes.md has another table; this is what the configurations say:\n%s", table)
	}
}

// settings are the cells of one configuration.
func settings(b *testenv.Bootstrap) []string {
	pick := func(is bool, yes, no string) string {
		if is {
			return yes
		}
		return no
	}
	body := "no"
	if buffer := b.Authz.GetWithRequestBody(); buffer != nil {
		body = fmt.Sprintf("%d %s", buffer.GetMaxRequestBytes(), pick(buffer.GetPackAsBytes(), "bytes", "bytes, as text"))
	}
	named := false
	for _, route := range b.Host.GetRoutes() {
		named = named || strings.Contains(fmt.Sprint(route.GetTypedPerFilterConfig()), "resource")
	}
	cors := slices.IndexFunc(b.Manager.GetHttpFilters(), func(f *managerv3.HttpFilter) bool {
		return f.GetName() == "envoy.filters.http.cors"
	})
	authz := slices.IndexFunc(b.Manager.GetHttpFilters(), func(f *managerv3.HttpFilter) bool {
		return strings.HasPrefix(f.GetName(), "envoy.filters.http.ext_authz")
	})
	order := "by doorward"
	if cors >= 0 && cors < authz {
		order = "by Envoy"
	}
	status := int(b.Authz.GetStatusOnError().GetCode())
	if status == 0 {
		status = 403
	}
	return []string{
		pick(b.Authz.GetEncodeRawHeaders(), "apart", "joined"), body,
		pick(len(b.Authz.GetMetadataContextNamespaces()) > 0, "yes", "no"), pick(named, "yes", "no"),
		pick(b.Authz.GetIncludePeerCertificate(), "yes", "no"),
		b.Authz.GetGrpcService().GetTimeout().AsDuration().String(), fmt.Sprint(status),
		pick(b.Authz.GetClearRouteCache(), "selected again", "stays"), order,
	}
}

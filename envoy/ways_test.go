package envoy_test

import (
	"slices"
	"testing"

	mcpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/mcp/v3"
	managerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/envoy"
	"github.com/doorward/doorward/internal/testenv"
)

const mcpFilter = "envoy.filters.http.mcp"

// must makes an edit of one that may fail.
func must(t *testing.T, change func(*testenv.Bootstrap) error) edit {
	t.Helper()
	return func(b *testenv.Bootstrap) {
		if err := change(b); err != nil {
			t.Fatal(err)
		}
	}
}

func filterNamed(b *testenv.Bootstrap, name string) *managerv3.HttpFilter {
	at := slices.IndexFunc(b.Manager.GetHttpFilters(), func(f *managerv3.HttpFilter) bool { return f.GetName() == name })
	if at < 0 {
		return nil
	}
	return b.Manager.GetHttpFilters()[at]
}

// TestWaysToTheOperation holds each value that doorward relies on, where the file
// shows it. Both ways are off as shipped: see TestHardening and TestFilterOrder.
func TestWaysToTheOperation(t *testing.T) {
	b := parse(t, envoy.Bootstrap())
	must(t, testenv.WithFilterAndBodies)(b)
	if err := b.Whole.ValidateAll(); err != nil {
		t.Error(err)
	}
	filter := unpack(t, filterNamed(b, mcpFilter).GetTypedConfig(), &mcpv3.Mcp{})
	body, route := b.Authz.GetWithRequestBody(), b.Host.GetRoutes()[len(b.Host.GetRoutes())-1]
	var order []string
	for _, f := range b.Manager.GetHttpFilters() {
		order = append(order, f.GetName()[len("envoy.filters.http."):])
	}
	for _, row := range []struct {
		promise   string
		got, want any
	}{
		{"preflights first, then the filter, then doorward", order, []string{"health_check", "cors", "mcp", "ext_authz", "router"}},
		{"doorward refuses, not the filter", filter.GetTrafficMode().String(), "PASS_THROUGH"},
		{"the body counts, not a header", filter.GetAttributeSource().String(), "BODY"},
		{"a second method is reported", filter.GetRejectDuplicateKeys().GetValue(), true},
		{"the whole body is read", filter.GetEarlyTerminateWhenRoutable(), false},
		{"the route is chosen once", filter.GetClearRouteCache(), false},
		{"in the metadata", filter.GetRequestStorageMode().String(), "MODE_UNSPECIFIED"},
		{"which doorward gets", b.Authz.GetMetadataContextNamespaces(), []string{mcpFilter}},
		{"a cut body arrives", body.GetAllowPartialMessage(), true},
		{"byte for byte", body.GetPackAsBytes(), true},
		{"Envoy holds as much of it as doorward reads", route.GetRequestBodyBufferLimit().GetValue() >= uint64(body.GetMaxRequestBytes()), true},
		{"the filter reads no less than doorward", filter.GetMaxRequestBodySize().GetValue() >= body.GetMaxRequestBytes(), true},
		{"a Check is far below receive_bytes", body.GetMaxRequestBytes() <= receiveMax/4, true},
	} {
		if diff := cmp.Diff(row.want, row.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.promise, diff)
		}
	}
}

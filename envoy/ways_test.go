package envoy_test

import (
	"slices"
	"testing"

	mcpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/mcp/v3"
	managerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/testenv"
)

// The comments of envoy.yaml that make doorward know the operation of a request,
// as they begin.
const (
	withBodies  = "# with_request_body:"
	routeBuffer = "# request_body_buffer_limit:"
)

var withFilter = []string{"# - name: envoy.filters.http.mcp", "# metadata_context_namespaces:"}

const mcpFilter = "envoy.filters.http.mcp"

// byFilter and byBodies are the two ways, as a reader uncomments them.
func byFilter(t *testing.T) edit { t.Helper(); return uncommented(t, withFilter...) }

func byBodies(t *testing.T) edit { t.Helper(); return uncommented(t, withBodies, routeBuffer) }

// byBoth has the same limit in both, as the comments advise.
func byBoth(t *testing.T) edit {
	t.Helper()
	return uncommented(t, append([]string{withBodies, routeBuffer}, withFilter...)...)
}

// uncommented replaces the parts that the comments concern, and leaves the addresses of the run.
func uncommented(t *testing.T, starts ...string) edit {
	t.Helper()
	from := parse(t, uncomment(t, starts...))
	return func(b *testenv.Bootstrap) {
		b.Manager.HttpFilters, b.Authz = from.Manager.GetHttpFilters(), from.Authz
		b.Host.Routes = from.Host.GetRoutes()
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
	b := parse(t, uncomment(t, append([]string{withBodies, routeBuffer}, withFilter...)...))
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

package envoy_test

import (
	"net/http"
	"slices"
	"testing"

	managerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// TestCORSThroughEnvoy: where no filter of Envoy answers pages, doorward does. A
// browser sees one header of each kind, also where the server writes its own.
func TestCORSThroughEnvoy(t *testing.T) {
	testenv.RequireEnvoy(t)
	key := jwttest.NewKey("ES256", "key-1")
	p := standard(key)
	p.resources[0].CORS = true
	server := startUpstream(t)
	server.headers = "access-control-allow-origin: *\r\naccess-control-expose-headers: x-own\r\nvary: accept-encoding\r\n"
	h := startEnvironment(t, server.address, func(b *testenv.Bootstrap) {
		b.Manager.HttpFilters = slices.DeleteFunc(b.Manager.GetHttpFilters(), func(f *managerv3.HttpFilter) bool {
			return f.GetName() == "envoy.filters.http.cors"
		})
	})
	h.activate(t, p.state(t))
	const page, exposed = "https://app.example.com", "www-authenticate, mcp-session-id, dpop-nonce"
	good := bearer(key.Sign(claims()))
	for _, row := range []struct {
		intent  string
		ask     clientRequest
		status  int
		arrives bool
		want    map[string][]string
	}{
		{
			"a preflight", clientRequest{method: "OPTIONS"}.with("Origin", page).with("Access-Control-Request-Method", "POST"), http.StatusNoContent, false,
			map[string][]string{"Access-Control-Allow-Origin": {page}, "Access-Control-Allow-Methods": {"GET, POST, DELETE"}},
		},
		{
			"a call", good.with("Origin", page), http.StatusOK, true,
			map[string][]string{"Access-Control-Allow-Origin": {page}, "Access-Control-Expose-Headers": {exposed}, "Vary": {"accept-encoding,origin"}},
		},
		{
			"a refusal", clientRequest{}.with("Origin", page), http.StatusUnauthorized, false,
			map[string][]string{"Access-Control-Allow-Origin": {page}, "Access-Control-Expose-Headers": {exposed}, "Vary": {"origin"}},
		},
		{
			"a preflight of another page", clientRequest{method: "OPTIONS"}.with("Origin", "https://evil.example.com").with("Access-Control-Request-Method", "POST"),
			http.StatusForbidden, false,
			map[string][]string{"Access-Control-Allow-Origin": nil},
		},
		{"a call without a page", good, http.StatusOK, true, map[string][]string{"Access-Control-Allow-Origin": {"*"}, "Vary": {"accept-encoding"}}},
	} {
		server.take()
		got := h.send(t, row.ask)
		if got.status != row.status || (len(server.take()) > 0) != row.arrives {
			t.Errorf("%s: %v", row.intent, got)
		}
		for name, want := range row.want {
			if diff := cmp.Diff(want, got.header[name]); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", row.intent, name, diff)
			}
		}
		if got.header["Access-Control-Allow-Credentials"] != nil {
			t.Errorf("%s: credentials mode is allowed", row.intent)
		}
	}
}

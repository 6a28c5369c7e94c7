package envoy_test

import (
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	managerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// nastyPaths begin at /mcp, or pretend to, and would like to end elsewhere.
func nastyPaths() []string {
	return []string{
		"/mcp//admin", "//mcp/admin", "/mcp/./admin", "/mcp/../other", "/mcp/../mcp/admin", "/mcp/x/../../other",
		"/mcp/..", "/mcp/.", "/mcp/...", "/mcp/..;/other", "/mcp/..;x=1/other", "/mcp;/admin", "/mcp;x/../admin",
		"/mcp/;admin", "/mcp/%2e%2e/other", "/mcp/%2E%2E/other", "/mcp/.%2e/other", "/mcp/%2e./other",
		"/mcp/%252e%252e/other", "/mcp%2fadmin", "/mcp%2Fadmin", "/mcp%2f..%2fother", "/mcp/..%2fother", "/mcp%252fadmin",
		"/mcp%5cadmin", "/mcp%5C..%5Cother", `/mcp\admin`, "/mcp\\../other", "/mcp/..\\mcp/admin", "/mcp/%61dmin", "/mcp/%41dmin",
		"/mcp/ADMIN", "/mcp/Admin/x", "/mcp/admi%6e", "/mcp/admin%20", "/mcp/admin%00", "/mcp/%00admin", "/mcp%00/admin", "/mcp/%0a/admin",
		"/mcp/%3badmin", "/mcp/%3b/../admin", "/mcp/admin;x", "/mcp/admin/", "/mcp/admin/..", "/mcp/admin/../x", "/mcp/x%", "/mcp/x%2", "/mcp/x%zz",
		"/mcp/%u002e%u002e/other", "/mcp/%c0%ae%c0%ae/other", "/mcp/%c0%afadmin", "/mcp/%ef%bc%8fadmin", "/mcp/\u2025/other", "/mcp/\xff",
		"/MCP", "/Mcp/admin", "/mcp#/../other", "/mcp/x#", "/mcp/x%23/../../other", "/mcp?/../other", "/mcp?x=/other", "/mcp%3f/../other", "/mcp/%3F/../admin",
		"/mcp/%09admin", "/mcp/~", "/mcp/%7Eadmin", "/mcp/-/%2dadmin", "/mcp/x/%2e", "/mcp/x%2f%2e%2e%2fadmin",
		"/other", "/", "*", "http://mcp.example.com/other", "http://b.example.com/mcp", "http://mcp.example.com/mcp/../other", "http://b.example.com/other",
		"mcp/admin", "/mcp/admin", "/mcp/x/../admin", "/.well-known/../other", "/.well-known/oauth-protected-resource/../../other", "/healthz/../other",
	}
}

// nastyHosts are other spellings of one host, and others that are near it.
func nastyHosts() []string {
	return []string{
		"MCP.EXAMPLE.COM", "mcp.example.com:443", "mcp.example.com:80", "mcp.example.com:8443", "mcp.example.com:0443", "mcp.example.com:",
		"mcp.example.com.", "mcp.example.com.:443", "b.example.com", "B.example.com", "b.example.com:443", "b.example.com.", "user@mcp.example.com",
		"mcp.example.com@b.example.com", "b.example.com:443@mcp.example.com", "mcp.example.com%2eb.example.com", "mcp.example.com%00.b.example.com",
		"mcp.example.com, b.example.com", "mcp.example.com b.example.com", "mcp.example.com/mcp", "mcp.example.com#b.example.com",
		"mcp.example.com?b.example.com", `mcp.example.com\b.example.com`, "mcp.example.com:443:80", "mcp.example.com:+443", "mcp.example.com:99999",
		"[::1]", "[::1]:443", "127.0.0.1", "weather.ns.svc", "weather.ns.svc:8443", "WEATHER.ns.svc:8443", "xmcp.example.com", "mcp_example.com", "mcp.example.com\t",
	}
}

// TestNoWayToAnotherResource is AU-7 as a property: whatever path and authority
// a client writes, a token for one resource reaches that resource or nothing,
// also where Envoy tidies no path and where the server behind reads them with
// every leniency there is.
func TestNoWayToAnotherResource(t *testing.T) {
	testenv.RequireEnvoy(t)
	key := jwttest.NewKey("ES256", "key-1")
	p := standard(key)
	for _, uri := range []string{"https://b.example.com/mcp", "https://mcp.example.com:8443/mcp"} {
		p.resources = append(p.resources, resource.Spec{URI: uri, Name: uri, Issuers: []string{issuerURL}})
	}
	state := p.state(t)
	good := bearer(key.Sign(claims()))
	for _, variant := range []struct {
		name string
		edit edit
	}{
		{"as shipped", func(*testenv.Bootstrap) {}},
		{"paths as the client wrote them", func(b *testenv.Bootstrap) {
			b.Manager.NormalizePath = wrapperspb.Bool(false)
			b.Manager.MergeSlashes = false
			b.Manager.PathWithEscapedSlashesAction = managerv3.HttpConnectionManager_KEEP_UNCHANGED
		}},
	} {
		t.Run(variant.name, func(t *testing.T) {
			behind := startUpstream(t)
			h := startEnvironment(t, behind.address, variant.edit, hangUp)
			h.activate(t, state)
			for _, asked := range nastyPaths() {
				staysInside(t, h, behind, good.at(asked))
			}
			for _, host := range nastyHosts() {
				staysInside(t, h, behind, good.on(host))
			}
			if got := h.send(t, good); got.status != 200 {
				t.Errorf("in the end nothing passes: %v", got)
			}
		})
	}
}

// hangUp has Envoy close a connection at once that it will not read on, where
// it would give the client a second to read the answer.
func hangUp(b *testenv.Bootstrap) {
	b.Manager.DelayedCloseTimeout = durationpb.New(20 * time.Millisecond)
}

// staysInside asks over both protocols. That Envoy ends the connection without
// an answer is a refusal too.
func staysInside(t *testing.T, h *environment, behind *upstream, a clientRequest) {
	t.Helper()
	behind.take()
	ctx := withPatience(t)
	one, oneErr := h.exchange(ctx, a)
	two, twoErr := h.exchangeHTTP2(ctx, a)
	if ctx.Err() != nil {
		t.Fatalf("no answer about %q on %q: %v, %v", a.path, a.host, oneErr, twoErr)
	}
	seen := behind.take()
	for _, got := range seen {
		if !weatherAs(got) {
			t.Errorf("%q on %q arrived as %q on %q", or(a.path, "/mcp"), or(a.host, "mcp.example.com"), got.target, got.value("host"))
		}
	}
	for _, got := range []reply{one, two} {
		if got.status >= 300 && got.status < 400 {
			t.Errorf("%q on %q is redirected to %q", a.path, a.host, got.header.Get("Location"))
		}
	}
}

// weatherAs reads a request as the most lenient of servers would, and reports
// whether it is still for the weather.
func weatherAs(got arrived) bool {
	switch strings.ToLower(strings.TrimSuffix(got.value("host"), ":443")) {
	case "mcp.example.com", "weather.ns.svc:8443":
	default:
		return false
	}
	read, _, _ := strings.Cut(got.target, "?")
	for range 4 {
		if decoded, err := url.PathUnescape(read); err == nil {
			read = decoded
		}
	}
	segments := strings.Split(strings.ReplaceAll(strings.ToLower(read), `\`, "/"), "/")
	for i, segment := range segments {
		segments[i], _, _ = strings.Cut(segment, ";")
	}
	read = path.Clean(strings.Join(segments, "/"))
	under := func(prefix string) bool { return read == prefix || strings.HasPrefix(read, prefix+"/") }
	return under("/mcp") && !under("/mcp/admin")
}

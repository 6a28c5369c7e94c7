package envoy_test

import (
	"io"
	"net/http"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	upstreamsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// withTrailers is a good request whose trailers have names of doorward's.
func withTrailers(key *jwttest.Key) clientRequest {
	a := bearer(key.Sign(claims())).by("POST").with("Trailer", "x-mcp-auth-subject, x-mcp-auth-role")
	a.body = "{}"
	a.trailers = [][2]string{{"x-mcp-auth-subject", "forged"}, {"x-mcp-auth-role", "forged"}}
	return a
}

// TestTrailersEndAtEnvoy: as shipped, the connection to the MCP server is
// HTTP/1.1, and Envoy drops the trailers of a request. An upstream that reads
// one answers nothing.
func TestTrailersEndAtEnvoy(t *testing.T) {
	testenv.RequireEnvoy(t)
	key := jwttest.NewKey("ES256", "key-1")
	behind := startUpstream(t)
	h := startEnvironment(t, behind.address)
	h.activate(t, standard(key).state(t))
	got := h.sendHTTP2(t, withTrailers(key))
	seen := behind.take()
	if got.status != http.StatusOK || len(seen) != 1 {
		t.Fatalf("%v, and %d requests arrived", got, len(seen))
	}
	if subject, role := seen[0].value("x-mcp-auth-subject"), seen[0].value("x-mcp-auth-role"); subject != "alice" || role != "" {
		t.Errorf("arrived for %q with the role %q", subject, role)
	}
}

// TestTrailersPassOverHTTP2 is the reason for the warnings in README and
// envoy.yaml: where the connection to the MCP server is HTTP/2, Envoy forwards
// trailers that ext_authz does not see. The headers are right.
func TestTrailersPassOverHTTP2(t *testing.T) {
	testenv.RequireEnvoy(t)
	key := jwttest.NewKey("ES256", "key-1")
	listener, err := testenv.Listen("")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan *http.Request, 1)
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the trailers are known at its end
		seen <- r
	}), Protocols: new(http.Protocols)}
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	h := startEnvironment(t, listener.Addr().String(), overHTTP2)
	h.activate(t, standard(key).state(t))
	if got := h.sendHTTP2(t, withTrailers(key)); got.status != http.StatusOK {
		t.Fatal(got)
	}
	r := <-seen
	if r.ProtoMajor != 2 || r.Header.Get("x-mcp-auth-subject") != "alice" || r.Header.Get("x-mcp-auth-role") != "" {
		t.Errorf("arrived with %s and the headers %v", r.Proto, r.Header)
	}
	for _, name := range []string{"x-mcp-auth-subject", "x-mcp-auth-role"} {
		if r.Trailer.Get(name) != "forged" {
			t.Errorf("no trailer %s arrived: Envoy drops it, and README and envoy.yaml warn without a reason", name)
		}
	}
}

// overHTTP2 is an MCP server behind HTTP/2.
func overHTTP2(b *testenv.Bootstrap) {
	b.Cluster("mcp-server").TypedExtensionProtocolOptions = map[string]*anypb.Any{
		"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": testenv.Pack(&upstreamsv3.HttpProtocolOptions{
			UpstreamProtocolOptions: &upstreamsv3.HttpProtocolOptions_ExplicitHttpConfig_{
				ExplicitHttpConfig: &upstreamsv3.HttpProtocolOptions_ExplicitHttpConfig{
					ProtocolConfig: &upstreamsv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
						Http2ProtocolOptions: &corev3.Http2ProtocolOptions{},
					},
				},
			},
		}),
	}
}

package envoy_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// habit starts envoy.yaml with a habit of some mesh.
func habit(t *testing.T, edits ...edit) meshRun {
	t.Helper()
	testenv.RequireEnvoy(t)
	return startMesh(t, mesh{name: "envoy.yaml", doorward: gatewayConfig, edits: edits})
}

// listing sends the headers of a list alone, and no pseudo headers.
func listing(names ...string) edit {
	return func(b *testenv.Bootstrap) {
		b.Authz.AllowedHeaders = &matcherv3.ListStringMatcher{}
		for _, name := range names {
			b.Authz.AllowedHeaders.Patterns = append(b.Authz.AllowedHeaders.Patterns,
				&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: name}, IgnoreCase: true})
		}
	}
}

// TestAListOfHeaders is what a mesh hides from doorward.
func TestAListOfHeaders(t *testing.T) {
	const warning = "the mesh sends no Authorization header"
	t.Run("without Authorization every request is a 401, and the log names the list", func(t *testing.T) {
		r := habit(t, listing("content-type"))
		for range 100 {
			if got := r.send(t, r.token(nil)); got.status != http.StatusUnauthorized {
				t.Fatal(got)
			}
		}
		r.nothingArrived(t, "a token that doorward does not see")
		if _, err := r.log.Wait(withPatience(t), warning); err != nil {
			t.Error(err)
		}
	})
	t.Run("with Authorization a forged header that is not in it stays", func(t *testing.T) {
		r := habit(t, listing("authorization", "x-mcp-auth-role"))
		got := r.send(t, r.token(nil).with("x-mcp-auth-subject", "forged").with("x-mcp-auth-role", "forged").with("x.mcp.auth.role", "forged"))
		requests := r.server.Requests()
		if len(requests) != 1 {
			t.Fatalf("%d requests arrived: %v", len(requests), got)
		}
		for name, want := range map[string]string{"X-Mcp-Auth-Subject": "alice", "X-Mcp-Auth-Role": "", "X.mcp.auth.role": "forged"} {
			if got := requests[0].Header.Get(name); got != want {
				t.Errorf("%s arrived as %q, want %q", name, got, want)
			}
		}
		if strings.Contains(r.log.String(), warning) {
			t.Error("the list is complete")
		}
	})
}

// TestAskedTwice is a gateway and a sidecar that both ask: the first answer removes
// the token.
func TestAskedTwice(t *testing.T) {
	r := habit(t, func(b *testenv.Bootstrap) {
		at := slices.Index(b.Manager.GetHttpFilters(), filterNamed(b, "envoy.filters.http.ext_authz"))
		second := proto.CloneOf(b.Manager.GetHttpFilters()[at])
		second.Name = "second"
		b.Manager.HttpFilters = slices.Insert(b.Manager.HttpFilters, at+1, second)
	})
	got := r.send(t, r.token(nil))
	if got.status != http.StatusUnauthorized || strings.Contains(got.header.Get("Www-Authenticate"), "error=") {
		t.Error(got)
	}
	r.nothingArrived(t, "asked twice")
}

// TestRoutesAfterTheCheck: doorward decides on the path that the client sent, and
// what a route rewrites comes after that. A mesh that selects the route again does
// so without the headers that doorward removed.
func TestRoutesAfterTheCheck(t *testing.T) {
	rewriting := func(b *testenv.Bootstrap) {
		last := b.Host.GetRoutes()[len(b.Host.GetRoutes())-1]
		last.GetRoute().RegexRewrite = &matcherv3.RegexMatchAndSubstitute{
			Pattern: &matcherv3.RegexMatcher{Regex: "^/mcp/v1(.*)"}, Substitution: `/internal\1`,
		}
	}
	t.Run("a rewritten path", func(t *testing.T) {
		r := habit(t, rewriting)
		r.send(t, r.token(nil).at("/mcp/v1/x"))
		r.send(t, r.token(nil).at("/internal/x")) // no resource
		requests := r.server.Requests()
		if len(requests) != 1 || requests[0].URL != "/internal/x" {
			t.Errorf("%v arrived", requests)
		}
	})
	for again, status := range map[bool]int{false: http.StatusOK, true: http.StatusTeapot} {
		t.Run("a route that Authorization selects", func(t *testing.T) {
			r := habit(t, func(b *testenv.Bootstrap) {
				b.Authz.ClearRouteCache = again
				last := len(b.Host.GetRoutes()) - 1
				withToken := proto.CloneOf(b.Host.GetRoutes()[last])
				withToken.Match.Headers = []*routev3.HeaderMatcher{{
					Name: "authorization", HeaderMatchSpecifier: &routev3.HeaderMatcher_PresentMatch{PresentMatch: true},
				}}
				b.Host.Routes[last].Action = &routev3.Route_DirectResponse{
					DirectResponse: &routev3.DirectResponseAction{Status: http.StatusTeapot},
				}
				b.Host.Routes = slices.Insert(b.Host.Routes, last, withToken)
			})
			if got := r.send(t, r.token(nil).by("POST")); (got.status == http.StatusTeapot) != (status == http.StatusTeapot) {
				t.Errorf("selected again %v: %v", again, got)
			}
		})
	}
}

// TestAShortTimeout is the default of Envoy, 200 ms, while the keys of an issuer do
// not come: doorward answers in time, and no request passes.
func TestAShortTimeout(t *testing.T) {
	testenv.RequireEnvoy(t)
	release := make(chan struct{})
	keys := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(keys.Close)
	t.Cleanup(func() { close(release) })
	key := jwttest.NewKey("ES256", "key-1")
	p := standard(key)
	source := jwks.NewSource(jwks.Options{Issuer: issuerURL, JWKSURI: keys.URL, InsecureHTTPHosts: []string{"loopback"}}, jwks.Environment{})
	go source.Run(t.Context())
	p.issuers = map[string]*token.Issuer{issuerURL: trust(source)}
	server := startUpstream(t)
	h := startDoorward(t)
	h.startEnvoy(t, testenv.EnvoyOptions{Upstream: server.address, Edit: func(b *testenv.Bootstrap) error {
		b.Authz.GetGrpcService().Timeout = durationpb.New(200 * time.Millisecond)
		return nil
	}})
	h.activate(t, p.state(t))
	for range 3 {
		if got := h.send(t, bearer(key.Sign(claims()))); got.status != http.StatusServiceUnavailable {
			t.Error(got)
		}
	}
	if arrived := server.take(); len(arrived) != 0 {
		t.Errorf("%d requests arrived", len(arrived))
	}
}

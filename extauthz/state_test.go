package extauthz_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/httpauth"
	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/token"
)

// TestZeroOptions: a Server needs neither a logger nor a registry.
func TestZeroOptions(t *testing.T) {
	d := startService(t)
	server := newServer(t, extauthz.Options{})
	swap(t, server, d.state)
	for _, compact := range []string{d.token(), "opaque"} {
		want := readResponse(t, d.check(t, bearer(compact).joined()))
		if got := readResponse(t, server.Check(t.Context(), bearer(compact).joined())); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

// TestRegistryIsTaken: the metrics of two Servers do not fit into one registry,
// which is an error and no panic. The first Server is exported as before.
func TestRegistryIsTaken(t *testing.T) {
	d := startService(t)
	second, err := extauthz.New(extauthz.Options{Registry: d.registry})
	if second != nil || !errors.As(err, new(prometheus.AlreadyRegisteredError)) {
		t.Errorf("a second Server: %v, %v", second, err)
	}
	d.check(t, bearer(d.token()).joined())
	if n, err := testutil.GatherAndCount(d.registry, "doorward_checks_total"); n != 1 || err != nil {
		t.Errorf("%d series count Checks, %v", n, err)
	}
}

// TestServersThatNewDidNotMake refuse every request, on every way in.
func TestServersThatNewDidNotMake(t *testing.T) {
	d := startService(t)
	good := bearer(d.token())
	for intent, server := range map[string]*extauthz.Server{"zero": {}, "nil": nil} {
		if err := server.Swap(d.state); err == nil {
			t.Errorf("%s: a State was activated", intent)
		}
		client := authv3.NewAuthorizationClient(serveGRPC(t, extauthz.NewGRPCServer(server, 0)))
		overGRPC, err := client.Check(t.Context(), good.joined())
		if err != nil {
			t.Fatalf("%s: a gRPC error: %v", intent, err)
		}
		explained := server.Explain(t.Context(), good.joined(), time.Now)
		for _, response := range []*authv3.CheckResponse{overGRPC, server.Check(t.Context(), good.joined()), explained.Answer} {
			if got := readResponse(t, response); got.status != http.StatusServiceUnavailable || got.reason != reason.Internal.String() {
				t.Errorf("%s: %+v", intent, got)
			}
		}
		recorder := httptest.NewRecorder()
		httpauth.Handler(server, http.NotFoundHandler()).ServeHTTP(recorder, good.plain())
		if recorder.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: over HTTP %d", intent, recorder.Code)
		}
	}
}

// TestSwapRefusesWhatCannotServe: the error names the part, and the State before
// stays active.
func TestSwapRefusesWhatCannotServe(t *testing.T) {
	d := startService(t)
	source := jwks.NewSource(jwks.Options{Issuer: issuerURL}, jwks.Environment{})
	for want, change := range map[string]func(*extauthz.State){
		"Resources is nil":         func(s *extauthz.State) { s.Resources = nil },
		"Verifier is nil":          func(s *extauthz.State) { s.Verifier = nil },
		"Possession is nil":        func(s *extauthz.State) { s.Possession = nil },
		"Policy is nil":            func(s *extauthz.State) { s.Policy = nil },
		"TokenCache is -1":         func(s *extauthz.State) { s.TokenCache = -1 },
		"CheckTimeout is -1ns":     func(s *extauthz.State) { s.CheckTimeout = -1 },
		`Issuers["a"] is nil`:      func(s *extauthz.State) { s.Issuers = map[string]*token.Issuer{"a": nil} },
		`Issuers["b"].Keys is nil`: func(s *extauthz.State) { s.Issuers = map[string]*token.Issuer{"b": {ID: "b"}} },
		`Issuers["c"] has another ID`: func(s *extauthz.State) {
			s.Issuers = map[string]*token.Issuer{"c": {ID: "d", Keys: source}}
		},
	} {
		state := *d.state
		change(&state)
		if err := d.server.Swap(&state); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if err := d.server.Swap(nil); err == nil {
		t.Error("a nil State was activated")
	}
	if err := d.server.Swap(new(extauthz.State)); err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("not every fault of the zero State is named: %v", err)
	}
	if got := readResponse(t, d.check(t, bearer(d.token()).joined())); got.reason != "allowed" {
		t.Errorf("afterwards: %+v", got)
	}
}

// TestZeroCheckTimeout is the default, and a State that is changed after the
// Swap changes nothing.
func TestZeroCheckTimeout(t *testing.T) {
	d := startService(t, func(p *plan) { p.timeout = 0 })
	d.state.Verifier = nil
	if got := readResponse(t, d.check(t, bearer(d.token()).joined())); got.reason != "allowed" {
		t.Errorf("got %+v", got)
	}
	if got := d.server.State().CheckTimeout; got != extauthz.DefaultCheckTimeout {
		t.Errorf("CheckTimeout %v", got)
	}
}

// TestOptionsOfTheCallerDoNotReplaceOurs: no codec, limit or interceptor turns a
// Check into a gRPC error.
func TestOptionsOfTheCallerDoNotReplaceOurs(t *testing.T) {
	d := startService(t)
	refuse := func(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) {
		return nil, errors.New("refused")
	}
	client := authv3.NewAuthorizationClient(serveGRPC(t, extauthz.NewGRPCServer(d.server, 4096, grpc.MaxRecvMsgSize(1),
		grpc.MaxSendMsgSize(1), grpc.ForceServerCodecV2(encoding.GetCodecV2("proto")), grpc.UnaryInterceptor(refuse))))
	large := bearer(strings.Repeat("a", 4096))
	for want, question := range map[string]clientRequest{"allowed": bearer(d.token()), "internal": large} {
		response, err := client.Check(t.Context(), question.joined())
		if err != nil {
			t.Fatalf("%s: a gRPC error: %v", want, err)
		}
		if got := readResponse(t, response); got.reason != want {
			t.Errorf("got %+v, want %s", got, want)
		}
	}
}

// serveGRPC serves on a port of its own until the test ends.
func serveGRPC(t testing.TB, server *grpc.Server) *grpc.ClientConn {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

package egress_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/revocation"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/assertion"
	"github.com/doorward/doorward/internal/decisionlog"
	"github.com/doorward/doorward/internal/destination"
	"github.com/doorward/doorward/internal/egress"
	"github.com/doorward/doorward/internal/exchange"
	"github.com/doorward/doorward/internal/handle"
	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
	"github.com/doorward/doorward/rego"
)

const (
	issuerURL    = "https://as.example.com"
	partnerURL   = "https://partner.example.com" // weather trusts it, and no exchange is configured for it
	upstreamURL  = "https://upstream-as.example.com"
	assertionURL = "https://door.example.com"
	resourceURI  = "https://mcp.example.com/mcp"
	apiURI       = "https://api.example.com"

	socket      = "unix:///run/doorward/weather.sock"
	shared      = "0.0.0.0:9193"
	theServer   = "spiffe://td/ns/weather/sa/server"
	clientProof = "s3cr3t-of-doorward-at-the-issuer"
)

// testTime is the time of every Check.
var testTime = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// plan is what a test may change before the start.
type plan struct {
	resources    []resource.Spec
	destinations []destination.Spec
	rule         string // of a team
	revocations  string
	issuers      []string // that the State has
	unreachable  bool     // no keys are had
	metadata     string   // of partnerURL; "": none
	state        func(*egress.State)
	inbound      func(*extauthz.State)
	unconfigured bool
}

// world is what answers at the egress listeners, over gRPC.
type world struct {
	inbound  *extauthz.Server
	now      *extauthz.State
	checks   *egress.Server
	state    *egress.State
	key      *jwttest.Key // of both issuers
	sealer   *handle.Sealer
	signer   *assertion.Signer
	endpoint *endpoint
	registry *prometheus.Registry
	log      *testenv.LogBuffer
	events   func() string // ends the decision log
	clients  map[string]authv3.AuthorizationClient
}

func specs() []destination.Spec {
	exchanged := exchange.Entry{
		Issuer: issuerURL, TokenEndpoint: issuerURL + "/token", Resource: apiURI,
		ClientID: "doorward", ClientSecret: []byte(clientProof),
	}
	asserted := exchange.Entry{
		Issuer: issuerURL, Subject: exchange.SubjectAssertion, AuthorizationServer: upstreamURL,
		TokenEndpoint: upstreamURL + "/token", Resource: apiURI, ClientID: "doorward", ClientSecret: []byte(clientProof),
	}
	own := exchange.Entry{
		Issuer: upstreamURL, TokenEndpoint: upstreamURL + "/token", Resource: apiURI,
		ClientID: "doorward", ClientSecret: []byte(clientProof),
	}
	return []destination.Spec{
		{Host: "none.example.com", Token: destination.None},
		{Host: "keep.example.com", Token: destination.Keep},
		{Host: "api.example.com", Paths: []string{"/v1"}, Token: destination.Exchange, Exchange: []exchange.Entry{exchanged}},
		{Host: "bound.example.com", Token: destination.Exchange, Exchange: []exchange.Entry{exchanged}, BoundSubject: true},
		{Host: "asserted.example.com", Token: destination.Exchange, Exchange: []exchange.Entry{asserted}},
		{Host: "own.example.com", Token: destination.ClientCredentials, ClientCredentials: own},
		{Host: "as.example.com", Token: destination.Keep, TokenEndpoint: issuerURL + "/token"},
		{Host: "stream.example.com", Token: destination.Keep, UnreadBody: true},
		{Host: "mcp.example.com", Token: destination.Keep},
		{Host: "calendar.example.com", Token: destination.Keep, From: []string{"calendar"}},
	}
}

func start(t testing.TB, changes ...func(*plan)) *world {
	t.Helper()
	p := plan{
		resources: []resource.Spec{
			{URI: resourceURI, Name: "weather", Issuers: []string{issuerURL, partnerURL}, Scopes: []string{"mcp:read"}},
			{URI: "https://mcp.example.com/calendar", Name: "calendar", Issuers: []string{issuerURL}},
			{URI: "https://{tenant}.mcp.example.com/mcp", Name: "tenants", Issuers: []string{issuerURL}},
		},
		destinations: specs(),
		issuers:      []string{issuerURL, partnerURL},
	}
	for _, change := range changes {
		change(&p)
	}
	w := &world{key: jwttest.NewKey("ES256", "key-1"), log: &testenv.LogBuffer{}, registry: prometheus.NewRegistry()}
	w.endpoint = newEndpoint()
	w.sealer = sealer(t, 1)
	var err error
	if w.signer, err = assertion.New(assertion.Options{
		Issuer: assertionURL, Audience: "weather-server", Lifetime: time.Minute, Key: keyPEM(t),
	}); err != nil {
		t.Fatal(err)
	}
	if w.inbound, err = extauthz.New(extauthz.Options{}); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if w.checks, err = egress.New(egress.Options{Inbound: w.inbound, Log: log, Registry: w.registry}); err != nil {
		t.Fatal(err)
	}
	w.now = w.inboundState(t, &p)
	w.state = w.egressState(t, &p)
	if !p.unconfigured {
		w.swap(t)
	}
	w.clients = map[string]authv3.AuthorizationClient{}
	for _, address := range []string{socket, shared} {
		w.clients[address] = dial(t, w.checks.At(address).NewGRPCServer(1<<20))
	}
	return w
}

// swap puts the states in force.
func (w *world) swap(t testing.TB) {
	t.Helper()
	if err := w.inbound.Swap(w.now); err != nil {
		t.Fatal(err)
	}
	w.checks.Swap(w.state)
}

func keyPEM(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func sealer(t testing.TB, key byte) *handle.Sealer {
	t.Helper()
	made, err := handle.New(handle.Options{Keys: [][]byte{bytes.Repeat([]byte{key}, handle.KeyBytes)}, Lifetime: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func dial(t testing.TB, server *grpc.Server) authv3.AuthorizationClient {
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
	return authv3.NewAuthorizationClient(conn)
}

func (w *world) inboundState(t testing.TB, p *plan) *extauthz.State {
	t.Helper()
	table, problems := resource.NewTable(p.resources, nil)
	if table == nil {
		t.Fatal(problems)
	}
	sources := policy.Sources{Library: rego.Files, Egress: true}
	if p.rule != "" {
		folder := t.TempDir()
		module := "package authz\n\n" + p.rule + "\n"
		if err := os.WriteFile(filepath.Join(folder, "team.rego"), []byte(module), 0o600); err != nil {
			t.Fatal(err)
		}
		sources.Paths = []string{folder}
	}
	engine, faults := policy.Compile(t.Context(), sources)
	if engine == nil {
		t.Fatal(faults)
	}
	issuers := map[string]*token.Issuer{}
	for _, id := range p.issuers {
		issuers[id] = &token.Issuer{ID: id, Algorithms: token.DefaultAlgorithms()}
		options := jwks.Options{Issuer: id, Static: jwttest.JWKS(w.key)}
		if p.unreachable {
			options.Static = nil
		}
		issuers[id].Keys = jwks.NewSource(options, jwks.Environment{})
		if p.unreachable {
			issuers[id].Keys.Close()
		}
		if id == partnerURL && p.metadata != "" {
			issuers[id].Keys = discovered(t, p.metadata, jwttest.JWKS(w.key))
		}
	}
	now := func() time.Time { return testTime }
	state := &extauthz.State{
		Resources: table, Issuers: issuers, Policy: engine, CheckTimeout: 5 * time.Second,
		Verifier:   token.NewVerifier(token.Options{ClockSkew: 30 * time.Second, Waiting: 1000, Now: now}),
		Possession: token.NewPossessionVerifier(token.PossessionOptions{Now: now}),
		Proofs:     token.ProofRules{ClockSkew: 30 * time.Second},
	}
	if p.revocations != "" {
		state.Revocations = revocations(t, p.revocations)
	}
	if p.inbound != nil {
		p.inbound(state)
	}
	return state
}

// discovered are the keys of partnerURL, which its metadata name.
func discovered(t testing.TB, metadata string, keys []byte) *jwks.Source {
	t.Helper()
	done := make(chan string, 1)
	source := jwks.NewSource(jwks.Options{Issuer: partnerURL}, jwks.Environment{
		Refreshed: func(r jwks.Refresh) { done <- r.Result },
		Transport: pages(func(request *http.Request) string {
			if request.URL.Path == "/jwks" {
				return string(keys)
			}
			return metadata
		}),
	})
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	go source.Run(ctx)
	if result := <-done; result != "ok" {
		t.Fatalf("the metadata: %s", result)
	}
	return source
}

func revocations(t testing.TB, list string) *revocation.Source {
	t.Helper()
	name := filepath.Join(t.TempDir(), "revoked.json")
	if err := os.WriteFile(name, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	source, err := revocation.NewSource(name, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	go source.Run(ctx)
	return source
}

func (w *world) egressState(t testing.TB, p *plan) *egress.State {
	t.Helper()
	known := destination.Known{Issuers: []string{issuerURL, partnerURL, upstreamURL}}
	for _, spec := range p.resources {
		known.Resources = append(known.Resources, spec.Name)
	}
	table, problems := destination.NewTable(p.destinations, known)
	if table == nil {
		t.Fatal(problems)
	}
	state := &egress.State{
		Listeners: map[string]egress.Callers{
			socket: {Resource: "weather"},
			shared: {Principals: map[string]string{theServer: "weather", "spiffe://td/gone": "gone"}},
		},
		Destinations: table, CheckTimeout: 5 * time.Second, Handles: w.sealer,
		Sources:    map[*exchange.Entry]*exchange.Source{},
		Assertions: map[string]*assertion.Signer{"weather": w.signer},
		Now:        func() time.Time { return testTime },
	}
	environment := exchange.Environment{
		Store: exchange.NewStore(0), IsOurs: w.checks.IsOurs, Observe: w.checks.CountExchange,
		Now: state.Now, Transport: w.endpoint,
	}
	for _, d := range table.All() {
		for i := range d.Exchange {
			state.Sources[&d.Exchange[i]] = exchange.NewSource(d.Exchange[i], environment)
		}
		if d.Token == destination.ClientCredentials {
			state.Sources[&d.ClientCredentials] = exchange.NewSource(d.ClientCredentials, environment)
		}
	}
	state.Decisions, w.events = decisions(t)
	if p.state != nil {
		p.state(state)
	}
	return state
}

func decisions(t testing.TB) (*decisionlog.Log, func() string) {
	t.Helper()
	var out bytes.Buffer
	log, err := decisionlog.New(decisionlog.Options{
		To: decisionlog.Stdout, Standard: &out, SampleAllows: 1, Buffer: 1 << 20, Claims: []string{"jti", "sub"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return log, sync.OnceValue(func() string {
		log.Close(context.Background())
		return out.String()
	})
}

// claims are those of a token for weather; nil deletes.
func claims(changes ...map[string]any) map[string]any {
	all := map[string]any{
		"iss": issuerURL, "sub": "alice", "aud": resourceURI, "client_id": "app", "jti": "id-1",
		"iat": testTime.Add(-time.Minute).Unix(), "exp": testTime.Add(time.Hour).Unix(), "scope": "mcp:read",
	}
	for _, change := range changes {
		maps.Copy(all, change)
		maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	}
	return all
}

func (w *world) token(changes ...map[string]any) string { return w.key.Sign(claims(changes...)) }

// foreign is a token for another API.
func (w *world) foreign() string {
	return w.token(map[string]any{"aud": "https://elsewhere.example.com", "client_id": "else"})
}

// handle seals a token.
func (w *world) handle(t testing.TB, compact string) string {
	return seal(t, w.sealer, "weather", resourceURI, compact)
}

func seal(t testing.TB, with *handle.Sealer, name, uri, compact string) string {
	t.Helper()
	text, err := with.Seal(handle.Content{
		Resource: name, URL: uri, Issuer: issuerURL, Token: compact, Expiry: testTime.Add(time.Hour),
	}, testTime)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

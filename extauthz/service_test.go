package extauthz_test

import (
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/revocation"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/internal/testenv/jwttest"
	"github.com/doorward/doorward/rego"
)

const (
	issuerURL   = "https://as.example.com"
	resourceURI = "https://mcp.example.com/mcp"
	metadataURL = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
	receiveMax  = 1 << 20
)

// testTime is the time of every door: tokens are valid or not for ever.
var testTime = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// plan is what a test may change of a service before it starts.
type plan struct {
	resources []resource.Spec
	library   fs.FS
	policy    []string
	packages  map[string]string
	egress    bool // the policy decides on what leaves too
	memory    *policy.DecisionCache
	keys      []byte
	verifier  token.Options
	profile   token.Profile
	issuer    func(*token.Issuer) // changes the rules of the issuer; nil: none
	timeout   time.Duration
	cache     int64

	proofs      token.ProofRules
	since       time.Time // since when proofs are remembered
	revocations string    // content of the revocation list, "" for none
	subject     bool

	unconfigured bool // no state is activated
}

// testService is the service as Envoy sees it: over gRPC, from outside.
type testService struct {
	client   authv3.AuthorizationClient
	conn     *grpc.ClientConn
	server   *extauthz.Server
	state    *extauthz.State
	registry *prometheus.Registry
	log      *syncBuffer
	key      *jwttest.Key

	revocationFile string
}

// syncBuffer is a log that a test may read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func weather() resource.Spec {
	return resource.Spec{
		URI:       resourceURI,
		Name:      "weather",
		AlsoAt:    []string{"https://weather.ns.svc:8443/mcp"},
		Audiences: []string{"app-1"},
		Issuers:   []string{issuerURL},
		Scopes:    []string{"mcp:read"},
		Origins:   []string{"https://app.example.com"},
		Labels:    map[string]string{"team": "weather"},
	}
}

func startService(t testing.TB, changes ...func(*plan)) *testService {
	t.Helper()
	key := jwttest.NewKey("ES256", "key-1")
	p := plan{
		resources: []resource.Spec{weather(), {
			URI: "https://mcp.example.com/other", Name: "other", Issuers: []string{"https://elsewhere.example.com"},
		}},
		library:  rego.Files,
		keys:     jwttest.JWKS(key),
		verifier: token.Options{ClockSkew: 30 * time.Second, Waiting: 1000},
		timeout:  2 * time.Second,
		proofs:   token.ProofRules{ClockSkew: 30 * time.Second},
		since:    testTime.Add(-time.Hour),
	}
	p.verifier.Now = func() time.Time { return testTime }
	for _, change := range changes {
		change(&p)
	}
	d := &testService{log: &syncBuffer{}, key: key, registry: prometheus.NewRegistry()}
	d.server = newServer(t, extauthz.Options{Log: slog.New(slog.NewJSONHandler(d.log, nil)), Registry: d.registry})
	d.state = p.state(t)
	d.watchRevocations(t, &p)
	if !p.unconfigured {
		d.swap(t, d.state)
	}
	d.conn = serveGRPC(t, extauthz.NewGRPCServer(d.server, receiveMax))
	d.client = authv3.NewAuthorizationClient(d.conn)
	return d
}

func newServer(t testing.TB, options extauthz.Options) *extauthz.Server {
	t.Helper()
	server, err := extauthz.New(options)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func (d *testService) swap(t testing.TB, state *extauthz.State) { swap(t, d.server, state) }

func swap(t testing.TB, server *extauthz.Server, state *extauthz.State) {
	t.Helper()
	if err := server.Swap(state); err != nil {
		t.Fatal(err)
	}
}

// breakVerifier makes every Check that reaches a token panic.
func (d *testService) breakVerifier(t testing.TB) {
	t.Helper()
	broken := *d.state
	broken.Verifier = token.NewVerifier(token.Options{Now: func() time.Time { panic("no clock") }})
	d.swap(t, &broken)
}

func (p *plan) state(t testing.TB) *extauthz.State {
	t.Helper()
	table, problems := resource.NewTable(p.resources, nil)
	if table == nil {
		t.Fatal(problems)
	}
	engine, faults := policy.Compile(context.Background(), policy.Sources{Library: p.library, Paths: p.policy, Packages: p.packages, Cache: p.memory, Egress: p.egress})
	if engine == nil {
		t.Fatal(faults)
	}
	issuer := &token.Issuer{ID: issuerURL, Profile: p.profile, Algorithms: token.DefaultAlgorithms()}
	if p.issuer != nil {
		p.issuer(issuer)
	}
	issuer.Keys = jwks.NewSource(jwks.Options{Issuer: issuerURL, Static: p.keys, SPIFFE: issuer.TrustDomain != ""}, jwks.Environment{})
	return &extauthz.State{
		Resources:       table,
		Issuers:         map[string]*token.Issuer{issuer.ID: issuer},
		Verifier:        token.NewVerifier(p.verifier),
		Policy:          engine,
		Possession:      token.NewPossessionVerifier(token.PossessionOptions{Now: p.verifier.Now, Since: p.since}),
		Proofs:          p.proofs,
		TokenCache:      p.cache,
		CheckTimeout:    p.timeout,
		MetadataSubject: p.subject,
	}
}

// watchRevocations sets the revocation list of the state, if the plan has one.
func (d *testService) watchRevocations(t testing.TB, p *plan) {
	t.Helper()
	if p.revocations == "" {
		return
	}
	d.revocationFile = writeFile(t, p.revocations)
	source, err := revocation.NewSource(d.revocationFile, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go source.Run(ctx)
	d.state.Revocations = source
}

func writeFile(t testing.TB, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file.rego") // policies are known by their names
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// check asks over gRPC. That it ends in a gRPC error fails any test: Envoy may
// take one for an allow.
func (d *testService) check(t testing.TB, request *authv3.CheckRequest) *authv3.CheckResponse {
	t.Helper()
	response, err := d.client.Check(context.Background(), request)
	if err != nil {
		t.Fatalf("Check ended in a gRPC error: %v", err)
	}
	return response
}

// claims are those of a good token, after changes; nil deletes.
func claims(changes ...map[string]any) map[string]any {
	all := map[string]any{
		"iss": issuerURL, "sub": "alice", "aud": resourceURI, "client_id": "app", "jti": "id-1",
		"iat": testTime.Add(-time.Minute).Unix(), "exp": testTime.Add(time.Hour).Unix(), "scope": "mcp:read mcp:write",
	}
	for _, change := range changes {
		maps.Copy(all, change)
		maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	}
	return all
}

func (d *testService) token(changes ...map[string]any) string { return d.key.Sign(claims(changes...)) }

// plainToken is a token with typ JWT, which is no mark of an access token.
func (d *testService) plainToken(changes ...map[string]any) string {
	return d.key.SignAs(map[string]any{"alg": "ES256", "kid": "key-1", "typ": "JWT"}, claims(changes...))
}

// clientRequest is one request of a client, as Envoy describes it.
type clientRequest struct {
	method, host, path string
	headers            [][2]string
	extensions         map[string]string
	body               string         // as Envoy sends it with with_request_body; "": not at all
	metadata           map[string]any // of Envoy's mcp filter; nil: none
}

// post is the request of a client with this token and this body. Without a token there
// is no Authorization header.
func post(token, body string) clientRequest {
	a := clientRequest{body: body, headers: [][2]string{
		{"content-type", "application/json"}, {"accept", "application/json, text/event-stream"},
	}}
	if token != "" {
		a.headers = append(a.headers, [2]string{"authorization", "Bearer " + token})
	}
	return a
}

// call is the body of a call of a tool.
func call(tool string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `","arguments":{}}}`
}

// withHeaders are those of revision 2026-07-28 of the protocol.
func (a clientRequest) withHeaders(method, name string) clientRequest {
	a.headers = append(slices.Clone(a.headers), [2]string{"mcp-protocol-version", "2026-07-28"}, [2]string{"mcp-method", method})
	if name != "" {
		a.headers = append(a.headers, [2]string{"mcp-name", name})
	}
	return a
}

// withMetadata are those that Envoy's mcp filter writes of a call.
func (a clientRequest) withMetadata(method, name string) clientRequest {
	a.metadata = map[string]any{
		"status": "mcp_ok", "is_mcp_request": true, "jsonrpc": "2.0", "id": 1, "method": method,
		"params": map[string]any{"name": name},
	}
	return a
}

func bearer(token string) clientRequest {
	return clientRequest{headers: [][2]string{{"authorization", "Bearer " + token}}}
}

// joined sends headers as Envoy does by default, apart as under
// encode_raw_headers.
func (a clientRequest) joined() *authv3.CheckRequest {
	http := a.http()
	http.Headers = map[string]string{":authority": http.GetHost(), ":path": http.GetPath()}
	for _, header := range a.sent() {
		if before, repeated := http.Headers[header[0]]; repeated {
			header[1] = before + "," + header[1]
		}
		http.Headers[header[0]] = header[1]
	}
	return a.request(http)
}

func (a clientRequest) apart() *authv3.CheckRequest {
	http := a.http()
	http.HeaderMap = &corev3.HeaderMap{}
	for _, header := range append([][2]string{{":authority", http.GetHost()}, {":path", http.GetPath()}}, a.sent()...) {
		http.HeaderMap.Headers = append(http.HeaderMap.Headers, &corev3.HeaderValue{Key: header[0], RawValue: []byte(header[1])})
	}
	return a.request(http)
}

func (a clientRequest) http() *authv3.AttributeContext_HttpRequest {
	or := func(value, usual string) string {
		if value == "" {
			return usual
		}
		return value
	}
	return &authv3.AttributeContext_HttpRequest{
		Id: "4711", Method: or(a.method, "POST"), Scheme: "https",
		Host: or(a.host, "mcp.example.com"), Path: or(a.path, "/mcp"), RawBody: []byte(a.body),
	}
}

// sent are the headers that Envoy shows.
func (a clientRequest) sent() [][2]string {
	if a.body == "" {
		return a.headers
	}
	return append(slices.Clone(a.headers), [2]string{"x-envoy-auth-partial-body", "false"})
}

func (a clientRequest) request(http *authv3.AttributeContext_HttpRequest) *authv3.CheckRequest {
	var metadata *corev3.Metadata
	if a.metadata != nil {
		filter, err := structpb.NewStruct(a.metadata)
		if err != nil {
			panic(err)
		}
		metadata = &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{"envoy.filters.http.mcp": filter}}
	}
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		MetadataContext:   metadata,
		Request:           &authv3.AttributeContext_Request{Http: http},
		ContextExtensions: a.extensions,
	}}
}

// wireAnswer is an answer in the words of a test.
type wireAnswer struct {
	reason    string
	status    int
	challenge string
	body      string
}

func readResponse(t testing.TB, response *authv3.CheckResponse) wireAnswer {
	t.Helper()
	heard := wireAnswer{reason: response.GetDynamicMetadata().GetFields()["reason"].GetStringValue()}
	switch answer := response.GetHttpResponse().(type) {
	case *authv3.CheckResponse_OkResponse:
		heard.status = 200
		if response.GetStatus() == nil || response.GetStatus().GetCode() != 0 {
			t.Errorf("an ok_response under status %v", response.GetStatus())
		}
	case *authv3.CheckResponse_DeniedResponse:
		if response.GetStatus().GetCode() == 0 {
			t.Error("a refusal with an unset status: Envoy would let the request through")
		}
		heard.status = int(answer.DeniedResponse.GetStatus().GetCode())
		heard.body = answer.DeniedResponse.GetBody()
		heard.challenge = strings.Join(deniedHeader(answer.DeniedResponse, "www-authenticate"), "\n")
	default:
		t.Errorf("the answer is a %T", answer)
	}
	return heard
}

func deniedHeader(denied *authv3.DeniedHttpResponse, name string) []string {
	var values []string
	for _, header := range denied.GetHeaders() {
		if header.GetHeader().GetKey() == name {
			values = append(values, header.GetHeader().GetValue())
		}
	}
	return values
}

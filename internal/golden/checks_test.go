package golden

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

const (
	issuer  = "https://as.example.com"
	dead    = "https://127.0.0.1:1" // an issuer that never answers
	mcp     = "https://mcp.example.com/mcp"
	another = "https://mcp.example.com/broken"
)

const configuration = `
listen: {grpc: "127.0.0.1:0", http: "127.0.0.1:0"}
drain: 0s
metadata_subject: true
revocation_file: revocations.json
decision_log: {to: "file:decisions.log", claims: [email]}
issuers:
- {issuer: https://as.example.com, jwks_file: jwks.json}
- {issuer: "https://127.0.0.1:1"}
resources:
- resource: https://mcp.example.com/mcp
  name: weather
  issuers: [https://as.example.com, "https://127.0.0.1:1"]
  scopes: [mcp:read]
  origins: [https://app.example.com]
  audiences: [app-1]
  metadata: {resource_name: Weather, scopes_supported: [mcp:read, mcp:write]}
  labels: {team: weather}
  dpop: optional
- {resource: https://mcp.example.com/strict, name: strict, issuers: [https://as.example.com], dpop: required}
- {resource: https://mcp.example.com/broken, name: broken, issuers: [https://as.example.com], policy: authz.broken}
policy: {paths: [policy]}
`

const rules = `package authz

require["company"] if not input.claims.stranger

deny contains {"code": "read_only", "message": "nothing is deleted"} if input.request.method == "DELETE"

warn contains {"code": "old", "message": "an old client"} if "old" in input.request.headers["user-agent"]

scopes contains "mcp:admin" if startswith(input.request.path, "/mcp/admin")

headers["x-team"] := input.resource.labels.team
`

const broken = `package authz.broken

headers["x-number"] := to_number(input.request.headers["x-number"][0])
`

// call is one request that Envoy asks about.
type call struct {
	name               string
	method, host, path string
	headers            [][2]string
	extensions         map[string]string
	token              string
	scheme             string // of the authorization header; "" is Bearer
	raw                []byte // sent instead of a CheckRequest
	joined             bool   // headers as a map
}

// tokens signs what each call presents.
type tokens struct{ key, foreign *jwttest.Key }

func (k tokens) good(changes ...func(map[string]any)) string {
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": issuer, "sub": "alice", "aud": mcp, "client_id": "app", "jti": "id-1", "scope": "mcp:read",
		"email": "alice@example.com", "iat": now, "exp": now + 3600,
	}
	for _, change := range changes {
		change(claims)
	}
	return k.key.Sign(claims)
}

func set(name string, value any) func(map[string]any) {
	return func(claims map[string]any) { claims[name] = value }
}

func (k tokens) calls() []call {
	past := time.Now().Add(-time.Hour).Unix()
	good := k.good()
	header := func(name, value string) [][2]string { return [][2]string{{name, value}} }
	return []call{
		{name: "allowed", token: good},
		{name: "allowed again", token: good},
		{name: "allowed, headers in a map", token: good, joined: true},
		{
			name: "allowed, removals", token: good, path: "/mcp?a=1&access_token=x&access%5Ftoken=y",
			headers: [][2]string{{"x-mcp-auth-subject", "root"}, {"X_MCP_Auth_Foo", "1"}, {"dpop", "x"}},
		},
		{name: "allowed, every identity", token: k.good(set("sub", "a b%ü"), set("scope", "mcp:read x"), set("azp", "z"))},
		{name: "allowed with a warning", token: good, headers: header("user-agent", "old")},
		{name: "allowed origin", token: good, headers: header("origin", "https://app.example.com")},
		{name: "allowed by context", token: good, path: "/rewritten", extensions: map[string]string{"resource": "weather"}},
		{name: "metadata", method: "GET", path: "/.well-known/oauth-protected-resource/mcp"},
		{name: "metadata with a slash", method: "GET", path: "/.well-known/oauth-protected-resource/mcp/"},
		{name: "metadata of nothing", method: "GET", path: "/.well-known/oauth-protected-resource/none"},
		{name: "metadata preflight", method: "OPTIONS", path: "/.well-known/oauth-protected-resource/mcp"},
		{name: "metadata by POST", path: "/.well-known/oauth-protected-resource/mcp"},
		{name: "metadata of an authorization server", method: "GET", path: "/.well-known/oauth-authorization-server"},
		{name: "no_resource host", host: "elsewhere.example.com"},
		{name: "no_resource path", path: "/mcp/%2e%2e/x"},
		{name: "misconfigured", token: good, extensions: map[string]string{"resource": "nothing"}},
		{name: "origin_not_allowed", token: good, headers: header("origin", "https://evil.example.com")},
		{name: "invalid_request", headers: [][2]string{{"authorization", "Bearer a"}, {"authorization", "Bearer b"}}},
		{name: "no_credentials"},
		{name: "no_credentials by query", path: "/mcp?access_token=x"},
		{name: "no_credentials by Basic", scheme: "Basic", token: "eDp5"},
		{name: "no_credentials for DPoP alone", path: "/strict"},
		{name: "token_malformed", token: "abc"},
		{name: "algorithm_not_allowed", token: jwttest.NewKey("HS256", "key-1").Sign(map[string]any{"iss": issuer})},
		{name: "type_not_allowed", token: k.key.SignAs(map[string]any{"alg": "ES256", "typ": "id_token"}, map[string]any{"iss": issuer})},
		{name: "issuer_unknown", token: k.good(set("iss", "https://elsewhere.example.com"))},
		{name: "claims_missing", token: k.good(set("aud", nil))},
		{name: "token_expired", token: k.good(set("exp", past))},
		{name: "token_not_yet_valid", token: k.good(set("nbf", time.Now().Add(time.Hour).Unix()))},
		{name: "keys_unavailable", token: k.good(set("iss", dead))},
		{name: "key_unknown", token: jwttest.NewKey("ES256", "key-9").Sign(map[string]any{
			"iss": issuer, "aud": mcp, "sub": "a", "exp": time.Now().Add(time.Hour).Unix(),
		})},
		{name: "signature_invalid", token: k.foreign.Sign(map[string]any{
			"iss": issuer, "aud": mcp, "sub": "a", "exp": time.Now().Add(time.Hour).Unix(),
		})},
		{name: "token_revoked", token: k.good(set("jti", "revoked-1"))},
		{name: "binding_unproven", token: k.good(set("cnf", map[string]any{"jkt": strings.Repeat("A", 43)}))},
		{
			name: "dpop_proof_invalid", scheme: "DPoP", token: k.good(set("cnf", map[string]any{"jkt": strings.Repeat("A", 43)})),
			headers: header("dpop", "a.b.c"),
		},
		{name: "audience_mismatch", token: k.good(set("aud", "https://elsewhere.example.com"))},
		{name: "policy_error", token: k.good(set("aud", another)), path: "/broken", headers: header("x-number", "abc")},
		{name: "policy_denied by require", token: k.good(set("stranger", true))},
		{name: "policy_denied by deny", token: good, method: "DELETE"},
		{name: "insufficient_scope", token: k.good(set("scope", "other"))},
		{name: "insufficient_scope of a rule", token: good, path: "/mcp/admin"},
		{name: "internal", raw: []byte{0xff, 0xff}},
		{name: "internal, empty", raw: []byte{}},
	}
}

// message is a CheckRequest as Envoy sends it.
func (c call) message(t *testing.T) []byte {
	t.Helper()
	if c.raw != nil {
		return c.raw
	}
	or := func(value, fallback string) string {
		if value == "" {
			return fallback
		}
		return value
	}
	method, host, path := or(c.method, "POST"), or(c.host, "mcp.example.com"), or(c.path, "/mcp")
	request := &authv3.AttributeContext_HttpRequest{Id: "stream-1", Method: method, Host: host, Path: path, Scheme: "https"}
	headers := append([][2]string{
		{":method", method}, {":authority", host}, {":path", path}, {"x-request-id", "request-1"},
	}, c.headers...)
	if c.token != "" {
		headers = append(headers, [2]string{"authorization", or(c.scheme, "Bearer") + " " + c.token})
	}
	if c.joined {
		request.Headers = map[string]string{}
		for _, h := range headers {
			request.Headers[h[0]] = h[1]
		}
	} else {
		request.HeaderMap = &corev3.HeaderMap{}
		for _, h := range headers {
			request.HeaderMap.Headers = append(request.HeaderMap.Headers, &corev3.HeaderValue{Key: h[0], RawValue: []byte(h[1])})
		}
	}
	source := &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
		SocketAddress: &corev3.SocketAddress{Address: "192.0.2.1", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 4711}},
	}}}
	encoded, err := proto.Marshal(&authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source: source, ContextExtensions: c.extensions,
		Request: &authv3.AttributeContext_Request{Http: request},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// rawCodec sends bytes and receives bytes.
type rawCodec struct{}

func (rawCodec) Name() string                  { return "proto" }
func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (rawCodec) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}

// TestAnswers asks everything there is a reason for, in one process, and then
// looks at what that process says of itself.
func TestAnswers(t *testing.T) {
	binary, folder := build(t), t.TempDir()
	keys := tokens{jwttest.NewKey("ES256", "key-1"), jwttest.NewKey("ES256", "key-1")}
	write(t, folder, "jwks.json", string(jwttest.JWKS(keys.key)))
	write(t, folder, "policy/team.rego", rules)
	write(t, folder, "policy/broken.rego", broken)
	write(t, folder, "revocations.json", `{"serial": 1, "revoked": [{"issuer": "`+issuer+`", "jti": "revoked-1"}]}`)
	s := serve(t, binary, write(t, folder, "doorward.yaml", configuration))
	conn, err := grpc.NewClient(s.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var answers strings.Builder
	for _, c := range keys.calls() {
		fmt.Fprintf(&answers, "== %s\n%s\n", c.name, ask(t, conn, c))
	}
	compare(t, "answers.txt", answers.String())
	compare(t, "metrics.txt", metricNames(get(t, s.http, "/metrics")))
	compare(t, "readyz.txt", shape(t, []byte(get(t, s.http, "/readyz"))))
	compare(t, "livez.txt", shape(t, []byte(get(t, s.http, "/livez"))))
	compare(t, "document.txt", get(t, s.http, "/.well-known/oauth-protected-resource/mcp"))
	if code := s.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	compare(t, "logkeys.txt", lines(s.logKeys()))
	compare(t, "decisions.txt", decisionShapes(t, filepath.Join(folder, "decisions.log")))
}

func ask(t *testing.T, conn *grpc.ClientConn, c call) string {
	t.Helper()
	in, out := c.message(t), []byte(nil)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := conn.Invoke(ctx, authv3.Authorization_Check_FullMethodName, &in, &out, grpc.ForceCodec(rawCodec{})); err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	text, ok := fieldsOf(out, "")
	if !ok {
		t.Fatalf("%s: the answer is no protobuf message: %q", c.name, out)
	}
	return text
}

func get(t *testing.T, host, path string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "mcp.example.com"
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

var sample = regexp.MustCompile(`^(doorward_\w+)(?:\{(.*)\})? `)

// metricNames are the names of our metrics with their types, and of each the
// label names and the values of `reason` and `result`, which are closed lists.
func metricNames(text string) string {
	label := regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`)
	found := map[string]bool{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "# TYPE doorward_") {
			found[strings.TrimSpace(line)] = true
		}
		match := sample.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		var labels []string
		for _, pair := range label.FindAllStringSubmatch(match[2], -1) {
			if pair[1] == "reason" {
				pair[1] += "=" + pair[2]
			}
			labels = append(labels, pair[1])
		}
		found[match[1]+" "+strings.Join(labels, " ")] = true
	}
	return lines(found)
}

// decisionShapes are the shapes of the events in a decision log, by outcome.
func decisionShapes(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for line := range strings.Lines(string(content)) {
		var event struct{ Result struct{ Reason string } }
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatal(err)
		}
		for member := range strings.Lines(shape(t, []byte(line))) {
			found[event.Result.Reason+" "+strings.TrimSpace(member)] = true
		}
	}
	return lines(found)
}

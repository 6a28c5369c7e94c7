package envoy_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	authzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/hiding"
	"github.com/doorward/doorward/internal/testenv/jwttest"
	"github.com/doorward/doorward/internal/tokensearch"
)

// searcher is an ext_authz service that refuses what the search finds, and says where.
type searcher struct {
	authv3.UnimplementedAuthorizationServer
}

func (searcher) Check(_ context.Context, request *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	why := whyRefused(request.GetAttributes().GetRequest().GetHttp())
	if why == "" {
		return &authv3.CheckResponse{Status: &status.Status{}}, nil
	}
	return &authv3.CheckResponse{
		Status: &status.Status{Code: int32(codes.PermissionDenied)},
		HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{
			Status: &typev3.HttpStatus{Code: typev3.StatusCode_Forbidden}, Body: why,
		}},
	}, nil
}

func whyRefused(http *authv3.AttributeContext_HttpRequest) string {
	path, query, _ := strings.Cut(http.GetPath(), "?")
	parts := []tokensearch.Part{
		{Kind: tokensearch.Authority, Value: http.GetHost()},
		{Kind: tokensearch.Path, Value: path},
		{Kind: tokensearch.Query, Value: query},
		{Kind: tokensearch.Body, Value: string(http.GetRawBody())},
	}
	headers := map[string][]string{}
	for _, header := range http.GetHeaderMap().GetHeaders() {
		headers[header.GetKey()] = append(headers[header.GetKey()], string(header.GetRawValue()))
	}
	for name, value := range http.GetHeaders() {
		headers[name] = append(headers[name], value)
	}
	for name, values := range headers {
		if strings.HasPrefix(name, ":") {
			continue
		}
		parts = append(parts, tokensearch.Part{Kind: tokensearch.HeaderName, Value: name})
		for _, value := range values {
			parts = append(parts, tokensearch.Part{Kind: tokensearch.HeaderValue, Name: name, Value: value})
		}
	}
	for candidate, err := range tokensearch.Find(slices.Values(parts)) {
		if err != nil {
			return err.Error()
		}
		if candidate.Claims["iss"] == issuerURL && candidate.Claims["aud"] == weatherURI {
			return candidate.Place
		}
	}
	return tokensearch.Unread(tokensearch.Message{
		Method: http.GetMethod(), Body: string(http.GetRawBody()), Headers: func(name string) []string { return headers[name] },
	})
}

// startSearcher runs the shipped envoy.yaml as the way out of a server, with bodies of
// 1 MiB, unless an edit takes them away.
func startSearcher(t *testing.T, behind *upstream, edits ...edit) *environment {
	t.Helper()
	testenv.RequireEnvoy(t)
	listener, err := testenv.Listen("")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(4 << 20))
	authv3.RegisterAuthorizationServer(server, searcher{})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	envoy, err := testenv.StartEnvoy(t.Context(), testenv.EnvoyOptions{
		Doorward: listener.Addr().String(), Upstream: behind.address,
		Edit: func(b *testenv.Bootstrap) error {
			b.Authz.WithRequestBody = &authzv3.BufferSettings{MaxRequestBytes: 1 << 20, PackAsBytes: true, AllowPartialMessage: true}
			b.Listener.PerConnectionBufferLimitBytes = wrapperspb.UInt32(2 << 20)
			b.Cluster("doorward").HealthChecks = nil
			for _, change := range edits {
				change(b)
			}
			return testenv.WithLongTimeouts(b)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := envoy.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &environment{envoy: envoy}
}

// outgoing is a row as a request on the wire.
func outgoing(row *hiding.Row) clientRequest {
	method := "GET"
	if row.Body != "" {
		method = "POST"
	}
	return clientRequest{
		method: or(row.Method, method), host: or(row.Host, "api.example.com"), path: or(row.Path, "/"),
		headers: row.Headers, body: row.Body,
	}
}

var record = flag.Bool("record", false, "write the table of docs/hiding-places.md anew")

const hidingPlaces = "../docs/hiding-places.md"

// TestHidingPlaces sends each row of the table through Envoy, and compares what becomes
// of it with the page; with -record it writes the page.
func TestHidingPlaces(t *testing.T) {
	testenv.RequireEnvoy(t)
	behind := startUpstream(t)
	h := startSearcher(t, behind)
	table := "| Where | What is sent | What becomes of it |\n|---|---|---|\n"
	group := ""
	for _, row := range hiding.Rows(jwttest.NewKey("ES256", "key-1").Sign(claims())) {
		got := h.send(t, outgoing(&row))
		arrived := len(behind.take())
		if passes := got.status == 200; passes != (row.Outcome == hiding.Missed) || passes != (arrived == 1) {
			t.Errorf("%s: %s: %v, and %d requests arrive", row.Group, row.Intent, got, arrived)
		}
		where, outcome := "", "refused: "+got.body
		if row.Group != group {
			where, group = row.Group, row.Group
		}
		if got.status == 200 {
			outcome = "passes: " + row.Why
		}
		table += fmt.Sprintf("| %s | %s | %s |\n", where, strings.ReplaceAll(row.Intent, `\`, `\\`), outcome)
	}
	page, err := os.ReadFile(hidingPlaces)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- table -->\n", "<!-- end -->\n"
	head, rest, hasBegin := strings.Cut(string(page), begin)
	_, tail, hasEnd := strings.Cut(rest, end)
	if want := head + begin + table + end + tail; !hasBegin || !hasEnd || want != string(page) {
		if !*record {
			t.Errorf("%s is of another run: go test ./envoy -run TestHidingPlaces -record", hidingPlaces)
		} else if err := os.WriteFile(hidingPlaces, []byte(want), 0o600); err != nil {
			t.Error(err)
		}
	}
}

// TestUnreadBodies: only Envoy's own words about a body count, whatever a client sends.
func TestUnreadBodies(t *testing.T) {
	testenv.RequireEnvoy(t)
	behind := startUpstream(t)
	joined := func(b *testenv.Bootstrap) { b.Authz.EncodeRawHeaders = false }
	cutOff := func(b *testenv.Bootstrap) { b.Authz.GetWithRequestBody().AllowPartialMessage = false }
	environments := map[string]*environment{
		"bodies":          startSearcher(t, behind),
		"bodies, joined":  startSearcher(t, behind, joined),
		"whole bodies":    startSearcher(t, behind, cutOff),
		"without":         startSearcher(t, behind, withoutBodies),
		"without, joined": startSearcher(t, behind, withoutBodies, joined),
	}
	const (
		longer = "403 the body is longer than what Envoy sends"
		none   = "403 Envoy sends no body of this request: set with_request_body"
		passes = "200 ok\n"
	)
	get := clientRequest{path: "/"}
	post := clientRequest{path: "/", method: "POST", body: "a body"}
	long := clientRequest{path: "/", method: "POST", body: strings.Repeat("a ", 600_000)}
	pieces, empty := post, get.by("POST").with("Content-Length", "0")
	pieces.chunked = true
	forged := func(a clientRequest) clientRequest { return a.with("X-Envoy-Auth-Partial-Body", "false") }
	rows := []struct {
		intent, environment string
		request             clientRequest
		http2               bool
		want                string
	}{
		{"a body", "bodies", post, false, passes},
		{"in pieces", "bodies", pieces, false, passes},
		{"over HTTP/2, its length unknown", "bodies", post, true, passes},
		{"no body", "bodies", get, false, passes},
		{"no body of a POST", "bodies", empty, false, passes},
		{"no body of a POST, and no length", "bodies", get.by("POST"), true, none},
		{"no body, and a forged header", "bodies", forged(get), false, passes},
		{"a long body", "bodies", long, false, longer},
		{"a long body and a forged header", "bodies", forged(long), false, longer},
		{"the same, headers joined", "bodies, joined", forged(long), false, longer},
		{"a forged header that says cut", "bodies", post.with("x-envoy-auth-partial-body", "true"), false, passes},
		{"a long body that Envoy refuses", "whole bodies", forged(long), false, "413 Payload Too Large"},
		{"bodies are not sent", "without", post, false, none},
		{"and a forged header", "without", forged(post), false, none},
		{"the same, headers joined", "without, joined", forged(post), false, none},
		{"in pieces, not sent", "without", forged(pieces), false, none},
		{"over HTTP/2, not sent", "without", forged(post), true, none},
		{"of a GET, not sent", "without", forged(post.by("GET")), false, none},
		{"no body where none are sent", "without", forged(get), false, passes},
		{"two lengths", "bodies", post.with("Content-Length", "6"), false, "400 Bad Request"},
	}
	for _, row := range rows {
		send := environments[row.environment].send
		if row.http2 {
			send = environments[row.environment].sendHTTP2
		}
		got := send(t, row.request)
		behind.take()
		if text := fmt.Sprint(got.status, " ", got.body); text != row.want {
			t.Errorf("%s: %q, want %q", row.intent, text, row.want)
		}
	}
}

func withoutBodies(b *testenv.Bootstrap) { b.Authz.WithRequestBody = nil }

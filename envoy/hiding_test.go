package envoy_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	authzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/internal/checkgrpc"
	"github.com/doorward/doorward/internal/destination"
	"github.com/doorward/doorward/internal/egress"
	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/hiding"
	"github.com/doorward/doorward/internal/testenv/jwttest"
	"github.com/doorward/doorward/internal/tokensearch"
)

// leaving is what answers at an egress listener of doorward, for the server of weather.
type leaving struct {
	inbound      *extauthz.Server
	destinations *destination.Table

	current atomic.Pointer[egress.Listener]
	log     *testenv.LogBuffer
}

func newLeaving(t *testing.T, key *jwttest.Key) *leaving {
	t.Helper()
	inbound, err := extauthz.New(extauthz.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := standard(key)
	p.egress = true
	if err := inbound.Swap(p.state(t)); err != nil {
		t.Fatal(err)
	}
	destinations, problems := destination.NewTable([]destination.Spec{
		{Host: "api.example.com", Token: destination.Keep}, {Host: "mcp.example.com", Token: destination.Keep},
	}, destination.Known{Resources: []string{"weather"}, Issuers: []string{issuerURL}})
	if destinations == nil {
		t.Fatal(problems)
	}
	l := &leaving{inbound: inbound, destinations: destinations}
	l.begin(t)
	return l
}

// begin empties the log, and its quota of lines in a second.
func (l *leaving) begin(t *testing.T) {
	t.Helper()
	l.log = &testenv.LogBuffer{}
	checks, err := egress.New(egress.Options{Inbound: l.inbound, Log: slog.New(slog.NewJSONHandler(l.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	const address = "the way out"
	checks.Swap(&egress.State{
		Listeners: map[string]egress.Callers{address: {Resource: "weather"}}, Destinations: l.destinations,
		CheckTimeout: patience,
	})
	l.current.Store(checks.At(address))
}

func (l *leaving) server() *grpc.Server {
	return checkgrpc.NewServer(func(ctx context.Context, in checkgrpc.Incoming) []byte {
		return l.current.Load().Answer(ctx, in.Wire)
	}, 4<<20)
}

// why is the place and the cause of the refusal in the log; "" without one.
func (l *leaving) why(t *testing.T) string {
	t.Helper()
	line := strings.TrimSpace(l.log.String())
	if line == "" {
		return ""
	}
	all := decodeLine(t, line)
	if all["reason"] != "passthrough" {
		t.Errorf("the reason is %v: %s", all["reason"], line)
	}
	place, cause := all["place"], all["cause"]
	switch {
	case cause == nil:
		return fmt.Sprint(place)
	case place == nil:
		return fmt.Sprint(cause)
	}
	return fmt.Sprint(place, ": ", cause)
}

// startLeaving runs the shipped envoy.yaml as the way out of a server, with bodies of
// 1 MiB, unless an edit takes them away.
func startLeaving(t *testing.T, l *leaving, behind *upstream, edits ...edit) *environment {
	t.Helper()
	testenv.RequireEnvoy(t)
	listener, err := testenv.Listen("")
	if err != nil {
		t.Fatal(err)
	}
	server := l.server()
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	envoy, err := testenv.StartEnvoy(t.Context(), testenv.EnvoyOptions{
		Doorward: listener.Addr().String(), Upstream: behind.address,
		Edit: func(b *testenv.Bootstrap) error {
			b.Authz.WithRequestBody = &authzv3.BufferSettings{MaxRequestBytes: 1 << 20, PackAsBytes: true, AllowPartialMessage: true}
			b.Listener.PerConnectionBufferLimitBytes = wrapperspb.UInt32(2 << 20)
			b.Cluster("doorward").HealthChecks = nil
			b.Authz.DecoderHeaderMutationRules.DisallowExpression = nil // as the listener egress has none
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

// TestHidingPlaces sends each row of the table through the shipped sidecar, and compares what becomes
// of it with the page; with -record it writes the page.
func TestHidingPlaces(t *testing.T) {
	testenv.RequireEnvoy(t)
	key := jwttest.NewKey("ES256", "key-1")
	l, w := newLeaving(t, key), &wayOut{}
	w.start(t, "api.example.com", l.server())
	table := "| Where | What is sent | What becomes of it |\n|---|---|---|\n"
	group := ""
	for _, row := range hiding.Rows(key.Sign(claims())) {
		l.begin(t)
		got, err := outgoing(&row).exchange(withPatience(t), w.address)
		if err != nil {
			t.Fatal(err)
		}
		arrived := len(w.reached())
		if passes := got.status == 200; passes != (row.Outcome == hiding.Missed) || passes != (arrived == 1) {
			t.Errorf("%s: %s: %v, and %d requests arrive", row.Group, row.Intent, got, arrived)
		}
		where, outcome := "", "refused: "+l.why(t)
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
	l := newLeaving(t, jwttest.NewKey("ES256", "key-1"))
	environments := map[string]*environment{
		"bodies":          startLeaving(t, l, behind),
		"bodies, joined":  startLeaving(t, l, behind, joined),
		"whole bodies":    startLeaving(t, l, behind, cutOff),
		"without":         startLeaving(t, l, behind, withoutBodies),
		"without, joined": startLeaving(t, l, behind, withoutBodies, joined),
	}
	const (
		longer  = "403 body: the body is longer than what Envoy sends"
		none    = "403 body: Envoy sends no body of this request: set with_request_body"
		passes  = "200 ok\n"
		tooMany = "403 the request was not searched to its end: more text that looks like tokens than one request may have"
	)
	get := clientRequest{path: "/"}
	post := clientRequest{path: "/", method: "POST", body: "a body"}
	long := clientRequest{path: "/", method: "POST", body: strings.Repeat("a ", 600_000)}
	pieces, empty := post, get.by("POST").with("Content-Length", "0")
	pieces.chunked = true
	other := jwttest.NewKey("ES256", "key-2")
	foreign := func(number int) clientRequest {
		many := post
		for i := range number {
			many.body += " " + other.Sign(claims(map[string]any{"iss": "https://other.example", "aud": fmt.Sprint("https://api.example/", i)}))
		}
		return many
	}
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
		{"many tokens of others", "bodies", foreign(tokensearch.MaxCandidates), false, passes},
		{"more tokens of others than are looked at", "bodies", foreign(tokensearch.MaxCandidates + 1), false, tooMany},
		{"two lengths", "bodies", post.with("Content-Length", "6"), false, "400 Bad Request"},
	}
	for _, row := range rows {
		send := environments[row.environment].send
		if row.http2 {
			send = environments[row.environment].sendHTTP2
		}
		l.begin(t)
		got := send(t, row.request)
		behind.take()
		text := fmt.Sprint(got.status, " ", l.why(t))
		if got.status != 403 {
			text = fmt.Sprint(got.status, " ", got.body)
		}
		if text != row.want {
			t.Errorf("%s: %q, want %q", row.intent, text, row.want)
		}
	}
}

func withoutBodies(b *testenv.Bootstrap) { b.Authz.WithRequestBody = nil }

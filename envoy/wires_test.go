package envoy_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// wireStep is a request of a client and the status of its answer. It is sent with a
// token for mcp:read, unless anonymous.
type wireStep struct {
	intent    string
	ask       clientRequest
	status    int
	anonymous bool
}

// initializing opens a session, or asks a server without sessions for one.
func initializing(revision string) clientRequest {
	return post(object(`"method":"initialize","params":{"protocolVersion":"` + revision +
		`","capabilities":{},"clientInfo":{"name":"test","version":"1"}}`))
}

// legacySteps are those of a client of 2025 after initialize: in a session, or in none.
func legacySteps(revision, session string) []wireStep {
	in := func(a clientRequest) clientRequest {
		if session != "" {
			a = a.with("Mcp-Session-Id", session)
		}
		if revision != "2025-03-26" { // which had no such header
			a = a.with("MCP-Protocol-Version", revision)
		}
		return a
	}
	steps := []wireStep{
		{"the notification after it", in(post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)), 202, false},
		{"a ping", in(post(object(`"method":"ping"`))), 200, false},
		{"a list", in(post(object(`"method":"tools/list"`))), 200, false},
		{"a call", in(post(callEcho)), 200, false},
		{"a call that needs more", in(post(calling("delete_repo"))), 403, false},
		{"a call without a token", in(post(callEcho)), 401, true},
		{"a notification without a token", in(post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)), 401, true},
		{"a stream without a token", in(clientRequest{}.with("Accept", "text/event-stream")), 401, true},
		{"an end without a token", in(clientRequest{method: "DELETE"}), 401, true},
	}
	if session != "" {
		steps = append(steps, wireStep{"the end of the session", in(clientRequest{method: "DELETE"}), 204, false})
	}
	return steps
}

// batchSteps are those of a client that sends several messages at once.
func batchSteps(session string) []wireStep {
	of := func(members ...string) clientRequest {
		a := post("[" + strings.Join(members, ",") + "]")
		if session != "" {
			a = a.with("Mcp-Session-Id", session)
		}
		return a
	}
	return []wireStep{
		{"a batch", of(object(`"method":"ping"`), strings.Replace(callEcho, `"id":1`, `"id":2`, 1)), 200, false},
		{"a batch of which one needs more", of(callEcho, calling("delete_repo")), 403, false},
		{"a batch without a token", of(callEcho), 401, true},
	}
}

// modernSteps are those of a client of 2026-07-28.
func modernSteps() []wireStep {
	const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},` +
		`"io.modelcontextprotocol/clientCapabilities":{}}`
	discover := post(object(`"method":"server/discover","params":{`+meta+`}`)).claiming(modernRevision, "server/discover")
	more := strings.ReplaceAll(modernCall, `"echo"`, `"delete_repo"`)
	return []wireStep{
		{"discovery without a token", discover, 401, true},
		{"discovery", discover, 200, false},
		{"a list", post(object(`"method":"tools/list","params":{`+meta+`}`)).claiming(modernRevision, "tools/list"), 200, false},
		{"a call", post(modernCall).claiming(modernRevision, "tools/call", "echo"), 200, false},
		{"a call without a token", post(modernCall).claiming(modernRevision, "tools/call", "echo"), 401, true},
		{"a call that needs more", post(more).claiming(modernRevision, "tools/call", "delete_repo"), 403, false},
		{"headers that lie", post(more).claiming(modernRevision, "tools/call", "echo"), 403, false},
	}
}

// TestEveryWire has clients of each revision, with sessions and without, go through a
// real Envoy with operations configured. No answer is a 404 or a 405, with which a
// client would fall back to an older transport, and no client that is right gets a 400.
func TestEveryWire(t *testing.T) {
	testenv.RequireEnvoy(t)
	key := jwttest.NewKey("ES256", "key-1")
	token := "Bearer " + key.Sign(claims(map[string]any{"scope": "mcp:read"}))
	for _, sessions := range []bool{true, false} {
		server, err := testenv.StartMCPServer(testenv.MCPServerOptions{Sessions: sessions})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = server.Close() })
		for _, way := range []struct {
			name string
			edit edit
			mcp  resource.MCP
		}{
			{"by filter", must(t, testenv.WithFilter), resource.MCP{FilterMetadata: true}},
			{"by bodies", must(t, testenv.WithBodies), resource.MCP{AllowBatch: true}},
		} {
			h := startEnvironment(t, server.Address(), way.edit)
			h.activate(t, withOperations(key, way.mcp).state(t))
			for _, revision := range []string{"2025-03-26", "2025-06-18", "2025-11-25"} {
				t.Run(fmt.Sprintf("%s, %s, sessions: %v", way.name, revision, sessions), func(t *testing.T) {
					began := h.send(t, initializing(revision).with("Authorization", token))
					session := began.header.Get("Mcp-Session-Id")
					if began.status != 200 || (session != "") != sessions {
						t.Fatalf("initialize: %v", began)
					}
					if sessions {
						h.streams(t, revision, session, token)
					}
					if way.mcp.AllowBatch && revision == "2025-03-26" { // the only one with batches
						h.take(t, token, batchSteps(session))
					}
					h.take(t, token, legacySteps(revision, session))
				})
			}
			if !sessions {
				t.Run(way.name+", "+modernRevision, func(t *testing.T) { h.take(t, token, modernSteps()) })
			}
		}
	}
}

// take sends each request and looks at the status.
func (h *environment) take(t *testing.T, token string, steps []wireStep) {
	t.Helper()
	for _, step := range steps {
		if !step.anonymous {
			step.ask = step.ask.with("Authorization", token)
		}
		if got := h.send(t, step.ask); got.status != step.status {
			t.Errorf("%s: %v, want %d", step.intent, got, step.status)
		}
	}
}

// streams opens the event stream of a session, which the server leaves open.
func (h *environment) streams(t *testing.T, revision, session, token string) {
	t.Helper()
	ctx, cancel := context.WithCancel(withPatience(t))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.envoy.URL()+"/mcp", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "mcp.example.com"
	for name, value := range map[string]string{
		"Authorization": token, "Accept": "text/event-stream", "Mcp-Session-Id": session, "MCP-Protocol-Version": revision,
	} {
		request.Header.Set(name, value)
	}
	response, err := new(http.Transport).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if kind := response.Header.Get("Content-Type"); response.StatusCode != 200 || kind != "text/event-stream" {
		t.Errorf("the stream: %s, %s", response.Status, kind)
	}
}

// TestLargeBodiesOverHTTP2: a body that is larger than the window of a stream, or than
// the limit of either way, is answered, and the stream does not wait for ever.
func TestLargeBodiesOverHTTP2(t *testing.T) {
	testenv.RequireEnvoy(t)
	key := jwttest.NewKey("ES256", "key-1")
	token := "Bearer " + key.Sign(claims())
	client := &http.Transport{Protocols: new(http.Protocols)}
	client.Protocols.SetUnencryptedHTTP2(true)
	defer client.CloseIdleConnections()
	behind := startUpstream(t)
	for _, way := range []struct {
		name  string
		edit  edit
		mcp   resource.MCP
		large int // the status of a body over the limit, with a token
	}{
		{"by filter", must(t, testenv.WithFilter), resource.MCP{FilterMetadata: true}, 403},
		{"by bodies", must(t, testenv.WithBodies), resource.MCP{}, 400},
		{"by both", must(t, testenv.WithFilterAndBodies), resource.MCP{FilterMetadata: true}, 400},
	} {
		h := startEnvironment(t, behind.address, way.edit)
		h.activate(t, withOperations(key, way.mcp).state(t))
		for _, row := range []struct {
			size   int
			token  string
			status int
		}{
			{100, token, 200},
			{60000, token, 200},
			{70000, token, way.large},
			{2 << 20, token, way.large},
			{60000, "", 401},
			{70000, "", 401},
			{2 << 20, "", 401},
		} {
			request, err := http.NewRequestWithContext(withPatience(t), http.MethodPost, h.envoy.URL()+"/mcp", strings.NewReader(callWith(row.size)))
			if err != nil {
				t.Fatal(err)
			}
			request.Host = "mcp.example.com"
			for _, header := range post("").headers {
				request.Header.Set(header[0], header[1])
			}
			if row.token != "" {
				request.Header.Set("Authorization", row.token)
			}
			response, err := client.RoundTrip(request)
			if err != nil {
				t.Errorf("%s, %d bytes: %v", way.name, row.size, err)
				continue
			}
			_ = response.Body.Close()
			if response.StatusCode != row.status || response.ProtoMajor != 2 {
				t.Errorf("%s, %d bytes, token %.6q: %s, want %d", way.name, row.size, row.token, response.Status, row.status)
			}
		}
	}
}

package envoy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metadatav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/set_metadata/v3"
	managerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// withOperations is a plan in which tools whose names begin with delete_ need
// mcp:write, "secret" needs another login, and /other is open to some requests
// without a token.
func withOperations(key *jwttest.Key, mcp resource.MCP) plan {
	p := standard(key)
	weather, admin, other := &p.resources[0], &p.resources[1], &p.resources[2]
	weather.MCP, admin.MCP, other.MCP = mcp, mcp, mcp
	weather.Operations = []resource.Operation{
		{Method: "tools/call", Name: "delete_*", Scopes: []string{"mcp:write"}},
		{Method: "tools/call", Name: "secret", ACRValues: []string{"gold"}, MaxAge: 5 * time.Minute},
		{Method: "resources/read", Name: "file:///private/*", Scopes: []string{"mcp:write"}},
	}
	admin.Operations, admin.MCP.JSONRPCDenials = weather.Operations, true
	admin.OperationsDefault = "deny"
	other.Anonymous = []resource.Operation{{Method: "initialize"}, {Method: "tools/list"}, {Method: "tools/call", Name: "search"}}
	return p
}

// badRow is a request and its answer: the same by both ways, unless bodies says otherwise.
type badRow struct {
	intent         string
	ask            clientRequest
	filter, bodies reason.Reason
}

// Requests of the table, with the token of alice unless they have none.
func object(fields string) string { return `{"jsonrpc":"2.0","id":1,` + fields + `}` }

func calling(name string) string {
	return object(`"method":"tools/call","params":{"name":"` + name + `","arguments":{}}`)
}

const modernRevision = "2026-07-28"

// claiming has the headers of a call, of a revision.
func (a clientRequest) claiming(revision, method string, names ...string) clientRequest {
	if revision != "" {
		a = a.with("MCP-Protocol-Version", revision)
	}
	a = a.with("Mcp-Method", method)
	for _, name := range names {
		a = a.with("Mcp-Name", name)
	}
	return a
}

// accepting has another Accept header.
func (a clientRequest) accepting(accept string) clientRequest {
	a.headers = slices.DeleteFunc(slices.Clone(a.headers), func(h [2]string) bool { return h[0] == "Accept" })
	return a.with("Accept", accept)
}

// ofType has another Content-Type, or none.
func (a clientRequest) ofType(contentType string) clientRequest {
	a.headers = slices.DeleteFunc(slices.Clone(a.headers), func(h [2]string) bool { return h[0] == "Content-Type" })
	if contentType == "" {
		return a
	}
	return a.with("Content-Type", contentType)
}

// badRows are sent with a token for mcp:read.
func badRows() []badRow {
	const (
		allowed, scope     = reason.Allowed, reason.InsufficientScope
		unknown, malformed = reason.OperationUnknown, reason.OperationMalformed
	)
	deletes, lists := calling("delete_repo"), object(`"method":"tools/list"`)
	large := strings.Repeat("a", 60000)
	argumentsFirst := func(size int) string {
		return `{"params":{"arguments":{"a":"` + strings.Repeat("a", size) + `"},"name":"delete_repo"},"jsonrpc":"2.0","id":1,"method":"tools/call"}`
	}
	return []badRow{
		{"a call", post(callEcho), allowed, allowed},
		{"a list", post(lists), allowed, allowed},
		{"a call that needs more", post(deletes), scope, scope},
		{"in chunks", post(deletes).inChunks(), scope, scope},
		{"as a notification", post(strings.Replace(deletes, `"id":1,`, ``, 1)), scope, scope},
		{"with the id null", post(strings.Replace(deletes, `"id":1,`, `"id":null,`, 1)), scope, malformed},
		{"as a response", post(strings.Replace(deletes, `"method"`, `"result":{},"method"`, 1)), unknown, malformed},
		{"as a response, at its end", post(strings.TrimSuffix(deletes, "}") + `,"result":{}}`), unknown, malformed},
		{"as an error", post(strings.Replace(deletes, `"method"`, `"error":{"code":1,"message":"x"},"method"`, 1)), unknown, malformed},
		{"a list beside a result", post(strings.Replace(lists, `"method"`, `"result":{},"method"`, 1)), unknown, malformed},
		{"a response", post(object(`"result":{}`)), unknown, allowed},
		{"a notification", post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`), allowed, allowed},
		{"params before the method, 60 KB", post(argumentsFirst(60000)), scope, scope},
		{"params before the method, 1 MiB", post(argumentsFirst(1 << 20)), unknown, malformed},
		{"2 MiB", post(callWith(2 << 20)), unknown, malformed},
		{"a large name", post(calling("delete_" + large)), unknown, malformed},

		{"headers that agree", post(deletes).claiming(modernRevision, "tools/call", "delete_repo"), scope, scope},
		{"headers that agree, in base64", post(deletes).claiming(modernRevision, "tools/call", "=?base64?ZGVsZXRlX3JlcG8=?="), scope, scope},
		{"the header says list, the body calls", post(deletes).claiming(modernRevision, "tools/list"), unknown, unknown},
		{"the header names another tool", post(deletes).claiming(modernRevision, "tools/call", "echo"), unknown, unknown},
		{"another tool in base64", post(callEcho).claiming(modernRevision, "tools/call", "=?base64?ZGVsZXRlX3JlcG8=?="), unknown, unknown},
		{"base64 of base64", post(callEcho).claiming(modernRevision, "tools/call", "=?base64?PT9iYXNlNjQ/WldOb2J3PT0/PQ==?="), unknown, unknown},
		{"two names, the first is right", post(callEcho).claiming(modernRevision, "tools/call", "echo", "delete_repo"), unknown, unknown},
		{"two names, the last is right", post(callEcho).claiming(modernRevision, "tools/call", "delete_repo", "echo"), unknown, unknown},
		{"two methods", post(callEcho).claiming(modernRevision, "tools/call", "echo").with("Mcp-Method", "tools/list"), unknown, unknown},
		{"headers of no revision", post(deletes).claiming("", "tools/list"), scope, scope},
		{"headers of an old revision", post(deletes).claiming("2025-06-18", "tools/list"), scope, scope},
		{"headers of the future", post(deletes).claiming("9999-01-01", "tools/list"), scope, scope},
		{"headers in a session", post(deletes).claiming(modernRevision, "tools/list").with("Mcp-Session-Id", "s"), scope, scope},

		{"gzip", post(callEcho).with("Content-Encoding", "gzip"), unknown, malformed},
		{"UTF-7", post(callEcho).ofType("application/json; charset=utf-7"), unknown, malformed},
		{"UTF-8 by name", post(callEcho).ofType("application/json; charset=utf-8"), allowed, allowed},
		{"text", post(callEcho).ofType("text/plain"), unknown, malformed},
		{"no content type", post(callEcho).ofType(""), unknown, malformed},
		{"two content types", post(callEcho).with("Content-Type", "text/plain"), unknown, malformed},
		{"half of Accept", post(callEcho).accepting("application/json"), unknown, allowed},

		{"a method twice", post(strings.Replace(lists, `"id"`, `"method":"tools/call","id"`, 1)), unknown, malformed},
		{"escaped", post(strings.Replace(lists, `"id"`, `"\u006dethod":"tools/call","id"`, 1)), unknown, malformed},
		{"a name twice", post(strings.Replace(callEcho, `"name"`, `"name":"delete_repo","name"`, 1)), unknown, malformed},
		{"an argument twice", post(strings.Replace(callEcho, `"hi"`, `{"a":1,"a":2}`, 1)), unknown, malformed},
		{"an argument twice in a list", post(strings.Replace(callEcho, `"hi"`, `[{"a":1,"a":2}]`, 1)), allowed, malformed},
		// docs/operations.md: with the filter, the server must tell the two apart.
		{"another case of method", post(strings.Replace(lists, `"id"`, `"Method":"tools/call","id"`, 1)), allowed, malformed},
		{"a number as method", post(object(`"method":7`)), unknown, malformed},
		{"a number as name", post(object(`"method":"tools/call","params":{"name":7}`)), unknown, malformed},
		{"no name", post(object(`"method":"tools/call","params":{}`)), unknown, malformed},
		{"params a list", post(object(`"method":"tools/call","params":["echo"]`)), unknown, malformed},
		{"a batch", post("[" + callEcho + "]"), unknown, malformed},
		{"two documents", post(lists + "\n" + deletes), unknown, malformed},
		{"more behind the document", post(lists + "x"), unknown, malformed},
		{"cut", post(deletes[:70]), unknown, malformed},
		{"a byte-order mark", post("\xef\xbb\xbf" + callEcho), unknown, malformed},
		{"invalid UTF-8", post(calling("a\xffb")), unknown, malformed},
		{"a lone surrogate", post(calling(`a\ud800b`)), unknown, malformed},
		{"no body", post(""), unknown, unknown},
		{"no JSON", post("hello"), unknown, malformed},

		{"a resource that needs more", post(object(`"method":"resources/read","params":{"uri":"file:///private/x"}`)), scope, scope},
		{"a subscription to it", post(object(`"method":"resources/subscribe","params":{"uri":"file:///private/x"}`)), scope, scope},
		{"dot segments", post(object(`"method":"resources/read","params":{"uri":"file:///a/../private/x"}`)), unknown, unknown},
		{"an escape", post(object(`"method":"resources/read","params":{"uri":"file:///%70rivate/x"}`)), unknown, unknown},

		{"a stream", clientRequest{}.with("Accept", "text/event-stream"), allowed, allowed},
		{"GET with a body", clientRequest{body: deletes, headers: post("").headers}, allowed, allowed},
		{"HEAD", clientRequest{method: "HEAD"}, allowed, allowed},
		{"the end of a session", clientRequest{method: "DELETE"}.with("Mcp-Session-Id", "s"), allowed, allowed},
		{"PUT", clientRequest{method: "PUT", body: callEcho, headers: post("").headers}, unknown, unknown},
		{"a metadata document", clientRequest{path: "/.well-known/oauth-protected-resource/mcp"}, reason.Metadata, reason.Metadata},
		{"another login", post(calling("secret")), reason.InsufficientUserAuthentication, reason.InsufficientUserAuthentication},
		{"denied by default", post(callEcho).at("/mcp/admin"), unknown, unknown},
	}
}

// anonymousRows are sent without a token, to a resource that is open to some requests.
func anonymousRows() []badRow {
	const open, login = reason.AllowedAnonymous, reason.NoCredentials
	search := post(calling("search"))
	rows := []badRow{
		{"a list without a token", post(object(`"method":"tools/list"`)), open, open},
		{"a call without a token", search, open, open},
		{"a header that agrees", search.claiming(modernRevision, "tools/call", "search"), open, open},
		{"another call", post(calling("delete_repo")), login, login},
		{"a list that calls", post(calling("delete_repo")).claiming(modernRevision, "tools/list"), login, login},
		{"a name twice", post(strings.Replace(calling("search"), `"name"`, `"name":"delete_repo","name"`, 1)), login, login},
		{"a batch", post("[" + calling("search") + "]"), login, login},
		{"a response", post(object(`"result":{}`)), login, login},
		{"a call beside a result", post(strings.Replace(calling("search"), `"method"`, `"result":{},"method"`, 1)), login, login},
		{"in a session", search.with("Mcp-Session-Id", "s"), login, login},
		{"a stream", clientRequest{}.with("Accept", "text/event-stream"), login, login},
		{"no JSON", post("hello"), login, login},
		{"2 MiB", post(callWith(2 << 20)), login, login},
		{"another scheme", search.with("Authorization", "Basic dTpw"), open, open},
	}
	for i := range rows {
		rows[i].ask = rows[i].ask.at("/other")
	}
	return append(rows,
		badRow{"2 MiB without a token", post(callWith(2 << 20)), login, login},
		badRow{"2 MiB without a token, in chunks", post(callWith(2 << 20)).inChunks(), login, login},
		badRow{"no JSON without a token", post("hello"), login, login},
	)
}

// TestBadInput sends each request through a real Envoy by each way, in both forms of
// headers. A request that is refused does not reach the server.
func TestBadInput(t *testing.T) {
	testenv.RequireEnvoy(t)
	key := jwttest.NewKey("ES256", "key-1")
	rows := anonymousRows()
	for _, row := range badRows() {
		if row.filter != reason.Metadata {
			audience := weatherURI
			if row.ask.path == "/mcp/admin" {
				audience = adminURI
			}
			row.ask = row.ask.with("Authorization", "Bearer "+key.Sign(claims(map[string]any{"scope": "mcp:read", "aud": audience})))
		}
		rows = append(rows, row)
	}
	oldForm := func(b *testenv.Bootstrap) { b.Authz.EncodeRawHeaders = false }
	filter, bodies := func(r badRow) reason.Reason { return r.filter }, func(r badRow) reason.Reason { return r.bodies }
	for _, way := range []struct {
		name  string
		edits []edit
		mcp   resource.MCP
		want  func(badRow) reason.Reason
	}{
		{"by filter", []edit{must(t, testenv.WithFilter)}, resource.MCP{FilterMetadata: true}, filter},
		{"by filter, headers in the old form", []edit{must(t, testenv.WithFilter), oldForm}, resource.MCP{FilterMetadata: true}, filter},
		{"by bodies", []edit{must(t, testenv.WithBodies)}, resource.MCP{}, bodies},
		{"by bodies, headers in the old form", []edit{must(t, testenv.WithBodies), oldForm}, resource.MCP{}, bodies},
		{"by both", []edit{must(t, testenv.WithFilterAndBodies)}, resource.MCP{FilterMetadata: true}, bodies},
	} {
		t.Run(way.name, func(t *testing.T) {
			behind := startUpstream(t)
			h := startEnvironment(t, behind.address, way.edits...)
			h.activate(t, withOperations(key, way.mcp).state(t))
			for _, row := range rows {
				row.look(t, h, behind, way.want(row))
			}
		})
	}
}

func (r badRow) look(t *testing.T, h *environment, behind *upstream, want reason.Reason) {
	t.Helper()
	behind.take()
	got := h.send(t, r.ask)
	if found := h.logged(t, got)["reason"]; found != want.String() {
		t.Errorf("%s: %v %d, want %v", r.intent, found, got.status, want)
		return
	}
	status := want.HTTPStatus()
	if got.status != status {
		t.Errorf("%s: %v, want %d", r.intent, got, status)
	}
	if n := len(behind.take()); (n > 0) != (want == reason.Allowed || want == reason.AllowedAnonymous) {
		t.Errorf("%s: %d requests arrived after %v", r.intent, n, want)
	}
	// A 401 starts a login, and a 403 for a scope another one. No other refusal has a challenge, which would start one in vain.
	challenges := len(got.header["Www-Authenticate"])
	if needed := status == 401 || want == reason.InsufficientScope; (challenges == 1) != needed {
		t.Errorf("%s: %d challenges beside %v", r.intent, challenges, want)
	}
}

// TestRefusalsOfOperations looks at what a client reads: the scopes of a step-up, the
// parameters of another login, and JSON-RPC errors that end no session.
func TestRefusalsOfOperations(t *testing.T) {
	testenv.RequireEnvoy(t)
	key := jwttest.NewKey("ES256", "key-1")
	reader := func(audience string) [2]string {
		return [2]string{"Authorization", "Bearer " + key.Sign(claims(map[string]any{"scope": "mcp:read", "aud": audience}))}
	}
	behind := startUpstream(t)
	for _, way := range []struct {
		name string
		edit edit
		mcp  resource.MCP
	}{
		{"by filter", must(t, testenv.WithFilter), resource.MCP{FilterMetadata: true}},
		{"by bodies", must(t, testenv.WithBodies), resource.MCP{}},
	} {
		h := startEnvironment(t, behind.address, way.edit)
		h.activate(t, withOperations(key, way.mcp).state(t))
		for _, row := range []struct {
			intent, path, audience, body string
			status                       int
			challenge, want              string // of the body: its beginning
		}{
			{
				"a step-up", "/mcp", weatherURI, calling("delete_repo"), 403,
				rm + `, scope="mcp:read mcp:write", error="insufficient_scope", error_description="` + reason.InsufficientScope.Description() + `"`,
				`{"error":"insufficient_scope"`,
			},
			{
				"another login", "/mcp", weatherURI, calling("secret"), 401,
				rm + `, scope="mcp:read", acr_values="gold", max_age="300", error="insufficient_user_authentication", error_description="` +
					reason.InsufficientUserAuthentication.Description() + `"`,
				`{"error":"insufficient_user_authentication"`,
			},
			{
				"a step-up as a JSON-RPC error", "/mcp/admin", adminURI, calling("delete_repo"), 403,
				strings.Replace(rm, "/mcp\"", "/mcp/admin\"", 1) + `, scope="mcp:write", error="insufficient_scope", error_description="` + reason.InsufficientScope.Description() + `"`,
				`{"jsonrpc":"2.0","id":1,"error":{"code":`,
			},
			{"a denial as a JSON-RPC error", "/mcp/admin", adminURI, callEcho, 403, "", `{"jsonrpc":"2.0","id":1,"error":{"code":`},
		} {
			ask := post(row.body).at(row.path)
			ask.headers = append(ask.headers, reader(row.audience))
			got := h.send(t, ask)
			if challenge := strings.Join(got.header["Www-Authenticate"], "|"); got.status != row.status || challenge != row.challenge || !strings.HasPrefix(got.body, row.want) {
				t.Errorf("%s, %s: %v\nchallenge %s\nwant      %s\nbody %s", way.name, row.intent, got.status, challenge, row.challenge, got.body)
			}
		}
		at := testTime.Add(-time.Minute).Unix()
		recent := post(calling("secret")).with("Authorization", "Bearer "+key.Sign(claims(map[string]any{"acr": "gold", "auth_time": at})))
		if got := h.send(t, recent); got.status != 200 {
			t.Errorf("%s: after another login: %v", way.name, got)
		}
	}
}

// TestMetadataOfAnotherFilter: what another filter writes, also in the namespace of
// the mcp filter of Envoy 1.36 and 1.37, is no source of the operation.
func TestMetadataOfAnotherFilter(t *testing.T) {
	testenv.RequireEnvoy(t)
	key := jwttest.NewKey("ES256", "key-1")
	values, err := structpb.NewStruct(map[string]any{"method": "tools/list", "status": "mcp_ok", "is_mcp_request": true, "jsonrpc": "2.0"})
	if err != nil {
		t.Fatal(err)
	}
	behind := startUpstream(t)
	h := startEnvironment(t, behind.address, func(b *testenv.Bootstrap) {
		b.Authz.MetadataContextNamespaces = []string{"mcp_proxy", mcpFilter}
		b.Manager.HttpFilters = slices.Insert(b.Manager.GetHttpFilters(), 0, &managerv3.HttpFilter{
			Name: "set_metadata",
			ConfigType: &managerv3.HttpFilter_TypedConfig{TypedConfig: testenv.Pack(&metadatav3.Config{
				Metadata: []*metadatav3.Metadata{{MetadataNamespace: "mcp_proxy", Value: values}},
			})},
		})
	})
	h.activate(t, withOperations(key, resource.MCP{FilterMetadata: true}).state(t))
	got := h.send(t, post(calling("delete_repo")).with("Authorization", "Bearer "+key.Sign(claims())))
	if found := h.logged(t, got)["reason"]; got.status != 403 || found != reason.OperationUnknown.String() || len(behind.take()) > 0 {
		t.Errorf("%v: %v", fmt.Sprint(found), got)
	}
}

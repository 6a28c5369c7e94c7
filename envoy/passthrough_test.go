package envoy_test

import (
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// forgeries are headers by which a client pretends to be another subject, in
// names that Envoy lets through as shipped.
func forgeries() [][2]string {
	all := [][2]string{
		{"x-mcp-auth-issuer", "https://forged.example.com"},
		{"X-MCP-Auth-Subject", "forged"},
		{"x-mcp-auth-subject", "forged too"},
		{"x-mcp-auth-client", "forged"},
		{"x-mcp-auth-scope", "forged"},
		{"x-mcp-auth-role", "forged"},
		{"x-mcp-auth-", "forged"},
		{"x-mcp-auth-handle", "forged"},
		{"X-MCP-Auth-Assertion", "forged"},
		{"x-team", "forged"},
	}
	// CGI reads each of these bytes, all that a name may hold, as it reads '-'.
	for _, c := range "!#$%&'*+.^`|~" {
		for _, name := range []string{"x-mcp-auth-subject", "x-mcp-auth-role", "x-team", "x-admin"} {
			all = append(all, [2]string{strings.ReplaceAll(name, "-", string(c)), "forged"})
		}
		all = append(all, [2]string{"X-Mcp-Auth" + string(c) + "Subject", "forged"})
	}
	return all
}

// underscored are more of them, where an Envoy allows underscores.
func underscored() [][2]string {
	return [][2]string{
		{"x_mcp_auth_subject", "forged"},
		{"X-Mcp_Auth-Scope", "forged"},
		{"x_mcp_auth_role", "forged"},
		{"x_mcp_auth_handle", "forged"},
		{"X-Mcp_Auth-Assertion", "forged"},
		{"x_team", "forged"},
		{"x_admin", "forged"},
	}
}

// TestUpstreamNeverSeesACredential is PT-1, TK-4, T-7 and T-8 on the wire: what
// arrives at the upstream holds no credential in any place, and names the caller in
// doorward's headers alone.
func TestUpstreamNeverSeesACredential(t *testing.T) {
	testenv.RequireEnvoy(t)
	key := jwttest.NewKey("ES256", "key-1")
	p := standard(key)
	p.team = `headers["x-team"] := "weather" if input.resource.name == "weather"` + "\n" + `headers["x-admin"] := "yes" if input.request.method == "BREW"`
	state := p.state(t)
	secret := key.Sign(claims(map[string]any{"sub": "älice b%"}))
	good := bearer(secret).with("DPoP", "proof-"+secret)
	for _, variant := range []struct {
		name   string
		edit   edit
		forged [][2]string
	}{
		{"as shipped", func(*testenv.Bootstrap) {}, forgeries()},
		{"underscores allowed, headers in the old form", func(b *testenv.Bootstrap) {
			b.Manager.CommonHttpProtocolOptions.HeadersWithUnderscoresAction = corev3.HttpProtocolOptions_ALLOW
			b.Authz.EncodeRawHeaders = false
		}, append(forgeries(), underscored()...)},
		{"underscores allowed, raw headers", func(b *testenv.Bootstrap) {
			b.Manager.CommonHttpProtocolOptions.HeadersWithUnderscoresAction = corev3.HttpProtocolOptions_ALLOW
		}, append(forgeries(), underscored()...)},
	} {
		t.Run(variant.name, func(t *testing.T) {
			behind := startUpstream(t)
			h := startEnvironment(t, behind.address, variant.edit)
			h.activate(t, state)
			w := &watcher{h, behind, secret}
			for name, send := range map[string]func(*testing.T, clientRequest) reply{"HTTP/1.1": h.send, "HTTP/2": h.sendHTTP2} {
				send := send
				t.Run(name, func(t *testing.T) {
					t.Run("forged headers", func(t *testing.T) { w.forgedHeaders(t, send, good, variant.forged) })
					t.Run("TK-4: tokens in the query", func(t *testing.T) { w.queryTokens(t, send, good) })
					t.Run("TK-6: two Authorization headers", func(t *testing.T) { w.twoCredentials(t, send, good) })
					t.Run("T-12: other headers", func(t *testing.T) { w.otherHeaders(t, send, good) })
					t.Run("60 KiB of headers", func(t *testing.T) { w.largeHeaders(t, send, good) })
				})
			}
			t.Run("headers that a connection names", func(t *testing.T) { w.connectionHeaders(t, good) })
			if mentions(h.envoy.AccessLog.String()+h.log.String(), secret, strings.Split(secret, ".")[2]) {
				t.Error("TK-11: a token is in a log")
			}
		})
	}
}

type watcher struct {
	h      *environment
	behind *upstream
	secret string
}

// one is the only request that arrived; it holds no credential and no forgery.
func (w *watcher) one(t *testing.T, got reply) arrived {
	t.Helper()
	seen := w.behind.take()
	if got.status != 200 || len(seen) != 1 {
		t.Fatalf("%v, and %d requests arrived instead of 1", got, len(seen))
	}
	whole := seen[0].target
	for _, header := range seen[0].headers {
		whole += "\n" + header[0] + ": " + header[1]
	}
	if mentions(whole, w.secret, "forged", "proof-") {
		t.Errorf("arrived:\n%.2000s", whole)
	}
	for name, want := range map[string]string{
		"authorization": "", "dpop": "", "x-team": "weather", "x-admin": "",
		"x-mcp-auth-issuer": issuerURL, "x-mcp-auth-subject": "%C3%A4lice%20b%25",
		"x-mcp-auth-client": "app", "x-mcp-auth-scope": "mcp:read mcp:write",
	} {
		if have := seen[0].value(name); have != want {
			t.Errorf("%s arrived as %q, want %q", name, have, want)
		}
	}
	return seen[0]
}

func (w *watcher) forgedHeaders(t *testing.T, send func(*testing.T, clientRequest) reply, good clientRequest, forged [][2]string) {
	t.Helper()
	for _, header := range forged {
		good = good.with(header[0], header[1])
	}
	w.one(t, send(t, good))
}

func (w *watcher) queryTokens(t *testing.T, send func(*testing.T, clientRequest) reply, good clientRequest) {
	t.Helper()
	for query, want := range map[string]string{
		"access_token=T":                               "/mcp",
		"access_token=T&access_token=T":                "/mcp",
		"access%5Ftoken=T&a=1":                         "/mcp?a=1",
		"a=1&access%5ftoken=T&b=%20":                   "/mcp?a=1&b=%20",
		"%61ccess_token=T&access_token=T&a=1":          "/mcp?a=1",
		"a=access_token&%61%63cess%5Ftoken=T":          "/mcp?a=access_token",
		"access_token=T=T&b=x+y":                       "/mcp?b=x+y",
		"access_token=&my_access_token=1":              "/mcp?my_access_token=1",
		"a=1&a=2&access_token=T&a=3":                   "/mcp?a=1&a=2&a=3",
		"access_token=T&access%5Ftoken=T&access_token": "/mcp",
		"access.token=T&a=1":                           "/mcp?a=1",
		"access[token=T&a=1":                           "/mcp?a=1",
		"a=1&access_token[]=T&access_token%5Bx%5D=T":   "/mcp?a=1",
		"+access_token=T&%20%20access%20token=T&a=1":   "/mcp?a=1",
		"access_token%00x=T&a=1":                       "/mcp?a=1",
		"[access_token]=T&access_token]=T&a=1":         "/mcp?a=1",
		"Access_token=T&ACCESS-tOKEN=T&a=1":            "/mcp?a=1",
		"%61%63%63%65%73%73%5f%74%6f%6b%65%6e=T&a=1":   "/mcp?a=1",
	} {
		got := send(t, good.at("/mcp?"+strings.ReplaceAll(query, "T", w.secret)))
		if seen := w.one(t, got); seen.target != want {
			t.Errorf("%s arrived as %s, want %s", query, seen.target, want)
		}
	}
}

func (w *watcher) twoCredentials(t *testing.T, send func(*testing.T, clientRequest) reply, good clientRequest) {
	t.Helper()
	for second, status := range map[string]int{
		"Bearer " + w.secret: 400, "bearer b": 400, "Basic dTpw": 400,
		"DPoP a": 400, "b": 401, "Bearer": 401,
	} {
		got := send(t, good.with("authorization", second))
		if n := len(w.behind.take()); got.status != status || n != 0 {
			t.Errorf("then %.20q: %d, and %d requests arrived; want %d", second, got.status, n, status)
		}
	}
	// Envoy joins the two with a comma, and drops an empty one: then there is one credential.
	w.one(t, send(t, good.with("authorization", "")))
}

// otherHeaders are none of our business, and arrive as they were sent.
func (w *watcher) otherHeaders(t *testing.T, send func(*testing.T, clientRequest) reply, good clientRequest) {
	t.Helper()
	others := map[string]string{
		"mcp-param-city": "=?base64?WsO8cmljaA==?=", "mcp-name": "=?base64?Zm9yZWNhc3Q=?=", "mcp-method": "tools/call",
		"mcp-protocol-version": "2026-07-28", "mcp-session-id": "S-1", "last-event-id": "e, 7", "x-mcp-authority": "mine", "cookie": "a=b",
	}
	for name, value := range others {
		good = good.with(name, value)
	}
	seen := w.one(t, send(t, good))
	for name, want := range others {
		if got := seen.value(name); got != want {
			t.Errorf("%s arrived as %q, want %q", name, got, want)
		}
	}
}

func (w *watcher) largeHeaders(t *testing.T, send func(*testing.T, clientRequest) reply, good clientRequest) {
	t.Helper()
	large := good.with("x-large", strings.Repeat("a", 56<<10))
	if got := len(w.one(t, send(t, large)).value("x-large")); got != 56<<10 {
		t.Errorf("%d bytes arrived", got)
	}
	got := send(t, clientRequest{}.with("x-large", strings.Repeat("a", 56<<10)))
	if got.status != 401 || len(w.behind.take()) != 0 {
		t.Errorf("without a token: %v", got)
	}
}

// connectionHeaders: `Connection: name` asks each hop to drop a header, ours
// too (RFC 9110, section 7.6.1).
func (w *watcher) connectionHeaders(t *testing.T, good clientRequest) {
	t.Helper()
	w.one(t, w.h.send(t, good.with("Connection", "keep-alive, x-mcp-auth-subject, x-team")))
	got := w.h.send(t, good.with("Connection", "authorization"))
	if n := len(w.behind.take()); got.status == 200 && n != 1 || got.status != 200 && n != 0 {
		t.Errorf("%v, and %d requests arrived", got, n)
	}
}

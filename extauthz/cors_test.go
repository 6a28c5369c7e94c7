package extauthz_test

import (
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/extauthz/resource"
)

func preflight(origin string, more ...[2]string) clientRequest {
	return clientRequest{method: "OPTIONS", headers: append([][2]string{
		{"origin", origin}, {"access-control-request-method", "POST"},
	}, more...)}
}

func withCORS(p *plan) { p.resources[0].CORS = true }

func withApplications(p *plan) {
	withCORS(p)
	p.resources[0].Origins = []string{"vscode-webview://0f1g2h3jk4", "app://obsidian.md", "null"}
}

// corsOf are the headers of CORS that an answer writes, with what Envoy does where
// the server wrote the same.
func corsOf(response *authv3.CheckResponse) map[string]string {
	options := response.GetDeniedResponse().GetHeaders()
	action := func(*corev3.HeaderValueOption) string { return "" }
	if ok := response.GetOkResponse(); ok != nil {
		options = ok.GetResponseHeadersToAdd()
		action = func(o *corev3.HeaderValueOption) string { return o.GetAppendAction().String() + " " }
	}
	found := map[string]string{}
	for _, o := range options {
		if name := o.GetHeader().GetKey(); strings.HasPrefix(name, "access-control-") || name == "vary" {
			found[name] += action(o) + o.GetHeader().GetValue()
		}
	}
	return found
}

const allowedNames = "authorization, content-type, accept, last-event-id, mcp-protocol-version, mcp-session-id, mcp-method, mcp-name"

// TestPreflight: what a page of an allowed origin may send, and nothing that it
// invents.
func TestPreflight(t *testing.T) {
	for _, row := range []struct {
		intent string
		change func(*plan)
		ask    clientRequest
		reason string
		names  string // allowed headers
	}{
		{"a page", withCORS, preflight("https://app.example.com"), "preflight", allowedNames},
		{"the resource's own page", withCORS, preflight("https://mcp.example.com"), "preflight", allowedNames},
		{"with DPoP", func(p *plan) { withCORS(p); dpop("optional")(p) }, preflight("https://app.example.com"), "preflight", allowedNames + ", dpop"},
		{
			"headers of a tool's parameters", withCORS,
			preflight("https://app.example.com", [2]string{"access-control-request-headers", "x-evil, Mcp-Param-City,mcp-param-, mcp-param-a\"b, mcp-param-" + strings.Repeat("x", 200)}),
			"preflight", allowedNames + ", mcp-param-city",
		},
		{"an application", withApplications, preflight("vscode-webview://0f1g2h3jk4"), "preflight", allowedNames},
		{"another application", withApplications, preflight("vscode-webview://evil"), "origin_not_allowed", ""},
		{"a sandbox", withApplications, preflight("null"), "preflight", allowedNames},
		{"another origin", withCORS, preflight("https://evil.example.com"), "origin_not_allowed", ""},
		{"a resource without cors", func(*plan) {}, preflight("https://app.example.com"), "no_credentials", ""},
		{"no origin", withCORS, clientRequest{method: "OPTIONS", headers: [][2]string{{"access-control-request-method", "POST"}}}, "no_credentials", ""},
		{"no requested method", withCORS, clientRequest{method: "OPTIONS", headers: [][2]string{{"origin", "https://app.example.com"}}}, "no_credentials", ""},
		{"another method", withCORS, clientRequest{method: "POST", headers: preflight("https://app.example.com").headers}, "no_credentials", ""},
	} {
		d := startService(t, row.change)
		for form, request := range map[string]*authv3.CheckRequest{"headers": row.ask.joined(), "header_map": row.ask.apart()} {
			response := d.check(t, request)
			if got := readResponse(t, response); got.reason != row.reason || row.reason == "preflight" && (got.status != 204 || got.body != "") {
				t.Errorf("%s (%s): %+v", row.intent, form, got)
			}
			want := map[string]string{}
			switch row.reason {
			case "preflight":
				want = map[string]string{
					"access-control-allow-origin": row.ask.headers[0][1], "access-control-allow-methods": "GET, POST, DELETE",
					"access-control-allow-headers": row.names, "access-control-max-age": "600",
					"vary": "origin, access-control-request-headers",
				}
			case "no_credentials":
				if row.intent == "no requested method" || row.intent == "another method" {
					want = readable("https://app.example.com")
				}
			}
			if diff := cmp.Diff(want, corsOf(response)); diff != "" {
				t.Errorf("%s (%s) (-want +got):\n%s", row.intent, form, diff)
			}
		}
	}
}

// readable are the headers by which a page reads a refusal.
func readable(origin string) map[string]string {
	return map[string]string{
		"access-control-allow-origin": origin, "access-control-expose-headers": "www-authenticate, mcp-session-id, dpop-nonce", "vary": "origin",
	}
}

// TestPagesReadAnswers of ours and of the server, for the origin of each request
// and no other, whatever was cached before. Credentials mode is never allowed.
func TestPagesReadAnswers(t *testing.T) {
	for name, change := range map[string]func(*plan){
		"no cache": func(*plan) {},
		"caches":   func(p *plan) { p.cache, p.memory = 1<<20, newDecisionCache() },
	} {
		d := startService(t, withCORS, change, func(p *plan) { p.resources[0].Origins = []string{"https://*.example.org", "https://app.example.com"} })
		good, scopeless := d.token(), d.token(map[string]any{"scope": "x"})
		for range 2 {
			for _, origin := range []string{"https://app.example.com", "https://a.example.org", "", "https://b.example.org", "https://app.example.com"} {
				for presented, reason := range map[string]string{good: "allowed", scopeless: "insufficient_scope"} {
					ask := bearer(presented)
					if origin != "" {
						ask.headers = append(ask.headers, [2]string{"origin", origin})
					}
					response := d.check(t, ask.joined())
					want := map[string]string{}
					switch {
					case origin != "" && reason == "allowed":
						want = map[string]string{
							"access-control-allow-origin":   "OVERWRITE_IF_EXISTS_OR_ADD " + origin,
							"access-control-expose-headers": "OVERWRITE_IF_EXISTS_OR_ADD www-authenticate, mcp-session-id, dpop-nonce",
							"vary":                          "APPEND_IF_EXISTS_OR_ADD origin",
						}
					case origin != "":
						want = readable(origin)
					}
					if got := readResponse(t, response); got.reason != reason {
						t.Errorf("%s, %q: %+v", name, origin, got)
					}
					if diff := cmp.Diff(want, corsOf(response)); diff != "" {
						t.Errorf("%s, %s for %q (-want +got):\n%s", name, reason, origin, diff)
					}
				}
			}
		}
	}
}

// TestNoCORSUnasked: without cors, and for an origin that is not allowed, no
// answer has a header of CORS.
func TestNoCORSUnasked(t *testing.T) {
	d := startService(t, func(p *plan) {
		p.resources = append(p.resources, resource.Spec{URI: "https://open.example.com", Name: "open", Issuers: []string{issuerURL}, CORS: true})
	})
	for _, row := range []struct{ host, path, origin string }{
		{"mcp.example.com", "/mcp", "https://app.example.com"},
		{"open.example.com", "/", "https://app.example.com"},
		{"nowhere.example.com", "/", "https://open.example.com"},
	} {
		ask := bearer(d.token())
		ask.host, ask.path = row.host, row.path
		ask.headers = append(ask.headers, [2]string{"origin", row.origin})
		if got := corsOf(d.check(t, ask.joined())); len(got) > 0 {
			t.Errorf("%v: %v", row, got)
		}
	}
}

package egress_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/egress"
)

const handleName = "x-mcp-auth-handle"

// api is a request to the API that exchanges, with this handle and a credential of the server.
func api(handle string) sent {
	return to("api.example.com", "authorization", "Bearer of-the-server", handleName, handle)
}

// TestExchange: the token in the handle is exchanged, and what the API gets is the answer,
// in place of every credential that the server put there.
func TestExchange(t *testing.T) {
	w := start(t)
	compact := w.token()
	s := api(w.handle(t, compact)).with("proxy-authorization", "Basic dTpw").with("dpop", "x").with("cookie", "a=b").
		with("proxy_authorization", "y").with("x_mcp_auth_subject", "eve").with("baggage", "a=b,x-mcp-auth-handle=z,c=d")
	s.path = "/v1/x?access_token=a&b=c&ACCESS_TOKEN=d"
	got := w.want(t, "a good handle", s, "allowed", 200)
	if got.set["authorization"] != "Bearer "+w.endpoint.access || got.set["baggage"] != "a=b,c=d" || len(got.set) != 2 {
		t.Errorf("set: %v", got.set)
	}
	for _, name := range []string{"proxy-authorization", "dpop", "cookie", "x_mcp_auth_subject", "proxy_authorization"} {
		if !got.removes(name) {
			t.Errorf("%s is not removed: %v", name, got.remove)
		}
	}
	if strings.Join(got.query, " ") != "ACCESS_TOKEN access_token" {
		t.Errorf("parameters removed: %v", got.query)
	}
	request, form, asked := w.endpoint.last()
	id, secret, _ := request.BasicAuth()
	if asked != 1 || form.Get("subject_token") != compact || form.Get("resource") != apiURI || id != "doorward" ||
		secret != clientProof || request.URL.String() != issuerURL+"/token" {
		t.Errorf("request %d: %v to %v by %q", asked, form, request.URL, id)
	}
	if got := w.ask(t, to("none.example.com", "baggage", "x-mcp-auth-handle=z")); !got.removes("baggage") {
		t.Errorf("a baggage of ours alone: %v, %v", got.set, got.remove)
	}
	kept := w.ask(t, to("keep.example.com", "baggage", "a=b"))
	if _, isSet := kept.set["baggage"]; isSet || kept.removes("baggage") {
		t.Errorf("a baggage of others: %v, %v", kept.set, kept.remove)
	}
}

// neverOriginal checks that a request leaves neither with the token of the user nor without
// one.
func (w *world) neverOriginal(t *testing.T, intent string, s sent, why reason.Reason, cause string) {
	t.Helper()
	w.want(t, intent, s, why.String(), why.HTTPStatus())
	lines := strings.Split(strings.TrimSpace(w.log.String()), "\n")
	if !strings.Contains(lines[len(lines)-1], cause) {
		t.Errorf("%s: %s has no %q", intent, lines[len(lines)-1], cause)
	}
}

// TestHandles: anything but one good handle of this deployment, for this resource, whose
// token is good now, is exchange_refused; nothing is asked at the authorization server.
func TestHandles(t *testing.T) {
	const r, u = reason.ExchangeRefused, reason.ExchangeUnavailable
	baggage := func(p *plan) { p.state = func(s *egress.State) { s.HandleBaggage = true } }
	later := func(p *plan) {
		p.state = func(s *egress.State) { s.Now = func() time.Time { return testTime.Add(5 * time.Minute) } }
	}
	good := func(t *testing.T, w *world) string { return w.handle(t, w.token()) }
	for _, tt := range []struct {
		intent string
		change func(*plan)
		ask    func(t *testing.T, w *world) sent
		why    reason.Reason
		cause  string
	}{
		{"none", nil, func(_ *testing.T, w *world) sent { return to("api.example.com", "authorization", "Bearer x") }, r, "has no handle"},
		{"an empty one", nil, func(_ *testing.T, w *world) sent { return api("") }, r, "malformed"},
		{"two", nil, func(t *testing.T, w *world) sent { return api(good(t, w)).with(handleName, good(t, w)) }, r, "handle"},
		{"one twice", nil, func(t *testing.T, w *world) sent { h := good(t, w); return api(h).with(handleName, h) }, r, "handle"},
		{"in the header and in baggage", baggage, func(t *testing.T, w *world) sent {
			return api(good(t, w)).with("baggage", handleName+"="+good(t, w))
		}, r, "more than one handle"},
		{"twice in baggage", baggage, func(t *testing.T, w *world) sent {
			return to("api.example.com", "baggage", handleName+"="+good(t, w)+", a=b , "+handleName+" = "+good(t, w)+";p=1")
		}, r, "more than one handle"},
		{"in baggage, which holds none", nil, func(t *testing.T, w *world) sent {
			return to("api.example.com", "baggage", handleName+"="+good(t, w))
		}, r, "has no handle"},
		{"in another header", nil, func(t *testing.T, w *world) sent { return to("api.example.com", "x-handle", good(t, w)) }, r, "has no handle"},
		{"in a header of another spelling", nil, func(t *testing.T, w *world) sent {
			return to("api.example.com", "x_mcp_auth_handle", good(t, w))
		}, r, "has no handle"},
		{"forged", nil, func(t *testing.T, w *world) sent { h := good(t, w); return api(h[:200] + "AAAA" + h[204:]) }, r, "altered"},
		{"cut", nil, func(t *testing.T, w *world) sent { h := good(t, w); return api(h[:len(h)-4]) }, r, "the handle"},
		{"64 KiB", nil, func(t *testing.T, w *world) sent { return api(strings.Repeat("A", 64<<10)) }, r, "too long"},
		{"of another deployment", nil, func(t *testing.T, w *world) sent {
			return api(seal(t, sealer(t, 2), "weather", resourceURI, w.token()))
		}, r, "not configured"},
		{"of another resource", nil, func(t *testing.T, w *world) sent {
			return api(seal(t, w.sealer, "calendar", "https://mcp.example.com/calendar", w.token()))
		}, r, "another resource"},
		{"with the URL of another resource", nil, func(t *testing.T, w *world) sent {
			return api(seal(t, w.sealer, "weather", "https://mcp.example.com/calendar", w.token()))
		}, r, "no_resource"},
		{"expired", later, func(t *testing.T, w *world) sent { return api(good(t, w)) }, r, "expired"},
		{"no keys of handles", func(p *plan) {
			p.state = func(s *egress.State) { s.Handles = nil }
		}, func(t *testing.T, w *world) sent { return api(good(t, w)) }, r, "not configured"},
		{"its token has expired", nil, func(t *testing.T, w *world) sent {
			return api(w.handle(t, w.token(map[string]any{"exp": testTime.Unix() - 31})))
		}, r, "token_expired"},
		{"its token is revoked", func(p *plan) {
			p.revocations = `{"serial": 1, "revoked": [{"issuer": "` + issuerURL + `", "jti": "id-1"}]}`
		}, func(t *testing.T, w *world) sent { return api(good(t, w)) }, r, "token_revoked"},
		{"the issuer of its token left the configuration", func(p *plan) {
			p.issuers = []string{partnerURL}
		}, func(t *testing.T, w *world) sent { return api(good(t, w)) }, r, "issuer_unknown"},
		{"its token is forged", nil, func(t *testing.T, w *world) sent { return api(w.handle(t, newEndpoint().key.Sign(claims()))) }, r, "key_unknown"},
		{"its token is for another resource", nil, func(t *testing.T, w *world) sent {
			return api(w.handle(t, w.token(map[string]any{"aud": "https://mcp.example.com/calendar"})))
		}, r, "no longer one for the resource"},
		{"the keys of its issuer are not available", func(p *plan) {
			p.unreachable = true
		}, func(t *testing.T, w *world) sent { return api(good(t, w)) }, u, "keys_unavailable"},
		{"its token is bound to a key", nil, func(t *testing.T, w *world) sent {
			return api(w.handle(t, w.token(map[string]any{"cnf": map[string]any{"jkt": "x"}})))
		}, r, "bound to a key"},
		{"no exchange for its issuer", nil, func(t *testing.T, w *world) sent {
			return api(w.handle(t, w.token(map[string]any{"iss": partnerURL})))
		}, r, "no exchange is configured for the issuer"},
		{"may_act names another actor", nil, func(t *testing.T, w *world) sent {
			return api(w.handle(t, w.token(map[string]any{"may_act": map[string]any{"client_id": "other"}})))
		}, r, "may_act"},
	} {
		t.Run(tt.intent, func(t *testing.T) {
			w := start(t, changesOf(row{change: tt.change})...)
			w.neverOriginal(t, tt.intent, tt.ask(t, w), tt.why, tt.cause)
			if _, _, asked := w.endpoint.last(); asked > 0 {
				t.Errorf("%d requests for a token", asked)
			}
		})
	}
}

// TestGoodHandles pass: those that the rows of TestHandles come close to.
func TestGoodHandles(t *testing.T) {
	w := start(t, func(p *plan) { p.state = func(s *egress.State) { s.HandleBaggage = true } })
	in := to("api.example.com", "baggage", "a=b, "+handleName+" = "+w.handle(t, w.token())+" ;p=1,c=d")
	if got := w.want(t, "in baggage", in, "allowed", 200); got.set["baggage"] != "a=b,c=d" || got.set["authorization"] == "" {
		t.Errorf("set: %v", got.set)
	}
	w.want(t, "in the header", api(w.handle(t, w.token())), "allowed", 200)
	bound := w.handle(t, w.token(map[string]any{"cnf": map[string]any{"jkt": "x"}}))
	w.want(t, "bound_subject: allow", to("bound.example.com", handleName, bound), "allowed", 200)
	w.want(t, "may_act", api(w.handle(t, w.token(map[string]any{"may_act": map[string]any{"client_id": "doorward"}}))), "allowed", 200)
	for _, host := range []string{"keep.example.com", "none.example.com"} {
		w.want(t, "a handle to "+host, to(host, handleName, "anything"), "allowed", 200)
	}
	w.endpoint.issueUpstream()
	w.want(t, "no handle is needed", to("own.example.com"), "allowed", 200)
	old := start(t, func(p *plan) {
		p.state = func(s *egress.State) { s.Now = func() time.Time { return testTime.Add(5*time.Minute - time.Second) } }
	})
	old.want(t, "just before it expires", api(old.handle(t, old.token())), "allowed", 200)
}

// TestTheAuthorizationServerFails: without an answer that may be used no request leaves.
func TestTheAuthorizationServerFails(t *testing.T) {
	const r, u = reason.ExchangeRefused, reason.ExchangeUnavailable
	answers := func(status int, body string) func(*endpoint) {
		return func(e *endpoint) { e.answer = func(url.Values) (int, string) { return status, body } }
	}
	for _, tt := range []struct {
		intent string
		change func(*endpoint)
		why    reason.Reason
		cause  string
	}{
		{"refuses", answers(400, `{"error":"invalid_grant"}`), r, "invalid_grant"},
		{"is down", func(e *endpoint) { e.down = true }, u, "refused the connection"},
		{"hangs", func(e *endpoint) { e.hangs = true }, u, "no answer came"},
		{"fails", answers(500, ""), u, "500"},
		{"answers with HTML", answers(200, "<html>"), u, "JSON"},
		{"answers with a redirect", answers(302, ""), u, "redirect"},
		{"answers with no token", answers(200, `{"token_type":"Bearer"}`), u, "answered"},
		{"answers with the subject token", func(e *endpoint) {
			e.answer = func(form url.Values) (int, string) { return 200, e.issued(form.Get("subject_token")) }
		}, u, "answer"},
		{"answers with a token for a resource", func(e *endpoint) {
			e.answer = func(url.Values) (int, string) {
				return 200, e.issued(e.issue(map[string]any{"aud": []string{apiURI, "https://mcp.example.com/calendar"}}))
			}
		}, u, "one of our resources"},
		{"answers with a token of another audience", func(e *endpoint) {
			e.answer = func(url.Values) (int, string) {
				return 200, e.issued(e.issue(map[string]any{"aud": "https://x.example.com"}))
			}
		}, u, "answered"},
		{"answers with a token that has expired", func(e *endpoint) {
			e.answer = func(url.Values) (int, string) {
				return 200, e.issued(e.issue(map[string]any{"exp": testTime.Unix() - 1}))
			}
		}, u, "answered"},
	} {
		t.Run(tt.intent, func(t *testing.T) {
			w := start(t, func(p *plan) { p.state = func(s *egress.State) { s.CheckTimeout = 300 * time.Millisecond } })
			w.endpoint.change(tt.change)
			w.neverOriginal(t, tt.intent, api(w.handle(t, w.token())), tt.why, tt.cause)
			if strings.Contains(tt.intent, "token") {
				return
			}
			w.neverOriginal(t, tt.intent, to("own.example.com", "authorization", "Bearer of-the-server"), tt.why, tt.cause)
		})
	}
	w := start(t, func(p *plan) { p.state = func(s *egress.State) { s.Sources = nil } })
	w.neverOriginal(t, "no source", api(w.handle(t, w.token())), u, "does not run")
	w.neverOriginal(t, "no source", to("own.example.com"), u, "does not run")
}

// TestAnAssertionIsTheSubject at another authorization server than the token's issuer: the
// token itself does not go there.
func TestAnAssertionIsTheSubject(t *testing.T) {
	w := start(t)
	w.endpoint.issueUpstream()
	compact := w.token(map[string]any{"act": map[string]any{"sub": "agent"}, "scope": "mcp:read other"})
	w.want(t, "an assertion", to("asserted.example.com", handleName, w.handle(t, compact)), "allowed", 200)
	request, form, _ := w.endpoint.last()
	made := payload(t, form.Get("subject_token"))
	for name, want := range map[string]any{
		"iss": assertionURL, "sub": "alice", "client_id": "app", "aud": upstreamURL, "scope": "mcp:read other",
	} {
		if made[name] != want {
			t.Errorf("%s of the assertion is %v, want %v", name, made[name], want)
		}
	}
	if request.URL.String() != upstreamURL+"/token" || made["act"] == nil || strings.Contains(form.Encode(), compact) {
		t.Errorf("the subject is %v, sent to %v", made, request.URL)
	}
	none := start(t, func(p *plan) { p.state = func(s *egress.State) { s.Assertions = nil } })
	none.neverOriginal(t, "no key to sign with", to("asserted.example.com", handleName, none.handle(t, none.token())),
		reason.ExchangeUnavailable, "no assertion")
}

// payload are the claims of a compact JWS.
func payload(t *testing.T, compact string) (all map[string]any) {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(compact+"..", ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestARememberedAnswerDies with its token's revocation, and with a change of the
// configuration by which it is a token of ours.
func TestARememberedAnswerDies(t *testing.T) {
	w := start(t)
	s := api(w.handle(t, w.token()))
	w.want(t, "first", s, "allowed", 200)
	w.now.Revocations = revocations(t, `{"serial": 1, "revoked": [{"issuer": "`+issuerURL+`", "jti": "id-1"}]}`)
	w.swap(t)
	w.neverOriginal(t, "revoked", s, reason.ExchangeRefused, "token_revoked")
	if _, _, asked := w.endpoint.last(); asked != 1 {
		t.Errorf("%d requests", asked)
	}
}

// TestPatterns: a handle opens for the URL that its request asked for.
func TestPatterns(t *testing.T) {
	w := start(t, func(p *plan) {
		p.state = func(s *egress.State) { s.Listeners[socket] = egress.Callers{Resource: "tenants"} }
	})
	const acme, globex = "https://acme.mcp.example.com/mcp", "https://globex.mcp.example.com/mcp"
	ask := func(uri, aud string) sent {
		return api(seal(t, w.sealer, "tenants", uri, w.token(map[string]any{"aud": aud})))
	}
	w.want(t, "a tenant", ask(acme, acme), "allowed", 200)
	w.neverOriginal(t, "of another tenant", ask(globex, acme), reason.ExchangeRefused, "no longer one for the resource")
	w.neverOriginal(t, "of no tenant", ask(resourceURI, resourceURI), reason.ExchangeRefused, "no_resource")
	exact := func(host, aud string) sent {
		s := to(host, "authorization", "Bearer "+w.token(map[string]any{"aud": aud}))
		s.path = "/mcp"
		return s
	}
	w.want(t, "to another tenant", exact("globex.mcp.example.com", acme), "passthrough", 403)
}

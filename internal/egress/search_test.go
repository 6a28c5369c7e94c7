package egress_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/assertion"
	"github.com/doorward/doorward/internal/destination"
	"github.com/doorward/doorward/internal/egress"
	"github.com/doorward/doorward/internal/testenv/jwttest"
	"github.com/doorward/doorward/internal/tokensearch"
)

// hidden are requests with a secret in each place that is searched.
func hidden(host string) map[string]func(secret string) sent {
	in := func(change func(s *sent, secret string)) func(string) sent {
		return func(secret string) sent {
			s := to(host)
			change(&s, secret)
			return s
		}
	}
	header := func(name string) func(string) sent {
		return in(func(s *sent, secret string) { *s = s.with(name, secret) })
	}
	return map[string]func(string) sent{
		"authorization":   in(func(s *sent, secret string) { *s = s.with("authorization", "Bearer "+secret) }),
		"a second line":   in(func(s *sent, secret string) { *s = s.with("authorization", "Bearer x").with("authorization", secret) }),
		"another header":  header("x-anything"),
		"cookie":          in(func(s *sent, secret string) { *s = s.with("cookie", "a=b; t="+secret) }),
		"baggage":         in(func(s *sent, secret string) { *s = s.with("baggage", "t="+secret) }),
		"x-mcp-auth-x":    header("x-mcp-auth-x"),
		"folded handle":   header("x_mcp_auth_handle"),
		"a pseudo-header": header(":protocol"),
		"path":            in(func(s *sent, secret string) { s.path = "/v1/" + secret }),
		"query":           in(func(s *sent, secret string) { s.path = "/v1?a=" + secret }),
		"parameter":       in(func(s *sent, secret string) { s.path = "/v1?access_token=" + secret }),
		"method":          in(func(s *sent, secret string) { s.method = secret }),
		"form":            in(func(s *sent, secret string) { *s = form(host, "/v1", "a=b&token="+secret) }),
		"text":            in(func(s *sent, secret string) { s.method, s.body = "POST", secret }),
		"JSON": in(func(s *sent, secret string) {
			s.method, s.body = "POST", `{"a":["`+strings.ReplaceAll(secret, ".", `\u002e`)+`"]}`
		}),
		"escapes": in(func(s *sent, secret string) { s.path = "/v1?a=" + strings.ReplaceAll(secret, "e", "%65") }),
		"base64": in(func(s *sent, secret string) {
			*s = s.with("x", base64.StdEncoding.EncodeToString([]byte("user:"+secret)))
		}),
	}
}

// TestATokenOfOursDoesNotLeave in any place, to any destination, whoever it is for.
func TestATokenOfOursDoesNotLeave(t *testing.T) {
	w := start(t)
	for where, ask := range hidden("keep.example.com") {
		w.want(t, where, ask(w.token()), "passthrough", 403)
		if where != "method" { // any but the usual ones may have a body
			w.want(t, "of others, in "+where, ask(w.foreign()), "allowed", 200)
		}
	}
	for where, ask := range hidden("none.example.com") {
		w.want(t, where+", which would be removed", ask(w.token(map[string]any{"aud": "https://mcp.example.com/calendar"})), "passthrough", 403)
	}
	atAuthority := to(w.token() + ".example.com")
	w.want(t, "authority", atAuthority, "passthrough", 403)
	w.want(t, "with a handle", api(w.handle(t, w.token())).with("x-token", w.token()), "passthrough", 403)
	w.want(t, "expired", to("keep.example.com", "x", w.token(map[string]any{"exp": 1})), "passthrough", 403)
	w.want(t, "forged", to("keep.example.com", "x", jwttest.NewKey("ES256", "eve").Sign(claims())), "passthrough", 403)
	w.want(t, "for others too", to("keep.example.com", "x", w.token(map[string]any{"aud": []string{apiURI, resourceURI}})), "passthrough", 403)
	w.want(t, "for a tenant", to("keep.example.com", "x", w.token(map[string]any{"aud": "https://acme.mcp.example.com/mcp"})), "passthrough", 403)
}

// TestOneRequestIsSearchedToItsEnd or refused.
func TestOneRequestIsSearchedToItsEnd(t *testing.T) {
	w := start(t)
	many := to("keep.example.com")
	for range tokensearch.MaxCandidates + 1 {
		many = many.with("x", w.foreign())
	}
	got := w.want(t, "more tokens than are looked at", many, "passthrough", 403)
	if !strings.Contains(got.body, "cannot be searched") {
		t.Errorf("the body is %s", got.body)
	}
	body := form("as.example.com", "/token", "token="+strings.Repeat("A", tokensearch.MaxPayload*2)+".e30.x")
	body.body = "token=e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"`+strings.Repeat("a", tokensearch.MaxPayload)+`"}`)) + ".x"
	w.want(t, "a token that is too long, where tokens may be", body, "passthrough", 403)
}

// TestUnread: what cannot be searched does not leave, unless the destination or the
// configuration lets it.
func TestUnread(t *testing.T) {
	w := start(t)
	everywhere := start(t, func(p *plan) {
		p.state = func(s *egress.State) { s.AllowUnreadBody, s.AllowUnknown = true, true }
	})
	for intent, headers := range map[string][]string{
		"not shown": {"content-length", "7"}, "encoded": {"content-encoding", "gzip"}, "cut": {"x-envoy-auth-partial-body", "true"},
	} {
		ask := func(host string) sent {
			s := to(host, headers...)
			if s.method = "POST"; intent == "encoded" {
				s.body = "x"
			}
			return s
		}
		got := w.want(t, intent, ask("keep.example.com"), "passthrough", 403)
		if !strings.Contains(got.body, "cannot be searched") {
			t.Errorf("%s: %s", intent, got.body)
		}
		w.want(t, intent+" to nowhere", ask("x.example.com"), "passthrough", 403)
		w.want(t, intent+" where it may be", ask("stream.example.com"), "allowed", 200)
		everywhere.want(t, intent+" where all may be", ask("keep.example.com"), "allowed", 200)
		everywhere.want(t, intent+" where all may be, to nowhere", ask("x.example.com"), "allowed", 200)
	}
	semicolon := func(host string) sent { s := to(host); s.path = "/v1?a=b;access_token=c"; return s }
	w.want(t, "a parameter that Envoy cannot remove", semicolon("none.example.com"), "passthrough", 403)
	w.want(t, "a parameter that is kept", semicolon("keep.example.com"), "allowed", 200)
	w.want(t, "a token where the body is not searched", to("stream.example.com", "x", w.token()), "passthrough", 403)
}

// TestExactResource: a token leaves to exactly the one resource that it is for.
func TestExactResource(t *testing.T) {
	w := start(t)
	at := func(path string, aud any) sent {
		s := to("mcp.example.com", "authorization", "Bearer "+w.token(map[string]any{"aud": aud}))
		s.path = path
		return s
	}
	const calendar = "https://mcp.example.com/calendar"
	w.want(t, "its own", at("/calendar/x", calendar), "allowed", 200)
	w.want(t, "its own, by a route", at("/calendar/x", calendar).named("mcp.example.com"), "allowed", 200)
	w.want(t, "another resource there", at("/mcp", calendar), "passthrough", 403)
	w.want(t, "no resource there", at("/other", calendar), "passthrough", 403)
	w.want(t, "for two", at("/calendar", []string{calendar, resourceURI}), "passthrough", 403)
	w.want(t, "for it and others", at("/calendar", []string{calendar, apiURI}), "passthrough", 403)
	w.want(t, "a route elsewhere", at("/calendar", calendar).named("keep.example.com"), "passthrough", 403)
	forged := at("/calendar", calendar).named("mcp.example.com")
	forged.authority = "keep.example.com"
	w.want(t, "the route decides", forged, "allowed", 200)
	unknown := start(t, func(p *plan) {
		p.destinations = p.destinations[:2]
		p.state = func(s *egress.State) { s.AllowUnknown = true }
	})
	w.want(t, "a second one", at("/calendar", calendar).with("x", w.token()), "passthrough", 403)
	unknown.want(t, "no destination", at("/calendar", calendar), "passthrough", 403)
}

// TestTokenEndpoint: tokens of an issuer leave to its own endpoint, in the fields that are
// for them, and nowhere else.
func TestTokenEndpoint(t *testing.T) {
	w := start(t)
	const bearerGrant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&"
	ours, partner := w.token(), w.token(map[string]any{"iss": partnerURL})
	signed, _, err := w.signer.Sign(assertion.Claims{Subject: "alice", Expiry: testTime.Add(1e12)}, issuerURL, testTime)
	if err != nil {
		t.Fatal(err)
	}
	at := func(body string) sent { return form("as.example.com", "/token", body) }
	elsewhere := func(change func(*sent)) sent {
		s := at("token=" + ours)
		change(&s)
		return s
	}
	for _, tt := range []struct {
		intent string
		ask    sent
		passes bool
	}{
		{"token", at("token=" + ours), true},
		{"subject_token and actor_token", at("subject_token=" + ours + "&a=b&actor_token=" + w.token()), true},
		{"escaped", at("token=" + strings.ReplaceAll(url.QueryEscape(ours), "e", "%65")), true},
		{"assertion of the jwt-bearer grant", at(bearerGrant + "assertion=" + ours), true},
		{"a charset", elsewhere(func(s *sent) { s.headers[0][1] += "; charset=utf-8" }), true},
		{"by a route", at("token=" + ours).named("as.example.com"), true},
		{"with its port", elsewhere(func(s *sent) { s.authority += ":443" }), true},

		{"assertion of another grant", at("grant_type=x&assertion=" + ours), false},
		{"assertion of no grant", at("assertion=" + ours), false},
		{"assertion of two grants", at(bearerGrant + "grant_type=x&assertion=" + ours), false},
		{"another field", at("client_assertion=" + ours), false},
		{"the field twice", at("token=" + ours + "&token=" + ours), false},
		{"the field twice, once in another case", at("token=" + ours + "&Token=x"), false},
		{"the field twice, once escaped", at("token=" + ours + "&tok%65n=x"), false},
		{"the field in another spelling", at("tok%65n=" + ours), false},
		{"a field twice, another one exempt", at("subject_token=a&subject_token=b&token=" + ours), false},
		{"a token of another issuer", at("token=" + partner), false},
		{"an assertion of ours", at("token=" + signed), false},
		{"a token of ours beside it, in another field", at("token=" + ours + "&x=" + ours + "1"), false},
		{"in a header too", at("token="+ours).with("authorization", "Bearer "+ours), false},
		{"name of a field", at(ours + "=x"), false},
		{"GET", elsewhere(func(s *sent) { s.method = "GET" }), false},
		{"PUT", elsewhere(func(s *sent) { s.method = "PUT" }), false},
		{"a query", elsewhere(func(s *sent) { s.path += "?a=b" }), false},
		{"another path", elsewhere(func(s *sent) { s.path += "/x" }), false},
		{"another host", elsewhere(func(s *sent) { s.authority = "keep.example.com" }), false},
		{"no destination", elsewhere(func(s *sent) { s.authority = "x.example.com" }), false},
		{"another port", elsewhere(func(s *sent) { s.authority += ":8443" }), false},
		{"a route elsewhere", at("token=" + ours).named("keep.example.com"), false},
		{"JSON", elsewhere(func(s *sent) { s.headers[0][1] = "application/json" }), false},
		{"two types", elsewhere(func(s *sent) { *s = s.with("content-type", "application/x-www-form-urlencoded") }), false},
		{"no type", elsewhere(func(s *sent) { s.headers = nil }), false},
	} {
		reason, status := "passthrough", 403
		if tt.passes {
			reason, status = "allowed", 200
		}
		w.want(t, tt.intent, tt.ask, reason, status)
	}
}

// TestEndpointsOfMetadata are exempt as a configured token_endpoint is, at a destination.
func TestEndpointsOfMetadata(t *testing.T) {
	names := []string{"token_endpoint", "introspection_endpoint", "revocation_endpoint"}
	for _, name := range append(names, "userinfo_endpoint") {
		w := start(t, func(p *plan) {
			p.destinations = append(p.destinations, destination.Spec{Host: "partner.example.com", Token: destination.Keep})
			p.metadata = `{"issuer":"` + partnerURL + `","jwks_uri":"` + partnerURL + `/jwks","` + name + `":"` + partnerURL + `/e"}`
		})
		reason, status := "allowed", 200
		if name == "userinfo_endpoint" {
			reason, status = "passthrough", 403
		}
		own := "token=" + w.token(map[string]any{"iss": partnerURL})
		w.want(t, name, form("partner.example.com", "/e", own), reason, status)
		w.want(t, "again", form("partner.example.com", "/e", own), reason, status)
		w.want(t, "of another issuer", form("partner.example.com", "/e", "token="+w.token()), "passthrough", 403)
		w.want(t, "elsewhere", form("partner.example.com", "/f", own), "passthrough", 403)
	}
}

// TestAssertionsDoNotLeave: each is ours, at every destination, by its typ or its issuer.
func TestAssertionsDoNotLeave(t *testing.T) {
	w := start(t)
	signed, _, err := w.signer.Sign(assertion.Claims{Subject: "alice", Expiry: testTime.Add(1e12)}, apiURI, testTime)
	if err != nil {
		t.Fatal(err)
	}
	other := map[string]any{"iss": "https://other.example.com", "aud": apiURI}
	as := func(typ any, all map[string]any) string {
		return w.key.SignAs(map[string]any{"alg": "ES256", "typ": typ}, all)
	}
	for intent, compact := range map[string]string{
		"as it was signed":         signed,
		"of another deployment":    as("mcp-auth+jwt", other),
		"in another case":          as(" MCP-Auth+JWT ", other),
		"with application/":        as("application/mcp-auth+jwt", other),
		"of ours with another typ": as("JWT", map[string]any{"iss": assertionURL, "aud": apiURI}),
		"of ours without a typ":    as(nil, map[string]any{"iss": assertionURL, "aud": apiURI}),
	} {
		for _, host := range []string{"keep.example.com", "none.example.com", "as.example.com"} {
			w.want(t, intent, to(host, "x", compact), "passthrough", 403)
		}
		w.want(t, intent, to("keep.example.com", "x-mcp-auth-assertion", compact), "passthrough", 403)
	}
	w.want(t, "of others", to("keep.example.com", "x", as("JWT", other)), "allowed", 200)
	w.want(t, "of others, without an issuer", to("keep.example.com", "x", as("JWT", map[string]any{"aud": apiURI, "iss": 7})), "allowed", 200)
}

// TestObserve: what would be refused passes as it is, but for what cannot be checked.
func TestObserve(t *testing.T) {
	w := start(t, func(p *plan) {
		p.rule = `deny contains {"code": "shut", "message": "m"} if input.request.path == "/shut"
deny contains {"code": "x", "message": json.unmarshal("")} if input.request.path == "/broken"`
		p.state = func(s *egress.State) { s.Observe = true }
	})
	ask := func(host, path string) sent {
		s := to(host, "authorization", "Bearer of-the-server", "x_mcp_auth_subject", "eve")
		s.path = path
		return s
	}
	for _, tt := range []struct {
		intent, reason string
		status         int
		ask            sent
	}{
		{"a token of ours", "passthrough", 200, ask("none.example.com", "/").with("x", w.token())},
		{"no destination", "no_destination", 200, ask("x.example.com", "/")},
		{"a rule says no", "policy_denied", 200, ask("none.example.com", "/shut")},
		{"a scope", "insufficient_scope", 200, api(w.handle(t, w.token(map[string]any{"scope": "x"}))).with("x_mcp_auth_subject", "eve")},
		{"a rule fails", "policy_error", 503, ask("none.example.com", "/broken")},
		{"no handle", "exchange_refused", 403, ask("api.example.com", "/v1")},
		{"misconfigured", "misconfigured", 503, ask("keep.example.com", "/").named("x")},
	} {
		got := w.want(t, tt.intent, tt.ask, tt.reason, tt.status)
		if tt.status == 200 && (got.removes("authorization") || got.removes("cookie") || len(got.set) > 0 ||
			!got.removes("x_mcp_auth_subject") && tt.intent != "a scope" && !got.isBare()) {
			t.Errorf("%s: set %v, removed %v", tt.intent, got.set, got.remove)
		}
	}
	w.want(t, "nothing to observe", ask("none.example.com", "/"), "allowed", 200)
	w.endpoint.change(func(e *endpoint) { e.down = true })
	w.want(t, "no server", api(w.handle(t, w.token())), "exchange_unavailable", 503)
}

// TestUnknown: where unknown destinations are allowed, requests to them pass after the search, as they are.
func TestUnknown(t *testing.T) {
	w := start(t, func(p *plan) {
		p.rule = `deny contains {"code": "shut", "message": "m"}`
		p.state = func(s *egress.State) { s.AllowUnknown = true }
	})
	s := to("x.example.com", "authorization", "Bearer of-the-server", "cookie", "a=b", "x_mcp_auth_subject", "eve")
	got := w.want(t, "unknown", s, "allowed", 200)
	if got.removes("authorization") || got.removes("cookie") || !got.removes("x_mcp_auth_subject") || len(got.query) > 0 {
		t.Errorf("removed: %v", got.remove)
	}
	w.want(t, "a token of ours", s.with("x", w.token()), "passthrough", 403)
	w.want(t, "a destination", to("keep.example.com"), "policy_denied", 403)
}

// TestRemoved: what each kind of destination does not get.
func TestRemoved(t *testing.T) {
	w := start(t)
	credentials := []string{"authorization", "proxy-authorization", "dpop", "cookie", "proxy_authorization"}
	for host, leaves := range map[string]bool{"keep.example.com": true, "stream.example.com": true, "none.example.com": false} {
		s := to(host)
		for _, name := range credentials {
			s = s.with(name, "x")
		}
		for _, name := range []string{"x-mcp-auth-subject", "x_mcp_auth_handle", "x-mcp_auth-zzz"} {
			s = s.with(name, "x")
		}
		s.path = "/v1?access_token=a"
		got := w.want(t, host, s, "allowed", 200)
		for _, name := range credentials {
			if got.removes(name) == leaves {
				t.Errorf("%s: %s is removed: %v", host, name, !leaves)
			}
		}
		for _, name := range []string{"x-mcp-auth-subject", "x_mcp_auth_handle", "x-mcp_auth-zzz"} {
			if !got.removes(name) {
				t.Errorf("%s: %s is not removed", host, name)
			}
		}
		if (len(got.query) == 0) != leaves || got.removes("user-agent") {
			t.Errorf("%s: parameters removed: %v", host, got.query)
		}
	}
}

// TestTheOrderOfReasons gives a request two faults and wants the one that comes first.
func TestTheOrderOfReasons(t *testing.T) {
	type fault struct {
		why   reason.Reason
		apply func(w *world, s *sent, c map[string]any)
	}
	header := func(name string) func(*world, *sent, map[string]any) {
		return func(w *world, s *sent, _ map[string]any) { *s = s.with(name, w.token()) }
	}
	marked := func(name string) func(*world, *sent, map[string]any) {
		return func(_ *world, s *sent, _ map[string]any) { *s = s.with(name, "x") }
	}
	set := func(name string, value any) func(*world, *sent, map[string]any) {
		return func(_ *world, _ *sent, c map[string]any) { c[name] = value }
	}
	faults := []fault{
		{reason.Misconfigured, func(_ *world, s *sent, _ map[string]any) { s.at, s.principal = shared, "spiffe://td/eve" }},
		{reason.Passthrough, header("x-token")},
		{reason.NoDestination, func(_ *world, s *sent, _ map[string]any) { s.authority = "x.example.com" }},
		{reason.PolicyError, marked("x-broken")},
		{reason.PolicyDenied, marked("x-shut")},
		{reason.InsufficientScope, set("scope", "other")},
		{reason.ExchangeRefused, set("cnf", map[string]any{"jkt": "x"})},
		{reason.ExchangeUnavailable, func(w *world, _ *sent, _ map[string]any) {
			w.endpoint.change(func(e *endpoint) { e.down = true })
		}},
	}
	for i, first := range faults {
		for _, second := range faults[i+1:] {
			w := start(t, func(p *plan) {
				p.rule = `deny contains {"code": "shut", "message": "m"} if input.request.headers["x-shut"]
deny contains {"code": "x", "message": json.unmarshal("")} if input.request.headers["x-broken"]`
			})
			s, c := to("api.example.com"), claims()
			second.apply(w, &s, c)
			first.apply(w, &s, c)
			s = s.with(handleName, w.handle(t, w.key.Sign(c)))
			w.want(t, first.why.String()+" and "+second.why.String(), s, first.why.String(), first.why.HTTPStatus())
		}
	}
	w := start(t, func(p *plan) { p.rule = `deny contains {"code": "shut", "message": "m"}` })
	w.want(t, "a rule before a handle", to("api.example.com"), "policy_denied", 403)
	w.want(t, "a named destination before a token", to("keep.example.com", "x", w.token()).named("x"), "misconfigured", 503)
}

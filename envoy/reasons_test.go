package envoy_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	authzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

const rm = `Bearer resource_metadata="` + metadataURL + `"`

// row is one request to Envoy and the whole answer it deserves.
type row struct {
	intent    string
	change    func(*testing.T, *plan) // nil: the standard plan
	ask       clientRequest
	flood     func() clientRequest // instead of ask: many at once, until the reason comes
	reason    reason.Reason
	status    int
	challenge string
	resource  string // in the access log
}

func invalidToken(why reason.Reason) string {
	return rm + `, scope="mcp:read", error="invalid_token", error_description="` + why.Description() + `"`
}

// routes are added to the shipped ones: what a mesh might do.
func routes(b *testenv.Bootstrap) {
	last := b.Host.GetRoutes()[len(b.Host.GetRoutes())-1]
	add := func(prefix string, settings map[string]*anypb.Any) {
		b.Host.Routes = append([]*routev3.Route{{
			Match:                &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: prefix}},
			Action:               last.GetAction(),
			TypedPerFilterConfig: settings,
		}}, b.Host.GetRoutes()...)
	}
	add("/mcp/misnamed", testenv.ContextExtensions(map[string]string{"resource": "nobody"}))
	add("/team-a", testenv.ContextExtensions(map[string]string{"resource": "weather"}))
	add("/mcp/body", map[string]*anypb.Any{"envoy.filters.http.ext_authz": testenv.Pack(&authzv3.ExtAuthzPerRoute{
		Override: &authzv3.ExtAuthzPerRoute_CheckSettings{CheckSettings: &authzv3.CheckSettings{
			WithRequestBody: &authzv3.BufferSettings{MaxRequestBytes: 4 * receiveMax, PackAsBytes: true},
		}},
	})})
}

// reasonRows ask for every reason marked "door" in the contract (CH-1 to CH-8,
// CH-12, TK-1 to TK-6, TK-9).
func reasonRows(key *jwttest.Key) []row {
	good := bearer(key.Sign(claims()))
	token := func(changes map[string]any) clientRequest { return bearer(key.Sign(claims(changes))) }
	at := testTime.Unix()
	heavy := newHeavyKey()
	rows := []row{
		{intent: "TK-1: a good token", ask: good, reason: reason.Allowed, status: 200},
		{intent: "a route names the resource", ask: good.at("/team-a/weather"), reason: reason.Allowed, status: 200},
		{
			intent: "TK-5: the scheme has no case, and any number of spaces",
			ask:    clientRequest{}.with("Authorization", "bEARER   "+key.Sign(claims())), reason: reason.Allowed, status: 200,
		},
		{
			intent: "PR-3: the document of the resource",
			ask:    clientRequest{path: "/.well-known/oauth-protected-resource/mcp?x=1"}, reason: reason.Metadata, status: 200,
		},
		{intent: "a body over receive_bytes", ask: clientRequest{path: "/mcp/body", method: "POST", headers: good.headers, body: strings.Repeat("b", receiveMax)}, reason: reason.Internal, status: 503},
		{intent: "a route names a resource nobody configured", ask: good.at("/mcp/misnamed"), reason: reason.Misconfigured, status: 503},
		{intent: "another path of the host", ask: good.at("/mcpx"), reason: reason.NoResource, status: 403},
		{intent: "another host", ask: good.on("nowhere.example.com"), reason: reason.NoResource, status: 403},
		{intent: "T-2: a page of another origin", ask: good.with("Origin", "https://evil.example.com"), reason: reason.OriginNotAllowed, status: 403},
		{intent: "TK-6: two credentials", ask: good.with("Authorization", "Bearer b"), reason: reason.InvalidRequest, status: 400},
		{intent: "TK-4: a token behind a semicolon", ask: good.at("/mcp?x=1;access_token=y"), reason: reason.InvalidRequest, status: 400},
		{intent: "CH-3: no credential, no error code", ask: clientRequest{}, reason: reason.NoCredentials, status: 401},
		{intent: "CH-3: another scheme", ask: clientRequest{}.with("Authorization", "Basic dTpw"), reason: reason.NoCredentials, status: 401},
		{intent: "TK-4: a token in the query alone", ask: clientRequest{path: "/mcp?access_token=" + key.Sign(claims())}, reason: reason.NoCredentials, status: 401},
		{
			intent: "TK-7: a token in a form",
			ask:    clientRequest{method: "POST", body: "access_token=" + key.Sign(claims())}.with("Content-Type", "application/x-www-form-urlencoded"),
			reason: reason.NoCredentials, status: 401,
		},
		{intent: "an issuer whose server is down", change: serverDown, ask: good, reason: reason.KeysUnavailable, status: 503},
		{intent: "PT-1: a library without the passthrough rule", change: without("passthrough.rego"), ask: good, reason: reason.Passthrough, status: 403},
		{intent: "a team's rule fails", change: team(`deny contains d if { d := {"code": "x", "message": input.claims.sub + 1} }`), ask: good, reason: reason.PolicyError, status: 503},
		{intent: "a team's rule says no", change: team(`deny contains {"code": "closed", "message": "shut"} if input.request.method == "GET"`), ask: good, reason: reason.PolicyDenied, status: 403},
		{
			intent: "CH-7, CH-8: all scopes of the operation at once",
			change: team(`scopes contains "mcp:admin" if input.request.method == "GET"`),
			ask:    token(map[string]any{"scope": "x"}), reason: reason.InsufficientScope, status: 403,
			challenge: rm + `, scope="mcp:read mcp:admin", error="insufficient_scope", error_description="` + reason.InsufficientScope.Description() + `"`,
		},
		{
			intent: "an operation that needs no token", change: byOperation, ask: message("", `"method":"tools/list"`),
			reason: reason.AllowedAnonymous, status: 200,
		},
		{
			intent: "a body with a member twice", change: byOperation,
			ask:    message(key.Sign(claims()), `"method":"tools/list","method":"tools/call","params":{"name":"pay"}`),
			reason: reason.OperationMalformed, status: 400,
		},
		{
			intent: "an operation that no source shows", change: byOperation, ask: good.by("POST"),
			reason: reason.OperationUnknown, status: 403,
		},
		{
			intent: "X-4: an operation that needs a stronger authentication", change: byOperation,
			ask:    message(key.Sign(claims()), `"method":"tools/call","params":{"name":"pay"}`),
			reason: reason.InsufficientUserAuthentication, status: 401,
			challenge: rm + `, scope="mcp:read mcp:pay", acr_values="gold", max_age="300", error="insufficient_user_authentication", error_description="` +
				reason.InsufficientUserAuthentication.Description() + `"`,
		},
		{intent: "Bearer alone", ask: clientRequest{}.with("Authorization", "Bearer"), reason: reason.TokenMalformed},
		{intent: "an opaque token", ask: bearer(strings.Repeat("k", 43)), reason: reason.TokenMalformed},
		{intent: "J-1: none", ask: bearer(key.SignAs(map[string]any{"alg": "none"}, claims())), reason: reason.AlgorithmNotAllowed},
		{intent: "J-2: an ID token", ask: token(map[string]any{"nonce": "n"}), reason: reason.TypeNotAllowed},
		{intent: "AU-6: another issuer", ask: token(map[string]any{"iss": "https://evil.example.com"}), reason: reason.IssuerUnknown},
		{intent: "AU-2: no aud", ask: token(map[string]any{"aud": nil}), reason: reason.ClaimsMissing},
		{intent: "TK-3: expired", ask: token(map[string]any{"exp": at - 30}), reason: reason.TokenExpired},
		{intent: "J-4: not yet", ask: token(map[string]any{"nbf": at + 31}), reason: reason.TokenNotYetValid},
		{intent: "a key nobody published", ask: bearer(jwttest.NewKey("ES256", "key-2").Sign(claims())), reason: reason.KeyUnknown},
		{intent: "J-6: forged", ask: bearer(jwttest.NewKey("ES256", "key-1").Sign(claims())), reason: reason.SignatureInvalid},
		{intent: "X-1: bound to a key", ask: token(map[string]any{"cnf": map[string]any{"jkt": "x"}}), reason: reason.BindingUnproven},
		{intent: "its id is on the revocation list", change: revoking("id-1"), ask: good, reason: reason.TokenRevoked},
		{
			intent: "X-2: a bound token without a proof", change: takingDPoP,
			ask:    clientRequest{}.with("Authorization", "DPoP "+key.Sign(claims(map[string]any{"cnf": map[string]any{"jkt": strings.Repeat("A", 43)}}))),
			reason: reason.DPoPProofInvalid, status: 401,
			challenge: `DPoP resource_metadata="` + metadataURL + `", algs="ES256", error="invalid_dpop_proof", error_description="` + reason.DPoPProofInvalid.Description() + `"`,
		},
		{
			intent: "X-2: a proof soon after a start", change: takingDPoP, ask: proven(key, "1", nil),
			reason: reason.DPoPNonceRequired, status: 401,
			challenge: `DPoP resource_metadata="` + metadataURL + `", algs="ES256", error="use_dpop_nonce", error_description="` + reason.DPoPNonceRequired.Description() + `"`,
		},
		{intent: "AU-1: for another server", ask: token(map[string]any{"aud": otherURI}), reason: reason.AudienceMismatch},
		{
			intent: "a flood of forged tokens", change: heavy.narrowGate, flood: heavy.forge,
			reason: reason.Overloaded, status: 503,
		},
	}
	for i := range rows {
		rows[i].complete()
	}
	return rows
}

func (r *row) allowed() bool {
	return r.reason == reason.Allowed || r.reason == reason.AllowedAnonymous
}

// byOperation has operations at the resource of most rows.
func byOperation(_ *testing.T, p *plan) {
	p.resources[0].Operations = []resource.Operation{
		{Method: "tools/call", Name: "pay", Scopes: []string{"mcp:pay"}, ACRValues: []string{"gold"}, MaxAge: 5 * time.Minute},
	}
	p.resources[0].Anonymous = []resource.Operation{{Method: "tools/list"}}
}

// message is a POST of a JSON-RPC message to a route that sends bodies.
func message(token, members string) clientRequest {
	a := clientRequest{
		method: "POST", path: "/mcp/body", body: `{"jsonrpc":"2.0","id":1,` + members + `}`,
		headers: [][2]string{{"Content-Type", "application/json"}},
	}
	if token == "" {
		return a
	}
	return a.with("Authorization", "Bearer "+token)
}

// complete fills in what follows from the reason.
func (r *row) complete() {
	bare := []reason.Reason{reason.Internal, reason.Misconfigured, reason.NoResource}
	if !slices.Contains(bare, r.reason) {
		r.resource = "weather"
	}
	switch {
	case r.status == 0:
		r.status, r.challenge = 401, invalidToken(r.reason)
	case r.reason == reason.NoCredentials:
		r.challenge = rm + `, scope="mcp:read"`
	case r.reason == reason.InvalidRequest:
		r.challenge = rm + `, error="invalid_request", error_description="` + r.reason.Description() + `"`
	}
}

// TestEveryReasonThroughEnvoy asks a real Envoy for each reason: the answer to
// the byte, the access log, and doorward's own log.
func TestEveryReasonThroughEnvoy(t *testing.T) {
	testenv.RequireEnvoy(t)
	key := jwttest.NewKey("ES256", "key-1")
	rows := reasonRows(key)
	plain := standard(key).state(t)
	states := map[string]*extauthz.State{}
	asked := map[reason.Reason]bool{}
	for _, r := range rows {
		asked[r.reason] = true
		states[r.intent] = plain
		if r.change != nil {
			changed := standard(key)
			r.change(t, &changed)
			states[r.intent] = changed.state(t)
		}
	}
	// See internal/egress:TestEveryReason.
	asked[reason.NoDestination], asked[reason.ExchangeRefused], asked[reason.ExchangeUnavailable] = true, true, true
	asked[reason.Preflight] = true // see TestCORSThroughEnvoy: the sample's own filter comes first
	for _, why := range reason.All() {
		if !asked[why] {
			t.Errorf("no row asks for %s", why)
		}
	}
	for _, variant := range []struct {
		name string
		edit edit
	}{
		{"as shipped", func(*testenv.Bootstrap) {}},
		{"headers in the old form", func(b *testenv.Bootstrap) { b.Authz.EncodeRawHeaders = false }},
		{"failure_mode_allow", func(b *testenv.Bootstrap) { b.Authz.FailureModeAllow = true }},
	} {
		t.Run(variant.name, func(t *testing.T) {
			behind := startUpstream(t)
			h := startEnvironment(t, behind.address, routes, variant.edit)
			for _, r := range rows {
				t.Run(r.intent, func(t *testing.T) {
					h.activate(t, states[r.intent])
					r.look(t, h, behind)
				})
			}
			if failures, err := h.envoy.Stat(withPatience(t), "http.mcp.ext_authz.error"); err != nil || failures != 0 {
				t.Errorf("%d Checks were errors to Envoy (%v): each could be an allow", failures, err)
			}
			h.leave()
			withoutDoorward(t, h, behind, clientRequest{headers: rows[0].ask.headers}, variant.name == "failure_mode_allow")
		})
	}
}

func (r row) look(t *testing.T, h *environment, behind *upstream) {
	t.Helper()
	behind.take()
	var got reply
	if r.flood != nil {
		got = floodUntil(t, h, r.flood, r.status)
	} else {
		got = h.send(t, r.ask)
	}
	if got.status != r.status {
		t.Errorf("got %v, want %d", got, r.status)
	}
	var want []string
	if r.challenge != "" {
		want = []string{r.challenge}
	}
	if challenges := got.header["Www-Authenticate"]; !slices.Equal(challenges, want) {
		t.Errorf("WWW-Authenticate: %q\nwant %q", challenges, want)
	}
	r.lookAtHeaders(t, got)
	r.lookAtBody(t, got)
	if n := len(behind.take()); (n > 0) != r.allowed() {
		t.Errorf("%d requests arrived", n)
	}
	r.lookAtLogs(t, h, got)
}

func (r row) lookAtHeaders(t *testing.T, got reply) {
	t.Helper()
	if r.allowed() {
		return
	}
	want := map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store", "Retry-After": ""}
	if r.reason == reason.Metadata {
		want["Cache-Control"] = "public, max-age=3600"
	}
	if r.status == 503 {
		want["Retry-After"] = "1"
	}
	for name, value := range want {
		if have := strings.Join(got.header[name], "|"); have != value {
			t.Errorf("%s: %q, want %q", name, have, value)
		}
	}
}

func (r row) lookAtBody(t *testing.T, got reply) {
	t.Helper()
	refusal := fmt.Sprintf(`{"error":%q,"error_description":%q`, or(r.reason.OAuthError(), r.reason.String()), r.reason.Description())
	want, special := map[reason.Reason]string{
		reason.Allowed:          "ok\n",
		reason.AllowedAnonymous: "ok\n",
		reason.OperationMalformed: `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"` +
			reason.OperationMalformed.Description() + `","data":{"reason":"operation_malformed"}}}`,
		reason.PolicyDenied: refusal + `,"code":"closed"}`,
		reason.Metadata: `{"resource":"` + weatherURI + `","authorization_servers":["` + issuerURL + `"],` +
			`"scopes_supported":["mcp:read"],"bearer_methods_supported":["header"]}`,
	}[r.reason]
	if !special {
		want = refusal + "}"
	}
	if got.body != want {
		t.Errorf("body %s\nwant %s", got.body, want)
	}
	if r.status != 200 && !json.Valid([]byte(got.body)) {
		t.Error("the body is no JSON")
	}
}

func (r row) lookAtLogs(t *testing.T, h *environment, got reply) {
	t.Helper()
	access := h.logged(t, got)
	details := "ext_authz_denied"
	if r.allowed() {
		details = "via_upstream"
	}
	path, _, _ := strings.Cut(or(r.ask.path, "/mcp"), "?")
	for name, want := range map[string]any{"reason": r.reason.String(), "status": float64(r.status), "details": details, "path": path} {
		if access[name] != want {
			t.Errorf("the access log has %s %v, want %v", name, access[name], want)
		}
	}
	if logged, _ := access["resource"].(string); logged != r.resource {
		t.Errorf("the access log has resource %q, want %q", logged, r.resource)
	}
	// A body over the limit is never decoded, and a flood is a number: neither has a line with an id.
	if r.reason == reason.Internal || r.flood != nil {
		return
	}
	if note := h.noted(t, access); note["reason"] != r.reason.String() {
		t.Errorf("Envoy logs %v, doorward logs %v", access["reason"], note["reason"])
	}
}

// withoutDoorward is TK-9: without a running doorward the shipped configuration
// denies every request. With failure_mode_allow it would allow them, which is why
// no refusal of doorward may look like a failure.
func withoutDoorward(t *testing.T, h *environment, behind *upstream, good clientRequest, allows bool) {
	t.Helper()
	behind.take()
	got := h.send(t, good)
	hits := len(behind.take())
	access := h.logged(t, got)
	switch {
	case allows && (got.status != 200 || hits != 1):
		t.Errorf("without doorward, failure_mode_allow: %v, %d requests arrived", got, hits)
	case !allows && (got.status != 503 || hits != 0):
		t.Errorf("without doorward: %v, %d requests arrived", got, hits)
	case !allows && access["details"] != "ext_authz_error":
		t.Errorf("without doorward the access log has details %v", access["details"])
	}
	if access["reason"] != nil {
		t.Errorf("without doorward the access log has reason %v", access["reason"])
	}
}

package extauthz_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/internal/testenv/jwttest"
	"github.com/doorward/doorward/rego"
)

const rm = `Bearer resource_metadata="` + metadataURL + `"`

// wireRow is one request and the whole answer it deserves.
type wireRow struct {
	intent    string
	change    func(*plan)
	ask       func(d *testService) clientRequest
	reason    reason.Reason
	status    int
	challenge string
}

func invalidToken(why reason.Reason) string {
	return rm + `, scope="mcp:read", error="invalid_token", error_description="` + why.Description() + `"`
}

func badToken(intent string, why reason.Reason, make func(d *testService) string) wireRow {
	return wireRow{intent, nil, func(d *testService) clientRequest { return bearer(make(d)) }, why, 401, invalidToken(why)}
}

// wireRows hold every reason marked "door" in the contract (CH-1 to CH-12,
// TK-1 to TK-6).
func wireRows() []wireRow {
	at := testTime.Unix()
	rows := []wireRow{
		{"TK-1: a good token", nil, func(d *testService) clientRequest { return bearer(d.token()) }, reason.Allowed, 200, ""},
		{
			"TK-5: the scheme has no case, and any number of spaces", nil,
			func(d *testService) clientRequest {
				return clientRequest{headers: [][2]string{{"authorization", "bEARER   " + d.token()}}}
			}, reason.Allowed, 200, "",
		},
		{
			"PR-3: the document of the resource", nil,
			func(*testService) clientRequest {
				return clientRequest{method: "GET", path: "/.well-known/oauth-protected-resource/mcp?x=1"}
			}, reason.Metadata, 200, "",
		},
		{
			"a preflight of an allowed origin (Fetch Standard, section 3.2.2)", func(p *plan) { p.resources[0].CORS = true },
			func(*testService) clientRequest { return preflight("https://app.example.com") }, reason.Preflight, 204, "",
		},
		{
			"no authorization server on this host (RFC 8414)", nil,
			func(*testService) clientRequest {
				return clientRequest{method: "GET", path: "/.well-known/oauth-authorization-server/mcp"}
			}, reason.Metadata, 404, "",
		},
		{
			"a mirror of the issuer's metadata before there is a copy",
			func(p *plan) { p.resources[0].MirrorMetadata = true }, func(*testService) clientRequest {
				return clientRequest{method: "GET", path: "/.well-known/oauth-authorization-server/mcp"}
			}, reason.Metadata, 503, "",
		},
		{
			"nor an OpenID provider, on any URL of the resource and whoever asks", nil,
			func(d *testService) clientRequest {
				a := bearer(d.token())
				a.method, a.host, a.path = "GET", "weather.ns.svc:8443", "/.well-known/openid-configuration?x"
				return a
			}, reason.Metadata, 404, "",
		},
		{
			"which is not known of a host that is nobody's", nil,
			func(*testService) clientRequest {
				return clientRequest{method: "GET", host: "elsewhere.example.com", path: "/.well-known/openid-configuration"}
			}, reason.NoResource, 403, "",
		},
		{
			"the mesh names a resource nobody configured", nil,
			func(d *testService) clientRequest {
				a := bearer(d.token())
				a.extensions = map[string]string{"resource": "nobody"}
				return a
			}, reason.Misconfigured, 503, "",
		},
		{
			"the mesh names the resource of another authority", nil,
			func(d *testService) clientRequest {
				a := bearer(d.token())
				a.host, a.extensions = "elsewhere.example.com", map[string]string{"resource": "weather"}
				return a
			}, reason.NoResource, 403, "",
		},
		{
			"the mesh names the resource, and the path is not safe", nil,
			func(d *testService) clientRequest {
				a := bearer(d.token())
				a.path, a.extensions = "/mcp/..;/x", map[string]string{"resource": "weather"}
				return a
			}, reason.NoResource, 403, "",
		},
		{
			"the mesh names the resource, and rewrote the path", nil,
			func(d *testService) clientRequest {
				a := bearer(d.token())
				a.path, a.extensions = "/team-a", map[string]string{"resource": resourceURI}
				return a
			}, reason.Allowed, 200, "",
		},
		{
			"another path of the host", nil,
			func(d *testService) clientRequest { a := bearer(d.token()); a.path = "/mcpx"; return a }, reason.NoResource, 403, "",
		},
		{
			"T-2: a page of another origin", nil,
			func(d *testService) clientRequest {
				a := bearer(d.token())
				a.headers = append(a.headers, [2]string{"origin", "https://evil.example.com"})
				return a
			}, reason.OriginNotAllowed, 403, "",
		},
		{
			"T-1: an allowed origin", nil,
			func(d *testService) clientRequest {
				a := bearer(d.token())
				a.headers = append(a.headers, [2]string{"origin", "https://app.example.com"})
				return a
			}, reason.Allowed, 200, "",
		},
		{
			"T-2: an allowed origin does not excuse a second one", nil,
			func(d *testService) clientRequest {
				a := bearer(d.token())
				a.headers = append(a.headers, [2]string{"origin", "https://app.example.com"}, [2]string{"origin", "https://evil.example.com"})
				return a
			}, reason.OriginNotAllowed, 403, "",
		},
		{
			"TK-6: two credentials", nil,
			func(d *testService) clientRequest {
				return clientRequest{headers: [][2]string{{"authorization", "Bearer a"}, {"authorization", "Bearer b"}}}
			},
			reason.InvalidRequest, 400,
			rm + `, error="invalid_request", error_description="` + reason.InvalidRequest.Description() + `"`,
		},
		{"CH-3: no credential, no error code", nil, func(*testService) clientRequest { return clientRequest{} }, reason.NoCredentials, 401, rm + `, scope="mcp:read"`},
		{
			"CH-3: another scheme", nil,
			func(*testService) clientRequest {
				return clientRequest{headers: [][2]string{{"authorization", "Basic dTpw"}}}
			}, reason.NoCredentials, 401, rm + `, scope="mcp:read"`,
		},
		{
			"TK-4: a token in the query alone", nil,
			func(d *testService) clientRequest { return clientRequest{path: "/mcp?access_token=" + d.token()} }, reason.NoCredentials, 401, rm + `, scope="mcp:read"`,
		},
		{"its id is on the list", func(p *plan) {
			p.revocations = `{"serial": 1, "revoked": [{"issuer": "` + issuerURL + `", "jti": "id-1"}]}`
		}, func(d *testService) clientRequest { return bearer(d.token()) }, reason.TokenRevoked, 401, invalidToken(reason.TokenRevoked)},
		{
			"X-2: a bound token without a proof", dpop("optional"), func(d *testService) clientRequest {
				return clientRequest{headers: [][2]string{{"authorization", "DPoP " + d.token(map[string]any{"cnf": map[string]any{"jkt": strings.Repeat("A", 43)}})}}}
			}, reason.DPoPProofInvalid, 401,
			`DPoP resource_metadata="` + metadataURL + `", algs="ES256 EdDSA", error="invalid_dpop_proof", error_description="` + reason.DPoPProofInvalid.Description() + `"`,
		},
		{
			"X-2: a proof soon after a start", func(p *plan) { dpop("required")(p); p.since = testTime },
			func(d *testService) clientRequest {
				h := newHolder()
				c := d.token(map[string]any{"cnf": map[string]any{"jkt": h.key.Thumbprint()}})
				return clientRequest{headers: [][2]string{{"authorization", "DPoP " + c}, {"dpop", h.proof(c, nil)}}}
			}, reason.DPoPNonceRequired, 401,
			`DPoP resource_metadata="` + metadataURL + `", algs="ES256 EdDSA", error="use_dpop_nonce", error_description="` + reason.DPoPNonceRequired.Description() + `"`,
		},
		{"no keys were ever had", func(p *plan) { p.keys = nil }, func(d *testService) clientRequest { return bearer(d.token()) }, reason.KeysUnavailable, 503, ""},
		{
			"PT-1: a library without the passthrough rule", without("passthrough.rego"),
			func(d *testService) clientRequest { return bearer(d.token()) }, reason.Passthrough, 403, "",
		},
		{
			"PT-1: a library whose strip forgets the query", forgetting,
			func(d *testService) clientRequest { a := bearer(d.token()); a.path = "/mcp?access_token=x"; return a }, reason.Passthrough, 403, "",
		},
		{
			"PT-1: which does no harm where there is no token", forgetting,
			func(d *testService) clientRequest { return bearer(d.token()) }, reason.Allowed, 200, "",
		},
		{
			"AU-1: a library without the audience rule", without("audience.rego"),
			func(d *testService) clientRequest { return bearer(d.token()) }, reason.AudienceMismatch, 401, invalidToken(reason.AudienceMismatch),
		},
		{
			"a team's rule fails", team(`deny contains d if { d := {"code": "x", "message": input.claims.sub + 1} }`),
			func(d *testService) clientRequest { return bearer(d.token()) }, reason.PolicyError, 503, "",
		},
		{
			"a team's rule says no", team(`deny contains {"code": "closed", "message": "shut"} if input.request.method == "POST"`),
			func(d *testService) clientRequest { return bearer(d.token()) }, reason.PolicyDenied, 403, "",
		},
		{
			"CH-7, CH-8: all scopes of the operation at once", team(`scopes contains "mcp:admin" if input.request.method == "POST"`),
			func(d *testService) clientRequest { return bearer(d.token(map[string]any{"scope": "x"})) }, reason.InsufficientScope, 403,
			rm + `, scope="mcp:read mcp:admin", error="insufficient_scope", error_description="` + reason.InsufficientScope.Description() + `"`,
		},
		{
			"an operation that needs no token", byOperation(func(s *resource.Spec) { s.Anonymous = []resource.Operation{{Method: "tools/list"}} }),
			func(*testService) clientRequest { return post("", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`) }, reason.AllowedAnonymous, 200, "",
		},
		{
			"a body that two readers read in two ways", byOperation(nil), func(d *testService) clientRequest {
				return post(d.token(), `{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"delete_repo"}}`)
			}, reason.OperationMalformed, 400, "",
		},
		{
			"an operation that no source shows", byOperation(nil), func(d *testService) clientRequest { return post(d.token(), "") },
			reason.OperationUnknown, 403, "",
		},
		{
			"T-11: headers that nothing checks", byOperation(nil), func(d *testService) clientRequest {
				return post(d.token(), "").withHeaders("tools/list", "")
			}, reason.OperationUnknown, 403, "",
		},
		{
			"X-4: an operation that needs a stronger authentication, and a scope", byOperation(nil),
			func(d *testService) clientRequest { return post(d.token(), call("pay")) }, reason.InsufficientUserAuthentication, 401,
			rm + `, scope="mcp:read mcp:pay", acr_values="silver gold", max_age="300", error="insufficient_user_authentication", error_description="` +
				reason.InsufficientUserAuthentication.Description() + `"`,
		},
		{
			"CH-7, CH-8: the scopes of the resource and of the operation", byOperation(nil),
			func(d *testService) clientRequest { return post(d.token(), call("delete_repo")) }, reason.InsufficientScope, 403,
			rm + `, scope="mcp:read mcp:admin", error="insufficient_scope", error_description="` + reason.InsufficientScope.Description() + `"`,
		},
		{
			"which an operation without an entry does not need", byOperation(nil),
			func(d *testService) clientRequest { return post(d.token(), call("search")) }, reason.Allowed, 200, "",
		},
	}
	return append(rows,
		badToken("Bearer alone", reason.TokenMalformed, func(*testService) string { return "" }),
		badToken("a comma in the token", reason.TokenMalformed, func(d *testService) string { return d.token() + ",x" }),
		badToken("an opaque token", reason.TokenMalformed, func(*testService) string { return strings.Repeat("k", 43) }),
		badToken("J-1: none", reason.AlgorithmNotAllowed, func(d *testService) string {
			return d.key.SignAs(map[string]any{"alg": "none"}, claims())
		}),
		badToken("J-2: an ID token", reason.TypeNotAllowed, func(d *testService) string { return d.token(map[string]any{"nonce": "n"}) }),
		badToken("J-8: another issuer", reason.IssuerUnknown, func(d *testService) string { return d.token(map[string]any{"iss": "https://evil.example.com"}) }),
		badToken("J-3: no exp", reason.ClaimsMissing, func(d *testService) string { return d.token(map[string]any{"exp": nil}) }),
		badToken("AU-2: no aud", reason.ClaimsMissing, func(d *testService) string { return d.token(map[string]any{"aud": nil}) }),
		badToken("TK-3: expired", reason.TokenExpired, func(d *testService) string { return d.token(map[string]any{"exp": at - 30}) }),
		badToken("not yet", reason.TokenNotYetValid, func(d *testService) string { return d.token(map[string]any{"nbf": at + 31}) }),
		badToken("a key nobody published", reason.KeyUnknown, func(*testService) string { return jwttest.NewKey("ES256", "key-2").Sign(claims()) }),
		badToken("forged", reason.SignatureInvalid, func(*testService) string { return jwttest.NewKey("ES256", "key-1").Sign(claims()) }),
		badToken("X-1: bound to a key", reason.BindingUnproven, func(d *testService) string {
			return d.token(map[string]any{"cnf": map[string]any{"jkt": "x"}})
		}),
		badToken("AU-1: for another server", reason.AudienceMismatch, func(d *testService) string {
			return d.token(map[string]any{"aud": "https://mcp.example.com/other"})
		}),
	)
}

// byOperation has operations at the resource of most tests.
func byOperation(change func(*resource.Spec)) func(*plan) {
	return func(p *plan) {
		p.resources[0].Operations = []resource.Operation{
			{Method: "tools/call", Name: "delete_*", Scopes: []string{"mcp:admin"}},
			{Method: "tools/call", Name: "pay", Scopes: []string{"mcp:pay"}, ACRValues: []string{"silver", "gold"}, MaxAge: 5 * time.Minute},
		}
		if change != nil {
			change(&p.resources[0])
		}
	}
}

func dpop(mode string) func(*plan) {
	return func(p *plan) {
		p.resources[0].DPoP, p.resources[0].ProofAlgorithms = mode, []string{"ES256", "EdDSA"}
	}
}

// team writes one module of a team.
func team(rule string) func(*plan) {
	return func(p *plan) { p.policy = []string{teamFolder(rule)} }
}

// forgetting is a library that would leave a token in the query, and allows
// the request.
func forgetting(p *plan) {
	library := fstest.MapFS{"passthrough.rego": &fstest.MapFile{Data: []byte(
		"package doorward.passthrough\n\nstrip := {\"headers\": [\"authorization\"], \"query\": []}\n\nholds := true\n")}}
	for _, name := range []string{
		"anonymous.rego", "audience.rego", "authentication.rego", "decision.rego", "scope.rego", "team.rego",
	} {
		content, _ := fs.ReadFile(rego.Files, name)
		library[name] = &fstest.MapFile{Data: content}
	}
	p.library = library
}

func without(module string) func(*plan) {
	return func(p *plan) {
		library := fstest.MapFS{}
		entries, _ := fs.ReadDir(rego.Files, ".")
		for _, entry := range entries {
			if content, _ := fs.ReadFile(rego.Files, entry.Name()); entry.Name() != module {
				library[entry.Name()] = &fstest.MapFile{Data: content}
			}
		}
		p.library = library
	}
}

// TestEveryReasonOnTheWire asks for each reason over gRPC, in both forms in
// which Envoy sends headers, and compares status, challenge and body. The Go
// SDK's parser reads every challenge as we meant it.
func TestEveryReasonOnTheWire(t *testing.T) {
	seen := map[reason.Reason]bool{}
	for _, row := range wireRows() {
		seen[row.reason] = true
		t.Run(row.reason.String()+"/"+row.intent, func(t *testing.T) {
			d := startService(t, useTempFolder(t, row.change)...)
			if row.reason == reason.KeysUnavailable {
				d.state.Issuers[issuerURL].Keys.Close()
			}
			question := row.ask(d)
			for form, request := range map[string]*authv3.CheckRequest{"headers": question.joined(), "header_map": question.apart()} {
				got := readResponse(t, d.check(t, request))
				if got.reason != row.reason.String() || got.status != row.status || got.challenge != row.challenge {
					t.Errorf("%s: got %s, %d, %q\nwant %s, %d, %q", form, got.reason, got.status, got.challenge, row.reason, row.status, row.challenge)
				}
				checkBody(t, row.reason, got)
				checkParsed(t, got)
			}
		})
	}
	// These two cannot be asked for with a request of a client; see
	// TestBytesThatAreNoCheckRequest and TestOverload.
	seen[reason.Internal], seen[reason.Overloaded] = true, true
	// Of requests that a server makes; see internal/egress:TestEveryReason.
	seen[reason.NoDestination], seen[reason.ExchangeRefused], seen[reason.ExchangeUnavailable] = true, true, true
	for _, r := range reason.All() {
		if !seen[r] {
			t.Errorf("no row asks for %s", r)
		}
	}
}

func checkBody(t *testing.T, why reason.Reason, got wireAnswer) {
	t.Helper()
	switch why {
	case reason.Allowed, reason.AllowedAnonymous, reason.Metadata, reason.Preflight:
		return
	case reason.OperationMalformed:
		want := `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"` + why.Description() + `","data":{"reason":"operation_malformed"}}}`
		if got.body != want {
			t.Errorf("body %s, want %s", got.body, want)
		}
		return
	default:
	}
	var body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		t.Fatal(err)
	}
	want := why.OAuthError()
	if want == "" {
		want = why.String()
	}
	if body.Error != want || body.Description != why.Description() {
		t.Errorf("body %s, want error %s", got.body, want)
	}
}

func checkParsed(t *testing.T, got wireAnswer) {
	t.Helper()
	if got.challenge == "" {
		if got.status == 401 {
			t.Error("CH-12: a 401 without a challenge")
		}
		return
	}
	parsed, err := oauthex.ParseWWWAuthenticate([]string{got.challenge})
	if err != nil || len(parsed) != 1 || parsed[0].Scheme != "bearer" && parsed[0].Scheme != "dpop" || parsed[0].Params["resource_metadata"] != metadataURL {
		t.Errorf("the SDK reads %q as %v (%v)", got.challenge, parsed, err)
	}
}

// TestRefusalsAreNotCached: every refusal but a document carries no-store, and
// 503 has a Retry-After.
func TestHeadersOfARefusal(t *testing.T) {
	d := startService(t)
	denied := d.check(t, clientRequest{}.joined()).GetDeniedResponse()
	for name, want := range map[string]string{"content-type": "application/json", "cache-control": "no-store"} {
		if got := deniedHeader(denied, name); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, header := range denied.GetHeaders() {
		if header.GetAppend() != nil { //nolint:staticcheck // deprecated, and all that Envoy reads here
			t.Errorf("%s has append set: Envoy drops it", header.GetHeader().GetKey())
		}
	}
	busy := d.check(t, clientRequest{extensions: map[string]string{"resource": "nobody"}}.joined()).GetDeniedResponse()
	if got := deniedHeader(busy, "retry-after"); !slices.Equal(got, []string{"1"}) {
		t.Errorf("retry-after: %q", got)
	}
}

// TestTheOrderOfReasons gives a request two faults and wants the one that comes
// first in the contract (G-6: an expired token without scope is 401).
func TestTheOrderOfReasons(t *testing.T) {
	type fault struct {
		why   reason.Reason
		apply func(d *testService, a *clientRequest, c map[string]any)
	}
	set := func(name string, value any) func(*testService, *clientRequest, map[string]any) {
		return func(_ *testService, _ *clientRequest, c map[string]any) { c[name] = value }
	}
	faults := []fault{
		{reason.Metadata, func(_ *testService, a *clientRequest, _ map[string]any) {
			a.path = "/.well-known/oauth-protected-resource/mcp"
		}},
		{reason.Misconfigured, func(_ *testService, a *clientRequest, _ map[string]any) {
			a.extensions = map[string]string{"resource": "nobody"}
		}},
		{reason.NoResource, func(_ *testService, a *clientRequest, _ map[string]any) { a.host = "nowhere.example.com" }},
		{reason.OriginNotAllowed, func(_ *testService, a *clientRequest, _ map[string]any) {
			a.headers = append(a.headers, [2]string{"origin", "null"})
		}},
		{reason.InvalidRequest, func(_ *testService, a *clientRequest, _ map[string]any) {
			a.path = "/mcp?x=1;access_token=y"
		}},
		{reason.TypeNotAllowed, set("nonce", "n")},
		{reason.IssuerUnknown, set("iss", "https://evil.example.com")},
		{reason.ClaimsMissing, set("exp", "soon")},
		{reason.TokenNotYetValid, set("nbf", testTime.Add(time.Hour).Unix())},
		{reason.BindingUnproven, set("cnf", map[string]any{})},
		{reason.AudienceMismatch, set("aud", "x")},
		{reason.OperationMalformed, func(_ *testService, a *clientRequest, _ map[string]any) { a.body = "{" }},
		{reason.OperationUnknown, func(_ *testService, a *clientRequest, _ map[string]any) {
			a.headers = append(a.headers, [2]string{"mcp-protocol-version", "2026-07-28"}, [2]string{"mcp-method", "tools/list"})
		}},
		{reason.PolicyDenied, set("jti", "denied")},
		{reason.InsufficientUserAuthentication, set("auth_time", "yesterday")},
		{reason.InsufficientScope, set("scope", "x")},
	}
	rules := team(`deny contains {"code": "x", "message": "x"} if input.claims.jti == "denied"`)
	d := startService(t, useTempFolder(t, together(rules, byOperation(nil)))...)
	for i, first := range faults {
		for _, second := range faults[i+1:] {
			a := post("", call("pay"))
			c := claims(map[string]any{"scope": "mcp:read mcp:pay", "acr": "gold", "auth_time": testTime.Unix()})
			second.apply(d, &a, c)
			first.apply(d, &a, c)
			a.headers = append(a.headers, [2]string{"authorization", "Bearer " + d.key.Sign(c)})
			if got := readResponse(t, d.check(t, a.joined())).reason; got != first.why.String() && !hides(first.why, second.why) {
				t.Errorf("%s and %s: got %s", first.why, second.why, got)
			}
		}
	}
}

// hides names the pair that cannot stand in one request: a document is served
// whatever the path of the resource was.
func hides(first, second reason.Reason) bool {
	return first == reason.Metadata && second == reason.NoResource
}

// TestOverload fills the one place for signatures with a wait for keys that
// never come, so that nothing depends on time.
func TestOverload(t *testing.T) {
	d := startService(t, func(p *plan) { p.verifier.InFlight, p.verifier.Waiting = 1, 0 })
	strong := jwttest.NewKey("ES512", "strong")
	d.state.Issuers[issuerURL].Keys = jwks.NewSource(jwks.Options{Issuer: issuerURL, Static: jwttest.JWKS(strong)}, jwks.Environment{})
	forged := jwttest.NewKey("ES512", "strong").Sign(claims())
	forged = forged[:len(forged)-8] // a signature fails once under one key; each of these is another
	answers := make(chan wireAnswer)
	const many, rounds = 32, 50
	for round := range rounds {
		for i := range many {
			go func() {
				response, err := d.client.Check(context.Background(), bearer(fmt.Sprintf("%s%08d", forged, many*round+i)).joined())
				if err != nil {
					answers <- wireAnswer{reason: err.Error()}
					return
				}
				answers <- wireAnswer{reason: response.GetDynamicMetadata().GetFields()["reason"].GetStringValue(), status: int(response.GetDeniedResponse().GetStatus().GetCode())}
			}()
		}
		got := map[wireAnswer]int{}
		for range many {
			got[<-answers]++
		}
		for _, answer := range slices.Collect(maps.Keys(got)) {
			if answer != (wireAnswer{reason: "signature_invalid", status: 401}) && answer != (wireAnswer{reason: "overloaded", status: 503}) {
				t.Fatalf("got %+v", answer)
			}
		}
		if got[wireAnswer{reason: "overloaded", status: 503}] > 0 {
			return
		}
	}
	t.Error("a flood of forged tokens was never overloaded")
}

package extauthz_test

import (
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
	tokens "github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

func accountRows() []accountRow {
	rows := append(requestAccounts(), boundByAccounts()...)
	rows = append(rows, tokenAccounts()...)
	rows = append(rows, keyAccounts()...)
	rows = append(rows, operationAccounts()...)
	return append(rows, decisionAccounts()...)
}

func requestAccounts() []accountRow {
	header := func(headers ...[2]string) func(*testService) clientRequest {
		return func(*testService) clientRequest { return clientRequest{headers: headers} }
	}
	return []accountRow{
		{
			"a host of nobody", nil, func(*testService) clientRequest {
				return clientRequest{host: "u:p@nowhere.example.com", path: "/a?b=c"}
			}, reason.NoResource,
			map[string]string{"authority": "nowhere.example.com", "path": "/a", "method": "POST"},
			[]string{"as a resource", "also_at is for a URL that a mesh uses"},
		},
		{
			"a path of nobody", nil, func(*testService) clientRequest { return clientRequest{path: "/mcpx"} }, reason.NoResource,
			map[string]string{"authority": "mcp.example.com", "path": "/mcpx"},
			[]string{"byte for byte", "as a resource"},
		},
		{
			"a path that reads in two ways", nil, func(*testService) clientRequest { return clientRequest{path: "/mcp//x"} }, reason.NoResource,
			map[string]string{"path": "/mcp//x"},
			[]string{"empty segment"},
		},
		{"the mesh names the resource of another authority", nil, func(*testService) clientRequest {
			return clientRequest{host: "elsewhere.example.com", extensions: map[string]string{"resource": "weather"}}
		}, reason.NoResource, map[string]string{"named": "weather"}, []string{"names the resource weather"}},
		{
			"the mesh names nobody", nil, func(*testService) clientRequest {
				return clientRequest{extensions: map[string]string{"resource": "nobody"}}
			}, reason.Misconfigured,
			map[string]string{"named": "nobody"},
			[]string{"not configured"},
		},
		{
			"a page of another origin", nil, header([2]string{"origin", "https://evil.example.com\n" + strings.Repeat("x", 300)}), reason.OriginNotAllowed,
			map[string]string{"origin": "https://evil.example.com\n" + strings.Repeat("x", 231) + "..."},
			[]string{"if the page is yours"},
		},
		{"a page without an origin", nil, header([2]string{"origin", "null"}), reason.OriginNotAllowed, map[string]string{"origin": "null"}, []string{"sandboxed"}},
		{
			"two origins", nil, header([2]string{"origin", "https://app.example.com"}, [2]string{"origin", "https://a.example.com"}), reason.OriginNotAllowed,
			map[string]string{"origin": "https://app.example.com, https://a.example.com"},
			[]string{"more than one Origin", "!yours"},
		},
		{
			"two Authorization headers", nil, header([2]string{"authorization", "Bearer a"}, [2]string{"authorization", "Bearer b"}), reason.InvalidRequest,
			nil,
			[]string{"2 Authorization headers", "!semicolon"},
		},
		{"two credentials in one", nil, header([2]string{"authorization", "Bearer a, Bearer b"}), reason.InvalidRequest, nil, []string{"two credentials", "!semicolon"}},
		{"a token behind a semicolon", nil, func(*testService) clientRequest { return clientRequest{path: "/mcp?a=b;access_token=c"} }, reason.InvalidRequest, nil, []string{"semicolon", "!two"}},
		{"nothing", nil, header(), reason.NoCredentials, map[string]string{"scheme": ""}, []string{"no Authorization header"}},
		{"a token in the query", nil, func(*testService) clientRequest { return clientRequest{path: "/mcp?access_token=c"} }, reason.NoCredentials, nil, []string{"in the query"}},
		{"another scheme", nil, header([2]string{"authorization", "Basic aHVudGVyMg"}), reason.NoCredentials, map[string]string{"scheme": "Basic"}, []string{"not Bearer"}},
		{
			"a token without a scheme", nil, func(d *testService) clientRequest {
				return clientRequest{headers: [][2]string{{"authorization", d.token()}}}
			}, reason.NoCredentials,
			map[string]string{"scheme": ""},
			[]string{"without a scheme"},
		},
		{"DPoP where it is off", nil, header([2]string{"authorization", "DPoP a.b.c"}), reason.NoCredentials, map[string]string{"scheme": "DPoP"}, []string{"dpop: optional"}},
	}
}

func tokenAccounts() []accountRow {
	token := func(changes map[string]any) func(*testService) clientRequest {
		return func(d *testService) clientRequest { return bearer(d.token(changes)) }
	}
	plain := func(compact string) func(*testService) clientRequest {
		return func(*testService) clientRequest { return bearer(compact) }
	}
	headed := func(header map[string]any) func(*testService) clientRequest {
		return func(d *testService) clientRequest { return bearer(d.key.SignAs(header, claims())) }
	}
	strict := func(p *plan) { p.profile = tokens.RFC9068 }
	return []accountRow{
		{"a scheme alone", nil, plain(""), reason.TokenMalformed, map[string]string{"parts": ""}, []string{"no token"}},
		{
			"a token that is too long", func(p *plan) { p.verifier.MaxBytes = 300 }, plain(strings.Repeat("a", 301)), reason.TokenMalformed,
			map[string]string{"size": "301", "limit": "300"},
			[]string{"301", "limits.token_bytes is 300"},
		},
		{"an opaque token", nil, plain("opaque"), reason.TokenMalformed, map[string]string{"parts": "1"}, []string{"opaque"}},
		{"a JWE", nil, plain("eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d"), reason.TokenMalformed, map[string]string{"parts": "5"}, []string{"the client asked without a resource"}},
		{"half a token", nil, plain("eyJhbGciOiJSU0EtT0FFUCJ9.a"), reason.TokenMalformed, map[string]string{"parts": "2"}, []string{"cut it"}},
		{"three parts that are none", nil, plain("a.b.c"), reason.TokenMalformed, map[string]string{"parts": "3", "cause": "not canonical base64url"}, []string{"see cause"}},
		{"alg none", nil, headed(map[string]any{"alg": "none"}), reason.AlgorithmNotAllowed, map[string]string{"alg": "none"}, []string{"never accepted", "!add it"}},
		{"an alg that the issuer does not use", nil, func(d *testService) clientRequest {
			d.state.Issuers[issuerURL].Algorithms = []string{"RS256", "EdDSA"}
			return bearer(d.token())
		}, reason.AlgorithmNotAllowed, map[string]string{"alg": "ES256", "accepted": "RS256 EdDSA"}, []string{"add it there if"}},
		{
			"the key is for another alg", nil, headed(map[string]any{"alg": "RS256", "kid": "key-1"}), reason.AlgorithmNotAllowed,
			map[string]string{"alg": "RS256"},
			[]string{"another alg"},
		},
		{
			"an ID token", nil, token(map[string]any{"nonce": "n"}), reason.TypeNotAllowed,
			map[string]string{"cause": "nonce: a claim of another kind of token"},
			[]string{"ID token", "!profile: standard"},
		},
		{
			"an access token of the other profile", strict, headed(map[string]any{"alg": "ES256", "kid": "key-1", "typ": "JWT"}), reason.TypeNotAllowed,
			map[string]string{"typ": "jwt", "profile": "rfc9068"},
			[]string{"set profile: standard"},
		},
		{
			"a logout token under the strict profile", strict, headed(map[string]any{"alg": "ES256", "kid": "key-1", "typ": "logout+jwt"}), reason.TypeNotAllowed,
			map[string]string{"typ": "logout+jwt"},
			[]string{"!profile: standard"},
		},
		{
			"a stranger", nil, token(map[string]any{"iss": "https://evil.example.com"}), reason.IssuerUnknown,
			map[string]string{"iss": "https://evil.example.com", "accepted": issuerURL},
			[]string{"byte for byte", "!slash"},
		},
		{"the last slash", nil, token(map[string]any{"iss": issuerURL + "/"}), reason.IssuerUnknown, map[string]string{"iss": issuerURL + "/"}, []string{"last slash"}},
		{"capitals", nil, token(map[string]any{"iss": "https://AS.example.com"}), reason.IssuerUnknown, nil, []string{"capital letters", "!slash"}},
		{"the issuer of another resource", nil, func(d *testService) clientRequest {
			a := bearer(d.token())
			a.path = "/other"
			return a
		}, reason.IssuerUnknown, map[string]string{"iss": issuerURL, "accepted": "https://elsewhere.example.com"}, []string{"a configured issuer"}},
		{
			"no aud", nil, token(map[string]any{"aud": nil}), reason.ClaimsMissing,
			map[string]string{"cause": "aud: absent"},
			[]string{"aud is absent", "under clients"},
		},
		{"no exp", nil, token(map[string]any{"exp": nil}), reason.ClaimsMissing, map[string]string{"cause": "exp: absent"}, []string{"every access token must have exp", "!profile: standard"}},
		{"no sub under the strict profile", strict, func(d *testService) clientRequest {
			return bearer(d.key.SignAs(map[string]any{"alg": "ES256", "kid": "key-1", "typ": "at+jwt"}, claims(map[string]any{"sub": nil})))
		}, reason.ClaimsMissing, map[string]string{"profile": "rfc9068"}, []string{"demands sub", "profile: standard"}},
		{"a claim of another type", nil, token(map[string]any{"sub": 7}), reason.ClaimsMissing, nil, []string{"wrong type"}},
		{
			"an old token", nil, token(map[string]any{"exp": testTime.Add(-90 * time.Second).Unix()}), reason.TokenExpired,
			map[string]string{"exp": "2026-11-23T11:58:30Z", "late": "1m30s", "clock_skew": "30s"},
			[]string{"refresh"},
		},
		{
			"an early token", nil, token(map[string]any{"nbf": testTime.Add(time.Minute).Unix()}), reason.TokenNotYetValid,
			map[string]string{"nbf": "2026-11-23T12:01:00Z", "early": "1m0s"},
			[]string{"raise clock_skew"},
		},
		{
			"a token of another day", nil, token(map[string]any{"iat": testTime.Add(time.Hour).Unix()}), reason.TokenNotYetValid,
			map[string]string{"iat": "2026-11-23T13:00:00Z", "early": "1h0m0s"},
			[]string{"may bridge", "!raise"},
		},
	}
}

func keyAccounts() []accountRow {
	bound := func(name, value string) map[string]any {
		return map[string]any{"cnf": map[string]any{name: value}}
	}
	digest := strings.Repeat("A", 43)
	present := func(scheme string, changes map[string]any, more ...[2]string) func(*testService) clientRequest {
		return func(d *testService) clientRequest {
			return clientRequest{headers: append([][2]string{{"authorization", scheme + " " + d.token(changes)}}, more...)}
		}
	}
	mode := func(dpop string) func(*plan) {
		return func(p *plan) { p.resources[0].DPoP, p.resources[0].ProofAlgorithms = dpop, []string{"ES256"} }
	}
	xfcc := func(p *plan) { p.resources[0].ClientCertificate = "xfcc" }
	return []accountRow{
		{
			"a key that is not there", nil, func(*testService) clientRequest { return bearer(jwttest.NewKey("ES256", "key-2").Sign(claims())) }, reason.KeyUnknown,
			map[string]string{"kid": "key-2", "alg": "ES256"},
			[]string{"no usable key of this kid"},
		},
		{"no key id, and two keys", func(p *plan) {
			p.keys = jwttest.JWKS(jwttest.NewKey("RS256", "key-1"), jwttest.NewKey("RS256", "key-2"))
		}, func(*testService) clientRequest { return bearer(jwttest.NewKey("ES256", "").Sign(claims())) }, reason.KeyUnknown, map[string]string{"kid": "none"}, []string{"names no key"}},
		{"a forged signature", nil, func(*testService) clientRequest { return bearer(forger().Sign(claims())) }, reason.SignatureInvalid, map[string]string{"kid": "key-1"}, []string{"forged"}},
		{"a kind of proof that is not supported", nil, present("Bearer", bound("x", "y")), reason.BindingUnproven, nil, []string{"no other is supported"}},
		{"an unbound token under DPoP", mode("optional"), present("DPoP", nil), reason.BindingUnproven, map[string]string{"dpop": "optional"}, []string{"bound to no key"}},
		{"a bound token where DPoP is off", nil, present("Bearer", bound("jkt", digest)), reason.BindingUnproven, nil, []string{"set dpop: optional"}},
		{"a bound token as Bearer", mode("optional"), present("Bearer", bound("jkt", digest)), reason.BindingUnproven, nil, []string{"sent as Bearer", "!set dpop"}},
		{"an unbound token where DPoP is required", mode("required"), present("Bearer", nil), reason.BindingUnproven, nil, []string{"dpop: required"}},
		{"a token of a certificate where DPoP is required", mode("required"), present("Bearer", bound("x5t#S256", digest)), reason.BindingUnproven, nil, []string{"dpop: required", "!certificate"}},
		{"no certificate", nil, present("Bearer", bound("x5t#S256", digest)), reason.BindingUnproven, nil, []string{"include_peer_certificate"}},
		{"no certificate in its header", xfcc, present("Bearer", bound("x5t#S256", digest)), reason.BindingUnproven, nil, []string{"write x-forwarded-client-cert"}},
		{
			"another certificate", xfcc, present("Bearer", bound("x5t#S256", digest), [2]string{"x-forwarded-client-cert", "Hash=" + strings.Repeat("ab", 32)}), reason.BindingUnproven,
			nil,
			[]string{"another one"},
		},
		{"no proof", mode("optional"), present("DPoP", bound("jkt", digest)), reason.DPoPProofInvalid, nil, []string{"see cause"}},
	}
}

func decisionAccounts() []accountRow {
	audience := func(aud any, more ...map[string]any) func(*testService) clientRequest {
		return func(d *testService) clientRequest {
			return bearer(d.plainToken(append(more, map[string]any{"aud": aud})...))
		}
	}
	return []accountRow{
		{
			"a token for another server", nil, audience([]string{"https://files.example.com", "b"}), reason.AudienceMismatch,
			map[string]string{"audience": "https://files.example.com b", "accepted": resourceURI + " app-1"},
			[]string{"resource=" + resourceURI, "!audiences", "!add"},
		},
		{
			"an audience of the configuration without a scope", nil, audience("app-1", map[string]any{"scope": nil}), reason.AudienceMismatch,
			map[string]string{"audience": "app-1"},
			[]string{"nothing shows that the token is an access token", "access_token_claims", "!add"},
		},
		{
			"an audience of the configuration with roles alone", nil,
			audience("app-1", map[string]any{"scope": nil, "roles": []string{"reader"}}), reason.AudienceMismatch, nil,
			[]string{"roles are in ID tokens too"},
		},
		{
			"an audience of the configuration, a mark and no scope", nil,
			audience("app-1", map[string]any{"scope": nil, "token_use": "access"}), reason.AudienceMismatch, nil,
			[]string{"has no scope", "scopes: none", "!nothing shows"},
		},
		{"the last slash", nil, audience(resourceURI + "/"), reason.AudienceMismatch, nil, []string{"last slash"}},
		{"capitals in the path", nil, audience("https://mcp.example.com/MCP"), reason.AudienceMismatch, nil, []string{"capital letters"}},
		{"another resource of this doorward", nil, audience("https://mcp.example.com/other"), reason.AudienceMismatch, nil, []string{"another resource of this doorward"}},
		{"the host alone", nil, audience("https://mcp.example.com"), reason.AudienceMismatch, nil, []string{"a part of the resource's URL"}},
		{
			"a scope that is missing", nil, func(d *testService) clientRequest { return bearer(d.token(map[string]any{"scope": "mcp:write a"})) }, reason.InsufficientScope,
			map[string]string{"needed": "mcp:read", "granted": "mcp:write a", "missing": "mcp:read"},
			[]string{"ask for the scopes"},
		},
	}
}

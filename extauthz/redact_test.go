package extauthz_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// place puts a secret somewhere into a request that has a token of its own.
type place struct {
	name   string
	claims map[string]any // of its own token; "SECRET" is the secret
	header map[string]any // of its JOSE header
	put    func(a *clientRequest, secret string)
	isName bool // what is verified there may be random, and stays
}

func places() []place {
	header := func(name, format string) func(*clientRequest, string) {
		return func(a *clientRequest, secret string) {
			a.headers = append(a.headers, [2]string{name, fmt.Sprintf(format, secret)})
		}
	}
	all := []place{
		{name: "nowhere"},
		{name: "path", put: func(a *clientRequest, secret string) { a.path = "/mcp/" + secret }},
		{name: "escaped path", put: func(a *clientRequest, secret string) {
			a.path = "/mcp/" + strings.ReplaceAll(secret, "e", "%65") + "/x"
		}},
		{name: "matrix parameter", put: func(a *clientRequest, secret string) { a.path = "/mcp;access_token=" + secret }},
		{name: "path of nobody", put: func(a *clientRequest, secret string) { a.path = "/" + secret }},
		{name: "query", put: func(a *clientRequest, secret string) {
			a.path = "/mcp?access_token=" + secret + "&" + secret + "=" + secret
		}},
		{name: "host", put: func(a *clientRequest, secret string) { a.host = secret }},
		{name: "subdomain", put: func(a *clientRequest, secret string) { a.host = secret + ".example.com:443" }},
		{name: "user information", put: func(a *clientRequest, secret string) { a.host = "user:" + secret + "@mcp.example.com" }},
		{name: "method", put: func(a *clientRequest, secret string) { a.method = secret }},
		{name: "authorization", put: func(a *clientRequest, secret string) { a.headers = [][2]string{{"authorization", "Bearer " + secret}} }},
		{name: "another scheme", put: func(a *clientRequest, secret string) { a.headers = [][2]string{{"authorization", "Token " + secret}} }},
		{name: "no scheme", put: func(a *clientRequest, secret string) { a.headers = [][2]string{{"authorization", secret}} }},
		{name: "second credential", put: header("authorization", "Bearer %s")},
		{name: "request id", put: header("x-request-id", "%s"), isName: true},
		{name: "context extension", put: func(a *clientRequest, secret string) { a.extensions = map[string]string{"resource": secret} }},
		{name: "a header's name", put: func(a *clientRequest, secret string) {
			a.headers = append(a.headers, [2]string{"x-mcp-auth-" + strings.ToLower(secret), "a"})
		}},
	}
	for _, name := range []string{"user-agent", "cookie", "dpop", "x-api-key", "origin", "referer", "forwarded", "x-forwarded-client-cert", "mcp-session-id"} {
		all = append(all, place{name: name, put: header(name, "%s")}, place{name: name + " among words", put: header(name, "https://a.example/?t=%s#x")})
	}
	for _, name := range []string{"sub", "jti", "client_id", "scope", "team"} {
		all = append(all, place{name: "claim " + name, claims: map[string]any{name: "SECRET"}, isName: true})
	}
	return append(all,
		place{name: "audience", claims: map[string]any{"aud": []string{"SECRET", resourceURI}}, isName: true},
		place{name: "issuer", claims: map[string]any{"iss": "https://as.example.com/SECRET"}},
		place{name: "key id", header: map[string]any{"alg": "ES256", "kid": "SECRET"}},
		place{name: "type", header: map[string]any{"alg": "ES256", "kid": "key-1", "typ": "SECRET"}},
		place{name: "algorithm", header: map[string]any{"alg": "SECRET", "kid": "key-1"}},
	)
}

// question is a request with the secret in this place.
func (p place) question(d *testService, secret string, changes map[string]any) clientRequest {
	all := claims(p.claims, changes)
	replaced := func(value any) any {
		switch v := value.(type) {
		case string:
			return strings.ReplaceAll(v, "SECRET", secret)
		case []string:
			return strings.Split(strings.ReplaceAll(strings.Join(v, " "), "SECRET", secret), " ")
		}
		return value
	}
	for name := range all {
		all[name] = replaced(all[name])
	}
	compact := d.key.Sign(all)
	if p.header != nil {
		header := map[string]any{}
		for name, value := range p.header {
			header[name] = replaced(value)
		}
		compact = d.key.SignAs(header, all)
	}
	a := bearer(compact)
	if p.put != nil {
		p.put(&a, secret)
	}
	return a
}

// TestTokensAreRedactedEverywhere: whatever part of a request holds a token, and
// whatever becomes of it, log, decision log, metrics, dynamic metadata and
// explanation do not. A rule of a team that repeats the request is no way round.
func TestTokensAreRedactedEverywhere(t *testing.T) {
	d := startService(t, append(useTempFolder(t, team(`warn contains {"code": input.request.path, "message": input.request.headers["x-api-key"][0]}
warn contains {"code": input.request.method, "message": input.request.host}
said := object.get(input.request.headers, "user-agent", ["none"])[0]
word := substring(regex.replace(lower(said), "[^a-z0-9_]", "_"), 0, 64)
deny contains {"code": word, "message": said} if input.claims.email == "denied"
deny contains {"code": "zz", "message": said} if input.claims.email == "denied"`)),
		func(p *plan) { p.subject = true })...)
	compact := jwttest.NewKey("ES256", "other").Sign(map[string]any{"iss": "https://other.example.com", "sub": "victim", "n": 12345})
	const opaque = "gho_16C7e42F292c6912E7710c838347Ae178B4a"
	for _, p := range places() {
		for _, secret := range []string{compact, opaque} {
			if secret == opaque && p.isName {
				continue
			}
			for _, changes := range []map[string]any{nil, {"exp": 1}, {"email": "denied"}, {"aud": "x"}, {"scope": "none"}, {"nonce": "n"}} {
				own := strings.TrimPrefix(p.question(d, secret, changes).headers[0][1], "Bearer ")
				written := d.allWritten(t, p.question(d, secret, changes))
				for _, part := range append(strings.Split(secret, "."), strings.Split(own, ".")...) {
					for where, text := range written {
						if len(part) >= 20 && strings.Contains(strings.ToLower(text), strings.ToLower(part)) {
							t.Errorf("%s, %v: the %s holds %q: %s", p.name, changes, where, part, text)
						}
					}
				}
			}
		}
	}
}

// allWritten asks in each form of headers, of a server whose log leaves nothing
// out, and gives what is written anywhere but in the answer.
func (d *testService) allWritten(t *testing.T, question clientRequest) map[string]string {
	t.Helper()
	end := d.logged(t, "team", "email")
	log, registry := &syncBuffer{}, prometheus.NewRegistry()
	handler := slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})
	server := newServer(t, extauthz.Options{Log: slog.New(handler), Registry: registry})
	swap(t, server, d.state)
	written := map[string]string{}
	for _, check := range []*authv3.CheckRequest{question.joined(), question.apart()} {
		answer := server.Check(t.Context(), check)
		metadata, err := protojson.Marshal(answer.GetDynamicMetadata())
		if err != nil {
			t.Fatal(err)
		}
		written["metadata"] += string(metadata)
		told := server.Explain(t.Context(), check, time.Now)
		written["explanation"] += fmt.Sprint(told.Cause, told.Advice, told.Facts)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	written["metrics"] = fmt.Sprint(families)
	written["log"], written["decision log"] = log.String(), end()
	if written["log"] == "" || written["decision log"] == "" {
		t.Errorf("nothing is written of %v", question)
	}
	return written
}

package main

import (
	"maps"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/doorward/doorward/benchmarks/traffic"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

const (
	issuer   = "https://as.example.com"
	audience = "https://mcp.example.com/mcp"
)

// TestTheRules: a comparison with a service that judges wrongly would measure
// nothing.
func TestTheRules(t *testing.T) {
	key, stranger := jwttest.NewKey("ES256", "known"), jwttest.NewKey("ES256", "known")
	s, err := newService(t.Context(), map[string]any{"jwks": string(jwttest.JWKS(key)), "issuer": issuer, "audience": audience})
	if err != nil {
		t.Fatal(err)
	}
	sign := func(by *jwttest.Key, changes map[string]any) string {
		claims := map[string]any{"iss": issuer, "sub": "alice", "aud": audience, "client_id": "app", "scope": "mcp:read", "exp": time.Now().Add(time.Hour).Unix()}
		maps.Copy(claims, changes)
		return by.Sign(claims)
	}
	for _, row := range []struct {
		intent, method, token string
		allowed               bool
	}{
		{"a good token", "POST", sign(key, nil), true},
		{"no token", "POST", "", false},
		{"a forged one", "POST", sign(stranger, nil), false},
		{"for another resource", "POST", sign(key, map[string]any{"aud": "https://other.example.com"}), false},
		{"of another issuer", "POST", sign(key, map[string]any{"iss": "https://other.example.com"}), false},
		{"expired", "POST", sign(key, map[string]any{"exp": 1}), false},
		{"without the scope", "POST", sign(key, map[string]any{"scope": "mcp:write"}), false},
		{"what the team's rule denies", "DELETE", sign(key, nil), false},
	} {
		check := traffic.Request(row.token, traffic.Mapped, 0)
		check.Attributes.Request.Http.Method = row.method
		response, err := s.Check(t.Context(), check)
		if err != nil {
			t.Fatal(err)
		}
		_, allowed := response.GetHttpResponse().(*authv3.CheckResponse_OkResponse)
		if allowed != row.allowed || allowed != (response.GetStatus().GetCode() == 0) {
			t.Errorf("%s: %v", row.intent, response)
		}
		if allowed && len(response.GetOkResponse().GetHeaders()) != 4 {
			t.Errorf("%s: headers %v", row.intent, response.GetOkResponse().GetHeaders())
		}
	}
}

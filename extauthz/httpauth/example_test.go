package httpauth_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/httpauth"
	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/policy"
)

// A Go MCP server without Envoy. A request without a token gets the challenge
// that leads an MCP client to the metadata document of the resource.
func ExampleHandler() {
	const issuer = "https://as.example.com"
	resources, problems := resource.NewTable([]resource.Spec{{
		URI: "https://mcp.example.com/mcp", Issuers: []string{issuer}, Scopes: []string{"mcp:read"},
	}}, nil)
	if resources == nil {
		log.Fatal(problems)
	}
	rules, err := policy.Compile(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	keys := jwks.NewSource(jwks.Options{Issuer: issuer}, jwks.Environment{})
	// go keys.Run(ctx) downloads the issuer's keys, and new ones when they change.
	checks, err := extauthz.New(extauthz.Options{})
	if err != nil {
		log.Fatal(err)
	}
	err = checks.Swap(&extauthz.State{
		Resources:  resources,
		Issuers:    map[string]*token.Issuer{issuer: {ID: issuer, Algorithms: token.DefaultAlgorithms(), Keys: keys}},
		Verifier:   token.NewVerifier(token.Options{Waiting: 1000}),
		Possession: token.NewPossessionVerifier(token.PossessionOptions{}),
		Policy:     rules,
	})
	if err != nil {
		log.Fatal(err)
	}
	tools := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintln(w, "hello", r.Header.Get("X-Mcp-Auth-Subject")) // of a verified token
	})
	handler := httpauth.Handler(checks, tools) // for an http.Server

	for _, path := range []string{"/mcp", "/.well-known/oauth-protected-resource/mcp"} {
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, httptest.NewRequest(http.MethodGet, "https://mcp.example.com"+path, http.NoBody))
		fmt.Println(response.Code, response.Header().Get("WWW-Authenticate"))
	}
	// Output:
	// 401 Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", scope="mcp:read"
	// 200
}

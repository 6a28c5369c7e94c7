package httpauth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/httpauth"
	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/rego"
)

type identity struct {
	Subject    string `json:"subject"`
	Credential bool   `json:"credential"`
}

// TestTheSDKClientLogsIn: a go-sdk server inside the middleware, and the go-sdk
// client, which knows one URL, finds the authorization server by the challenge
// and the metadata document, logs in and calls a tool.
func TestTheSDKClientLogsIn(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	authorization, err := testenv.StartAuthServer(testenv.AuthServerOptions{Scopes: []string{"mcp:read"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = authorization.Close() })

	server, err := extauthz.New(extauthz.Options{})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(httpauth.Handler(server, mcpHandler()))
	t.Cleanup(web.Close)
	endpoint := web.URL + "/mcp"
	if err := server.Swap(protect(t, endpoint, authorization.Issuer())); err != nil {
		t.Fatal(err)
	}

	login, err := testenv.Login(nil)
	if err != nil {
		t.Fatal(err)
	}
	session, err := testenv.Connect(ctx, testenv.ClientOptions{Endpoint: endpoint, OAuth: login})
	if err != nil {
		t.Fatal(err)
	}
	var who identity
	if err := testenv.Call(ctx, session, "whoami", nil, &who); err != nil {
		t.Fatal(err)
	}
	if want := (identity{Subject: "alice"}); who != want {
		t.Errorf("the server sees %+v, not %+v", who, want)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
}

// mcpHandler is an MCP server whose tool says what of the caller reaches it.
func mcpHandler() http.Handler {
	server := mcp.NewServer(&mcp.Implementation{Name: "sample", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "whoami"},
		func(_ context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, identity, error) {
			return nil, identity{
				Subject:    r.Extra.Header.Get("X-Mcp-Auth-Subject"),
				Credential: r.Extra.Header.Get("Authorization") != "",
			}, nil
		})
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
}

// protect trusts one issuer for one resource.
func protect(t *testing.T, uri, issuer string) *extauthz.State {
	t.Helper()
	loopback := []string{"loopback"}
	table, problems := resource.NewTable([]resource.Spec{{URI: uri, Issuers: []string{issuer}, Scopes: []string{"mcp:read"}}}, loopback)
	if table == nil {
		t.Fatal(problems)
	}
	engine, faults := policy.Compile(t.Context(), policy.Sources{Library: rego.Files})
	if engine == nil {
		t.Fatal(faults)
	}
	keys := jwks.NewSource(jwks.Options{Issuer: issuer, InsecureHTTPHosts: loopback}, jwks.Environment{})
	go keys.Run(t.Context())
	return &extauthz.State{
		Resources:    table,
		Issuers:      map[string]*token.Issuer{issuer: {ID: issuer, Algorithms: token.DefaultAlgorithms(), Keys: keys}},
		Verifier:     token.NewVerifier(token.Options{Waiting: 1000}),
		Policy:       engine,
		Possession:   token.NewPossessionVerifier(token.PossessionOptions{}),
		CheckTimeout: 10 * time.Second,
	}
}

package extauthz_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/policy"
)

// exampleState trusts one issuer for one resource, with the built-in rules.
func exampleState(ctx context.Context) *extauthz.State {
	const issuer = "https://as.example.com"
	resources, problems := resource.NewTable([]resource.Spec{{
		URI: "https://mcp.example.com/mcp", Issuers: []string{issuer}, Scopes: []string{"mcp:read"},
	}}, nil)
	if resources == nil {
		log.Fatal(problems)
	}
	rules, err := policy.Compile(ctx)
	if err != nil {
		log.Fatal(err)
	}
	keys := jwks.NewSource(jwks.Options{Issuer: issuer}, jwks.Environment{})
	// go keys.Run(ctx) downloads the issuer's keys, and new ones when they change.
	return &extauthz.State{
		Resources:  resources,
		Issuers:    map[string]*token.Issuer{issuer: {ID: issuer, Algorithms: token.DefaultAlgorithms(), Keys: keys}},
		Verifier:   token.NewVerifier(token.Options{Waiting: 1000}),
		Possession: token.NewPossessionVerifier(token.PossessionOptions{}),
		Policy:     rules,
	}
}

// The service for Envoy, in a program of your own. The request that is checked
// has no token.
func ExampleNewGRPCServer() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	checks, err := extauthz.New(extauthz.Options{Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()})
	if err != nil {
		log.Fatal(err)
	}
	if err := checks.Swap(exampleState(ctx)); err != nil {
		log.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := extauthz.NewGRPCServer(checks, 0)
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()

	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	answer, err := authv3.NewAuthorizationClient(conn).Check(ctx, &authv3.CheckRequest{
		Attributes: &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{
			Http: &authv3.AttributeContext_HttpRequest{Method: "POST", Host: "mcp.example.com", Path: "/mcp"},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.GetDeniedResponse().GetStatus().GetCode())
	for _, header := range answer.GetDeniedResponse().GetHeaders() {
		if header.GetHeader().GetKey() == "www-authenticate" {
			fmt.Println(header.GetHeader().GetValue())
		}
	}
	// Output:
	// Unauthorized
	// Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", scope="mcp:read"
}

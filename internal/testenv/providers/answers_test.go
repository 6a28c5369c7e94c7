package providers_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/service"
	"github.com/doorward/doorward/internal/snapshot"
	"github.com/doorward/doorward/internal/testenv/providers"
)

// TestAnswersOverGRPC: each token of each provider gets the answer that its row names, at the first request and from
// memory, under the configuration that the guide shows.
func TestAnswersOverGRPC(t *testing.T) {
	for _, p := range providers.All() {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			rows := make(map[string][]providers.Row)
			for _, row := range p.Rows() {
				rows[row.Under] = append(rows[row.Under], row)
			}
			for under, all := range rows {
				reason, tokens := start(t, p, under), make([]string, len(all))
				for i, row := range all {
					tokens[i] = p.Token(row, time.Now())
				}
				for range 2 {
					for i, row := range all {
						want := row.Reason
						if want == "" {
							want = "allowed"
						}
						if got := reason(tokens[i]); got != want {
							t.Errorf("%s: %s, want %s", row.Name, got, want)
						}
					}
				}
			}
		})
	}
}

// start serves Check under one configuration of a provider, and returns a function that asks for the reason of the
// answer to a request with a token.
func start(t *testing.T, p *providers.Provider, under string) func(token string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range map[string]string{"keys.json": string(p.JWKS()), "doorward.yaml": p.YAML(under, "keys.json")} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	source := service.Source{Read: func(files *snapshot.Snapshot) (*config.Config, finding.List) {
		return config.LoadFrom(files, []string{filepath.Join(folder, "doorward.yaml")})
	}}
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	revision, problems := service.Load(ctx, source)
	if revision == nil {
		t.Fatal(problems)
	}
	checks, err := service.Offline(ctx, revision, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	listener, server := bufconn.Listen(1<<20), extauthz.NewGRPCServer(checks, 1<<20)
	go func() { _ = server.Serve(listener) }() // ends with Stop
	t.Cleanup(server.Stop)
	connection, err := grpc.NewClient("passthrough:doorward", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return listener.Dial() }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() }) // the server is gone
	client := authv3.NewAuthorizationClient(connection)
	return func(token string) string {
		t.Helper()
		response, err := client.Check(ctx, &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
			Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
				Method: "POST", Scheme: "https", Host: "mcp.example.com", Path: "/mcp",
				Headers: map[string]string{"authorization": "Bearer " + token},
			}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		return response.GetDynamicMetadata().GetFields()["reason"].GetStringValue()
	}
}

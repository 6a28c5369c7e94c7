// The program zitadel is an authorization server for the interop tests, of the example server of zitadel/oidc:
//
//	zitadel 127.0.0.1:9700
//
// Like ZITADEL it writes no scope into tokens and does not read resource (RFC 8707). The aud of a token is its client;
// the scope urn:zitadel:iam:org:project:id:ID:aud adds a project, to ID tokens too. It is a module of its own, so that
// doorward requires none of this.
package main

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const (
	callback = "http://127.0.0.1:9/callback"
	api      = "https://api.example.com"
	server   = "295000000000000009" // the project of another MCP server
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: zitadel HOST:PORT")
	}
	address := os.Args[1]
	for _, id := range []string{"app", "opaque", "svc", "other"} {
		storage.RegisterClients(storage.WebClient(id, id+"-secret", callback))
	}
	store := &memory{storage.NewStorage(users{})}
	server := exampleop.SetupServer("http://"+address, store, slog.New(slog.DiscardHandler), false)
	log.Fatal(http.ListenAndServe(address, server)) //nolint:gosec // a server on loopback that lives for minutes
}

// memory is the example's storage with JWTs as access tokens, machines, and projects.
type memory struct{ *storage.Storage }

// client is a registered client. Its access tokens are JWTs, except those of the client opaque.
type client struct{ op.Client }

func (c client) AccessTokenType() op.AccessTokenType {
	if c.GetID() == "opaque" {
		return op.AccessTokenTypeBearer
	}
	return op.AccessTokenTypeJWT
}

func (c client) GrantTypes() []oidc.GrantType {
	return append(slices.Clone(c.Client.GrantTypes()), oidc.GrantTypeClientCredentials)
}

func (c client) IsScopeAllowed(scope string) bool { return project(scope) != "" }

func (m *memory) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	found, err := m.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	return client{found}, nil
}

// ClientCredentials finds a machine.
func (m *memory) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	if err := m.AuthorizeClientIDSecret(ctx, id, secret); err != nil {
		return nil, err
	}
	return m.GetClientByClientID(ctx, id)
}

func (m *memory) ClientCredentialsTokenRequest(_ context.Context, id string, scopes []string) (op.TokenRequest, error) {
	return &oidc.JWTTokenRequest{Subject: id, Audience: audience(id, scopes), Scopes: scopes}, nil
}

// ValidateTokenExchangeRequest allows each client to exchange the token of a user for one API or one MCP server, which
// the example allows administrators alone.
func (m *memory) ValidateTokenExchangeRequest(_ context.Context, r op.TokenExchangeRequest) error {
	if audience := r.GetAudience(); len(audience) != 1 || audience[0] != api && audience[0] != server {
		return oidc.ErrInvalidTarget()
	}
	return nil
}

// GetPrivateClaimsFromTokenExchangeRequest writes who acts for the user (RFC 8693, section 4.1).
func (m *memory) GetPrivateClaimsFromTokenExchangeRequest(
	_ context.Context, r op.TokenExchangeRequest,
) (map[string]any, error) {
	return map[string]any{"act": map[string]any{"sub": r.GetClientID()}}, nil
}

// request is a user's. Both tokens of a login have its audience.
type request struct{ *storage.AuthRequest }

func (r request) GetAudience() []string { return audience(r.ApplicationID, r.Scopes) }

func (m *memory) AuthRequestByID(ctx context.Context, id string) (op.AuthRequest, error) {
	return withProjects(m.Storage.AuthRequestByID(ctx, id))
}

func (m *memory) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	return withProjects(m.Storage.AuthRequestByCode(ctx, code))
}

func withProjects(found op.AuthRequest, err error) (op.AuthRequest, error) {
	if err != nil {
		return nil, err
	}
	known, ok := found.(*storage.AuthRequest)
	if !ok {
		return nil, errors.New("an authorization request of another kind")
	}
	return request{known}, nil
}

func audience(id string, scopes []string) []string {
	all := []string{id}
	for _, scope := range scopes {
		if name := project(scope); name != "" {
			all = append(all, name)
		}
	}
	return all
}

// project is the project whose id a scope puts into aud, or "".
func project(scope string) string {
	name, ok := strings.CutPrefix(scope, "urn:zitadel:iam:org:project:id:")
	name, ends := strings.CutSuffix(name, ":aud")
	if !ok || !ends {
		return ""
	}
	return name
}

// users are alice alone.
type users struct{}

var alice = &storage.User{ID: "alice", Username: "alice", Password: "not-a-secret"}

func (users) ExampleClientID() string { return storage.ServiceUserID }

func (users) GetUserByID(id string) *storage.User {
	if id == alice.ID {
		return alice
	}
	return nil
}

func (u users) GetUserByUsername(name string) *storage.User { return u.GetUserByID(name) }

// The program zitadel is an authorization server for the interop tests, of the example server of zitadel/oidc:
//
//	zitadel 127.0.0.1:9700 [ISSUER KEYS]
//
// With the two further arguments it exchanges assertions of doorward: JWTs of this issuer, with its keys at a URL.
// Like ZITADEL it writes no scope into tokens and does not read resource (RFC 8707). The aud of a token is its client;
// the scope urn:zitadel:iam:org:project:id:ID:aud adds a project, to ID tokens too. It is a module of its own, so that
// doorward requires none of this.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const (
	callback = "http://127.0.0.1:9/callback"
	api      = "https://api.example.com"
	server   = "295000000000000009" // the project of another MCP server
)

func main() {
	if len(os.Args) != 2 && len(os.Args) != 4 {
		log.Fatal("usage: zitadel HOST:PORT [ISSUER KEYS]")
	}
	address := os.Args[1]
	for _, id := range []string{"app", "opaque", "svc", "other"} {
		storage.RegisterClients(storage.WebClient(id, id+"-secret", callback))
	}
	store := &memory{Storage: storage.NewStorage(users{}), own: "http://" + address}
	if len(os.Args) == 4 {
		store.trusted, store.keys = os.Args[2], rp.NewRemoteKeySet(http.DefaultClient, os.Args[3])
	}
	server := exampleop.SetupServer(store.own, store, slog.New(slog.DiscardHandler), false)
	log.Fatal(http.ListenAndServe(address, server)) //nolint:gosec // a server on loopback that lives for minutes
}

// memory is the example's storage with JWTs as access tokens, machines, and projects.
type memory struct {
	*storage.Storage
	own     string // issuer
	trusted string // iss of assertions
	keys    oidc.KeySet
}

// VerifyExchangeSubjectToken verifies an assertion, with which package op leaves all to the storage.
func (m *memory) VerifyExchangeSubjectToken(
	ctx context.Context, token string, kind oidc.TokenType,
) (id, subject string, all map[string]any, err error) {
	if m.keys == nil || kind != oidc.JWTTokenType || !hasType(token, "mcp-auth+jwt") {
		return "", "", nil, errors.New("no assertion")
	}
	claims := &oidc.TokenClaims{}
	payload, err := oidc.ParseToken(token, claims)
	if err != nil {
		return "", "", nil, err
	}
	err = errors.Join(
		oidc.CheckIssuer(claims, m.trusted), oidc.CheckAudience(claims, m.own), oidc.CheckExpiration(claims, 0),
		oidc.CheckSignature(ctx, token, payload, claims, []string{"ES256"}, m.keys),
	)
	return token, claims.Subject, nil, err
}

// VerifyExchangeActorToken knows no actors but those with access tokens, which package op verifies.
func (m *memory) VerifyExchangeActorToken(
	context.Context, string, oidc.TokenType,
) (id, actor string, claims map[string]any, err error) {
	return "", "", nil, errors.New("no actor")
}

func hasType(token, want string) bool {
	header, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(header)
	var members struct {
		Type string `json:"typ"`
	}
	return err == nil && json.Unmarshal(text, &members) == nil && members.Type == want
}

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
	actor := r.GetExchangeActor()
	if actor == "" {
		actor = r.GetClientID()
	}
	return map[string]any{"act": map[string]any{"sub": actor}}, nil
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

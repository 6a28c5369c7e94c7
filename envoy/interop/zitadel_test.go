package interop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/doorward/doorward/internal/exchange"
	"github.com/doorward/doorward/internal/testenv"
)

// zitadelServer is a process of zitadel/oidc, as zitadel/main.go makes it.
type zitadelServer struct {
	program, address string
	process          *testenv.Process
	service          *service
	user             tokens // of the last login
	second           *testenv.Process
	secondIssuer     string // of a server that trusts assertions of doorward
	assertion        string // of doorward.yaml: a key of the resource
}

// A project of ZITADEL, the scope that asks for it as audience, and those of another one.
const (
	project      = "295000000000000001"
	projectScope = "urn:zitadel:iam:org:project:id:295000000000000001:aud"
	otherScope   = "urn:zitadel:iam:org:project:id:295000000000000009:aud"
)

// zitadelSuite prepares the steps with zitadel/oidc; nothing runs yet.
func zitadelSuite(o options) (*suite, error) {
	h := &suite{flag: suiteZitadel, name: nameZitadel}
	program := filepath.Join(o.tools, "interop-zitadel", "zitadel")
	if _, err := os.Stat(program); err != nil {
		h.missing = "it is not installed; `envoy/interop/install zitadel` does that"
	}
	if h.missing != "" {
		return h, nil
	}
	service, address, err := newService(o, h.flag, "  preset: zitadel\n")
	if err != nil {
		return nil, err
	}
	service.issuer = "http://" + address
	secret := fmt.Sprintf("audience: %q, client_id: svc, client_secret_file: client.secret", destination)
	if err := service.leaves(secret, []byte("svc-secret")); err != nil {
		return nil, err
	}
	z := &zitadelServer{program: program, address: address, service: service}
	if err := z.leaves(); err != nil {
		return nil, err
	}
	h.service, h.steps, h.head, h.words, h.about = service, z.steps(), upstreamHead, wayOut, upstreamAbout
	h.end = func() error { return errors.Join(z.second.Stop(), z.process.Stop()) }
	return h, nil
}

// steps are what is tried with zitadel/oidc, in this order: first with the project as audience, then with clients.
func (z *zitadelServer) steps() []step {
	return []step{
		{name: "starts", wanted: "up", vital: true, do: z.starts},
		{name: "a second one, which trusts assertions of doorward", wanted: "up", vital: true, do: z.startsSecond},
		{name: "the token of who acts", wanted: "typ JWT, alg RS256, aud [\"other\"]", vital: true, do: z.actor},
		{name: "doorward, with the project in audiences, discovers it", wanted: "1 key, 0 skipped", vital: true, do: z.audiences},
		{feature: audiencesNoScope, name: "token of a machine for the project", wanted: "200 allowed", do: z.machine("svc", projectScope)},
		{feature: audiencesNoScope, name: "token of a user for the project", wanted: "200 allowed", do: z.login("app", projectScope)},
		{feature: idTokenRefused, name: "ID token of that user names the project too", wanted: "401 type_not_allowed", do: z.identityToken},
		{name: "that user's token exchanged for an API", wanted: "aud https://api.example.com, act svc; another target: invalid_target", do: z.exchanges},
		{name: "the API, through Envoy on both sides", wanted: fmt.Sprintf(bothSides, "act svc"), do: z.goesOut},
		{name: "that, with an actor token", wanted: "aud https://api.example.com, act other, sub alice", do: z.out("the user's token, with an actor token", "/acted")},
		{name: "an assertion, exchanged at the second server", wanted: "aud https://api.example.com, act svc, sub alice, of the second server", do: z.out("an assertion, exchanged at another authorization server", "/asserted")},
		{name: "client credentials", wanted: "aud svc 295000000000000003, no act, sub svc; the user's token 403 passthrough", do: z.machineOut},
		{name: "a token of the server's own for an API, kept", wanted: "the same token; the user's token 403 passthrough", do: z.keeps},
		{feature: otherRefused, name: "token for another project", wanted: "401 audience_mismatch", do: z.machine("svc", otherScope)},
		{feature: otherRefused, name: "token for no project: aud is the client", wanted: "401 audience_mismatch", do: z.machine("svc", "openid")},
		{feature: opaqueRefused, name: "token of a client with opaque tokens", wanted: "401 token_malformed", do: z.login("opaque", projectScope)},
		{name: "doorward lists clients instead", wanted: "ready", vital: true, do: z.clients},
		{feature: clientListed, name: "token of a listed machine: aud is the client", wanted: "200 allowed", do: z.machine("svc", "openid")},
		{feature: clientListed, name: "token of a user of a listed client", wanted: "200 allowed", do: z.login("app", "")},
		{feature: idTokenRefused, name: "ID token of that user: the same aud", wanted: "401 type_not_allowed", do: z.identityToken},
		{feature: otherRefused, name: "token of a client that is not listed", wanted: "401 audience_mismatch", do: z.machine("other", "openid")},
		{feature: otherRefused, name: "token of a listed client for a project", wanted: "401 audience_mismatch", do: z.machine("svc", projectScope)},
		{name: "doorward has the issuer for this resource alone", wanted: "ready", vital: true, do: z.dedicates},
		{feature: dedicated, name: "token of any machine: aud is the client", wanted: "200 allowed", do: z.machine("other", "openid")},
		{feature: dedicated, name: "token of a user", wanted: "200 allowed", do: z.login("app", "")},
		{feature: idTokenRefused, name: "ID token of that user", wanted: "401 type_not_allowed", do: z.identityToken},
		{feature: dedicated, name: "token for a project, which is no client", wanted: "401 audience_mismatch", do: z.machine("svc", projectScope)},
		{name: "what reached the MCP server", wanted: "0 with a token, 0 without a name", do: z.service.leaks},
	}
}

func (z *zitadelServer) starts(ctx context.Context) (o outcome, err error) {
	z.process, err = testenv.Start(ctx, testenv.Command{Program: z.program, Args: []string{z.address}, Dir: z.service.folder})
	if err != nil {
		return o, err
	}
	return outcome{got: "up", note: z.service.issuer}, z.process.Until(ctx, func(ctx context.Context) error {
		return z.service.answers(ctx, z.service.issuer+"/.well-known/openid-configuration")
	})
}

func (z *zitadelServer) audiences(ctx context.Context) (outcome, error) {
	z.service.resourceLines = `  audiences: ["` + project + "\"]\n" + z.assertion
	return z.service.discovers(ctx)
}

func (z *zitadelServer) clients(ctx context.Context) (outcome, error) {
	return outcome{got: "ready"}, z.service.reconfigured(ctx, "  clients: [app, svc]\n"+z.assertion)
}

func (z *zitadelServer) dedicates(ctx context.Context) (outcome, error) {
	return z.service.isDedicated(ctx, z.assertion)
}

// machine sends the token of a client's own.
func (z *zitadelServer) machine(client, scope string) func(context.Context) (outcome, error) {
	return func(ctx context.Context) (outcome, error) {
		answer, err := ask(ctx, z.service.issuer+"/oauth/token", client, "grant_type", "client_credentials", "scope", scope)
		if err != nil {
			return outcome{}, err
		}
		return z.service.sendDescribed(ctx, answer.Access)
	}
}

// login sends the access token of a user. An opaque one cannot be described.
func (z *zitadelServer) login(client, scope string) func(context.Context) (outcome, error) {
	return func(ctx context.Context) (o outcome, err error) {
		z.user, err = login{
			authorize: z.service.issuer + "/auth", token: z.service.issuer + "/oauth/token",
			client: client, scope: "openid " + scope, resource: z.service.resource,
		}.run(ctx)
		if err != nil {
			return o, err
		}
		if client == "opaque" {
			return z.service.send(ctx, z.user.Access)
		}
		return z.service.sendDescribed(ctx, z.user.Access)
	}
}

// exchanges the token of the last login.
func (z *zitadelServer) exchanges(ctx context.Context) (outcome, error) {
	entry := exchange.Entry{Issuer: z.service.issuer, Audience: destination, ClientID: "svc", ClientSecret: []byte("svc-secret")}
	other := entry
	other.Audience = "https://other.example.com"
	return z.service.exchanged(ctx, upstream{entry: entry, subject: z.user.Access, method: "client_secret_basic", refused: other})
}

func (z *zitadelServer) goesOut(ctx context.Context) (outcome, error) {
	return z.service.goesOut(ctx, z.user.Access)
}

func (z *zitadelServer) identityToken(ctx context.Context) (outcome, error) {
	return z.service.sendDescribed(ctx, z.user.ID)
}

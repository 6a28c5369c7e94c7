package interop

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/doorward/doorward/internal/testenv"
)

// The project of an API that the server calls as itself, and who signs assertions.
const (
	apiProject      = "295000000000000003"
	apiScope        = "urn:zitadel:iam:org:project:id:295000000000000003:aud"
	assertionIssuer = "https://doorward.example.com"
)

// leaves configures further ways out, by the path at the API.
func (z *zitadelServer) leaves() error {
	free, err := testenv.FreeAddresses(1)
	if err != nil {
		return err
	}
	z.secondIssuer = "http://" + free[0]
	_, port, _ := net.SplitHostPort(z.service.http)
	z.service.http = "0.0.0.0:" + port // the second server reads keys there: doorward refuses loopback
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	file := filepath.Join(z.service.folder, "assertion.pem")
	z.assertion = fmt.Sprintf("  assertion: {issuer: %q, audience: interop, key_file: %q}\n", assertionIssuer, file)
	const secret = "client_id: svc, client_secret_file: client.secret"
	z.service.egress += fmt.Sprintf(`  - host: api.example.com
    paths: [/acted]
    token: exchange
    exchange: [{issuer: %[1]q, audience: %[3]q, actor_token_file: actor.token, actor_token_type: %[4]q, %[5]s}]
  - host: api.example.com
    paths: [/asserted]
    token: exchange
    exchange: [{issuer: %[1]q, subject: assertion, authorization_server: %[2]q, audience: %[3]q, %[5]s}]
  - host: api.example.com
    paths: [/machine]
    token: client_credentials
    client_credentials: {issuer: %[1]q, audience: %[6]q, scope: [%[7]q], %[5]s}
  - {host: api.example.com, paths: [/kept], token: keep}
`, z.service.issuer, z.secondIssuer, destination, accessToken, secret, apiProject, apiScope)
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

// startsSecond starts a server that reads the keys of doorward's assertions from doorward.
func (z *zitadelServer) startsSecond(ctx context.Context) (o outcome, err error) {
	_, port, _ := net.SplitHostPort(z.service.http)
	keys := "http://127.0.0.1:" + port + "/.well-known/jwks.json"
	z.second, err = testenv.Start(ctx, testenv.Command{
		Program: z.program, Args: []string{z.secondIssuer[len("http://"):], assertionIssuer, keys}, Dir: z.service.folder,
	})
	if err != nil {
		return o, err
	}
	return outcome{got: "up", note: z.secondIssuer}, z.second.Until(ctx, func(ctx context.Context) error {
		return z.service.answers(ctx, z.secondIssuer+"/.well-known/openid-configuration")
	})
}

// actor writes the file of an actor token.
func (z *zitadelServer) actor(ctx context.Context) (outcome, error) {
	answer, err := ask(ctx, z.service.issuer+"/oauth/token", "other", "grant_type", "client_credentials", "scope", "openid")
	if err != nil {
		return outcome{}, err
	}
	looks, err := describe(answer.Access)
	return outcome{got: looks}, errors.Join(err, os.WriteFile(filepath.Join(z.service.folder, "actor.token"), []byte(answer.Access), 0o600))
}

// out calls a path of the API with the handle of the last login.
func (z *zitadelServer) out(intent, path string) func(context.Context) (outcome, error) {
	return func(ctx context.Context) (outcome, error) {
		handle, err := z.service.handle(ctx, z.user.Access)
		if err != nil {
			return outcome{}, err
		}
		statuses, api, err := z.service.callsOut(ctx, path, http.Header{"X-Mcp-Auth-Handle": {handle}})
		if err != nil {
			return outcome{}, err
		}
		claims, _, err := api.token(statuses)
		if err != nil {
			return outcome{}, err
		}
		got := fmt.Sprintf("%s, sub %v", aboutUpstream(claims), claims["sub"])
		if claims["iss"] == z.secondIssuer {
			got += ", of the second server"
		}
		return outcome{got: got, words: []string{intent, got}}, nil
	}
}

// machineOut calls the API as the MCP server itself, and tries the token of the last login there.
func (z *zitadelServer) machineOut(ctx context.Context) (outcome, error) {
	statuses, api, err := z.service.callsOut(ctx, "/machine", http.Header{}, bearer(z.user.Access))
	if err != nil {
		return outcome{}, err
	}
	claims, _, err := api.token(statuses)
	if err != nil {
		return outcome{}, err
	}
	got := fmt.Sprintf("%s, sub %v; the user's token %s", aboutUpstream(claims), claims["sub"], statuses[1])
	return outcome{got: got, words: []string{"nothing; doorward gets a token by client credentials", got}}, nil
}

// keeps calls the API with a token that was exchanged for it before, and with the token of the last login.
func (z *zitadelServer) keeps(ctx context.Context) (outcome, error) {
	own, err := ask(ctx, z.service.issuer+"/oauth/token", "svc", "grant_type", grantExchange, "subject_token", z.user.Access,
		"subject_token_type", accessToken, "requested_token_type", accessToken, "audience", destination)
	if err != nil {
		return outcome{}, err
	}
	statuses, api, err := z.service.callsOut(ctx, "/kept", bearer(own.Access), bearer(z.user.Access))
	if err != nil {
		return outcome{}, err
	}
	_, arrived, err := api.token(statuses)
	if err != nil {
		return outcome{}, err
	}
	got := "another token"
	if arrived == own.Access {
		got = "the same token"
	}
	got += fmt.Sprintf("; the user's token %s", statuses[1])
	return outcome{got: got, words: []string{"a token that the server exchanged itself for an API, `token: keep`", got}}, nil
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

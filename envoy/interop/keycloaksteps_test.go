package interop

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/doorward/doorward/internal/exchange"
)

// keycloakStart is long: the first start builds Keycloak itself.
const keycloakStart = 4 * time.Minute

// The names of token exchange (RFC 8693, sections 2.1 and 3).
const (
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessToken   = "urn:ietf:params:oauth:token-type:access_token"
)

// steps are what is tried with Keycloak, in this order.
func (k *keycloak) steps() []step {
	steps := []step{
		{name: "starts (the first time, it builds itself)", wanted: "up", within: keycloakStart, vital: true, do: k.starts},
		{name: "realm, audience mappers, clients, a user", wanted: "made", vital: true, do: k.furnishes},
		{name: "doorward discovers it; its RSA-OAEP key is skipped", wanted: "1 key, 1 skipped", vital: true, do: k.service.discovers},
		{feature: audResource, name: "token of a service account", wanted: "200 allowed", vital: true, do: k.serviceAccount},
		{feature: audResource, name: "token of a user, audience beside account", wanted: "200 allowed", do: k.user},
		{feature: idTokenRefused, name: "ID token of that user", wanted: "401 type_not_allowed", do: k.identityToken},
		{feature: otherRefused, name: "token for another audience", wanted: "401 audience_mismatch", do: k.with("other:read")},
		{feature: otherRefused, name: "token for account alone", wanted: "401 audience_mismatch", do: k.userWithout},
		{feature: scopeDemanded, name: "token without the scope", wanted: "403 insufficient_scope", do: k.with("mcp:write")},
		{feature: tokenExchange, name: "token from a token exchange (RFC 8693)", wanted: "200 allowed", do: k.exchanges},
		{name: "a user's token exchanged for an API", wanted: "aud https://api.example.com, no act; another target: invalid_client", do: k.exchangesUpstream},
		{name: "the API, through Envoy on both sides", wanted: fmt.Sprintf(bothSides, "no act"), do: k.goesOut},
		{feature: rotation, name: "rotation under load: a new key joins", wanted: "0 failed; new key 200 allowed", do: k.rotates},
		{feature: rotation, name: "removal under load: the old key leaves", wanted: "0 failed; old key 401 key_unknown", do: k.removes},
		{feature: outage, name: "taken down: a key id that nobody knows", wanted: "503 keys_unavailable", do: k.strangerWhileDown},
		{feature: outage, name: "down: known keys go on, under load", wanted: "0 failed; ready, well, problem told", do: k.goesOn},
		{feature: outage, name: "up again: a new token", wanted: "200 allowed", within: keycloakStart, do: k.recovers},
	}
	steps = append(steps, k.ways()...)
	return append(steps,
		step{name: "what reached the MCP server", wanted: "0 with a token, 2 without a name", do: k.service.leaks})
}

func (k *keycloak) starts(ctx context.Context) (outcome, error) {
	return outcome{got: "up", note: "http://" + k.address}, k.up(ctx, "master")
}

func (k *keycloak) furnishes(ctx context.Context) (outcome, error) {
	return outcome{got: "made", note: k.service.issuer}, k.furnish(ctx)
}

func (k *keycloak) serviceAccount(ctx context.Context) (o outcome, err error) {
	if k.current, err = k.good(ctx); err != nil {
		return o, err
	}
	k.removed = k.current
	return k.service.sendDescribed(ctx, k.current)
}

// with sends the token of a service account with a scope.
func (k *keycloak) with(scope string) func(context.Context) (outcome, error) {
	return func(ctx context.Context) (outcome, error) {
		answer, err := k.token(ctx, "svc", "grant_type", "client_credentials", "scope", scope)
		if err != nil {
			return outcome{}, err
		}
		return k.service.sendDescribed(ctx, answer.Access)
	}
}

// login is alice's, at the client app.
func (k *keycloak) login(ctx context.Context, scope string) (tokens, error) {
	return k.token(ctx, "app", "grant_type", "password", "username", "alice", "password", password, "scope", scope)
}

func (k *keycloak) user(ctx context.Context) (outcome, error) {
	answer, err := k.login(ctx, "openid mcp:read")
	if err != nil {
		return outcome{}, err
	}
	k.idToken = answer.ID
	return k.service.sendDescribed(ctx, answer.Access)
}

func (k *keycloak) identityToken(ctx context.Context) (outcome, error) {
	if k.idToken == "" {
		return outcome{}, errors.New("the login brought no ID token")
	}
	return k.service.sendDescribed(ctx, k.idToken)
}

func (k *keycloak) userWithout(ctx context.Context) (outcome, error) {
	answer, err := k.login(ctx, "openid")
	if err != nil {
		return outcome{}, err
	}
	return k.service.sendDescribed(ctx, answer.Access)
}

// exchanges: a token of alice's that is for the gateway becomes one for the
// resource.
func (k *keycloak) exchanges(ctx context.Context) (outcome, error) {
	subject, err := k.login(ctx, "via:gateway")
	if err != nil {
		return outcome{}, err
	}
	before, err := k.service.send(ctx, subject.Access)
	if err != nil {
		return outcome{}, err
	}
	answer, err := k.token(ctx, gateway, "grant_type", grantExchange, "subject_token", subject.Access, "subject_token_type", accessToken,
		"requested_token_type", accessToken, "audience", k.service.resource, "scope", "exchanged mcp:read")
	if err != nil {
		return outcome{}, err
	}
	o, err := k.service.sendDescribed(ctx, answer.Access)
	o.note += "; before the exchange " + before.got
	return o, err
}

// exchangesUpstream: a token of alice's for the resource becomes one for an API.
func (k *keycloak) exchangesUpstream(ctx context.Context) (outcome, error) {
	subject, err := k.login(ctx, "mcp:read via:gateway")
	if err != nil {
		return outcome{}, err
	}
	entry := exchange.Entry{
		Issuer: k.service.issuer, Audience: destination, Scope: []string{"api:read"},
		ClientID: gateway, ClientSecret: []byte(gateway + "-secret"),
	}
	other := entry
	other.Audience = "https://other.example.com"
	return k.service.exchanged(ctx, upstream{entry: entry, subject: subject.Access, method: "client_secret_basic", refused: other})
}

func (k *keycloak) goesOut(ctx context.Context) (outcome, error) {
	subject, err := k.login(ctx, "mcp:read via:gateway")
	if err != nil {
		return outcome{}, err
	}
	return k.service.goesOut(ctx, subject.Access)
}

// rotates adds a signing key that goes before the old one.
func (k *keycloak) rotates(ctx context.Context) (outcome, error) {
	var err error
	if k.oldKeys, err = k.signingKeys(ctx); err != nil {
		return outcome{}, err
	}
	return k.service.loadSettled(ctx, k.current, func(ctx context.Context) (outcome, error) {
		if err := k.addKey(ctx); err != nil {
			return outcome{}, err
		}
		if k.current, err = k.good(ctx); err != nil {
			return outcome{}, err
		}
		if err := differentKeys(k.current, k.removed); err != nil {
			return outcome{}, err
		}
		o, err := k.service.send(ctx, k.current)
		return outcome{got: "new key " + o.got, note: "first token by the new key " + o.note}, err
	})
}

// differentKeys makes sure that a rotation was one.
func differentKeys(a, b string) error {
	idA, err := keyID(a)
	if err != nil {
		return err
	}
	idB, err := keyID(b)
	if err != nil {
		return err
	}
	if idA == idB {
		return fmt.Errorf("both tokens are signed by key %q", idA)
	}
	return nil
}

// removes takes the old key's provider away, and waits for the refresh.
func (k *keycloak) removes(ctx context.Context) (outcome, error) {
	return k.service.load(ctx, k.current, func(ctx context.Context) (outcome, error) {
		if _, err := k.administer(ctx, http.MethodDelete, "/"+realm+"/components/"+k.oldKeys, nil, nil); err != nil {
			return outcome{}, err
		}
		return k.service.withdrawn(ctx, k.removed)
	})
}

func (k *keycloak) strangerWhileDown(ctx context.Context) (outcome, error) {
	if err := k.service.settle(ctx); err != nil {
		return outcome{}, err
	}
	if err := k.down(); err != nil {
		return outcome{}, err
	}
	return k.service.sendStranger(ctx, k.current)
}

func (k *keycloak) goesOn(ctx context.Context) (outcome, error) {
	return k.service.load(ctx, k.current, k.service.tellsOfOutage)
}

func (k *keycloak) recovers(ctx context.Context) (outcome, error) {
	began := time.Now()
	if err := k.up(ctx, realm); err != nil {
		return outcome{}, err
	}
	took := time.Since(began)
	token, err := k.good(ctx)
	if err != nil {
		return outcome{}, err
	}
	o, err := k.service.send(ctx, token)
	o.note = fmt.Sprintf("up in %.1f s", took.Seconds())
	return o, err
}

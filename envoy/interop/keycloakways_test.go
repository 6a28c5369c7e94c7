package interop

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
)

// plainScope has no audience mapper: aud is account, or absent in lightweight tokens.
const plainScope = "plain:read"

// ways are the steps with clients that the realm's operator did not make an audience for.
func (k *keycloak) ways() []step {
	return []step{
		{feature: lightweight, name: "lightweight token of a user, with the mapper: no sub", wanted: "200 allowed", do: k.lightUser("mcp:read")},
		{feature: clientURL, name: "token of a client whose id is a URL", wanted: "200 allowed", do: k.urlClient("mcp:read")},
		{name: "doorward lists clients; their scope has no mapper", wanted: "ready", vital: true, do: k.lists},
		{feature: clientListed, name: "token of a listed client: aud is account", wanted: "200 allowed", do: k.loginWith(plainScope)},
		{feature: idTokenRefused, name: "ID token of that user: aud is the client", wanted: "401 type_not_allowed", do: k.identityToken},
		{feature: otherRefused, name: "token of a client that is not listed", wanted: "401 audience_mismatch", do: k.with(plainScope)},
		{feature: otherRefused, name: "token of a listed client for another audience", wanted: "401 audience_mismatch", do: k.loginWith("other:read")},
		{feature: lightweight, name: "lightweight token of a listed client: no aud, no sub", wanted: "200 allowed", do: k.lightUser(plainScope)},
		{feature: lightweight, name: "lightweight token of a machine that is not listed", wanted: "401 audience_mismatch", do: k.lightMachine},
		{feature: clientURL, name: "token of a listed client whose id is a URL", wanted: "200 allowed", do: k.urlClient(plainScope)},
		{name: "doorward has the realm for this resource alone", wanted: "ready", vital: true, do: k.dedicates},
		{feature: dedicated, name: "token of any machine: aud is account", wanted: "200 allowed", do: k.with(plainScope)},
		{feature: dedicated, name: "token of a user", wanted: "200 allowed", do: k.loginWith(plainScope)},
		{feature: idTokenRefused, name: "ID token of that user", wanted: "401 type_not_allowed", do: k.identityToken},
		{feature: dedicated, name: "token for another audience", wanted: "401 audience_mismatch", do: k.loginWith("other:read")},
	}
}

// furnishWays makes what the steps of ways need.
func (k *keycloak) furnishWays(ctx context.Context) error {
	for _, name := range []string{"light", "light-other"} {
		_, err := k.administer(ctx, http.MethodPost, "/"+realm+"/clients", confidential(name, object{
			"directAccessGrantsEnabled": true, "serviceAccountsEnabled": true,
			"attributes": object{"client.use.lightweight.access.token.enabled": "true"},
		}), nil)
		if err != nil {
			return err
		}
	}
	return k.acceptsURLs(ctx)
}

// acceptsURLs has the realm accept clients that are URLs on loopback, with Keycloak's policies for clients.
func (k *keycloak) acceptsURLs(ctx context.Context) error {
	k.documents = httptest.NewServer(http.HandlerFunc(k.document))
	hosts := []string{"127.0.0.1"}
	_, err := k.administer(ctx, http.MethodPut, "/"+realm+"/client-policies/profiles", object{"profiles": []object{{
		"name": "url", "executors": []object{{
			"executor":      "client-id-metadata-document",
			"configuration": object{"cimd-allow-http-scheme": true, "cimd-allow-permitted-domains": hosts},
		}},
	}}}, nil)
	if err != nil {
		return err
	}
	_, err = k.administer(ctx, http.MethodPut, "/"+realm+"/client-policies/policies", object{"policies": []object{{
		"name": "url", "enabled": true, "profiles": []string{"url"}, "conditions": []object{{
			"condition":     "client-id-uri",
			"configuration": object{"client-id-uri-scheme": []string{"http"}, "client-id-uri-allow-permitted-domains": hosts},
		}},
	}}}, nil)
	return err
}

// urlClientID is the client's id, and where its document is.
func (k *keycloak) urlClientID() string { return k.documents.URL + "/client.json" }

// document is the client's ID metadata document (draft-ietf-oauth-client-id-metadata-document).
func (k *keycloak) document(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(object{ // Keycloak says what it could not read
		"client_id": k.urlClientID(), "client_name": "A client", "redirect_uris": []string{callback},
		"grant_types": []string{"authorization_code"}, "response_types": []string{"code"},
		"token_endpoint_auth_method": "none", "scope": "openid mcp:read " + plainScope,
	})
}

func (k *keycloak) lists(ctx context.Context) (outcome, error) {
	listed := strings.Join([]string{"app", "light", `"` + k.urlClientID() + `"`}, ", ")
	return outcome{got: "ready"}, k.service.reconfigured(ctx, "  clients: ["+listed+"]\n  scopes: [\""+plainScope+"\"]\n")
}

func (k *keycloak) dedicates(ctx context.Context) (outcome, error) {
	return k.service.isDedicated(ctx, "  scopes: [\""+plainScope+"\"]\n")
}

// loginWith sends the access token of alice's at the client app.
func (k *keycloak) loginWith(scope string) func(context.Context) (outcome, error) {
	return func(ctx context.Context) (outcome, error) {
		answer, err := k.login(ctx, "openid "+scope)
		if err != nil {
			return outcome{}, err
		}
		k.idToken = answer.ID
		return k.service.sendDescribed(ctx, answer.Access)
	}
}

func (k *keycloak) lightUser(scope string) func(context.Context) (outcome, error) {
	return func(ctx context.Context) (outcome, error) {
		answer, err := k.token(ctx, "light", "grant_type", "password", "username", "alice", "password", password, "scope", "openid "+scope)
		if err != nil {
			return outcome{}, err
		}
		return k.service.sendDescribed(ctx, answer.Access)
	}
}

func (k *keycloak) lightMachine(ctx context.Context) (outcome, error) {
	answer, err := k.token(ctx, "light-other", "grant_type", "client_credentials", "scope", plainScope)
	if err != nil {
		return outcome{}, err
	}
	return k.service.sendDescribed(ctx, answer.Access)
}

// urlClient sends the access token of a login at the client that is a URL.
func (k *keycloak) urlClient(scope string) func(context.Context) (outcome, error) {
	return func(ctx context.Context) (outcome, error) {
		endpoint := k.service.issuer + "/protocol/openid-connect/"
		answer, err := login{
			authorize: endpoint + "auth", token: endpoint + "token", client: k.urlClientID(), public: true,
			scope: "openid " + scope, resource: k.service.resource,
		}.run(ctx)
		if err != nil {
			return outcome{}, err
		}
		return k.service.sendDescribed(ctx, answer.Access)
	}
}

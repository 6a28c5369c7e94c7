package interop

import (
	"context"
	"net/http"
)

type object = map[string]any

// gateway is the client that exchanges tokens.
const gateway = "gateway"

// furnish makes the realm as the operator of an MCP server would: Keycloak does
// not know RFC 8707, so a client scope carries the audience, and the challenge
// has clients ask for that scope.
func (k *keycloak) furnish(ctx context.Context) error {
	if _, err := k.administer(ctx, http.MethodPost, "", object{"realm": realm, "enabled": true, "accessTokenLifespan": 1200}, nil); err != nil {
		return err
	}
	for _, scope := range []object{
		clientScope("mcp:read", audience("included.custom.audience", k.service.resource)),
		clientScope("mcp:write", audience("included.custom.audience", k.service.resource)),
		clientScope("other:read", audience("included.custom.audience", "http://127.0.0.1:9/mcp")),
		// For the exchange: a token may be shown to the gateway, which may ask for one for the resource.
		clientScope("via:gateway", audience("included.client.audience", gateway)),
		clientScope("exchanged", audience("included.client.audience", k.service.resource)),
		clientScope("api:read", audience("included.client.audience", destination)),
		clientScope(plainScope),
	} {
		id, err := k.administer(ctx, http.MethodPost, "/"+realm+"/client-scopes", scope, nil)
		if err != nil {
			return err
		}
		if _, err := k.administer(ctx, http.MethodPut, "/"+realm+"/default-optional-client-scopes/"+id, nil, nil); err != nil {
			return err
		}
	}
	for _, client := range []object{
		confidential("svc", object{"serviceAccountsEnabled": true}),
		confidential("app", object{"directAccessGrantsEnabled": true}),
		confidential(gateway, object{"attributes": object{"standard.token.exchange.enabled": "true"}}),
		confidential(k.service.resource, object{}), // the audience of an exchange is a client
		confidential(destination, object{}),
	} {
		if _, err := k.administer(ctx, http.MethodPost, "/"+realm+"/clients", client, nil); err != nil {
			return err
		}
	}
	_, err := k.administer(ctx, http.MethodPost, "/"+realm+"/users", object{
		"username": "alice", "enabled": true, "email": "alice@example.com", "emailVerified": true, "firstName": "Alice", "lastName": "Example",
		"credentials": []object{{"type": "password", "value": password, "temporary": false}},
	}, nil)
	if err != nil {
		return err
	}
	return k.furnishWays(ctx)
}

func clientScope(name string, mappers ...object) object {
	return object{
		"name": name, "protocol": "openid-connect",
		"attributes":      object{"include.in.token.scope": "true"},
		"protocolMappers": mappers,
	}
}

func audience(kind, value string) object {
	return object{
		"name": "audience", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper",
		"config": object{kind: value, "access.token.claim": "true", "lightweight.claim": "true"},
	}
}

// confidential is a client with a secret, and nothing switched on but what more
// says.
func confidential(id string, more object) object {
	client := object{
		"clientId": id, "secret": id + "-secret", "publicClient": false,
		"standardFlowEnabled": false, "directAccessGrantsEnabled": false, "serviceAccountsEnabled": false,
	}
	for name, value := range more {
		client[name] = value
	}
	return client
}

// addKey makes a signing key that goes before those there are.
func (k *keycloak) addKey(ctx context.Context) error {
	var about struct {
		ID string `json:"id"`
	}
	if _, err := k.administer(ctx, http.MethodGet, "/"+realm, nil, &about); err != nil {
		return err
	}
	_, err := k.administer(ctx, http.MethodPost, "/"+realm+"/components", object{
		"name": "second", "parentId": about.ID, "providerType": "org.keycloak.keys.KeyProvider", "providerId": "rsa-generated",
		"config": object{
			"priority": []string{"200"}, "enabled": []string{"true"}, "active": []string{"true"},
			"algorithm": []string{"RS256"}, "keySize": []string{"2048"},
		},
	}, nil)
	return err
}

package envoy_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/doorward/doorward/envoy/rig"
	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/rego"
)

// TestTheSDKClientLogsInThroughTheDoor: the official client, knowing one URL,
// finds the authorization server by our challenge and document, logs in, and
// calls a tool that knows who calls; on the wires with sessions and without.
func TestTheSDKClientLogsInThroughTheDoor(t *testing.T) {
	rig.NeedEnvoy(t)
	for name, sessions := range map[string]bool{"without sessions": false, "with sessions": true} {
		t.Run(name, func(t *testing.T) {
			behind, err := rig.StartMCPServer(rig.MCPServerOptions{Sessions: sessions})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = behind.Close() })
			office, err := rig.StartAuthServer(rig.AuthServerOptions{Scopes: []string{"mcp:read", "mcp:write"}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = office.Close() })
			h := openHouse(t, behind.Address())
			endpoint := h.envoy.URL() + "/mcp"
			h.doorward.Swap(guarding(t, endpoint, office).state(t))

			login, err := rig.Login(nil)
			if err != nil {
				t.Fatal(err)
			}
			session, err := rig.Connect(soon(t), rig.ClientOptions{Endpoint: endpoint, OAuth: login})
			if err != nil {
				t.Fatal(err)
			}
			var who rig.Identity
			if err := rig.Call(soon(t), session, "whoami", nil, &who); err != nil {
				t.Fatal(err)
			}
			want := rig.Identity{Issuer: office.Issuer(), Subject: "alice", Scope: "mcp:read"}
			if diff := cmp.Diff(want, who, cmpopts.IgnoreFields(rig.Identity{}, "Client")); diff != "" || who.Client == "" {
				t.Errorf("whoami (-want +got):\n%s", diff)
			}
			if err := session.Close(); err != nil {
				t.Error(err)
			}
			nothingSecretArrived(t, behind.Requests())
			if office.KeyFetches() == 0 {
				t.Error("nobody fetched the keys")
			}
		})
	}
}

// guarding protects one resource with the keys that office publishes.
func guarding(t *testing.T, uri string, office *rig.AuthServer) plan {
	t.Helper()
	loopback := []string{"loopback"}
	source := jwks.NewSource(jwks.Options{Issuer: office.Issuer(), InsecureHTTPHosts: loopback}, jwks.Environment{})
	go source.Run(t.Context())
	return plan{
		resources: []resource.Spec{{URI: uri, Name: "weather", Issuers: []string{office.Issuer()}, Scopes: []string{"mcp:read"}}},
		issuers:   map[string]*token.Issuer{office.Issuer(): trust(source)},
		library:   rego.Files,
		verifier:  token.Options{ClockSkew: 30 * time.Second, Waiting: 1000},
		timeout:   patience,
	}
}

func nothingSecretArrived(t *testing.T, requests []rig.Seen) {
	t.Helper()
	if len(requests) < 2 {
		t.Errorf("%d requests arrived", len(requests))
	}
	for _, request := range requests {
		secret := slices.ContainsFunc([]string{"Authorization", "Dpop"}, func(name string) bool { return request.Header[name] != nil })
		if secret || strings.Contains(request.URL, "access_token") {
			t.Errorf("%s %s arrived with a credential", request.Method, request.URL)
		}
		if got := request.Header[http.CanonicalHeaderKey("x-mcp-auth-subject")]; !slices.Equal(got, []string{"alice"}) {
			t.Errorf("%s %s arrived for %q", request.Method, request.URL, got)
		}
	}
}

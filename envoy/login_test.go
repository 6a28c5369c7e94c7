package envoy_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/rego"
)

// TestTheSDKClientLogsInThroughTheDoor: the official client, knowing one URL,
// finds the authorization server by our challenge and document, logs in, and
// calls a tool that knows who calls; on the wires with sessions and without,
// and where there are challenges of two schemes.
func TestTheSDKClientLogsInThroughTheDoor(t *testing.T) {
	testenv.RequireEnvoy(t)
	for name, row := range map[string]struct {
		sessions bool
		dpop     string
	}{
		"without sessions":       {false, "off"},
		"with sessions":          {true, "off"},
		"where DPoP is optional": {false, "optional"},
	} {
		t.Run(name, func(t *testing.T) {
			behind, err := testenv.StartMCPServer(testenv.MCPServerOptions{Sessions: row.sessions})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = behind.Close() })
			office, err := testenv.StartAuthServer(testenv.AuthServerOptions{Scopes: []string{"mcp:read", "mcp:write"}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = office.Close() })
			h := startEnvironment(t, behind.Address())
			endpoint := h.envoy.URL() + "/mcp"
			h.activate(t, guarding(t, endpoint, office, row.dpop).state(t))

			login, err := testenv.Login(nil)
			if err != nil {
				t.Fatal(err)
			}
			session, err := testenv.Connect(withPatience(t), testenv.ClientOptions{Endpoint: endpoint, OAuth: login})
			if err != nil {
				t.Fatal(err)
			}
			var who testenv.Identity
			if err := testenv.Call(withPatience(t), session, "whoami", nil, &who); err != nil {
				t.Fatal(err)
			}
			want := testenv.Identity{Issuer: office.Issuer(), Subject: "alice", Scope: "mcp:read"}
			if diff := cmp.Diff(want, who, cmpopts.IgnoreFields(testenv.Identity{}, "Client")); diff != "" || who.Client == "" {
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

// TestAClientWithoutDPoPGivesUp where a resource requires it: it reads the
// challenge, logs in, and does not go round in circles with a token that is
// refused.
func TestAClientWithoutDPoPGivesUp(t *testing.T) {
	testenv.RequireEnvoy(t)
	behind := startUpstream(t)
	office, err := testenv.StartAuthServer(testenv.AuthServerOptions{Scopes: []string{"mcp:read"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = office.Close() })
	h := startEnvironment(t, behind.address)
	endpoint := h.envoy.URL() + "/mcp"
	h.activate(t, guarding(t, endpoint, office, "required").state(t))
	login, err := testenv.Login(nil)
	if err != nil {
		t.Fatal(err)
	}
	if session, err := testenv.Connect(withPatience(t), testenv.ClientOptions{Endpoint: endpoint, OAuth: login}); err == nil {
		_ = session.Close()
		t.Error("a bearer token opened the door")
	}
	if office.KeyFetches() == 0 { // a token came, and was verified
		t.Error("the client did not log in")
	}
	if n := len(behind.take()); n != 0 {
		t.Errorf("%d requests arrived", n)
	}
}

// guarding protects one resource with the keys that office publishes.
func guarding(t *testing.T, uri string, office *testenv.AuthServer, dpop string) plan {
	t.Helper()
	loopback := []string{"loopback"}
	source := jwks.NewSource(jwks.Options{Issuer: office.Issuer(), InsecureHTTPHosts: loopback}, jwks.Environment{})
	go source.Run(t.Context())
	return plan{
		resources: []resource.Spec{{
			URI: uri, Name: "weather", Issuers: []string{office.Issuer()}, Scopes: []string{"mcp:read"},
			DPoP: dpop, ProofAlgorithms: []string{"ES256"},
		}},
		issuers:  map[string]*token.Issuer{office.Issuer(): trust(source)},
		library:  rego.Files,
		verifier: token.Options{ClockSkew: 30 * time.Second, Waiting: 1000},
		timeout:  patience,
	}
}

func nothingSecretArrived(t *testing.T, requests []testenv.ReceivedRequest) {
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

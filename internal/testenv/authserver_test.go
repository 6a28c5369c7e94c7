package testenv

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

const weather = "https://mcp.example.com/mcp"

func startAuthServer(t *testing.T) *AuthServer {
	t.Helper()
	s, err := StartAuthServer(AuthServerOptions{Scopes: []string{"mcp:read", "mcp:write"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// The SDK's own client logs in at a server that challenges as the SDK does:
// discovery, registration, PKCE, resource, and the token at the end.
func TestTheSDKClientLogsIn(t *testing.T) {
	as := startAuthServer(t)
	upstream, err := StartMCPServer(MCPServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer upstream.Close()
	door := httptest.NewUnstartedServer(nil)
	resource := "http://" + door.Listener.Addr().String() + "/mcp"
	door.Config.Handler = challenging(as, resource, upstream)
	door.Start()
	defer door.Close()

	login, err := Login(nil)
	if err != nil {
		t.Fatal(err)
	}
	session, err := Connect(t.Context(), ClientOptions{Endpoint: resource, OAuth: login})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	var said message
	if err := Call(t.Context(), session, "echo", map[string]any{"message": "hello"}, &said); err != nil {
		t.Fatal(err)
	}
	if said.Message != "hello" {
		t.Errorf("echo said %q", said.Message)
	}

	source, err := login.TokenSource(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	token, err := source.Token()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"iss": as.Issuer(), "sub": "alice", "aud": resource, "scope": "mcp:read"}
	volatile := cmpopts.IgnoreMapEntries(func(name string, _ any) bool {
		return strings.Contains(" client_id iat exp jti ", " "+name+" ")
	})
	if diff := cmp.Diff(want, claimsOf(t, token.AccessToken), volatile); diff != "" {
		t.Errorf("claims of the token (-want +got):\n%s", diff)
	}
}

// challenging is a door without a lock: any token passes, none is challenged.
func challenging(as *AuthServer, resource string, upstream *MCPServer) http.Handler {
	at, _ := url.Parse(resource)
	metadata := "/.well-known/oauth-protected-resource" + at.Path
	routes := http.NewServeMux()
	routes.Handle(metadata, auth.ProtectedResourceMetadataHandler(&oauthex.ProtectedResourceMetadata{
		Resource: resource, AuthorizationServers: []string{as.Issuer()},
	}))
	routes.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="http://`+at.Host+metadata+`", scope="mcp:read"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		upstream.server.server.Handler.ServeHTTP(w, r)
	})
	return routes
}

func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("a token of %d parts", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestClientCredentialsNameTheClient(t *testing.T) {
	as := startAuthServer(t)
	as.AddClient("batch", "a secret")
	status, body := askToken(t, as, url.Values{
		"grant_type": {grantClient}, "client_id": {"batch"}, "client_secret": {"a secret"},
		"resource": {weather}, "scope": {"mcp:write"},
	})
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, body)
	}
	claims := claimsOf(t, body["access_token"].(string))
	for name, want := range map[string]any{"sub": "batch", "client_id": "batch", "aud": weather, "scope": "mcp:write"} {
		if claims[name] != want {
			t.Errorf("%s is %v, want %v", name, claims[name], want)
		}
	}
}

func TestTokenEndpointRefuses(t *testing.T) {
	as := startAuthServer(t)
	as.AddClient("batch", "a secret")
	good := url.Values{"grant_type": {grantClient}, "client_id": {"batch"}, "client_secret": {"a secret"}, "resource": {weather}}
	for _, row := range []struct {
		intent, name string
		values       []string
		want         string
	}{
		{"nothing is wrong", "", nil, ""},
		{"RFC 8707: no resource", "resource", nil, "invalid_target"},
		{"RFC 8707: two audiences in one token", "resource", []string{weather, "https://other.example/"}, "invalid_target"},
		{"RFC 8707: a fragment", "resource", []string{weather + "#x"}, "invalid_target"},
		{"RFC 8707: not absolute", "resource", []string{"/mcp"}, "invalid_target"},
		{"another client's secret", "client_secret", []string{"guess"}, "invalid_client"},
		{"an unknown client", "client_id", []string{"nobody"}, "invalid_client"},
		{"a grant nobody offers", "grant_type", []string{"password"}, "unsupported_grant_type"},
		{"a scope nobody offers", "scope", []string{"admin"}, "invalid_scope"},
		{"a code nobody gave", "grant_type", []string{grantCode}, "invalid_grant"},
	} {
		t.Run(row.intent, func(t *testing.T) {
			form := url.Values{}
			for name, values := range good {
				form[name] = values
			}
			if row.name != "" {
				form[row.name] = row.values
			}
			_, body := askToken(t, as, form)
			if got, _ := body["error"].(string); got != row.want {
				t.Errorf("error is %q, want %q", got, row.want)
			}
		})
	}
}

func TestGrantsAreForTheirClients(t *testing.T) {
	as := startAuthServer(t)
	for intent, c := range map[string]client{
		"a public client cannot speak for itself": {GrantTypes: []string{grantCode, grantClient}},
		"a client registered for another grant":   {GrantTypes: []string{grantCode}, Secret: "a secret"},
	} {
		as.clients["app"] = c
		_, body := askToken(t, as, url.Values{
			"grant_type": {grantClient}, "client_id": {"app"}, "client_secret": {c.Secret}, "resource": {weather},
		})
		if body["error"] != "unauthorized_client" {
			t.Errorf("%s: error is %v", intent, body["error"])
		}
	}
}

func TestRegistration(t *testing.T) {
	as := startAuthServer(t)
	for _, row := range []struct {
		intent, body, wantError string
		wantSecret              bool
	}{
		{"a public client", `{"redirect_uris":["` + Callback + `"],"token_endpoint_auth_method":"none"}`, "", false},
		{"RFC 7591, section 2: Basic is the default", `{"redirect_uris":["` + Callback + `"]}`, "", true},
		{"a machine needs no redirect", `{"grant_types":["client_credentials"]}`, "", true},
		{"a code has to go somewhere", `{}`, "invalid_redirect_uri", false},
		{"a redirect that is not absolute", `{"redirect_uris":["/callback"]}`, "invalid_redirect_uri", false},
		{"no JSON", `redirect_uris=x`, "invalid_client_metadata", false},
	} {
		t.Run(row.intent, func(t *testing.T) {
			_, answer := post(t, as.Issuer()+"/register", "application/json", row.body)
			gotError, _ := answer["error"].(string)
			_, gotSecret := answer["client_secret"]
			if gotError != row.wantError || gotSecret != row.wantSecret {
				t.Errorf("error %q, secret %t", gotError, gotSecret)
			}
		})
	}
}

func TestACodeIsBound(t *testing.T) {
	for _, row := range []struct {
		intent, name, value, want string
	}{
		{"nothing is wrong", "", "", ""},
		{"RFC 7636: another verifier", "code_verifier", "guess", "invalid_grant"},
		{"another redirect_uri", "redirect_uri", Callback + "x", "invalid_grant"},
		{"another client", "client_id", "other", "invalid_grant"},
		{"RFC 8707: another resource than agreed to", "resource", "https://other.example/mcp", "invalid_target"},
	} {
		t.Run(row.intent, func(t *testing.T) {
			as := startAuthServer(t)
			for _, id := range []string{"app", "other"} {
				as.clients[id] = client{ID: id, RedirectURIs: []string{Callback}, GrantTypes: []string{grantCode}}
			}
			form := redeemable(t, as)
			if row.name != "" {
				form.Set(row.name, row.value)
			}
			_, body := askToken(t, as, form)
			if got, _ := body["error"].(string); got != row.want {
				t.Errorf("error is %q, want %q", got, row.want)
			}
			if _, body := askToken(t, as, form); body["error"] != "invalid_grant" {
				t.Errorf("the second use of a code: %v", body["error"])
			}
		})
	}
}

// redeemable lets the user agree, and is the token request that follows.
func redeemable(t *testing.T, as *AuthServer) url.Values {
	t.Helper()
	challenge := sha256.Sum256([]byte("verifier"))
	asked := url.Values{
		"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {Callback}, "state": {"s"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
		"resource": {weather},
	}
	back, err := Browse(t.Context(), nil, as.Issuer()+"/authorize?"+asked.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if back.State != "s" || back.Iss != as.Issuer() {
		t.Errorf("state %q and iss %q came back", back.State, back.Iss)
	}
	return url.Values{
		"grant_type": {grantCode}, "client_id": {"app"}, "redirect_uri": {Callback},
		"code": {back.Code}, "code_verifier": {"verifier"}, "resource": {weather},
	}
}

func TestAuthorizeRefuses(t *testing.T) {
	as := startAuthServer(t)
	as.clients["app"] = client{ID: "app", RedirectURIs: []string{Callback}, GrantTypes: []string{grantCode}}
	good := url.Values{
		"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {Callback},
		"code_challenge": {"x"}, "code_challenge_method": {"S256"}, "resource": {weather},
	}
	for _, row := range []struct{ intent, name, value, want string }{
		{"RFC 7636: plain PKCE", "code_challenge_method", "plain", "invalid_request"},
		{"RFC 7636: no PKCE", "code_challenge", "", "invalid_request"},
		{"the implicit flow", "response_type", "token", "unsupported_response_type"},
		{"RFC 8707: no resource", "resource", "", "invalid_target"},
		{"a scope nobody offers", "scope", "admin", "invalid_scope"},
		{"an unknown redirect_uri is never redirected to", "redirect_uri", "http://127.0.0.1/callback?x", "did not send the browser back"},
	} {
		t.Run(row.intent, func(t *testing.T) {
			asked := url.Values{}
			for name, values := range good {
				asked[name] = values
			}
			asked.Set(row.name, row.value)
			_, err := Browse(t.Context(), nil, as.Issuer()+"/authorize?"+asked.Encode())
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v, want %q", err, row.want)
			}
		})
	}
}

func askToken(t *testing.T, as *AuthServer, form url.Values) (int, map[string]any) {
	t.Helper()
	return post(t, as.Issuer()+"/token", "application/x-www-form-urlencoded", form.Encode())
}

func post(t *testing.T, url, contentType, body string) (int, map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer
}

package testenv

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

const someAPI = "https://api.example.com"

func exchanging(as *AuthServer, subject string) url.Values {
	as.AddExchanger("exchanger", "a secret")
	return url.Values{
		"grant_type": {grantExchange}, "client_id": {"exchanger"}, "client_secret": {"a secret"},
		"subject_token": {subject}, "subject_token_type": {typeAccessToken}, "resource": {someAPI}, "scope": {"mcp:read"},
	}
}

// TestExchange: the subject stays, the client is the actor, and the chain of actors is
// kept.
func TestExchange(t *testing.T) {
	as := startAuthServer(t)
	status, body := askToken(t, as, exchanging(as, as.Token(weather)))
	if status != http.StatusOK || body["issued_token_type"] != typeAccessToken || body["token_type"] != "Bearer" {
		t.Fatalf("%d %v", status, body)
	}
	first := body["access_token"].(string)
	want := map[string]any{
		"iss": as.Issuer(), "sub": "alice", "client_id": "exchanger", "aud": someAPI, "scope": "mcp:read",
		"act": map[string]any{"sub": "exchanger"},
	}
	volatile := cmpopts.IgnoreMapEntries(func(name string, _ any) bool { return slices.Contains([]string{"iat", "exp", "jti"}, name) })
	if diff := cmp.Diff(want, claimsOf(t, first), volatile); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	_, body = askToken(t, as, exchanging(as, first))
	want["act"] = map[string]any{"sub": "exchanger", "act": map[string]any{"sub": "exchanger"}}
	if diff := cmp.Diff(want, claimsOf(t, body["access_token"].(string)), volatile); diff != "" {
		t.Errorf("claims of the second exchange (-want +got):\n%s", diff)
	}
}

func TestAnExchangedTokenEndsWithItsSubject(t *testing.T) {
	as := startAuthServer(t)
	claims := as.Claims(weather)
	claims["exp"] = time.Now().Add(time.Minute).Unix()
	_, body := askToken(t, as, exchanging(as, as.Issue(claims)))
	if got := claimsOf(t, body["access_token"].(string))["exp"]; int64(got.(float64)) != claims["exp"] {
		t.Errorf("exp is %v instead of %v", got, claims["exp"])
	}
}

func TestExchangeRefuses(t *testing.T) {
	as := startAuthServer(t)
	as.AddClient("batch", "a secret")
	as.clients["public"] = client{GrantTypes: []string{grantExchange}}
	good := as.Token(weather)
	expired := as.Claims(weather)
	expired["exp"] = time.Now().Add(-time.Minute).Unix()
	forger := jwttest.NewKey("ES256", as.Key().ID)
	for _, row := range []struct {
		intent, name string
		values       []string
		want         string
	}{
		{"nothing is wrong", "", nil, ""},
		{"no subject", "subject_token", nil, "invalid_request"},
		{"two subjects", "subject_token", []string{good, good}, "invalid_request"},
		{"an expired subject", "subject_token", []string{as.Issue(expired)}, "invalid_request"},
		{"a forged subject", "subject_token", []string{forger.Sign(as.Claims(weather))}, "invalid_request"},
		{"a subject that was changed", "subject_token", []string{changed(good)}, "invalid_request"},
		{"a subject that is no JWT", "subject_token", []string{"opaque"}, "invalid_request"},
		{"a signature of another length", "subject_token", []string{good + "AA"}, "invalid_request"},
		{"another type of subject", "subject_token_type", []string{"urn:ietf:params:oauth:token-type:jwt"}, "invalid_request"},
		{"another type of answer", "requested_token_type", []string{"urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"},
		{"an actor", "actor_token", []string{good}, "invalid_request"},
		{"no resource", "resource", nil, "invalid_target"},
		{"a scope nobody offers", "scope", []string{"admin"}, "invalid_scope"},
		{"another client's secret", "client_secret", []string{"guess"}, "invalid_client"},
		{"no secret", "client_secret", nil, "invalid_client"},
		{"a client for other grants", "client_id", []string{"batch"}, "unauthorized_client"},
	} {
		t.Run(row.intent, func(t *testing.T) {
			form := exchanging(as, good)
			if row.name != "" {
				form[row.name] = row.values
			}
			_, body := askToken(t, as, form)
			if got, _ := body["error"].(string); got != row.want {
				t.Errorf("error is %q, want %q", got, row.want)
			}
		})
	}
	form := exchanging(as, good)
	form["client_id"], form["client_secret"] = []string{"public"}, nil
	if _, body := askToken(t, as, form); body["error"] != "unauthorized_client" {
		t.Errorf("a client without a secret: %v", body["error"])
	}
	_, body := post(t, as.Issuer()+"/register", "application/json", `{"grant_types":["`+grantExchange+`"]}`)
	if body["error"] != "invalid_client_metadata" {
		t.Errorf("a client that registers itself: %v", body["error"])
	}
}

// changed is a token with other claims under the same signature.
func changed(compact string) string {
	parts := strings.Split(compact, ".")
	parts[1] = strings.Split(jwttest.NewKey("ES256", "").Sign(map[string]any{"sub": "mallory", "exp": 1 << 40}), ".")[1]
	return strings.Join(parts, ".")
}

// TestTheAPITools: each sends what it says, and the API accepts its own tokens alone.
func TestTheAPITools(t *testing.T) {
	as := startAuthServer(t)
	api, err := StartAPI(APIOptions{Name: APIHost, Audience: someAPI, Verify: as.Verify})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	// It takes the place of Envoy: a proxy that forwards to the API.
	way, err := serve("", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { api.server.server.Handler.ServeHTTP(w, r) }))
	if err != nil {
		t.Fatal(err)
	}
	defer way.close()
	s, err := StartMCPServer(MCPServerOptions{API: "http://" + APIHost, Egress: way.address})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	door := &http.Client{Transport: spoof{"mcp.example.com", http.Header{handleHeader: {"sealed"}}}}
	session, err := Connect(t.Context(), ClientOptions{Endpoint: "http://" + s.Address() + "/mcp", HTTP: door})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	for _, row := range []struct {
		tool, token, path, name, value string
		status                         int
	}{
		{"forward_token", "x", AlertsPath, "Authorization", "Bearer x", 401},
		{"forward_token", as.Token(weather), AlertsPath, "Authorization", "", 401},
		{"forward_token", as.Token(someAPI), AlertsPath, "Authorization", "", 200},
		{"forward_handle", "", ForecastPath, handleHeader, "sealed", 401},
	} {
		api.Forget()
		var arguments map[string]any
		if row.token != "" {
			arguments = map[string]any{"token": row.token}
		}
		var got APIAnswer
		if err := Call(t.Context(), session, row.tool, arguments, &got); err != nil {
			t.Fatal(err)
		}
		seen := api.Requests()
		if got.Status != row.status || len(seen) != 1 || !strings.HasSuffix(seen[0].URL, row.path) {
			t.Errorf("%s: %+v, %v", row.tool, got, seen)
			continue
		}
		if value := seen[0].Header.Get(row.name); row.value != "" && value != row.value {
			t.Errorf("%s: %s is %q", row.tool, row.name, value)
		}
	}
}

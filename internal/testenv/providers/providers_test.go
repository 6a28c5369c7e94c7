package providers_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/testenv/providers"
)

var now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// presets are those that the guide has a page for; SPIFFE and Spring need none.
var presets = []string{
	"adfs", "auth0", "authentik", "clerk", "cognito", "entra", "github-actions", "google", "keycloak", "kubernetes",
	"okta", "ping", "scalekit", "spiffe", "spring", "supabase", "workos", "zitadel",
}

// TestEveryRowIsWhole: a reason that exists, a source, a configuration, and a name of its own.
func TestEveryRowIsWhole(t *testing.T) {
	var names, reasons []string
	for _, r := range reason.All() {
		reasons = append(reasons, r.String())
	}
	refused := 0
	for _, p := range providers.All() {
		names = append(names, p.Name)
		refused += len(p.Refused)
		seen := make(map[string]bool)
		for _, r := range p.Rows() {
			if r.By == "" && (r.Reason == "allowed" || !slices.Contains(reasons, r.Reason)) {
				t.Errorf("%s: %s: reason %q", p.Name, r.Name, r.Reason)
			}
			if r.Reason == "" && !slices.Contains([]string{"aud", "client", "dedicated"}, r.By) {
				t.Errorf("%s: %s: by %q", p.Name, r.Name, r.By)
			}
			if seen[r.Name] || !strings.HasPrefix(r.Source, "https://") || len(p.Lines(r.Under)) == 0 {
				t.Errorf("%s: %s: it is there twice, or lacks a source or a configuration", p.Name, r.Name)
			}
			seen[r.Name] = true
		}
	}
	if !slices.Equal(names, presets) || refused < 120 {
		t.Errorf("%d refused rows of %q", refused, names)
	}
}

// TestTheAccessTokenVerifies under the published keys, and carries what the file says.
func TestTheAccessTokenVerifies(t *testing.T) {
	for _, p := range providers.All() {
		set, err := jwk.Parse(p.JWKS())
		if err != nil {
			t.Fatal(err)
		}
		key, found := set.LookupKeyID(p.Keys[0].ID)
		if !found {
			t.Fatalf("%s: no key %s", p.Name, p.Keys[0].ID)
		}
		token := p.Token(p.Rows()[0], now)
		payload, err := jws.Verify([]byte(token), jws.WithKey(jwa.SignatureAlgorithm(p.Keys[0].Alg), key))
		if err != nil {
			t.Fatalf("%s: %v", p.Name, err)
		}
		var claims struct {
			Expiry int64 `json:"exp"`
		}
		if err := json.Unmarshal(payload, &claims); err != nil || claims.Expiry != now.Unix()+3600 {
			t.Errorf("%s: exp %d, %v", p.Name, claims.Expiry, err)
		}
	}
}

// TestNoRowIsTheAccessTokenAgain, except under another configuration.
func TestNoRowIsTheAccessTokenAgain(t *testing.T) {
	for _, p := range providers.All() {
		same := parts(t, p, p.Rows()[0])
		for _, r := range p.Rows()[1:] {
			if r.Raw == "" && r.Under == "" && parts(t, p, r) == same {
				t.Errorf("%s: %s changes nothing", p.Name, r.Name)
			}
		}
	}
}

func parts(t *testing.T, p *providers.Provider, r providers.Row) string {
	t.Helper()
	header, claims := p.Parts(r, now)
	text, err := json.Marshal([]any{header, claims})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestMergePatch with the changes that rows make: a member added, replaced, removed, and one within an object.
func TestMergePatch(t *testing.T) {
	p := &providers.Provider{}
	const file = `{"access_token": {"claims": {"a": 1, "b": {"c": 2, "d": 3}, "e": "${NOW-5}"}}}`
	if err := json.Unmarshal([]byte(file), p); err != nil {
		t.Fatal(err)
	}
	patch := map[string]any{"a": nil, "b": map[string]any{"c": nil, "f": "x"}, "g": []any{"${NOW+1}"}}
	_, claims := p.Parts(providers.Row{Claims: patch}, time.Unix(100, 0))
	got, err := json.Marshal(claims)
	if err != nil || string(got) != `{"b":{"d":3,"f":"x"},"e":95,"g":[101]}` {
		t.Errorf("%s, %v", got, err)
	}
}

package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/snapshot"
)

// TestPresetsHaveNothingUnsafe: a preset never has a key that ties tokens to a
// resource or loosens a rule for one: the operator writes it.
func TestPresetsHaveNothingUnsafe(t *testing.T) {
	safe := []string{
		"profile", "algorithms", "scope_claims", "generic_audiences", "access_token_claims", "scopes", "audience", "discovery_url",
	}
	names := []string{
		"adfs", "auth0", "authentik", "clerk", "cognito", "entra", "github-actions", "google", "keycloak", "kubernetes", "okta", "ping",
		"scalekit", "supabase", "workos", "zitadel",
	}
	for _, name := range names {
		if len(shippedPresets()[name]) == 0 {
			t.Errorf("no preset %s", name)
		}
		for _, p := range shippedPresets()[name] {
			for _, key := range p.keys {
				if !slices.Contains(safe, key) {
					t.Errorf("%s@%d fills in %s", name, p.version, key)
				}
			}
		}
	}
	if len(shippedPresets()) != len(names) {
		t.Errorf("%d presets, not %d", len(shippedPresets()), len(names))
	}
}

// TestPresetsAreGoodIssuers: no value of a preset is one that the checks refuse
// where it is written, but for the claims that its own ID tokens do not have.
func TestPresetsAreGoodIssuers(t *testing.T) {
	for name, versions := range shippedPresets() {
		for _, p := range versions {
			r := newReader(snapshot.New())
			is := p.values
			is.Issuer = "https://as.example.com"
			r.checkAlgorithms("algorithms", orDefault(is.Algorithms))
			r.checkTokenRules("issuer", is)
			if len(r.problems) > 0 {
				t.Errorf("%s@%d: %v", name, p.version, r.problems)
			}
		}
	}
}

func orDefault(algorithms []string) []string {
	if algorithms == nil {
		return newIssuer("").Algorithms
	}
	return algorithms
}

const twoVersions = `
acme:
- version: 1
  generic_audiences: [one]
  scope_claims: [scp]
  profile: standard
  discovery_url: https://as.example.com/metadata
- version: 2
  generic_audiences: [two]
  scope_claims: [scope]
  profile: standard
  discovery_url: https://as.example.com/metadata
  access_token_claims: [role]
`

// TestPresetVersions: a name alone is the latest version, a pin keeps its own, and
// a warning names what a later version changed of what is left to the preset.
func TestPresetVersions(t *testing.T) {
	table, err := parsePresets([]byte(twoVersions))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		intent, issuer string
		want           issuer // of what the preset may set
		warning        string
	}{
		{"the latest", "preset: acme", issuer{
			GenericAudiences: []string{"two"}, ScopeClaims: []string{"scope"}, AccessTokenClaims: []string{"role"},
			DiscoveryURL: "https://as.example.com/metadata",
		}, ""},
		{"the latest, pinned", "preset: acme@2", issuer{
			GenericAudiences: []string{"two"}, ScopeClaims: []string{"scope"}, AccessTokenClaims: []string{"role"},
			DiscoveryURL: "https://as.example.com/metadata",
		}, ""},
		{"an older one", "preset: acme@1", issuer{
			GenericAudiences: []string{"one"}, ScopeClaims: []string{"scp"}, DiscoveryURL: "https://as.example.com/metadata",
		}, "is version 1, and version 2 has another scope_claims, generic_audiences, access_token_claims"},
		{"an older one with a key of its own", "preset: acme@1, scope_claims: [x]", issuer{
			GenericAudiences: []string{"one"}, ScopeClaims: []string{"x"}, DiscoveryURL: "https://as.example.com/metadata",
		}, "has another generic_audiences, access_token_claims"},
		{
			"an older one with every key that changed", "preset: acme@1, scope_claims: [x], generic_audiences: [y], access_token_claims: [z]",
			issuer{
				GenericAudiences: []string{"y"}, ScopeClaims: []string{"x"}, AccessTokenClaims: []string{"z"},
				DiscoveryURL: "https://as.example.com/metadata",
			},
			"",
		},
		{"an empty list is a value", "preset: acme, generic_audiences: []", issuer{
			GenericAudiences: []string{}, ScopeClaims: []string{"scope"}, AccessTokenClaims: []string{"role"},
			DiscoveryURL: "https://as.example.com/metadata",
		}, ""},
		{"keys from another place", "preset: acme, jwks_uri: https://as.example.com/keys", issuer{
			GenericAudiences: []string{"two"}, ScopeClaims: []string{"scope"}, AccessTokenClaims: []string{"role"},
		}, ""},
	} {
		r := newReader(snapshot.New())
		r.presets, r.file = table, "a.yaml"
		root := r.parse([]byte("issuers: [{issuer: https://as.example.com, " + row.issuer + "}]"))
		r.decode(root, "", &r.doc)
		r.applyPresets()
		got := r.doc.Issuers[0]
		got = issuer{
			GenericAudiences: got.GenericAudiences, ScopeClaims: got.ScopeClaims, AccessTokenClaims: got.AccessTokenClaims,
			DiscoveryURL: got.DiscoveryURL,
		}
		if !reflect.DeepEqual(got, row.want) {
			t.Errorf("%s: %+v, want %+v", row.intent, got, row.want)
		}
		var warnings []string
		for _, p := range r.problems {
			warnings = append(warnings, p.String())
		}
		if all := strings.Join(warnings, "\n"); len(warnings) > 1 || (row.warning == "") != (all == "") || !strings.Contains(all, row.warning) {
			t.Errorf("%s: %q, want %q", row.intent, all, row.warning)
		}
	}
}

// TestPresetTableIsChecked: a mistake in presets.yaml is found by any test.
func TestPresetTableIsChecked(t *testing.T) {
	for intent, text := range map[string]string{
		"an unknown key":          "acme: [{version: 1, scope_claim: [a]}]",
		"a version left out":      "acme: [{version: 2}]",
		"no version":              "acme: [{scope_claims: [a]}]",
		"a value of a wrong type": "acme: [{version: 1, scope_claims: a}]",
		"no YAML":                 "acme: {",
	} {
		if table, err := parsePresets([]byte(text)); err == nil {
			t.Errorf("%s: %v", intent, table)
		}
	}
}

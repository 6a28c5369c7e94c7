package config_test

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// changesOfKeys are, for each key under issuers[] and resources[], a line of the
// usual configuration and what changes it. A key without a change here fails
// TestAKeyIsDeclaredOnce.
var changesOfKeys = map[string][2]string{
	".issuers.issuer":            {"issuer: https://as.example.com", "issuer: https://other.example.com"},
	".issuers.jwks_uri":          {"jwks_uri: https://as.example.com/a", "jwks_uri: https://as.example.com/b"},
	".issuers.jwks_file":         {"jwks_uri: https://as.example.com/a", "jwks_file: keys.json"},
	".issuers.jwks":              {"jwks_uri: https://as.example.com/a", "jwks: 'KEYS'"},
	".issuers.ca_file":           {"ca_file: ca.pem", "ca_file: other.pem"},
	".issuers.algorithms":        {"algorithms: [ES256]", "algorithms: [RS256]"},
	".issuers.profile":           {"profile: standard", "profile: rfc9068"},
	".issuers.refresh":           {"refresh: {min: 1m, max: 2h, max_stale: 24h}", ""},
	".issuers.refresh.min":       {"min: 1m", "min: 2m"},
	".issuers.refresh.max":       {"max: 2h", "max: 3h"},
	".issuers.refresh.max_stale": {"max_stale: 24h", "max_stale: 25h"},

	".resources.resource":           {"resource: https://mcp.example.com/mcp", "resource: https://mcp.example.com/other"},
	".resources.name":               {"name: weather", "name: news"},
	".resources.also_at":            {"also_at: [https://mesh.example.com/mcp]", ""},
	".resources.audiences":          {"audiences: [app-1]", "audiences: [app-2]"},
	".resources.issuers":            {"issuers: [ISSUER]", "issuers: [https://second.example.com]"},
	".resources.scopes":             {"scopes: [mcp:read]", "scopes: [mcp:write]"},
	".resources.origins":            {"origins: [https://app.example.com]", ""},
	".resources.metadata":           {"metadata: {resource_name: Weather}", "metadata: {resource_name: News}"},
	".resources.labels":             {"labels: {team: weather}", "labels: {team: news}"},
	".resources.policy":             {"policy: authz.weather", "policy: authz.news"},
	".resources.dpop":               {"dpop: optional", "dpop: required"},
	".resources.client_certificate": {"client_certificate: source", "client_certificate: xfcc"},
}

const everyKey = `
issuers:
- issuer: https://as.example.com
  jwks_uri: https://as.example.com/a
  ca_file: ca.pem
  algorithms: [ES256]
  profile: standard
  refresh: {min: 1m, max: 2h, max_stale: 24h}
- issuer: https://second.example.com
resources:
- resource: https://mcp.example.com/mcp
  name: weather
  also_at: [https://mesh.example.com/mcp]
  audiences: [app-1]
  issuers: [ISSUER]
  scopes: [mcp:read]
  origins: [https://app.example.com]
  metadata: {resource_name: Weather}
  labels: {team: weather}
  policy: authz.weather
  dpop: optional
  client_certificate: source
`

// TestAKeyIsDeclaredOnce, in the schema, and known to what a reload compares and to
// the reference page. TestTheSchemaDescribesEveryKey and TestTheSampleHasEveryKey
// do the same for descriptions and the sample, TestARememberedTokenRestsOnItsIssuer
// for remembered tokens.
func TestAKeyIsDeclaredOnce(t *testing.T) {
	t.Parallel()
	reference, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference.md"))
	if err != nil {
		t.Fatal(err)
	}
	keys := string(jwttest.JWKS(jwttest.NewKey("ES256", "key-1")))
	files := map[string]string{
		"keys.json": keys, "ca.pem": string(writePair(t, t.TempDir())), "other.pem": string(writePair(t, t.TempDir())),
	}
	found := map[string]bool{}
	schemaPaths(t, func(path string, _ *jsonschema.Schema) {
		parts := strings.Split(strings.TrimPrefix(path, "."), ".")
		if len(parts) == 1 || parts[0] != "issuers" && parts[0] != "resources" {
			return
		}
		found[path] = true
		change, known := changesOfKeys[path]
		if !known {
			t.Errorf("%s: no change of it in changesOfKeys", path)
			return
		}
		if key := "`" + parts[0] + "[]." + strings.Join(parts[1:], ".") + "`"; !strings.Contains(string(reference), key) {
			t.Errorf("docs/reference.md has no %s: run make docs", key)
		}
		t.Run(path, func(t *testing.T) { checkReload(t, files, parts[0], change) })
	})
	for path := range changesOfKeys {
		if !found[path] {
			t.Errorf("%s is no key", path)
		}
	}
}

// checkReload wants a reload to notice a change of one key.
func checkReload(t *testing.T, files map[string]string, list string, change [2]string) {
	t.Helper()
	changed := strings.Replace(everyKey, change[0], change[1], 1)
	if changed == everyKey {
		t.Fatalf("no %q in the usual configuration", change[0])
	}
	before, again, after := loadKeys(t, files, everyKey), loadKeys(t, files, everyKey), loadKeys(t, files, changed)
	if !before.Issuers[0].Keys.Equal(again.Issuers[0].Keys) {
		t.Fatal("the same configuration is another one")
	}
	if list == "resources" {
		same := reflect.DeepEqual(before.Resources.All(), after.Resources.All()) &&
			reflect.DeepEqual(before.Packages.ByResource(), after.Packages.ByResource())
		if same {
			t.Error("the table of resources does not change")
		}
		return
	}
	now, next := before.Issuers[0], after.Issuers[0]
	if now.Keys.Equal(next.Keys) && now.Profile == next.Profile && reflect.DeepEqual(now.Algorithms, next.Algorithms) {
		t.Error("a reload takes it for the same issuer: see config.Issuer and jwks.Options.Equal")
	}
}

func loadKeys(t *testing.T, files map[string]string, configuration string) *config.Config {
	t.Helper()
	issuer := "https://as.example.com"
	if !strings.Contains(configuration, issuer+"\n") {
		issuer = "https://other.example.com"
	}
	files = maps.Clone(files)
	files["doorward.yaml"] = strings.NewReplacer("ISSUER", issuer, "KEYS", files["keys.json"]).Replace(configuration)
	return mustLoad(t, write(t, files))
}

// TestARememberedTokenRestsOnItsIssuer as configured: each field of config.Issuer
// is one of token.Issuer, whose every change token.Verifier.Revalidate notices
// (TestARememberedTokenRestsOnEveryField), or only a place for messages.
func TestARememberedTokenRestsOnItsIssuer(t *testing.T) {
	places := map[string]bool{"File": true, "Line": true, "Column": true}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[config.Issuer]()) {
		if _, known := reflect.TypeFor[token.Issuer]().FieldByName(field.Name); !known && !places[field.Name] {
			t.Errorf("config.Issuer.%s is not in token.Issuer: a remembered token would not rest on it", field.Name)
		}
	}
}

package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/doorward/doorward/extauthz/jwks"
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

	".issuers.preset":              {"preset: keycloak", "preset: okta"},
	".issuers.tenants":             {"tenants: [a]", "tenants: [a, b]"},
	".issuers.spiffe_trust_domain": {"spiffe_trust_domain: example.org", "spiffe_trust_domain: example.com"},
	".issuers.discovery_url":       {"discovery_url: https://third.example.com/a", "discovery_url: https://third.example.com/b"},
	".issuers.token_file":          {"token_file: keys.json", "token_file: ca.pem"},
	".issuers.client_certificate":  {"client_certificate: {cert_file: ca.pem, key_file: keys.json}", ""},
	".issuers.advertise":           {"advertise: true", "advertise: false"},
	".issuers.scope_claims":        {"scope_claims: [scope]", "scope_claims: [roles]"},
	".issuers.scopes":              {"scopes: claims", "scopes: none"},
	".issuers.audience":            {"audience: granted", "audience: self_asserted"},
	".issuers.generic_audiences":   {"generic_audiences: [account]", "generic_audiences: []"},
	".issuers.dedicated":           {"dedicated: true", "dedicated: false"},
	".issuers.client_id_pattern":   {"client_id_pattern: 'a+'", "client_id_pattern: 'b+'"},
	".issuers.access_token_claims": {"access_token_claims: [role]", "access_token_claims: [uid]"},
	".issuers.accepts":             {"accepts: [nonce]", "accepts: [nonce, at_hash]"},

	".issuers.client_certificate.cert_file": {"cert_file: ca.pem", "cert_file: other.pem"},
	".issuers.client_certificate.key_file":  {"key_file: keys.json", "key_file: other.pem"},

	".resources.aliases":               {"aliases: ['https://{tenant}.example.net/mcp']", ""},
	".resources.clients":               {"clients: [app]", "clients: [other]"},
	".resources.subjects":              {"subjects: [a:b]", "subjects: [a:c]"},
	".resources.claims":                {"claims: {ref: main}", "claims: {ref: [main, next]}"},
	".resources.parameters":            {"parameters: {tenant: org}", "parameters: {tenant: tid}"},
	".resources.scope_prefix":          {"scope_prefix: api://a/", "scope_prefix: api://b/"},
	".resources.scope_implies":         {"  scope_implies: {admin: [read]}", "  scope_implies: {admin: [write]}"},
	".resources.scopes_any":            {"scopes_any: [[read], [role]]", "scopes_any: [[role], [read]]"},
	".resources.authorization_servers": {"authorization_servers: [https://login.example.com]", ""},
	".resources.mirror_metadata":       {"mirror_metadata: false", "mirror_metadata: true"},

	".scope_implies":    {"scope_implies: {all: [read]}", "scope_implies: {all: [read, write]}"},
	".metadata":         {"metadata: {max_age: 2h}", ""},
	".metadata.max_age": {"max_age: 2h", "max_age: 3h"},

	".resources.resource":           {"resource: https://mcp.example.com/mcp", "resource: https://mcp.example.com/other"},
	".resources.name":               {"name: weather", "name: news"},
	".resources.also_at":            {"also_at: [https://mesh.example.com/mcp]", ""},
	".resources.audiences":          {"audiences: [app-1]", "audiences: [app-2]"},
	".resources.issuers":            {"issuers: [ISSUER]", "issuers: [https://second.example.com]"},
	".resources.scopes":             {"scopes: [mcp:read]", "scopes: [mcp:write]"},
	".resources.origins":            {"origins: [https://app.example.com]", ""},
	".resources.cors":               {"cors: false", "cors: true"},
	".resources.metadata":           {"metadata: {resource_name: Weather}", "metadata: {resource_name: News}"},
	".resources.labels":             {"labels: {team: weather}", "labels: {team: news}"},
	".resources.policy":             {"policy: authz.weather", "policy: authz.news"},
	".resources.dpop":               {"dpop: optional", "dpop: required"},
	".resources.client_certificate": {"client_certificate: source", "client_certificate: xfcc"},

	".resources.operations":            {"operations: [{", "operations: [{method: tools/list}, {"},
	".resources.operations.method":     {"method: tools/call, name", "method: prompts/get, name"},
	".resources.operations.name":       {"name: 'delete_*', scopes", "name: 'remove_*', scopes"},
	".resources.operations.scopes":     {"scopes: [mcp:delete]", "scopes: [mcp:remove]"},
	".resources.operations.acr_values": {"acr_values: [gold]", "acr_values: [silver]"},
	".resources.operations.max_age":    {"max_age: 5m", "max_age: 6m"},
	".resources.operations_default":    {"operations_default: deny", "operations_default: resource"},
	".resources.challenge_scopes":      {"challenge_scopes: operation_and_granted", "challenge_scopes: operation"},
	".resources.anonymous":             {"anonymous: [tools/list]", "anonymous: [prompts/list]"},
	".resources.anonymous_sessions":    {"anonymous_sessions: true", "anonymous_sessions: false"},
	".resources.expires_header":        {"expires_header: true", "expires_header: false"},

	".resources.assertion": {
		"assertion: {issuer: https://doorward.example.com, audience: machines, key_file: sign.pem, lifetime: 30s, publish_files: [next.pem]}", "",
	},
	".resources.assertion.issuer":        {"issuer: https://doorward.example.com", "issuer: https://other.example.com"},
	".resources.assertion.audience":      {"audience: machines", "audience: others"},
	".resources.assertion.key_file":      {"key_file: sign.pem", "key_file: next.pem"},
	".resources.assertion.lifetime":      {"lifetime: 30s", "lifetime: 40s"},
	".resources.assertion.publish_files": {"publish_files: [next.pem]", "publish_files: []"},

	".resources.mcp": {"  mcp: {headers_checked_by_server: true,", "  mcp: {"},
	".resources.mcp.headers_checked_by_server": {"headers_checked_by_server: true", "headers_checked_by_server: false"},
	".resources.mcp.filter_metadata":           {"filter_metadata: trusted", "filter_metadata: untrusted"},
	".resources.mcp.allow_batch":               {"allow_batch: true", "allow_batch: false"},
	".resources.mcp.denials":                   {"denials: json_rpc", "denials: plain"},
}

const everyKey = `
issuers:
- issuer: https://as.example.com
  jwks_uri: https://as.example.com/a
  ca_file: ca.pem
  algorithms: [ES256]
  profile: standard
  refresh: {min: 1m, max: 2h, max_stale: 24h}
  advertise: true
- issuer: https://second.example.com
- issuer: https://third.example.com/{tenant}
  preset: keycloak
  tenants: [a]
  discovery_url: https://third.example.com/a
  token_file: keys.json
  scope_claims: [scope]
  generic_audiences: [account]
  access_token_claims: [role]
  accepts: [nonce]
- issuer: https://fourth.example.com
  spiffe_trust_domain: example.org
  client_certificate: {cert_file: ca.pem, key_file: keys.json}
- issuer: https://fifth.example.com
  dedicated: true
  scopes: claims
  audience: granted
- issuer: https://sixth.example.com
  dedicated: true
  client_id_pattern: 'a+'
resources:
- resource: https://mcp.example.com/mcp
  name: weather
  also_at: [https://mesh.example.com/mcp]
  audiences: [app-1]
  issuers: [ISSUER]
  scopes: [mcp:read]
  origins: [https://app.example.com]
  cors: false
  metadata: {resource_name: Weather}
  labels: {team: weather}
  policy: authz.weather
  dpop: optional
  client_certificate: source
- resource: https://{tenant}.example.org/mcp
  name: tenants
  aliases: ['https://{tenant}.example.net/mcp']
  issuers: [https://second.example.com]
  clients: [app]
  parameters: {tenant: org}
  scopes_any: [[read], [role]]
  scope_prefix: api://a/
  scope_implies: {admin: [read]}
  authorization_servers: [https://login.example.com]
- resource: https://machines.example.com/mcp
  issuers: [https://fourth.example.com]
  subjects: [a:b]
  claims: {ref: main}
  mirror_metadata: false
  operations: [{method: tools/call, name: 'delete_*', scopes: [mcp:delete], acr_values: [gold], max_age: 5m}]
  operations_default: deny
  challenge_scopes: operation_and_granted
  mcp: {headers_checked_by_server: true, filter_metadata: trusted, allow_batch: true, denials: json_rpc}
  anonymous: [tools/list]
  anonymous_sessions: true
  expires_header: true
  assertion: {issuer: https://doorward.example.com, audience: machines, key_file: sign.pem, lifetime: 30s, publish_files: [next.pem]}
listen: {http: 0.0.0.0:9190}
scope_implies: {all: [read]}
metadata: {max_age: 2h}
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
		"sign.pem": privateKey(t), "next.pem": privateKey(t),
		"keys.json": keys, "ca.pem": string(writePair(t, t.TempDir())), "other.pem": string(writePair(t, t.TempDir())),
	}
	found := map[string]bool{}
	schemaPaths(t, func(path string, _ *jsonschema.Schema) {
		parts := strings.Split(strings.TrimPrefix(path, "."), ".")
		lists := parts[0] == "issuers" || parts[0] == "resources"
		if lists && len(parts) == 1 || !lists && parts[0] != "scope_implies" && parts[0] != "metadata" {
			return
		}
		found[path] = true
		change, known := changesOfKeys[path]
		if !known {
			t.Errorf("%s: no change of it in changesOfKeys", path)
			return
		}
		key := strings.Join(parts, ".")
		if lists {
			key = strings.Replace(parts[0]+"[]."+strings.Join(parts[1:], "."), ".operations.", ".operations[].", 1)
		}
		if key = "`" + key + "`"; !strings.Contains(string(reference), key) {
			t.Errorf("docs/reference.md has no %s: run make docs", key)
		}
		t.Run(path, func(t *testing.T) { checkReload(t, files, change) })
	})
	for path := range changesOfKeys {
		if !found[path] {
			t.Errorf("%s is no key", path)
		}
	}
}

// checkReload wants a reload to notice a change of one key.
func checkReload(t *testing.T, files map[string]string, change [2]string) {
	t.Helper()
	changed := strings.Replace(everyKey, change[0], change[1], 1)
	if changed == everyKey {
		t.Fatalf("no %q in the usual configuration", change[0])
	}
	dir := write(t, files)
	before, again, after := loadKeys(t, dir, everyKey), loadKeys(t, dir, everyKey), loadKeys(t, dir, changed)
	if !same(before, again) {
		t.Fatal("the same configuration is another one")
	}
	if same(before, after) {
		t.Error("a reload takes it for the same configuration: see config.Issuer, jwks.Options.Equal and resource.Spec")
	}
}

// privateKey is a new private key in PEM.
func privateKey(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	writePair(t, dir)
	key, err := os.ReadFile(filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return string(key)
}

// same reports whether a reload keeps everything that depends on issuers and
// resources: the sources of keys, the rules for tokens and the table.
func same(a, b *config.Config) bool {
	return slices.EqualFunc(a.Issuers, b.Issuers, func(a, b config.Issuer) bool {
		keys := a.Keys.Equal(b.Keys)
		for _, issuer := range []*config.Issuer{&a, &b} {
			issuer.Keys, issuer.File, issuer.Line, issuer.Column = jwks.Options{}, "", 0, 0
		}
		return keys && reflect.DeepEqual(a, b)
	}) && reflect.DeepEqual(a.Resources.All(), b.Resources.All()) &&
		reflect.DeepEqual(a.Assertions, b.Assertions) && reflect.DeepEqual(a.Packages.ByResource(), b.Packages.ByResource())
}

// loadKeys loads a configuration that names the files of dir.
func loadKeys(t *testing.T, dir, configuration string) *config.Config {
	t.Helper()
	issuer := "https://as.example.com"
	if !strings.Contains(configuration, issuer+"\n") {
		issuer = "https://other.example.com"
	}
	keys, err := os.ReadFile(filepath.Join(dir, "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "doorward.yaml")
	text := strings.NewReplacer("ISSUER", issuer, "KEYS", string(keys)).Replace(configuration)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return mustLoad(t, name)
}

// TestARememberedTokenRestsOnItsIssuer as configured: each field of config.Issuer
// is one of token.Issuer, whose every change token.Verifier.Revalidate notices
// (TestARememberedTokenRestsOnEveryField), or only a place for messages. Rules
// passes each of them on.
func TestARememberedTokenRestsOnItsIssuer(t *testing.T) {
	places := map[string]bool{"File": true, "Line": true, "Column": true}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[config.Issuer]()) {
		if places[field.Name] {
			continue
		}
		if _, known := reflect.TypeFor[token.Issuer]().FieldByName(field.Name); !known {
			t.Errorf("config.Issuer.%s is not in token.Issuer: a remembered token would not rest on it", field.Name)
			continue
		}
		var configured config.Issuer
		into := reflect.ValueOf(&configured).Elem().FieldByIndex(field.Index)
		switch field.Type.Kind() {
		case reflect.String:
			into.SetString("x")
		case reflect.Bool:
			into.SetBool(true)
		case reflect.Int:
			into.SetInt(1)
		case reflect.Slice:
			into.Set(reflect.ValueOf([]string{"x"}))
		default: // Keys
			configured.Keys.Issuer = "x"
		}
		if reflect.DeepEqual(configured.Rules(nil), config.Issuer{}.Rules(nil)) {
			t.Errorf("config.Issuer.%s is not passed on to token.Issuer", field.Name)
		}
	}
}

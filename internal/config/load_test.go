package config_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/bundles"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/destination"
	"github.com/doorward/doorward/internal/exchange"
)

const (
	oneIssuer   = "issuers: [{issuer: https://as.example.com}]\n"
	oneResource = "resources: [{resource: https://mcp.example.com/mcp}]\n"
)

// TestDefaults compares the defaults with those of the documentation.
func TestDefaults(t *testing.T) {
	t.Chdir("testdata/good")
	want := &config.Config{
		Listen: config.Listen{GRPC: "127.0.0.1:9191", SocketMode: 0o660, HTTP: "127.0.0.1:9190", Debug: config.Off},
		Log:    config.Log{Level: slog.LevelInfo, Format: "auto"},
		Limits: config.Limits{
			TokenBytes: 16 << 10, TokenCache: 64 << 20, DecisionCache: 32 << 20,
			SignaturesInFlight: 0, SignaturesWaiting: 1000, ReceiveBytes: 16 << 20, CheckTimeout: 2 * time.Second,
		},
		Issuers: []config.Issuer{{
			Keys: jwks.Options{
				Issuer: "https://as.example.com", RefreshMin: time.Minute, RefreshMax: time.Hour, MaxStale: 24 * time.Hour,
			},
			Profile:    token.Standard,
			Algorithms: token.DefaultAlgorithms(),
		}},
		DecisionLog: config.DecisionLog{To: config.Off, SampleAllows: 1, Buffer: 16 << 20},
		ClockSkew:   30 * time.Second,
		Proofs:      token.ProofRules{ClockSkew: 30 * time.Second},
		Drain:       3 * time.Second,
		Files:       []string{"minimal.yaml"},
		Sources:     []string{"minimal.yaml"},
	}
	got := mustLoad(t, "minimal.yaml")
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(config.Config{}, "Resources"), anywhere); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// One issuer: the resource need not name it.
	wantSpecs := []resource.Spec{{
		URI: "https://mcp.example.com/mcp", Name: "https://mcp.example.com/mcp", Issuers: []string{"https://as.example.com"},
		MetadataMaxAge: time.Hour,
	}}
	if diff := cmp.Diff(wantSpecs, specs(got), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
}

// anywhere ignores the places of issuers, which cmd/doorward tests.
var anywhere = cmpopts.IgnoreFields(config.Issuer{}, "File", "Line", "Column")

// TestEveryKey: each key sets its field, and file names are relative to the file
// that has them.
func TestEveryKey(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/full")); err != nil {
		t.Fatal(err)
	}
	cert := writePair(t, filepath.Join(dir, "tls"))
	at := func(name string) string { return filepath.Join(dir, name) }
	keys, err := os.ReadFile(at("two.json"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(at("bundle.pem"))
	if err != nil {
		t.Fatal(err)
	}
	hosts := []string{"loopback", "ci.example.com", "::1"}
	want := &config.Config{
		Listen: config.Listen{
			GRPC: "unix:///run/doorward/authz.sock", SocketMode: 0o600,
			TLS:  config.TLS{CertFile: at("tls/cert.pem"), KeyFile: at("tls/key.pem"), ClientCAFile: at("tls/cert.pem")},
			HTTP: "0.0.0.0:9290", Debug: "localhost:6060",
		},
		Log: config.Log{Level: slog.LevelDebug, Format: "json"},
		Limits: config.Limits{
			TokenBytes: 8 << 10, TokenCache: 32 << 20, DecisionCache: 1 << 30,
			SignaturesInFlight: 4, SignaturesWaiting: 500, ReceiveBytes: 4 << 20, CheckTimeout: 1500 * time.Millisecond,
		},
		Issuers: []config.Issuer{
			{
				Keys: jwks.Options{
					Issuer: "https://as.example.com", JWKSURI: "https://as.example.com/jwks.json", CAPEM: cert,
					InsecureHTTPHosts: hosts, RefreshMin: 2 * time.Minute, RefreshMax: 2 * time.Hour, MaxStale: 12 * time.Hour,
					CacheDir: at("policy"),
				},
				Profile: token.RFC9068, Algorithms: []string{"RS256", "ES256"},
			},
			{
				Keys: jwks.Options{
					Issuer: "https://two.example.com", Static: keys,
					InsecureHTTPHosts: hosts, RefreshMin: time.Minute, RefreshMax: time.Hour, MaxStale: 24 * time.Hour,
				},
				Profile: token.Standard, Algorithms: token.DefaultAlgorithms(),
			},
			{
				Keys: jwks.Options{
					Issuer: "https://login.example.com/{tenant}/v2.0", DiscoveryURL: "https://login.example.com/common/.well-known/openid-configuration",
					InsecureHTTPHosts: hosts, RefreshMin: time.Minute, RefreshMax: time.Hour, MaxStale: 24 * time.Hour,
					CacheDir: at("policy"), TokenFile: at("bundle.pem"),
				},
				Profile: token.Standard, Algorithms: []string{"RS256"}, Tenants: []string{"one", "two"},
				ScopeClaims: []string{"scp", "realm_access.roles"}, GenericAudiences: []string{"account"},
				AccessTokenClaims: []string{"role"}, Accepts: []string{"nonce"},
			},
			{
				Keys: jwks.Options{
					Issuer: "https://spiffe.example.com", InsecureHTTPHosts: hosts, RefreshMin: time.Minute, RefreshMax: time.Hour, MaxStale: 24 * time.Hour,
					CacheDir: at("policy"), CertFile: at("tls/cert.pem"), KeyFile: at("tls/key.pem"), SPIFFE: true,
				},
				Profile: token.Standard, Algorithms: token.DefaultAlgorithms(), TrustDomain: "example.org", SelfAssertedAudience: true,
			},
			{
				Keys: jwks.Options{
					Issuer: "https://dedicated.example.com", InsecureHTTPHosts: hosts, RefreshMin: time.Minute, RefreshMax: time.Hour, MaxStale: 24 * time.Hour,
					CacheDir: at("policy"),
				},
				Profile: token.Standard, Algorithms: token.DefaultAlgorithms(), Dedicated: true, ClientIDPattern: "[a-z]{8}", NoScopes: true,
			},
		},
		PolicyPaths: []string{at("policy")},
		Packages:    config.Packages{{Resource: "example", Name: "authz.weather", File: at("doorward.yaml"), Line: 56, Column: 11}},
		Bundles: []bundles.Options{
			{
				Name: "weather", URL: "https://bundles.example.com/weather.tar.gz",
				Key: string(key), Algorithm: "ES256", Scope: "write", AWS: "metadata", Region: "eu-central-1", CAPEM: string(cert),
				InsecureHTTPHosts: "loopback ci.example.com ::1", PollMin: 2 * time.Minute, PollMax: 3 * time.Minute, LongPoll: 30 * time.Second,
			},
			{
				Name: "shared", File: at("shared.tar.gz"), Algorithm: "RS256", InsecureUnsigned: true,
				InsecureHTTPHosts: "loopback ci.example.com ::1", PollMin: time.Minute, PollMax: 2 * time.Minute,
			},
			{
				Name: "token", URL: "oci://registry.example.com/team/shared:latest", Algorithm: "RS256", InsecureUnsigned: true,
				TokenFile:         at("bundle.pem"),
				InsecureHTTPHosts: "loopback ci.example.com ::1", PollMin: time.Minute, PollMax: 2 * time.Minute,
			},
			{
				Name: "certificate", URL: "https://bundles.example.com/certificate.tar.gz", Algorithm: "RS256", InsecureUnsigned: true,
				CertFile: at("tls/cert.pem"), KeyFile: at("tls/key.pem"),
				InsecureHTTPHosts: "loopback ci.example.com ::1", PollMin: time.Minute, PollMax: 2 * time.Minute,
			},
		},
		ClockSkew: time.Minute,
		Proofs: token.ProofRules{
			ClockSkew: time.Minute, NonceAlways: true,
			NonceKeys: [][]byte{[]byte("0123456789abcdef0123456789abcdef0123456789ab"), []byte("fedcba9876543210fedcba9876543210")},
		},
		JWKSCacheDir:   at("policy"),
		RevocationFile: at("revocations.json"),
		DecisionLog: config.DecisionLog{
			To: "https://logs.example.com/opa", CAFile: at("tls/cert.pem"), CertFile: at("tls/cert.pem"), KeyFile: at("tls/key.pem"),
			Claims: []string{"groups"}, SampleAllows: 0.25, Buffer: 8 << 20,
		},
		MetadataSubject: true,

		TrustClientAddress: true,
		InsecureHTTPHosts:  hosts,
		Drain:              5 * time.Second,
		Egress: &config.Egress{
			Listeners: []config.EgressListener{
				{Listen: "unix:///run/doorward/example.sock", Resource: "example"},
				{
					Listen:  "0.0.0.0:9193",
					TLS:     config.TLS{CertFile: at("tls/cert.pem"), KeyFile: at("tls/key.pem"), ClientCAFile: at("tls/cert.pem")},
					Peers:   []string{"spiffe://example.org/ns/mesh/sa/egress"},
					Callers: map[string]string{"spiffe://example.org/ns/machines/sa/server": "https://machines.example.com/mcp"},
				},
			},
			Observe: true, AllowUnknown: true, AllowUnreadBody: true, CheckTimeout: 3 * time.Second,
			Handle: &config.Handle{
				Keys:    [][]byte{[]byte("0123456789abcdef0123456789abcdef"), []byte("fedcba9876543210fedcba9876543210")},
				Baggage: true, Lifetime: 2 * time.Minute, MaxBytes: 3 << 10,
			},
		},
		Files: []string{
			at("actor.token"), at("bundle.pem"), at("client.secret"), at("doorward.yaml"), at("handle.key"), at("handle.old.key"),
			at("nonce.key"), at("tls/cert.pem"), at("tls/key.pem"), at("two.json"),
		},
		Sources: []string{at("doorward.yaml")},
	}
	got := mustLoad(t, dir)
	apart := []cmp.Option{
		cmpopts.IgnoreFields(config.Config{}, "Resources", "Assertions"), cmpopts.IgnoreFields(config.Egress{}, "Destinations"),
	}
	if diff := cmp.Diff(want, got, append(apart, anywhere)...); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(got.Assertions) != 1 || got.Assertions["https://machines.example.com/mcp"] == nil {
		t.Errorf("assertions of %v", got.Assertions)
	}
	checkDestinations(t, got.Egress.Destinations, dir, hosts, cert)
	everywhere := map[string][]string{"mcp:write": {"mcp:read"}, "mcp:admin": {"mcp:read"}}
	wantSpecs := []resource.Spec{
		{
			URI: "https://mcp.example.com/mcp", Name: "example",
			AlsoAt:    []string{"https://example.ns.svc:8443/mcp"},
			Audiences: []string{"api://example"},
			Issuers:   []string{"https://as.example.com"},
			Scopes:    []string{"mcp:read"},
			Origins:   []string{"https://app.example.com"},
			CORS:      true,
			Metadata: map[string]any{
				"resource_name": "Example", "scopes_supported": []any{"mcp:read", "mcp:write"},
				"resource_documentation": "https://docs.example.com/mcp",
			},
			Labels: map[string]string{"team": "weather"},
			DPoP:   "optional", ProofAlgorithms: token.DefaultAlgorithms(), ClientCertificate: "source",
			ScopeImplies: everywhere, MetadataMaxAge: 10 * time.Minute,
		},
		{
			URI: "https://other.example.com/mcp", Name: "https://other.example.com/mcp",
			Issuers:      []string{"https://as.example.com", "https://two.example.com"},
			ScopeImplies: everywhere, MetadataMaxAge: 10 * time.Minute,
		},
		{
			URI: "https://{tenant}.example.com/mcp", Name: "tenants",
			Aliases: []string{"https://{tenant}.example.net/mcp"},
			Issuers: []string{"https://login.example.com/{tenant}/v2.0"},
			Clients: []string{"app"}, Parameters: map[string]string{"tenant": "org"},
			ScopesAny: [][]string{{"mcp:read"}, {"mcp:write", "mcp:extra"}}, ScopePrefix: "api://6f1c/",
			ScopeImplies:         map[string][]string{"mcp:write": {"mcp:read"}, "mcp:admin": {"mcp:read", "mcp:write"}},
			AuthorizationServers: []string{"https://{tenant}.login.example.com"}, MetadataMaxAge: 10 * time.Minute,
		},
		{
			URI: "https://machines.example.com/mcp", Name: "https://machines.example.com/mcp",
			Issuers:  []string{"https://spiffe.example.com", "https://dedicated.example.com"},
			Subjects: []string{"spiffe://example.org/agents/*"},
			Claims:   map[string][]string{"repository_id": {"1"}, "ref": {"main", "next"}}, ScopeImplies: everywhere,
			AuthorizationServers: []string{"https://dedicated.example.com"}, MirrorMetadata: true, MetadataMaxAge: 10 * time.Minute,
			Operations: []resource.Operation{
				{
					Method: "tools/call", Name: "delete_*", Scopes: []string{"mcp:delete"},
					ACRValues: []string{"gold", "silver"}, MaxAge: 5 * time.Minute,
				},
				{Method: "resources/read", Name: "file:///public/*"},
				{Method: "*", Scopes: []string{"mcp:use"}},
			},
			OperationsDefault: "deny", ChallengeScopes: "operation_and_granted",
			MCP:       resource.MCP{HeadersChecked: true, FilterMetadata: true, AllowBatch: true, JSONRPCDenials: true},
			Anonymous: []resource.Operation{{Method: "initialize"}, {Method: "tools/call", Name: "search"}},

			AnonymousSessions: true, ExpiresHeader: true,
		},
	}
	if diff := cmp.Diff(wantSpecs, specs(got), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
}

func checkDestinations(t *testing.T, table *destination.Table, dir string, hosts []string, cert []byte) {
	t.Helper()
	key, err := os.ReadFile(filepath.Join(dir, "tls/key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	secret := []byte("secret-of-doorward\n")
	server := func(e exchange.Entry) exchange.Entry {
		e.Issuer, e.ClientID, e.InsecureHTTPHosts = "https://as.example.net", "doorward", hosts
		return e
	}
	want := []destination.Spec{
		{
			Host: "api.example.com", Paths: []string{"/v1"}, From: []string{"example"}, Token: "exchange", BoundSubject: true,
			Exchange: []exchange.Entry{
				{
					Issuer: "https://as.example.com", TokenEndpoint: "https://as.example.com/token",
					Resource: "https://api.example.com", Audience: "api", Scope: []string{"read"},
					RequestedTokenType: "urn:ietf:params:oauth:token-type:access_token",
					ActorToken:         []byte("actor.token.x\n"), ActorTokenType: "urn:ietf:params:oauth:token-type:jwt",
					ClientID: "doorward", ClientSecret: secret, CAPEM: cert, InsecureHTTPHosts: hosts,
				},
				{
					Issuer: "https://two.example.com", Audience: "api", ClientID: "doorward",
					PrivateKey: key, PrivateKeyID: "one", PrivateKeyAlg: "EdDSA", CAPEM: cert, InsecureHTTPHosts: hosts,
				},
			},
		},
		{
			Host: "partner.example.net", From: []string{"https://machines.example.com/mcp"}, Token: "exchange",
			Exchange: []exchange.Entry{{
				Issuer: "https://spiffe.example.com", Subject: "assertion", AuthorizationServer: "https://as.example.net",
				Audience: "partner", ClientID: "doorward", ClientCertificate: cert, ClientKey: key, InsecureHTTPHosts: hosts,
			}},
		},
		{
			Host: "files.example.com:8443", Token: "client_credentials", UnreadBody: true,
			ClientCredentials: server(exchange.Entry{
				TokenEndpoint: "https://as.example.net/token", Resource: "https://files.example.com", Audience: "files",
				Scope: []string{"read"}, ClientSecret: secret, CAPEM: cert,
			}),
		},
		{
			Host: "keys.example.com", Token: "client_credentials",
			ClientCredentials: server(exchange.Entry{PrivateKey: key, PrivateKeyID: "one", PrivateKeyAlg: "EdDSA"}),
		},
		{
			Host: "mutual.example.com", Token: "client_credentials",
			ClientCredentials: server(exchange.Entry{ClientCertificate: cert, ClientKey: key}),
		},
		{
			Host: "as.example.com", Token: "keep",
			TokenEndpoint: "https://as.example.com/token", TokenIssuer: "https://as.example.com",
		},
	}
	var got []destination.Spec
	for _, d := range table.All() {
		got = append(got, d.Spec)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("destinations (-want +got):\n%s", diff)
	}
}

// TestDecisionLogFiles: their names are relative to the file that has them, also
// when it is not the first.
func TestDecisionLogFiles(t *testing.T) {
	dir := write(t, map[string]string{
		"10-all.yaml":  oneIssuer + oneResource,
		"token":        "secret",
		"20-logs.yaml": "decision_log: {to: 'https://logs.example.com', token_file: token}\n",
	})
	if got, want := mustLoad(t, dir).DecisionLog.TokenFile, filepath.Join(dir, "token"); got != want {
		t.Errorf("token_file = %s, want %s", got, want)
	}
	for to, want := range map[string]string{
		"file:decisions.log":           "file:DIR/decisions.log",
		"file:DIR/decisions.log":       "file:DIR/decisions.log",
		"https://logs.example.com/opa": "https://logs.example.com/opa",
	} {
		dir := t.TempDir()
		name := filepath.Join(dir, "doorward.yaml")
		content := oneIssuer + oneResource + "decision_log: {to: '" + strings.ReplaceAll(to, "DIR", dir) + "'}\n"
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, want := mustLoad(t, name).DecisionLog.To, strings.ReplaceAll(want, "DIR", dir); got != want {
			t.Errorf("%s became %s, want %s", to, got, want)
		}
	}
}

// TestRevocationsOfABundle: the list of a bundle replaces revocation_file.
func TestRevocationsOfABundle(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": oneIssuer + oneResource +
		"policy: {bundles: [{name: b, file: b.tar.gz, insecure_unsigned: true, revocations: security/revoked}]}\n"})
	if got := mustLoad(t, dir); len(got.Bundles) != 1 || got.Bundles[0].Revocations != "security/revoked" || got.RevocationFile != "" {
		t.Errorf("%+v", got.Bundles)
	}
}

// TestFilesMerge: lists are appended in the order of the files, mappings are merged,
// and a resource may leave out its issuers while there is one resource or one issuer.
func TestFilesMerge(t *testing.T) {
	dir := write(t, map[string]string{
		"10-listen.yaml":   "version: 1\nlisten: {http: off}\nlimits: {token_bytes: 1KiB}\n",
		"20-issuers.yaml":  "version: 1\n" + oneIssuer + "limits: {check_timeout: 1s}\npolicy: {paths: [a.rego]}\n",
		"30-resource.yaml": oneResource + "policy: {paths: [b.rego]}\n",
		"40-more.yaml":     "issuers: [{issuer: https://two.example.com}]\n",
		"a.rego":           "", "b.rego": "",
		".hidden.yaml": "nonsense: true\n",
		"notes.txt":    "nonsense",
		"x.yaml/y":     "a folder",
	})
	c := mustLoad(t, dir)
	if c.Listen.HTTP != config.Off || c.Limits.TokenBytes != 1<<10 || c.Limits.CheckTimeout != time.Second {
		t.Errorf("mappings were not merged: %+v %+v", c.Listen, c.Limits)
	}
	both := []string{"https://as.example.com", "https://two.example.com"}
	if diff := cmp.Diff(both, specs(c)[0].Issuers); diff != "" {
		t.Errorf("issuers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{filepath.Join(dir, "a.rego"), filepath.Join(dir, "b.rego")}, c.PolicyPaths); diff != "" {
		t.Errorf("policy paths (-want +got):\n%s", diff)
	}
	// The same file by two names is the same file.
	mustLoad(t, dir, filepath.Join(dir, "10-listen.yaml"), dir+"/./20-issuers.yaml")
}

// TestMountedConfigMap: Kubernetes shows each file as a link into a hidden
// folder that it swaps.
func TestMountedConfigMap(t *testing.T) {
	dir := write(t, map[string]string{"..2026/doorward.yaml": oneIssuer + oneResource})
	for link, to := range map[string]string{"..data": "..2026", "doorward.yaml": "..data/doorward.yaml"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	c := mustLoad(t, dir)
	want := []string{filepath.Join(dir, "doorward.yaml")}
	if diff := cmp.Diff(want, c.Files); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, c.Sources); diff != "" {
		t.Errorf("Sources (-want +got):\n%s", diff)
	}
}

// TestAbsoluteNames: an absolute name is not changed.
func TestAbsoluteNames(t *testing.T) {
	rules := filepath.Join(write(t, map[string]string{"authz.rego": ""}), "authz.rego")
	dir := write(t, map[string]string{"a.yaml": oneIssuer + oneResource + "policy: {paths: [" + rules + "]}\n"})
	if diff := cmp.Diff([]string{rules}, mustLoad(t, dir).PolicyPaths); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPathsThatCannotBeRead(t *testing.T) {
	dir := write(t, map[string]string{
		"good.yaml": oneIssuer + oneResource,
		"big.yaml":  strings.Repeat("# much\n", 1<<20),
	})
	for _, test := range []struct {
		intent string
		paths  []string
		want   string
	}{
		{"no path at all", nil, "--config: no configuration file is named"},
		{
			"a path that does not exist, after a good one",
			[]string{dir + "/good.yaml", dir + "/nowhere.yaml"},
			dir + "/nowhere.yaml: cannot be read (no such file or directory)",
		},
		{"a file that is too large", []string{dir + "/big.yaml"}, dir + "/big.yaml: cannot be read (larger than 4MiB)"},
	} {
		t.Run(test.intent, func(t *testing.T) {
			c, problems := config.Load(test.paths)
			if got := text(problems); c != nil || !strings.HasPrefix(got, test.want) || len(problems) != 1 {
				t.Errorf("config %v, problems:\n%s\nwant %s", c, got, test.want)
			}
		})
	}
}

// TestSpellingsOfJWKS: YAML and JSON of the same set are equal bytes, so that
// a new spelling is not a new source.
func TestSpellingsOfJWKS(t *testing.T) {
	yaml := mustLoad(t, "testdata/good/inline-jwks-yaml.yaml")
	json := mustLoad(t, "testdata/good/inline-jwks-json.yaml")
	if len(yaml.Issuers[0].Keys.Static) == 0 || !yaml.Issuers[0].Keys.Equal(json.Issuers[0].Keys) {
		t.Errorf("\n%s\n%s", yaml.Issuers[0].Keys.Static, json.Issuers[0].Keys.Static)
	}
}

// TestNothingIsExpanded: secrets come from files, not from the environment.
func TestNothingIsExpanded(t *testing.T) {
	t.Setenv("NAME", "surprise")
	dir := write(t, map[string]string{"a.yaml": oneIssuer + "resources: [{resource: https://mcp.example.com/mcp, name: $NAME}]\n"})
	if got := specs(mustLoad(t, dir))[0].Name; got != "$NAME" {
		t.Errorf("name = %q", got)
	}
}

func TestNetwork(t *testing.T) {
	for listen, want := range map[string][2]string{
		"off":                     {"", ""},
		"127.0.0.1:9191":          {"tcp", "127.0.0.1:9191"},
		"unix:///run/authz.sock":  {"unix", "/run/authz.sock"},
		"[::1]:9191":              {"tcp", "[::1]:9191"},
		"unix:///run/off.example": {"unix", "/run/off.example"},
	} {
		network, address := config.Network(listen)
		if got := [2]string{network, address}; got != want {
			t.Errorf("Network(%q) = %q, want %q", listen, got, want)
		}
	}
}

// specs returns the resources as configured.
func specs(c *config.Config) []resource.Spec {
	var all []resource.Spec
	for _, r := range c.Resources.All() {
		all = append(all, r.Spec)
	}
	return all
}

func mustLoad(t *testing.T, paths ...string) *config.Config {
	t.Helper()
	c, problems := config.Load(paths)
	if c == nil || len(problems.Errors()) > 0 {
		t.Fatalf("not loaded:\n%s", text(problems))
	}
	return c
}

// write makes a folder with these files.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// writePair makes cert.pem and key.pem, and returns the certificate.
func writePair(t *testing.T, dir string) []byte {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"cert.pem": cert,
		"key.pem":  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert
}

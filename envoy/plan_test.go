package envoy_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/revocation"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
	"github.com/doorward/doorward/rego"
)

// plan is the configuration that a test changes.
type plan struct {
	resources []resource.Spec
	issuers   map[string]*token.Issuer
	library   fs.FS
	team      string // one rule of package authz
	revoked   string // a revocation list
	verifier  token.Options
	timeout   time.Duration
	egress    bool // the policy decides on what leaves, too
}

// standard protects three resources of one host with the keys of one issuer.
func standard(keys ...*jwttest.Key) plan {
	source := jwks.NewSource(jwks.Options{Issuer: issuerURL, Static: jwttest.JWKS(keys...)}, jwks.Environment{})
	issuers := []string{issuerURL}
	return plan{
		resources: []resource.Spec{
			{
				URI: weatherURI, Name: "weather", Issuers: issuers, Scopes: []string{"mcp:read"},
				AlsoAt: []string{"https://weather.ns.svc:8443/mcp"}, Origins: []string{"https://app.example.com"},
			},
			{URI: adminURI, Name: "admin", Issuers: issuers},
			{URI: otherURI, Name: "other", Issuers: issuers},
		},
		issuers: map[string]*token.Issuer{issuerURL: trust(source)},
		library: rego.Files,
		verifier: token.Options{
			ClockSkew: 30 * time.Second, Waiting: 1000,
			Now: func() time.Time { return testTime },
		},
		timeout: patience,
	}
}

func trust(source *jwks.Source) *token.Issuer {
	return &token.Issuer{ID: source.Status().Issuer, Algorithms: token.DefaultAlgorithms(), Keys: source}
}

// state is made of a plan as the command makes one of a configuration.
func (p plan) state(t *testing.T) *extauthz.State {
	t.Helper()
	table, problems := resource.NewTable(p.resources, []string{"loopback"})
	if table == nil {
		t.Fatal(problems)
	}
	sources := policy.Sources{Library: p.library, Egress: p.egress}
	if p.team != "" {
		folder := t.TempDir()
		module := "package authz\n\n" + p.team + "\n"
		if err := os.WriteFile(filepath.Join(folder, "team.rego"), []byte(module), 0o600); err != nil {
			t.Fatal(err)
		}
		sources.Paths = []string{folder}
	}
	engine, faults := policy.Compile(t.Context(), sources)
	if engine == nil {
		t.Fatal(faults)
	}
	var revocations *revocation.Source
	if p.revoked != "" {
		file := filepath.Join(t.TempDir(), "revocations.json")
		if err := os.WriteFile(file, []byte(p.revoked), 0o600); err != nil {
			t.Fatal(err)
		}
		var err error
		if revocations, err = revocation.NewSource(file, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	return &extauthz.State{
		Resources:    table,
		Revocations:  revocations,
		Possession:   token.NewPossessionVerifier(token.PossessionOptions{Now: p.verifier.Now}), // started just now
		Proofs:       token.ProofRules{ClockSkew: p.verifier.ClockSkew},
		Issuers:      p.issuers,
		Verifier:     token.NewVerifier(p.verifier),
		Policy:       engine,
		CheckTimeout: p.timeout,
	}
}

func revoking(id string) func(*testing.T, *plan) {
	return func(_ *testing.T, p *plan) {
		p.revoked = `{"serial": 1, "revoked": [{"issuer": "` + issuerURL + `", "jti": "` + id + `"}]}`
	}
}

func takingDPoP(_ *testing.T, p *plan) {
	p.resources[0].DPoP, p.resources[0].ProofAlgorithms = "optional", []string{"ES256"}
}

func team(rule string) func(*testing.T, *plan) {
	return func(_ *testing.T, p *plan) { p.team = rule }
}

func without(module string) func(*testing.T, *plan) {
	return func(t *testing.T, p *plan) {
		t.Helper()
		library := fstest.MapFS{}
		for _, name := range listed(t, rego.Files) {
			content, err := fs.ReadFile(rego.Files, name)
			if err != nil {
				t.Fatal(err)
			}
			if name != module {
				library[name] = &fstest.MapFile{Data: content}
			}
		}
		p.library = library
	}
}

func listed(t *testing.T, files fs.FS) []string {
	t.Helper()
	names, err := fs.Glob(files, "*.rego")
	if err != nil || len(names) == 0 {
		t.Fatalf("%v, %v", names, err)
	}
	return names
}

// serverDown is an issuer whose authorization server has gone before doorward
// ever had its keys.
func serverDown(t *testing.T, p *plan) {
	t.Helper()
	server, err := testenv.StartAuthServer(testenv.AuthServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	source := jwks.NewSource(jwks.Options{Issuer: issuerURL, JWKSURI: server.JWKSURI(), InsecureHTTPHosts: []string{"loopback"}}, jwks.Environment{})
	go source.Run(t.Context())
	p.issuers = map[string]*token.Issuer{issuerURL: trust(source)}
	p.timeout = 200 * time.Millisecond // nothing is to come
}

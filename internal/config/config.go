// Package config reads doorward.yaml into one typed and checked [Config], or
// reports every problem with it at once, each with file, line, column and advice:
//
//	cfg, problems := config.Load([]string{"doorward.yaml"})
//	for _, p := range problems {
//		fmt.Println(p)
//	}
//	if cfg == nil { // at least one problem is an error
//		return
//	}
//
// It is the only package that reads YAML. Packages such as jwks and resource report
// problems by the path of a key, and this package adds the place of that key. It
// opens no port, makes no connection and does not compile policies.
package config

import (
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/assertion"
	"github.com/doorward/doorward/internal/bundles"
	"github.com/doorward/doorward/internal/snapshot"
)

// Off is the value of an address that is not to be used.
const Off = "off"

// Config is a configuration without errors. It is never changed.
type Config struct {
	Listen Listen
	Log    Log
	Limits Limits
	// Issuers are the authorization servers, in the order of the files.
	Issuers []Issuer
	// Resources are the protected resources, each with its issuers filled in.
	Resources *resource.Table
	// PolicyPaths are the team's Rego files and folders. They exist; their content
	// has not been read.
	PolicyPaths []string
	// Packages are the resources' own packages. Whether they exist has not been
	// checked.
	Packages Packages
	// Bundles are the policy bundles, in the order of the files; at most one of
	// them has the revocation list, and RevocationFile is then empty.
	Bundles []bundles.Options
	// ClockSkew is the most that clocks may differ, 0 to 5 minutes.
	ClockSkew time.Duration
	// Proofs are the rules for DPoP proofs; its ClockSkew is the one above.
	Proofs token.ProofRules
	// JWKSCacheDir is an existing folder for keys, or "". Its owner and mode have
	// not been checked.
	JWKSCacheDir string
	// RevocationFile is a revocation list that was readable, or "".
	RevocationFile string
	// Assertions sign what the servers get instead of a token, by the name of the
	// resource.
	Assertions map[string]*assertion.Signer
	// Egress is the check of what leaves the servers; nil without one.
	Egress *Egress
	// DecisionLog is the destination and content of the decision log.
	DecisionLog DecisionLog
	// InsecureHTTPHosts are the only hosts to which connections without TLS are allowed.
	InsecureHTTPHosts []string
	// MetadataSubject puts the subject into the dynamic metadata.
	MetadataSubject bool
	// TrustClientAddress reads the client's address from x-envoy-external-address.
	TrustClientAddress bool
	// Drain is the time from SIGTERM, when the service reports not ready, to its stop.
	Drain time.Duration
	// Files are all files that were read, sorted, each once: configuration, key
	// sets, CA, TLS and nonce key files. Policy files are not among them.
	Files []string
	// Sources are the configuration files alone, in the order of the command line.
	Sources []string
}

// Issuer is one authorization server whose tokens are trusted.
type Issuer struct {
	// Keys is the source of its keys. Keys.Issuer is the exact `iss`.
	Keys jwks.Options
	// Profile is the format of its access tokens.
	Profile token.Profile
	// Algorithms are the JWS algorithms it may sign with; never empty.
	Algorithms []string
	// Tenants fill {tenant} in Keys.Issuer; nil if it has none.
	Tenants []string
	// TrustDomain is the SPIFFE trust domain of its JWT-SVIDs, or "".
	TrustDomain string
	// ScopeClaims are the claims with scopes; nil means the first of scope and scp.
	// NoScopes says that its access tokens have none.
	ScopeClaims []string
	NoScopes    bool
	// GenericAudiences are values of aud that name no resource.
	GenericAudiences []string
	// SelfAssertedAudience says that its callers choose aud themselves.
	SelfAssertedAudience bool
	// Dedicated says that everything it issues is for one resource. ClientIDPattern
	// is a regular expression for what aud may then be besides the token's own
	// client; "" is for none.
	Dedicated       bool
	ClientIDPattern string
	// AccessTokenClaims are claims that its access tokens have and its ID tokens do
	// not have.
	AccessTokenClaims []string
	// Accepts are claims of ID tokens that its access tokens have too.
	Accepts []string

	// File, Line and Column are where the configuration names it.
	File         string
	Line, Column int
}

// Names lists the values that iss may have: Keys.Issuer or, where that is a
// template, the issuer of each tenant; and the trust domain, which takes the place of
// an iss that is absent.
func (i Issuer) Names() []string {
	names := issuer{Issuer: i.Keys.Issuer, Tenants: i.Tenants}.names()
	if i.TrustDomain != "" {
		names = append(names, "spiffe://"+i.TrustDomain)
	}
	return names
}

// Rules are the rules for the issuer's tokens, verified with keys.
func (i Issuer) Rules(keys *jwks.Source) *token.Issuer {
	return &token.Issuer{
		ID: i.Keys.Issuer, Tenants: i.Tenants, Profile: i.Profile, Algorithms: i.Algorithms, Keys: keys,
		TrustDomain: i.TrustDomain, ScopeClaims: i.ScopeClaims, NoScopes: i.NoScopes,
		AccessTokenClaims: i.AccessTokenClaims, Accepts: i.Accepts, GenericAudiences: i.GenericAudiences,
		Dedicated: i.Dedicated, ClientIDPattern: i.ClientIDPattern, SelfAssertedAudience: i.SelfAssertedAudience,
	}
}

// Listen are the addresses of the service.
type Listen struct {
	// GRPC is "host:port" or "unix:///absolute/path"; see [Network].
	GRPC string `yaml:"grpc" reload:"restart"`
	// SocketMode is the permission of a Unix socket.
	SocketMode fs.FileMode `yaml:"socket_mode" reload:"restart"`
	// TLS is for GRPC; the zero value means none.
	TLS TLS `yaml:"tls" reload:"restart, to turn it on or off"`
	// HTTP is "host:port" or [Off].
	HTTP string `yaml:"http" reload:"restart"`
	// Debug is "host:port" on a loopback address, or [Off].
	Debug string `yaml:"debug" reload:"restart"`
}

// TLS names PEM files. CertFile and KeyFile are both set or both empty. With
// ClientCAFile, which needs both, clients must present a certificate.
type TLS struct {
	CertFile     string `yaml:"cert_file,path"`
	KeyFile      string `yaml:"key_file,path"`
	ClientCAFile string `yaml:"client_ca_file,path"`
}

// Log is the level and format of the service's own log.
type Log struct {
	Level slog.Level `yaml:"level"`
	// Format is "auto", "json" or "text"; auto is text on a terminal.
	Format string `yaml:"format,auto|json|text" reload:"restart"`
}

// Limits bound the memory and time of one request and of all requests together.
type Limits struct {
	TokenBytes    Size `yaml:"token_bytes"`
	TokenCache    Size `yaml:"token_cache"`
	DecisionCache Size `yaml:"decision_cache"`
	// SignaturesInFlight is how many signatures are verified at once; 0 means
	// twice the cores.
	SignaturesInFlight int `yaml:"signatures_in_flight" reload:"at once; restart for proofs"`
	// SignaturesWaiting is how many more may wait; 0 means that none may. During a
	// flood of forgeries at most 16 wait for each in flight. As many may always wait
	// for each issuer, however many wait for others.
	SignaturesWaiting int  `yaml:"signatures_waiting" reload:"at once; restart for proofs"`
	ReceiveBytes      Size `yaml:"receive_bytes" reload:"restart"`
	// CheckTimeout is the longest a Check may take.
	CheckTimeout time.Duration `yaml:"check_timeout"`
}

// Load reads files, and folders of *.yaml, into one configuration. The Config is
// nil if any problem is an error; otherwise every problem is a warning.
func Load(paths []string) (*Config, finding.List) { return LoadFrom(snapshot.New(), paths) }

// LoadFrom is [Load] through a snapshot. Files that the configuration names are
// read through it too.
func LoadFrom(files *snapshot.Snapshot, paths []string) (*Config, finding.List) {
	r := newReader(files)
	names := r.expand(paths)
	for _, name := range names {
		r.readFile(name)
	}
	if r.incomplete {
		return nil, r.problems.Sorted()
	}
	c, problems := r.config()
	if c != nil {
		c.Sources = names
	}
	return c, problems
}

// Flags are the short form of `doorward serve`: one resource, one issuer or more.
// Empty addresses mean the defaults. File names are relative to the working
// directory.
type Flags struct {
	Resource                                    string
	Issuers, Scopes, PolicyPaths, InsecureHosts []string
	GRPCAddr, HTTPAddr                          string
}

// Load returns the configuration of the flags. A problem names the flag instead
// of a file.
func (f Flags) Load(files *snapshot.Snapshot) (*Config, finding.List) {
	r := newReader(files)
	r.start = place{file: "--resource"}
	r.doc.Resources = []entry{{Resource: f.Resource, Scopes: f.Scopes}}
	r.doc.Policy.Paths = f.PolicyPaths
	r.doc.InsecureHTTPHosts = f.InsecureHosts
	for flag, key := range flagKeys {
		r.places[key] = place{file: flag}
	}
	for _, id := range f.Issuers {
		r.doc.Issuers = append(r.doc.Issuers, newIssuer(id))
	}
	if f.GRPCAddr != "" {
		r.doc.Listen.GRPC = f.GRPCAddr
	}
	if f.HTTPAddr != "" {
		r.doc.Listen.HTTP = f.HTTPAddr
	}
	c, problems := r.config()
	for i, p := range problems {
		problems[i].Message, problems[i].Fix = flagWords.Replace(p.Message), flagWords.Replace(p.Fix)
	}
	return c, problems
}

// flagKeys maps each flag of the short form to the key that it sets.
var flagKeys = map[string]string{
	"--resource":           "resources",
	"--issuer":             "issuers",
	"--scope":              "resources[0].scopes",
	"--policy":             "policy.paths",
	"--insecure-http-host": "insecure_http_hosts",
	"--grpc-addr":          "listen.grpc",
	"--http-addr":          "listen.http",
}

// flagWords replaces each key in a message by its flag, since the short form has no
// file to correct. A key that no flag sets needs a file.
var flagWords = func() *strings.Replacer {
	words := []string{"add listen.tls", "write a file with listen.tls"}
	for flag, key := range flagKeys {
		if strings.ContainsAny(key, "._") { // the others are ordinary words
			words = append(words, key, flag)
		}
	}
	return strings.NewReplacer(words...)
}()

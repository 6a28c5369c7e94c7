// Package config answers one question: what did the people who run this
// service write down, and does it make sense? It reads doorward.yaml into one
// typed, fully checked [Config], or says everything that is wrong with it at
// once, with file, line and column.
//
// It knows YAML and nobody else does: the packages it fills say what is wrong
// by the path of a key, and this package knows where that key stands. It opens
// no port and never touches the network, and it does not read policies; whoever
// compiles them adds those problems.
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
	"github.com/doorward/doorward/internal/bundles"
	"github.com/doorward/doorward/internal/snapshot"
)

// Off is what stands in place of an address where nothing is to listen.
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
	// PolicyPaths are the team's Rego files and folders. They exist; what is in
	// them has not been looked at.
	PolicyPaths []string
	// Packages are the resources' own packages. Whether somebody wrote them has
	// not been looked at.
	Packages Packages
	// Bundles are the policy bundles, in the order of the files; at most one of
	// them brings the revocation list, and then there is no RevocationFile.
	Bundles []bundles.Options
	// ClockSkew is what clocks may differ by, 0 to 5 minutes.
	ClockSkew time.Duration
	// Proofs is what holds for DPoP proofs; its ClockSkew is the one above.
	Proofs token.ProofRules
	// JWKSCacheDir is a folder for keys that is there, or "". Whether it is fit has
	// not been looked at.
	JWKSCacheDir string
	// RevocationFile is a revocation list that was readable, or "".
	RevocationFile string
	// DecisionLog is where decisions are logged.
	DecisionLog DecisionLog
	// InsecureHTTPHosts are the only hosts that may be spoken to without TLS.
	InsecureHTTPHosts []string
	// MetadataSubject puts the subject into the dynamic metadata.
	MetadataSubject bool
	// TrustClientAddress reads the client's address from x-envoy-external-address.
	TrustClientAddress bool
	// Drain is how long the service waits, not ready, after SIGTERM.
	Drain time.Duration
	// Files is every file that was read, sorted, each once: configuration, key
	// sets, CA, TLS and nonce key files. Policy files are not among them.
	Files []string
	// Sources are the configuration files alone, in the order of the command line.
	Sources []string
}

// Issuer is one authorization server whose tokens are trusted.
type Issuer struct {
	// Keys says where the keys come from. Keys.Issuer is the exact `iss`.
	Keys jwks.Options
	// Profile says how its access tokens look.
	Profile token.Profile
	// Algorithms are the JWS algorithms it may sign with; never empty.
	Algorithms []string

	// File, Line and Column are where the configuration names it.
	File         string
	Line, Column int
}

// Listen is where the service listens.
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

// TLS names PEM files. CertFile and KeyFile are both set or both empty;
// ClientCAFile asks clients for a certificate and is set only with them.
type TLS struct {
	CertFile     string `yaml:"cert_file,path"`
	KeyFile      string `yaml:"key_file,path"`
	ClientCAFile string `yaml:"client_ca_file,path"`
}

// Log is how the service's own log looks.
type Log struct {
	Level slog.Level `yaml:"level"`
	// Format is "auto", "json" or "text"; auto is text on a terminal.
	Format string `yaml:"format,auto|json|text" reload:"restart"`
}

// Limits bound what one request and all of them together may cost.
type Limits struct {
	TokenBytes    Size `yaml:"token_bytes"`
	TokenCache    Size `yaml:"token_cache"`
	DecisionCache Size `yaml:"decision_cache"`
	// SignaturesInFlight is how many signatures are verified at once; 0 means
	// twice the cores.
	SignaturesInFlight int `yaml:"signatures_in_flight" reload:"at once; restart for proofs"`
	// SignaturesWaiting is how many more may wait for their turn; 0 means none.
	// While forgeries come, no more than 16 wait for each in flight; so many may
	// always wait for each issuer, whatever waits for others.
	SignaturesWaiting int  `yaml:"signatures_waiting" reload:"at once; restart for proofs"`
	ReceiveBytes      Size `yaml:"receive_bytes" reload:"restart"`
	// CheckTimeout is the longest a Check may take.
	CheckTimeout time.Duration `yaml:"check_timeout"`
}

// Load reads files, and folders of *.yaml, into one configuration. The Config
// is nil if any problem is an error; beside a Config there are only warnings.
func Load(paths []string) (*Config, finding.List) { return LoadFrom(snapshot.New(), paths) }

// LoadFrom is [Load] through a snapshot. Whatever the configuration names is read
// through it too.
func LoadFrom(files *snapshot.Snapshot, paths []string) (*Config, finding.List) {
	r := newReader(files)
	names := r.expand(paths)
	for _, name := range names {
		r.readFile(name)
	}
	if r.torn {
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

// Load makes the configuration of the flags. A problem names the flag instead of
// a file.
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

// flagKeys are the flags of the short form and the keys that they stand for.
var flagKeys = map[string]string{
	"--resource":           "resources",
	"--issuer":             "issuers",
	"--scope":              "resources[0].scopes",
	"--policy":             "policy.paths",
	"--insecure-http-host": "insecure_http_hosts",
	"--grpc-addr":          "listen.grpc",
	"--http-addr":          "listen.http",
}

// flagWords puts the flag in the place of each key that a problem speaks of:
// who wrote no file has no key to correct. A key that no flag sets needs one.
var flagWords = func() *strings.Replacer {
	words := []string{"add listen.tls", "write a file with listen.tls"}
	for flag, key := range flagKeys {
		if strings.ContainsAny(key, "._") { // others are words of every sentence
			words = append(words, key, flag)
		}
	}
	return strings.NewReplacer(words...)
}()

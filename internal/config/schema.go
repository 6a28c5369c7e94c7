package config

import (
	"log/slog"
	"net"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
)

// document is the shape of the YAML. Several files are read into one document.
//
// A field's tag is its key and, after a comma, how the value is read: "path" is a
// file name relative to the file that has it, "later" a key that a later version
// reads, "required" a key that must be there (for [Schema]; the checks report its
// absence themselves), and "a|b|c" the only values. The tag `reload` marks a value
// that takes effect only at a start.
type document struct {
	Version            int           `yaml:"version"`
	Listen             Listen        `yaml:"listen"`
	Log                Log           `yaml:"log"`
	Limits             Limits        `yaml:"limits"`
	Issuers            []issuer      `yaml:"issuers"`
	Resources          []entry       `yaml:"resources"`
	ScopeImplies       scopeSets     `yaml:"scope_implies"`
	Metadata           metadata      `yaml:"metadata"`
	Policy             policySources `yaml:"policy"`
	ClockSkew          time.Duration `yaml:"clock_skew"`
	MetadataSubject    bool          `yaml:"metadata_subject"`
	TrustClientAddress bool          `yaml:"trust_client_address"`
	Drain              time.Duration `yaml:"drain"`
	JWKSCacheDir       string        `yaml:"jwks_cache_dir,path"`
	RevocationFile     string        `yaml:"revocation_file,path"`
	DPoPNonce          string        `yaml:"dpop_nonce,after_start|always"`
	DPoPNonceKeyFile   string        `yaml:"dpop_nonce_key_file,path"`
	DecisionLog        DecisionLog   `yaml:"decision_log"`
	InsecureHTTPHosts  []string      `yaml:"insecure_http_hosts"`
	Egress             egress        `yaml:"egress"`
}

// issuer is one element of `issuers`.
type issuer struct {
	Issuer            string            `yaml:"issuer,required"`
	Preset            string            `yaml:"preset"`
	Tenants           []string          `yaml:"tenants"`
	SPIFFETrustDomain string            `yaml:"spiffe_trust_domain"`
	DiscoveryURL      string            `yaml:"discovery_url"`
	JWKSURI           string            `yaml:"jwks_uri"`
	JWKSFile          string            `yaml:"jwks_file,path"`
	JWKS              jsonText          `yaml:"jwks"`
	CAFile            string            `yaml:"ca_file,path"`
	TokenFile         string            `yaml:"token_file,path"`
	ClientCertificate clientCertificate `yaml:"client_certificate"`
	Refresh           refresh           `yaml:"refresh"`
	Advertise         bool              `yaml:"advertise"`

	Algorithms        []string `yaml:"algorithms"`
	Profile           string   `yaml:"profile,standard|rfc9068"`
	ScopeClaims       []string `yaml:"scope_claims"`
	Scopes            string   `yaml:"scopes,claims|none"`
	Audience          string   `yaml:"audience,granted|self_asserted"`
	GenericAudiences  []string `yaml:"generic_audiences"`
	Dedicated         bool     `yaml:"dedicated"`
	ClientIDPattern   string   `yaml:"client_id_pattern"`
	AccessTokenClaims []string `yaml:"access_token_claims"`
	Accepts           []string `yaml:"accepts"`
}

// The values of issuer.Scopes and issuer.Audience.
const (
	scopesOfClaims       = "claims"
	noScopes             = "none"
	grantedAudience      = "granted"
	selfAssertedAudience = "self_asserted"
)

type refresh struct {
	Min      time.Duration `yaml:"min"`
	Max      time.Duration `yaml:"max"`
	MaxStale time.Duration `yaml:"max_stale"`
}

// entry is one element of `resources`.
type entry struct {
	Resource  string            `yaml:"resource,required"`
	Name      string            `yaml:"name"`
	Aliases   []string          `yaml:"aliases"`
	AlsoAt    []string          `yaml:"also_at"`
	Issuers   []string          `yaml:"issuers"`
	Audiences []string          `yaml:"audiences"`
	Clients   []string          `yaml:"clients"`
	Subjects  []string          `yaml:"subjects"`
	Claims    textLists         `yaml:"claims"`
	Scopes    []string          `yaml:"scopes"`
	Origins   []string          `yaml:"origins"`
	CORS      bool              `yaml:"cors"`
	Metadata  map[string]any    `yaml:"metadata"`
	Labels    map[string]string `yaml:"labels"`
	Policy    string            `yaml:"policy"`

	Parameters           map[string]string `yaml:"parameters"`
	ScopePrefix          string            `yaml:"scope_prefix"`
	ScopeImplies         scopeSets         `yaml:"scope_implies"`
	ScopesAny            [][]string        `yaml:"scopes_any"`
	AuthorizationServers []string          `yaml:"authorization_servers"`
	MirrorMetadata       bool              `yaml:"mirror_metadata"`

	DPoP              string `yaml:"dpop,off|optional|required"`
	ClientCertificate string `yaml:"client_certificate,source|xfcc"`

	Operations        []operation     `yaml:"operations"`
	OperationsDefault string          `yaml:"operations_default,resource|deny"`
	ChallengeScopes   string          `yaml:"challenge_scopes,operation|operation_and_granted"`
	MCP               mcpRules        `yaml:"mcp"`
	Anonymous         []operationName `yaml:"anonymous"`
	AnonymousSessions bool            `yaml:"anonymous_sessions"`
	ExpiresHeader     bool            `yaml:"expires_header"`
	Assertion         assertionKeys   `yaml:"assertion"`
}

// operation is one element of `resources[].operations`.
type operation struct {
	Method    string        `yaml:"method,required"`
	Name      string        `yaml:"name"`
	Scopes    []string      `yaml:"scopes"`
	ACRValues []string      `yaml:"acr_values"`
	MaxAge    time.Duration `yaml:"max_age"`
}

// operationName is one element of `resources[].anonymous`: the method alone as text,
// or a mapping.
type operationName struct {
	Method string `yaml:"method,required"`
	Name   string `yaml:"name"`
}

// mcpRules are how a resource's operations are read and refused.
type mcpRules struct {
	HeadersCheckedByServer bool   `yaml:"headers_checked_by_server"`
	FilterMetadata         string `yaml:"filter_metadata,untrusted|trusted"`
	AllowBatch             bool   `yaml:"allow_batch"`
	Denials                string `yaml:"denials,plain|json_rpc"`
}

// The values of these keys that are not their defaults.
const (
	trustedMetadata = "trusted"
	jsonRPCDenials  = "json_rpc"
	denyUnlisted    = "deny"
)

// scopeSets maps a scope to those that it includes.
type scopeSets map[string][]string

// textLists maps a name to values; one value may be written without a list.
type textLists map[string][]string

// metadata is about the RFC 9728 documents of all resources.
type metadata struct {
	MaxAge time.Duration `yaml:"max_age"`
}

func (e entry) takesDPoP() bool { return (&resource.Spec{DPoP: e.DPoP}).TakesDPoP() }

// The values of document.DPoPNonce.
const (
	nonceAfterStart = "after_start"
	nonceAlways     = "always"
)

type policySources struct {
	Paths   []string      `yaml:"paths,path"`
	Bundles []bundleEntry `yaml:"bundles"`
}

// bundleEntry is one element of `policy.bundles`.
type bundleEntry struct {
	Name string `yaml:"name"`
	URL  string `yaml:"url"`
	File string `yaml:"file,path"`

	Verification     verification `yaml:"verification"`
	InsecureUnsigned bool         `yaml:"insecure_unsigned"`

	TokenFile         string            `yaml:"token_file,path"`
	ClientCertificate clientCertificate `yaml:"client_certificate"`
	AWS               awsCredentials    `yaml:"aws"`
	CAFile            string            `yaml:"ca_file,path"`

	Polling  polling       `yaml:"polling"`
	LongPoll time.Duration `yaml:"long_poll"`

	Revocations string `yaml:"revocations"`
}

type verification struct {
	KeyFile   string `yaml:"key_file,path"`
	Algorithm string `yaml:"algorithm,RS256|RS384|RS512|PS256|PS384|PS512|ES256|ES384|ES512"`
	Scope     string `yaml:"scope"`
}

type clientCertificate struct {
	CertFile string `yaml:"cert_file,path"`
	KeyFile  string `yaml:"key_file,path"`
}

type awsCredentials struct {
	Credentials string `yaml:"credentials,environment|metadata|web_identity"`
	Region      string `yaml:"region"`
}

type polling struct {
	Min time.Duration `yaml:"min"`
	Max time.Duration `yaml:"max"`
}

// host is the host of the default listen addresses. The Dockerfile links 0.0.0.0
// instead: other containers cannot reach a loopback address.
var host = "127.0.0.1"

// defaults is the document of an empty file.
func defaults() document {
	return document{
		Version: 1,
		Listen: Listen{
			GRPC:       net.JoinHostPort(host, "9191"),
			SocketMode: 0o660,
			HTTP:       net.JoinHostPort(host, "9190"),
			Debug:      Off,
		},
		Log: Log{Level: slog.LevelInfo, Format: "auto"},
		Limits: Limits{
			TokenBytes:        16 << 10,
			TokenCache:        64 << 20,
			DecisionCache:     32 << 20,
			SignaturesWaiting: 1000,
			ReceiveBytes:      16 << 20,
			CheckTimeout:      2 * time.Second,
		},
		DecisionLog: DecisionLog{To: Off, SampleAllows: 1, Buffer: 16 << 20},
		Metadata:    metadata{MaxAge: time.Hour},
		ClockSkew:   30 * time.Second,
		DPoPNonce:   nonceAfterStart,
		Drain:       3 * time.Second,
		Egress:      defaultEgress(),
	}
}

// defaultsOf sets the defaults of an element of a list.
func defaultsOf(v reflect.Value) {
	switch v := v.Addr().Interface().(type) {
	case *issuer:
		*v = newIssuer("")
	case *bundleEntry:
		v.Verification.Algorithm = "RS256"
		v.Polling = polling{Min: time.Minute, Max: 2 * time.Minute}
	case *entry:
		v.Assertion.Lifetime = time.Minute
	}
}

func newIssuer(id string) issuer {
	return issuer{
		Issuer:     id,
		Algorithms: token.DefaultAlgorithms(),
		Profile:    token.Standard.String(),
		Scopes:     scopesOfClaims,
		Audience:   grantedAudience,
		Advertise:  true,
		Refresh:    refresh{Min: time.Minute, Max: time.Hour, MaxStale: 24 * time.Hour},
	}
}

// field is one key of the schema.
type field struct {
	key      string
	index    int
	path     bool
	later    bool
	required bool
	words    []string
	reload   string // when a change takes effect; "" is at a reload
}

// fieldsByType keeps what fieldsOf returns, which is asked for at every mapping.
var fieldsByType sync.Map

// fieldsOf lists the keys of a mapping. The list is shared and must not be changed.
func fieldsOf(t reflect.Type) []field {
	if known, ok := fieldsByType.Load(t); ok {
		return known.([]field) //nolint:errcheck,forcetypeassert // nothing else is stored
	}
	fields := make([]field, 0, t.NumField())
	for i := range t.NumField() {
		key, how, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		f := field{
			key: key, index: i, path: how == "path", later: how == "later", required: how == "required",
			reload: t.Field(i).Tag.Get("reload"),
		}
		if strings.Contains(how, "|") {
			f.words = strings.Split(how, "|")
		}
		fields = append(fields, f)
	}
	fieldsByType.Store(t, fields)
	return fields
}

// keysOf lists the keys of a mapping that may be written.
func keysOf(fields []field) []string {
	var keys []string
	for _, f := range fields {
		if !f.later {
			keys = append(keys, f.key)
		}
	}
	return keys
}

package jwks

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/outbound"
)

// The values of zero durations.
const (
	defaultRefreshMin = time.Minute
	defaultRefreshMax = time.Hour
	defaultMaxStale   = 24 * time.Hour
)

// Options are where the keys of one issuer come from and how they are refreshed.
// Check them with [Options.Check] before [NewSource]. Compare them with
// [Options.Equal]: an issuer whose options are equal keeps its [Source].
type Options struct {
	// Issuer is the exact "iss" and, without the next three, where discovery
	// starts (RFC 8414, section 3). With one of them it is a name alone, and may
	// be any StringOrURI (RFC 7519, section 2).
	Issuer string
	// DiscoveryURL is where the issuer's metadata is. Its "issuer" may then have
	// another value than Issuer: the configuration vouches for the URL.
	DiscoveryURL string
	// JWKSURI is where the JWK Set is; discovery is skipped.
	JWKSURI string
	// Static is the JWK Set itself, from a file or the configuration; nothing
	// is fetched.
	Static []byte
	// CAPEM holds certificates trusted for fetches besides the system's roots.
	CAPEM []byte
	// InsecureHTTPHosts are the hosts that may be fetched from without TLS: exact,
	// with or without port, or "loopback".
	InsecureHTTPHosts []string
	// TokenFile holds a bearer token for fetches, read at each of them; CertFile
	// and KeyFile are a client certificate in PEM, read at each handshake. Both
	// are sent to the origin of the configured URL (JWKSURI, else DiscoveryURL,
	// else Issuer) alone, and not after a redirect. "": not used.
	TokenFile, CertFile, KeyFile string
	// SPIFFE is for the JWT bundle of a SPIFFE trust domain: keys with the use
	// "jwt-svid" alone are accepted. Without it they are not accepted.
	SPIFFE bool

	// RefreshMin and RefreshMax bound the time between two refreshes; it is
	// RefreshMax for an issuer that sends no max-age. Zero: 1 minute, 1 hour.
	RefreshMin, RefreshMax time.Duration
	// CacheDir is a folder that keeps the last good set over a restart; see
	// [Options.CheckCacheDir]. "": not used.
	CacheDir string
	// MaxStale is how long the last good keys serve after the last successful
	// fetch. Zero: 24 hours.
	MaxStale time.Duration
}

// keyUse returns the "use" of the keys that are accepted (RFC 7517, section 4.2; SPIFFE
// Trust Domain and Bundle, section 4.2.2).
func (o Options) keyUse() string {
	if o.SPIFFE {
		return useSVID
	}
	return useSignature
}

// Equal reports whether o and p describe the same source. It compares all fields,
// with defaults in the place of zero values.
func (o Options) Equal(p Options) bool { return reflect.DeepEqual(o.complete(), p.complete()) }

// complete returns o with every default, and nil for empty slices.
func (o Options) complete() Options {
	r := o.refresh()
	o.RefreshMin, o.RefreshMax, o.MaxStale = r.min, r.max, r.maxStale
	if len(o.CAPEM) == 0 {
		o.CAPEM = nil
	}
	if len(o.InsecureHTTPHosts) == 0 {
		o.InsecureHTTPHosts = nil
	}
	return o
}

// refresh holds the durations with their defaults.
type refresh struct{ min, max, maxStale time.Duration }

func (o Options) refresh() refresh {
	return refresh{
		min:      cmp.Or(o.RefreshMin, defaultRefreshMin),
		max:      cmp.Or(o.RefreshMax, defaultRefreshMax),
		maxStale: cmp.Or(o.MaxStale, defaultMaxStale),
	}
}

// configuredURL returns the URL that fetches begin with.
func (o Options) configuredURL() string { return cmp.Or(o.JWKSURI, o.DiscoveryURL, o.Issuer) }

// Check returns what is wrong with the options, without using the network. The
// paths of the findings are configuration keys below the issuer's entry, such as
// "refresh.min".
func (o Options) Check() finding.List {
	problems := o.checkURLs()
	problems = append(problems, o.checkStatic()...)
	if len(o.CAPEM) > 0 && !x509.NewCertPool().AppendCertsFromPEM(o.CAPEM) {
		problems = append(problems, finding.Finding{
			Path: "ca_file", Message: "no certificate in it: give PEM blocks of type CERTIFICATE",
		})
	}
	return append(problems, o.checkRefresh()...)
}

func (o Options) checkURLs() finding.List {
	var problems finding.List
	check := func(path, value string) *url.URL {
		u, err := outbound.SecureURL(value, o.InsecureHTTPHosts)
		switch {
		case err != nil:
			problems = append(problems, finding.Finding{Path: path, Message: err.Error()})
			return nil
		case u.Scheme == "http":
			problems = append(problems, finding.Finding{
				Path: path, Severity: finding.Warning,
				Message: "plain http: others on the network can replace the keys: use https outside of tests",
			})
		}
		return u
	}
	if o.JWKSURI != "" {
		check("jwks_uri", o.JWKSURI)
	}
	if o.DiscoveryURL != "" {
		check("discovery_url", o.DiscoveryURL)
	}
	if o.JWKSURI != "" || o.DiscoveryURL != "" || o.Static != nil {
		if fault := nameFault(o.Issuer); fault != "" {
			problems = append(problems, finding.Finding{Path: "issuer", Message: fault})
		}
		return problems
	}
	if u := check("issuer", o.Issuer); u != nil && (u.RawQuery != "" || u.ForceQuery) {
		problems = append(problems, finding.Finding{
			Path: "issuer", Message: "has a query: an issuer is scheme, host and path alone (RFC 8414, section 2)",
		})
	}
	return problems
}

// maxIssuer bounds the name of an issuer, in bytes.
const maxIssuer = 2048

// nameFault returns why an iss cannot have this text, which must be a StringOrURI
// (RFC 7519, section 2): with a colon, a URI. It returns "" for a good one.
func nameFault(name string) string {
	blank := func(r rune) bool { return r <= ' ' || r == 0x7f }
	if name == "" || len(name) > maxIssuer || strings.ContainsFunc(name, blank) {
		return "is no iss: write 1 to 2048 characters without spaces, exactly as in the tokens"
	}
	u, err := url.Parse(name)
	switch {
	case strings.Contains(name, ":") && (err != nil || u.Scheme == ""):
		return "has a colon and is no URI (RFC 7519, section 2): write it exactly as in the tokens"
	case err == nil && u.User != nil:
		return "holds user information: leave it out"
	}
	return ""
}

func (o Options) checkStatic() finding.List {
	if o.Static == nil {
		return nil
	}
	var problems finding.List
	if o.JWKSURI != "" {
		problems = append(problems, finding.Finding{
			Path: "jwks_uri", Message: "keys are set already: write one of jwks_uri, jwks_file and jwks",
		})
	}
	set, skipped, err := parse(o.Static, o.keyUse())
	if err != nil {
		return append(problems, finding.Finding{Path: "jwks", Message: err.Error()})
	}
	if set.Len() == 0 {
		problems = append(problems, finding.Finding{
			Path: "jwks", Message: "no usable key: give at least one public RSA, EC or Ed25519 key for signatures",
		})
	}
	if algorithms := set.crowdedAlgorithms(); algorithms != "" {
		problems = append(problems, finding.Finding{
			Path: "jwks", Severity: finding.Warning,
			Message: "more than four keys fit " + algorithms + ": tokens under it are not verified without kid: " +
				"leave out keys that are no longer used, or let the issuer write kid",
		})
	}
	for _, s := range skipped {
		problems = append(problems, finding.Finding{
			Path: fmt.Sprintf("jwks.keys[%d]", s.Index), Message: "is not used: " + s.Why, Severity: finding.Warning,
		})
	}
	return problems
}

func (o Options) checkRefresh() finding.List {
	var problems finding.List
	durations := []struct {
		path  string
		value time.Duration
	}{{"refresh.min", o.RefreshMin}, {"refresh.max", o.RefreshMax}, {"refresh.max_stale", o.MaxStale}}
	for _, d := range durations {
		if d.value < 0 {
			problems = append(problems, finding.Finding{Path: d.path, Message: "is negative: give a duration like 1m"})
		}
	}
	if problems != nil {
		return problems
	}
	r := o.refresh()
	if r.min > r.max {
		problems = append(problems, finding.Finding{
			Path:    "refresh.min",
			Message: fmt.Sprintf("%s is longer than refresh.max, %s: make it shorter", r.min, r.max),
		})
	}
	if r.max > r.maxStale {
		problems = append(problems, finding.Finding{
			Path: "refresh.max_stale",
			Message: fmt.Sprintf("%s is shorter than refresh.max, %s: keys would go stale between two refreshes",
				r.maxStale, r.max),
		})
	}
	return problems
}

package config

import (
	"cmp"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/finding"
)

// config checks the document as a whole and returns its configuration.
func (r *reader) config() (*Config, finding.List) {
	r.skipMisspelt()
	r.applyPresets()
	r.checkVersion()
	r.checkListen()
	r.checkLimits()
	r.checkTimes()
	r.checkInsecureHosts()
	r.checkPolicyPaths()
	r.checkCacheDir()
	r.checkRevocations()
	r.checkDecisionLog()
	r.checkPlaceholders()
	sources := r.checkBundles()
	proofs := r.checkProofs()
	issuers := r.checkIssuers()
	table := r.checkResources()
	assertions := r.checkAssertions(issuers)
	leaving := r.checkEgress(issuers)
	r.warnOfLoosening()
	problems := r.problems.Sorted()
	if len(problems.Errors()) > 0 {
		return nil, problems
	}
	slices.Sort(r.read)
	return &Config{
		Listen:          r.doc.Listen,
		Log:             r.doc.Log,
		Limits:          r.doc.Limits,
		Issuers:         issuers,
		Resources:       table,
		PolicyPaths:     r.doc.Policy.Paths,
		Packages:        r.packages(),
		Bundles:         sources,
		Assertions:      assertions,
		Egress:          leaving,
		ClockSkew:       r.doc.ClockSkew,
		Proofs:          proofs,
		JWKSCacheDir:    r.doc.JWKSCacheDir,
		RevocationFile:  r.doc.RevocationFile,
		DecisionLog:     r.doc.DecisionLog,
		MetadataSubject: r.doc.MetadataSubject,

		TrustClientAddress: r.doc.TrustClientAddress,
		InsecureHTTPHosts:  r.doc.InsecureHTTPHosts,
		Drain:              r.doc.Drain,
		Files:              slices.Compact(r.read),
	}, problems
}

// checkCacheDir demands that the folder exists. Its owner and mode are checked by
// serve and check, because they depend on the user who runs doorward.
func (r *reader) checkCacheDir() {
	dir := r.doc.JWKSCacheDir
	if dir == "" {
		return
	}
	if !r.files.Is(dir, fs.ModeDir) {
		r.problem("jwks_cache_dir", "is not a folder", "create it, writable by doorward alone, or remove the key")
	}
}

// checkRevocations demands that the file exists. serve and check read its content:
// it changes often, and a bad list must not prevent a reload of the configuration.
func (r *reader) checkRevocations() {
	name := r.doc.RevocationFile
	if name == "" {
		return
	}
	if !r.files.Is(name, 0) {
		r.problem("revocation_file", "is not a readable file",
			`name a revocation list that exists; an empty one is {"serial": 1, "revoked": []}`)
	}
}

func (r *reader) checkVersion() {
	if r.doc.Version != 1 {
		r.problem("version", fmt.Sprintf("is %d, which is not supported", r.doc.Version), "write 1")
	}
}

// bound is a value and the range that it must be in.
type bound[T cmp.Ordered] struct {
	path             string
	value, low, high T
}

// checkBounds reports every value outside its range.
func checkBounds[T cmp.Ordered](r *reader, bounds []bound[T]) {
	for _, b := range bounds {
		if b.value < b.low || b.value > b.high {
			r.problem(b.path, fmt.Sprintf("is %v, which is out of bounds", b.value),
				fmt.Sprintf("write a value from %v to %v", b.low, b.high))
		}
	}
}

func (r *reader) checkLimits() {
	l := r.doc.Limits
	checkBounds(r, []bound[Size]{
		{"limits.token_bytes", l.TokenBytes, 256, 1 << 20},
		{"limits.token_cache", l.TokenCache, 1 << 20, 1 << 40},
		{"limits.decision_cache", l.DecisionCache, 1 << 20, 1 << 40},
		{"limits.receive_bytes", l.ReceiveBytes, 64 << 10, 1 << 30},
	})
	checkBounds(r, []bound[int]{
		{"limits.signatures_in_flight", l.SignaturesInFlight, 0, 100_000},
		{"limits.signatures_waiting", l.SignaturesWaiting, 0, 1_000_000},
	})
	if l.ReceiveBytes < l.TokenBytes {
		r.problem("limits.receive_bytes", fmt.Sprintf("is %v, less than limits.token_bytes", l.ReceiveBytes),
			fmt.Sprintf("write at least %v", l.TokenBytes))
	}
}

func (r *reader) checkTimes() {
	checkBounds(r, []bound[time.Duration]{
		{"limits.check_timeout", r.doc.Limits.CheckTimeout, time.Millisecond, time.Minute},
		{"clock_skew", r.doc.ClockSkew, 0, 5 * time.Minute},
		// A stop takes at most 15 s, of which 3 s are for the Checks in flight and the decisions that wait for the log.
		{"drain", r.doc.Drain, 0, 12 * time.Second},
		{"metadata.max_age", r.doc.Metadata.MaxAge, 0, 24 * time.Hour},
	})
}

// checkInsecureHosts accepts names in lower case and IP addresses, without scheme,
// port and brackets.
func (r *reader) checkInsecureHosts() {
	var paths []string
	for i, host := range r.doc.InsecureHTTPHosts {
		at := element("insecure_http_hosts", i)
		paths = append(paths, at)
		_, err := netip.ParseAddr(host)
		switch {
		case err == nil || isHostName(host) && host == strings.ToLower(host) || host == "":
		case isHostName(host):
			r.problem(at, fmt.Sprintf("is %q, which has capital letters", host), "write "+strings.ToLower(host))
		default:
			r.problem(at, fmt.Sprintf("is %q, which is not a host alone", host),
				`write a name or an IP address without scheme, port and brackets, or "loopback"`)
		}
	}
	r.unique(r.doc.InsecureHTTPHosts, paths)
}

// checkPolicyPaths demands that the paths exist. The policy compiler reads what
// is in them.
func (r *reader) checkPolicyPaths() {
	var paths []string
	for i, name := range r.doc.Policy.Paths {
		at := element("policy.paths", i)
		paths = append(paths, at)
		if _, err := r.files.Stat(name); name != "" && err != nil {
			r.problem(at, fmt.Sprintf("is %s, which cannot be read (%s)", name, cause(err)),
				"name a file or a folder of Rego that exists")
		}
	}
	r.unique(r.doc.Policy.Paths, paths)
}

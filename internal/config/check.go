package config

import (
	"cmp"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
)

// config checks the document as a whole and returns its configuration.
func (r *reader) config() (*Config, finding.List) {
	r.skipMisspelt()
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

// checkResources checks every resource and returns their table.
func (r *reader) checkResources() *resource.Table {
	if len(r.doc.Resources) == 0 {
		r.problem("resources", "names no resource, so there is nothing to protect",
			"write resources: [{resource: https://…}]")
	}
	var specs []resource.Spec
	var uris, names, uriPaths, namePaths []string
	for i, e := range r.doc.Resources {
		at := element("resources", i)
		uris, uriPaths = append(uris, e.Resource), append(uriPaths, at+".resource")
		names, namePaths = append(names, e.Name), append(namePaths, at+".name")
		if e.Resource == "" {
			r.problem(at+".resource", "is missing", "write the URL that clients use")
		}
		spec := resource.Spec{
			URI: e.Resource, Name: e.Name, AlsoAt: e.AlsoAt, Audiences: e.Audiences,
			Issuers: r.trusted(at+".issuers", e.Issuers), Scopes: e.Scopes, Origins: e.Origins,
			Metadata: e.Metadata, Labels: e.Labels,
			DPoP: e.DPoP, ClientCertificate: e.ClientCertificate,
		}
		r.checkPackage(at+".policy", e.Policy)
		if spec.TakesDPoP() {
			spec.ProofAlgorithms = token.DefaultAlgorithms()
		}
		specs = append(specs, spec)
		if spec.ReadsXFCC() {
			r.warn(at+".client_certificate", "trusts x-forwarded-client-cert, which any client can send",
				"let Envoy set it: forward_client_cert_details SANITIZE_SET, "+
					"or SANITIZE where no client has a certificate")
		}
	}
	r.unique(uris, uriPaths)
	r.unique(names, namePaths)
	r.checkUnused(specs)
	table, problems := resource.NewTable(specs, r.doc.InsecureHTTPHosts)
	for _, p := range problems {
		r.report(p.Path, p)
	}
	if table != nil {
		r.checkSharedHosts(table)
	}
	return table
}

// checkSharedHosts warns of an issuer on the host of a resource: Envoy makes a
// Check for the issuer's URLs too, and they belong to no resource.
func (r *reader) checkSharedHosts(table *resource.Table) {
	for i, is := range r.doc.Issuers {
		var paths []string
		for _, place := range (jwks.Options{Issuer: is.Issuer}).DiscoveryURLs() {
			u, err := url.Parse(place)
			if err == nil && table.IsMetadata(authorityOf(u), discoveryPath) {
				paths = append(paths, u.EscapedPath())
			}
		}
		if len(paths) == 0 {
			continue
		}
		r.warn(element("issuers", i)+".issuer",
			"is on the host of a resource, where doorward answers "+strings.Join(paths, " and ")+" itself",
			"add routes for them, and for the issuer's other URLs, before all others in Envoy: "+
				"match: {path: "+paths[0]+"}, route: {cluster: …}, typed_per_filter_config: "+
				`{envoy.filters.http.ext_authz: {"@type": `+
				"type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute, disabled: true}}")
	}
}

// discoveryPath is a metadata path on the hosts of resources and on no others.
const discoveryPath = "/.well-known/openid-configuration"

// authorityOf returns host:port of a URL. A URL without a port has that of its scheme.
func authorityOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Host
	case u.Scheme == "http":
		return u.Host + ":80"
	}
	return u.Host + ":443"
}

// trusted returns the issuers of one resource. Without a list it is every issuer,
// if there is one issuer or one resource; otherwise the list is required.
func (r *reader) trusted(path string, ids []string) []string {
	known, complete := r.issuerIDs()
	switch {
	case len(known) == 0 || !complete:
		// Reported already; whether the list is right is unknown.
		r.broken[path] = true
	case r.lists[path] && len(ids) == 0:
		r.problem(path, "is empty, so no token could be accepted", "name at least one issuer")
	case len(ids) > 0:
		r.checkTrusted(path, ids, known)
	case len(known) == 1 || len(r.doc.Resources) == 1:
		return known
	default:
		r.problem(path, "is missing, and there are several issuers and several resources",
			"name the issuers whose tokens this resource accepts")
	}
	return ids
}

func (r *reader) checkTrusted(path string, ids, known []string) {
	for i, id := range ids {
		if id == "" || slices.Contains(known, id) {
			continue
		}
		fix := "add it to issuers, or remove it here"
		if meant := Nearest(id, known); meant != "" {
			fix = fmt.Sprintf("did you mean %q?", meant)
		}
		r.problem(element(path, i), fmt.Sprintf("is %q, which is not one of the issuers", id), fix)
	}
}

// issuerIDs lists every configured issuer once; complete is false if one could
// not be read.
func (r *reader) issuerIDs() (ids []string, complete bool) {
	complete = !r.isBroken("issuers")
	for _, is := range r.doc.Issuers {
		switch {
		case is.Issuer == "":
			complete = false
		case !slices.Contains(ids, is.Issuer):
			ids = append(ids, is.Issuer)
		}
	}
	return ids, complete
}

// checkUnused warns about an issuer that no resource trusts, if every list of
// trusted issuers could be read.
func (r *reader) checkUnused(specs []resource.Spec) {
	for i, s := range specs {
		list := element("resources", i) + ".issuers"
		for j := range s.Issuers {
			if r.isBroken(element(list, j)) {
				return
			}
		}
		if r.isBroken(list) {
			return
		}
	}
	for i, is := range r.doc.Issuers {
		used := slices.ContainsFunc(specs, func(s resource.Spec) bool { return slices.Contains(s.Issuers, is.Issuer) })
		if is.Issuer != "" && !used && len(specs) > 0 {
			r.warn(element("issuers", i)+".issuer", "is trusted by no resource",
				"name it in a resource's issuers, or remove it")
		}
	}
}

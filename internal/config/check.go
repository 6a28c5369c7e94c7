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

// config judges the document as a whole and makes the configuration of it.
func (r *reader) config() (*Config, finding.List) {
	r.excuseMisspelt()
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

// checkCacheDir looks only whether it is there. Whether it is fit depends on the
// user who serves: serve and check look at that, and explain keeps no keys.
func (r *reader) checkCacheDir() {
	dir := r.doc.JWKSCacheDir
	if dir == "" {
		return
	}
	if !r.files.Is(dir, fs.ModeDir) {
		r.problem("jwks_cache_dir", "is no directory", "create it, writable by doorward alone, or remove the key")
	}
}

// checkRevocations looks for the file alone. What is in it changes often, and a
// bad list must not keep a good configuration from being reloaded: whoever
// serves or checks reads it.
func (r *reader) checkRevocations() {
	name := r.doc.RevocationFile
	if name == "" {
		return
	}
	if !r.files.Is(name, 0) {
		r.problem("revocation_file", "is no file that can be read", `name a revocation list that is there; an empty one is {"serial": 1, "revoked": []}`)
	}
}

func (r *reader) checkVersion() {
	if r.doc.Version != 1 {
		r.problem("version", fmt.Sprintf("is %d, which is not known", r.doc.Version), "write 1")
	}
}

// bound is a range that a value must lie in.
type bound[T cmp.Ordered] struct {
	path             string
	value, low, high T
}

func within[T cmp.Ordered](r *reader, bounds []bound[T]) {
	for _, b := range bounds {
		if b.value < b.low || b.value > b.high {
			r.problem(b.path, fmt.Sprintf("is %v, which is out of bounds", b.value), fmt.Sprintf("write a value from %v to %v", b.low, b.high))
		}
	}
}

func (r *reader) checkLimits() {
	l := r.doc.Limits
	within(r, []bound[Size]{
		{"limits.token_bytes", l.TokenBytes, 256, 1 << 20},
		{"limits.token_cache", l.TokenCache, 1 << 20, 1 << 40},
		{"limits.decision_cache", l.DecisionCache, 1 << 20, 1 << 40},
		{"limits.receive_bytes", l.ReceiveBytes, 64 << 10, 1 << 30},
	})
	within(r, []bound[int]{
		{"limits.signatures_in_flight", l.SignaturesInFlight, 0, 100_000},
		{"limits.signatures_waiting", l.SignaturesWaiting, 0, 1_000_000},
	})
	if l.ReceiveBytes < l.TokenBytes {
		r.problem("limits.receive_bytes", fmt.Sprintf("is %v, less than limits.token_bytes", l.ReceiveBytes),
			fmt.Sprintf("write at least %v", l.TokenBytes))
	}
}

func (r *reader) checkTimes() {
	within(r, []bound[time.Duration]{
		{"limits.check_timeout", r.doc.Limits.CheckTimeout, time.Millisecond, time.Minute},
		{"clock_skew", r.doc.ClockSkew, 0, 5 * time.Minute},
		// Three seconds of the fifteen are for what is in flight, and for the decisions that are to be logged.
		{"drain", r.doc.Drain, 0, 12 * time.Second},
	})
}

// checkInsecureHosts takes hosts as they stand in a URL, without the rest of it.
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
			r.problem(at, fmt.Sprintf("is %q, which is not a host alone", host), `write a name or an IP address without scheme, port and brackets, or "loopback"`)
		}
	}
	r.unique(r.doc.InsecureHTTPHosts, paths)
}

// checkPolicyPaths looks whether they are there; what is in them is read by
// whoever compiles the policy.
func (r *reader) checkPolicyPaths() {
	var paths []string
	for i, name := range r.doc.Policy.Paths {
		at := element("policy.paths", i)
		paths = append(paths, at)
		if _, err := r.files.Stat(name); name != "" && err != nil {
			r.problem(at, fmt.Sprintf("is %s, which cannot be read (%s)", name, why(err)), "name a file or a folder of Rego that is there")
		}
	}
	r.unique(r.doc.Policy.Paths, paths)
}

// checkResources judges every resource and builds their table.
func (r *reader) checkResources() *resource.Table {
	if len(r.doc.Resources) == 0 {
		r.problem("resources", "names no resource, so there is nothing to protect", "write resources: [{resource: https://…}]")
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
			r.warn(at+".client_certificate", "believes x-forwarded-client-cert, which any client could write",
				"have Envoy set it: forward_client_cert_details SANITIZE_SET, or SANITIZE where no client has a certificate")
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
		r.checkNeighbours(table)
	}
	return table
}

// checkNeighbours warns of an issuer on the host of a resource: there, Envoy
// asks about the issuer's URLs too, and none of them is a resource's.
func (r *reader) checkNeighbours(table *resource.Table) {
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
		r.warn(element("issuers", i)+".issuer", "lives on the host of a resource, where "+strings.Join(paths, " and ")+" are not let through",
			"give them, and the issuer's other URLs, routes before all others in Envoy: match: {path: "+paths[0]+"}, route: {cluster: …}, "+
				"typed_per_filter_config: {envoy.filters.http.ext_authz: "+
				`{"@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute, disabled: true}}`)
	}
}

// discoveryPath is answered on the hosts of resources and on no others.
const discoveryPath = "/.well-known/openid-configuration"

// authorityOf is the host of a URL with its port, as it is or as its scheme has it.
func authorityOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Host
	case u.Scheme == "http":
		return u.Host + ":80"
	}
	return u.Host + ":443"
}

// trusted are the issuers of one resource. Who writes none means all of them,
// but only where that cannot surprise: with one issuer, or one resource.
func (r *reader) trusted(path string, ids []string) []string {
	known, complete := r.issuerIDs()
	switch {
	case len(known) == 0 || !complete:
		// Said already; whether this resource is right cannot be known.
		r.broken[path] = true
	case r.lists[path] && len(ids) == 0:
		r.problem(path, "is empty, so no token could be accepted", "name at least one issuer")
	case len(ids) > 0:
		r.checkTrusted(path, ids, known)
	case len(known) == 1 || len(r.doc.Resources) == 1:
		return known
	default:
		r.problem(path, "is missing, and there are several issuers and several resources", "name the issuers whose tokens this resource accepts")
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

// issuerIDs lists every configured issuer once; complete is false if one of
// them could not be read.
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

// checkUnused warns about an issuer that is trusted nowhere, if all that is
// said about trust could be read.
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
			r.warn(element("issuers", i)+".issuer", "is trusted by no resource", "name it in a resource's issuers, or remove it")
		}
	}
}

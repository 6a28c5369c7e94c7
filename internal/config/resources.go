package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
)

// checkResources checks every resource and returns their table.
func (r *reader) checkResources() *resource.Table {
	if len(r.doc.Resources) == 0 {
		r.problem("resources", "names no resource, so there is nothing to protect",
			"write resources: [{resource: https://…}]")
	}
	known := r.knownIssuers()
	specs := make([]resource.Spec, len(r.doc.Resources))
	var uris, names, uriPaths, namePaths []string
	for i, e := range r.doc.Resources {
		at := element("resources", i)
		uris, uriPaths = append(uris, e.Resource), append(uriPaths, at+".resource")
		names, namePaths = append(names, e.Name), append(namePaths, at+".name")
		if e.Resource == "" {
			r.problem(at+".resource", "is missing", "write the URL that clients use")
		}
		r.checkPackage(at+".policy", e.Policy)
		r.checkOperations(at, e)
		specs[i] = r.spec(at, e, known)
		if specs[i].ReadsXFCC() {
			r.warn(at+".client_certificate", "trusts x-forwarded-client-cert, which any client can send",
				"let Envoy set it: forward_client_cert_details SANITIZE_SET, "+
					"or SANITIZE where no client has a certificate")
		}
	}
	r.unique(uris, uriPaths)
	r.unique(names, namePaths)
	r.checkUnused(specs, known)
	r.checkScopeCycles()
	if known.complete {
		r.checkBindings(specs, known)
	}
	table, problems := resource.NewTable(specs, r.doc.InsecureHTTPHosts)
	for _, p := range problems {
		if !r.isTiedByTenant(p, specs, known) {
			r.report(r.pathOf(p.Path), p)
		}
	}
	if table != nil {
		r.checkSharedHosts(table)
		r.checkGenericAudiences(table)
	}
	return table
}

// isTiedByTenant reports whether a finding is that a pattern is tied to no claim,
// and its only placeholder is that of each issuer: the two have one value then.
func (r *reader) isTiedByTenant(p finding.Finding, specs []resource.Spec, known knownIssuers) bool {
	if p.Severity != finding.Warning || !strings.HasPrefix(p.Message, "is a pattern: ") {
		return false
	}
	var i int
	if _, err := fmt.Sscanf(p.Path, "resources[%d].resource", &i); err != nil || i >= len(specs) {
		return false
	}
	names, err := resource.Placeholders(specs[i].URI)
	return err == nil && len(names) == 1 && !slices.ContainsFunc(specs[i].Issuers, func(id string) bool {
		at, there := known.index[id]
		return !there || r.doc.Issuers[at].placeholder() != "{"+names[0]+"}"
	})
}

// spec is a resource as package resource checks it.
func (r *reader) spec(at string, e entry, known knownIssuers) resource.Spec {
	spec := resource.Spec{
		URI: e.Resource, Name: e.Name, Aliases: e.Aliases, AlsoAt: e.AlsoAt, Audiences: e.Audiences,
		Issuers: r.trusted(at+".issuers", e.Issuers, known), Scopes: e.Scopes, Origins: e.Origins, CORS: e.CORS,
		Clients: e.Clients, Subjects: e.Subjects, Claims: e.Claims, Parameters: e.Parameters,
		ScopePrefix: e.ScopePrefix, ScopeImplies: joined(r.doc.ScopeImplies, e.ScopeImplies), ScopesAny: e.ScopesAny,
		MirrorMetadata: e.MirrorMetadata, MetadataMaxAge: r.doc.Metadata.MaxAge,
		Metadata: e.Metadata, Labels: e.Labels,
		DPoP: e.DPoP, ClientCertificate: e.ClientCertificate,
		Operations: e.operations(), OperationsDefault: e.OperationsDefault, ChallengeScopes: e.ChallengeScopes,
		MCP: e.MCP.spec(), Anonymous: e.anonymous(), AnonymousSessions: e.AnonymousSessions,
		ExpiresHeader: e.ExpiresHeader,
	}
	if spec.MetadataMaxAge == 0 {
		spec.MetadataMaxAge = time.Nanosecond // zero is the default there; headers count in seconds
	}
	if spec.TakesDPoP() {
		spec.ProofAlgorithms = token.DefaultAlgorithms()
	}
	if known.complete {
		spec.AuthorizationServers = r.advertised(at, e, spec, known)
	}
	return spec
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

// knownIssuers are the configured issuers, each once.
type knownIssuers struct {
	ids      []string
	index    map[string]int // in document.Issuers
	complete bool           // false if one could not be read
}

func (r *reader) knownIssuers() knownIssuers {
	known := knownIssuers{index: map[string]int{}, complete: !r.isBroken("issuers")}
	for i, is := range r.doc.Issuers {
		if is.Issuer == "" {
			known.complete = false
			continue
		}
		if _, again := known.index[is.Issuer]; !again {
			known.index[is.Issuer] = i
			known.ids = append(known.ids, is.Issuer)
		}
	}
	return known
}

// trusted returns the issuers of one resource. Without a list it is every issuer,
// if there is one issuer or one resource; otherwise the list is required.
func (r *reader) trusted(path string, ids []string, known knownIssuers) []string {
	switch {
	case len(known.ids) == 0 || !known.complete:
		// Reported already; whether the list is right is unknown.
		r.broken[path] = true
	case r.lists[path] && len(ids) == 0:
		r.problem(path, "is empty, so no token could be accepted", "name at least one issuer")
	case len(ids) > 0:
		r.checkTrusted(path, ids, known)
	case len(known.ids) == 1 || len(r.doc.Resources) == 1:
		return known.ids
	default:
		r.problem(path, "is missing, and there are several issuers and several resources",
			"name the issuers whose tokens this resource accepts")
	}
	return ids
}

func (r *reader) checkTrusted(path string, ids []string, known knownIssuers) {
	for i, id := range ids {
		if _, there := known.index[id]; there || id == "" {
			continue
		}
		fix := "add it to issuers, or remove it here"
		if meant := Nearest(id, known.ids); meant != "" {
			fix = fmt.Sprintf("did you mean %q?", meant)
		}
		r.problem(element(path, i), fmt.Sprintf("is %q, which is not one of the issuers", id), fix)
	}
}

// checkUnused warns about an issuer that no resource trusts, if every list of
// trusted issuers could be read.
func (r *reader) checkUnused(specs []resource.Spec, known knownIssuers) {
	used := map[string]bool{}
	for i, s := range specs {
		list := element("resources", i) + ".issuers"
		if r.isBroken(list) {
			return
		}
		for j, id := range s.Issuers {
			if _, there := known.index[id]; !there && r.isBroken(element(list, j)) {
				return
			}
			used[id] = true
		}
	}
	for i, is := range r.doc.Issuers {
		if is.Issuer != "" && !used[is.Issuer] && len(specs) > 0 {
			r.warn(element("issuers", i)+".issuer", "is trusted by no resource",
				"name it in a resource's issuers, or remove it")
		}
	}
}

package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/internal/outbound"
)

// advertised returns the authorization servers that a resource's document names: nil
// means its issuers, byte for byte.
func (r *reader) advertised(at string, e entry, spec resource.Spec, known knownIssuers) []string {
	if r.written(at + ".authorization_servers") {
		r.checkAuthorizationServers(at+".authorization_servers", e, spec)
		return e.AuthorizationServers
	}
	servers := []string{}
	templates := false
	for _, id := range spec.Issuers {
		i, there := known.index[id]
		if !there {
			return nil // reported
		}
		if r.isBroken(element("issuers", i) + ".issuer") {
			return nil // reported
		}
		is := r.doc.Issuers[i]
		templates = templates || is.isTemplate()
		names := is.names()
		if name := is.placeholder(); name != "" && strings.Contains(spec.URI, name) {
			names = []string{is.Issuer} // each request fills it in
		}
		for _, name := range names {
			if r.isAdvertised(is) && !slices.Contains(servers, name) {
				servers = append(servers, name)
			}
		}
	}
	if !templates && slices.Equal(servers, spec.Issuers) {
		return nil
	}
	return servers
}

// isAdvertised reports whether documents name an issuer: clients could not log in at
// one that is a name and no URL.
func (r *reader) isAdvertised(is issuer) bool { return is.Advertise && r.isServer(is.filled("tenant")) }

// isServer reports whether an issuer is a URL that clients may be sent to.
func (r *reader) isServer(issuer string) bool {
	u, err := url.Parse(issuer)
	return err == nil && u.Host != "" && u.RawQuery == "" && outbound.Secure(u, r.doc.InsecureHTTPHosts)
}

// checkAuthorizationServers checks a list that replaces the issuers in the document.
func (r *reader) checkAuthorizationServers(path string, e entry, spec resource.Spec) {
	if len(e.AuthorizationServers) == 0 {
		r.problem(path, "is empty", "write the URLs where clients log in, or advertise: false in each issuer")
		return
	}
	for i, server := range e.AuthorizationServers {
		if strings.HasPrefix(server, "http://") && !r.isServer(server) {
			r.problem(element(path, i), "is http://: clients would log in there in the clear",
				"write https://, or name the host in insecure_http_hosts")
		}
	}
	if !slices.Equal(e.AuthorizationServers, spec.Issuers) {
		r.warn(path, "names other servers than the issuers trusted here, "+strings.Join(spec.Issuers, ", "),
			"remove it if clients can log in at the issuers themselves")
	}
}

// warnOfHidden warns once about each issuer that documents of resources which
// trust it do not name.
func (r *reader) warnOfHidden(specs []resource.Spec, known knownIssuers) {
	resources := make([]int, len(r.doc.Issuers))
	for i, s := range specs {
		if r.written(element("resources", i) + ".authorization_servers") {
			continue
		}
		for _, id := range s.Issuers {
			if j, there := known.index[id]; there {
				resources[j]++
			}
		}
	}
	for j, is := range r.doc.Issuers {
		at := element("issuers", j)
		switch {
		case resources[j] == 0:
		case !is.Advertise:
			r.warn(at+".advertise", "is false, so that the metadata of "+resourcesOf(resources[j])+" does not name it",
				"remove it if people log in there")
		case is.DiscoveryURL == "" && r.keySource(at) == "": // it is a URL, or refused
		case !r.isServer(is.filled("tenant")):
			r.warn(at+".issuer",
				"is a name and no https URL, so that the metadata of "+resourcesOf(resources[j])+" does not name it",
				"write the URL where clients log in into authorization_servers, or advertise: false here")
		}
	}
}

func resourcesOf(n int) string {
	if n == 1 {
		return "one resource"
	}
	return fmt.Sprintf("%d resources", n)
}

// checkMirror demands that the one server of the document is an issuer whose
// metadata is fetched.
func (r *reader) checkMirror(at string, e entry, spec resource.Spec, known knownIssuers) {
	if !e.MirrorMetadata {
		return
	}
	servers := spec.AuthorizationServers
	if servers == nil {
		servers = spec.Issuers
	}
	if len(servers) != 1 {
		return // reported by resource.NewTable
	}
	path := at + ".mirror_metadata"
	i, there := known.index[servers[0]]
	source := r.keySource(element("issuers", i))
	switch {
	case !there:
		r.problem(path, "has no metadata to mirror: "+servers[0]+" is not one of the issuers",
			"name an issuer in authorization_servers, or remove mirror_metadata")
	case r.doc.Issuers[i].isTemplate():
		r.problem(path, "has no metadata to mirror: "+servers[0]+" has a placeholder, and one document is discovered "+
			"for all of its tenants", "remove mirror_metadata, or write one issuer for the tenant")
	case source != "":
		r.problem(path,
			"has no metadata to mirror: "+source+" has the keys of "+servers[0]+", and nothing is discovered",
			"remove that key, or write discovery_url in its place, or remove mirror_metadata")
	}
}

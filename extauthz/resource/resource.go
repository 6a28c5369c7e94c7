// Package resource answers two questions: which protected resource is a
// request for, and what does that resource's metadata document (RFC 9728) say.
//
// It knows URLs, authorities and paths, and nothing of tokens, keys or policy.
// A table is checked as a whole when it is built, so that a request can never
// meet a resource that is half right; what is not clearly one resource's is
// nobody's.
package resource

import (
	"maps"
	"slices"

	"github.com/doorward/doorward/extauthz/finding"
)

// Spec is one resource as configured. [NewTable] checks it.
type Spec struct {
	URI       string            // canonical URI (RFC 8707), byte for byte what the document and the users say
	Name      string            // short unique name for metrics, Rego and the mesh; "" means URI
	AlsoAt    []string          // other URLs under which a mesh shows the resource to us
	Audiences []string          // exact aud values accepted besides URI
	Issuers   []string          // exact iss values trusted here; at least one
	Scopes    []string          // scopes every request needs
	Origins   []string          // Origin values allowed besides the resource's own; "*" allows any
	Metadata  map[string]any    // more members for the document (RFC 9728, section 2), as YAML gives them
	Labels    map[string]string // for Rego

	DPoP              string   // "off", "optional" or "required" (RFC 9449); "" means "off"
	ProofAlgorithms   []string // JWS algorithms of DPoP proofs, for the document
	ClientCertificate string   // where a client certificate is read (RFC 8705): "source" or "xfcc"; "" means "source"
}

// TakesDPoP says whether the resource accepts the DPoP scheme.
func (s Spec) TakesDPoP() bool { return s.DPoP == "optional" || s.RequiresDPoP() }

// RequiresDPoP says whether every token must be bound to a DPoP key.
func (s Spec) RequiresDPoP() bool { return s.DPoP == "required" }

// ReadsXFCC says whether the client's certificate is read from
// x-forwarded-client-cert, because another proxy terminates TLS.
func (s Spec) ReadsXFCC() bool { return s.ClientCertificate == "xfcc" }

// Resource is one checked resource. It comes from a [Table], is never changed
// and must not be changed by who reads it.
type Resource struct {
	Spec               // Name is filled in
	MetadataURL string // where the document of the canonical URI lives (RFC 9728, section 3.1)

	locations []location // of URI, then of each AlsoAt
	origins   []string   // of each location
	document  []byte     // the document's JSON
}

// Table is an immutable set of resources, safe for concurrent use. The zero
// Table has none and finds none.
type Table struct {
	resources []*Resource
	named     map[string]*Resource // by name and by URI
	sites     map[authority]*site
}

// site is what lives on one authority.
type site struct {
	places    []place              // longest folded path first
	documents map[string]*Resource // by what follows the well-known prefix
}

// place is one path of a site.
type place struct {
	path     string // "" for the whole authority
	folded   string
	resource *Resource
}

// NewTable checks specs and builds their table. All problems come at once; the
// table is nil if one of them is more than a warning. insecureHTTPHosts are
// the only hosts whose resource may be http://: exact names or addresses, or
// the word "loopback" for 127.0.0.0/8, ::1 and localhost.
func NewTable(specs []Spec, insecureHTTPHosts []string) (*Table, finding.List) {
	resources, problems := check(specs, insecureHTTPHosts)
	if slices.ContainsFunc(problems, func(p finding.Finding) bool { return p.Severity == finding.Error }) {
		return nil, problems
	}
	t := &Table{
		resources: resources,
		named:     map[string]*Resource{},
		sites:     map[authority]*site{},
	}
	for _, r := range resources {
		document, err := encodeDocument(r.Spec)
		if err != nil { // not while metadata checks every value
			return nil, append(problems, finding.Finding{Path: "resources", Message: "cannot be written as JSON: " + err.Error()})
		}
		r.document = document
		t.named[r.Name] = r
		t.named[r.URI] = r
		t.place(r)
	}
	for _, s := range t.sites {
		slices.SortStableFunc(s.places, func(x, y place) int { return len(y.folded) - len(x.folded) })
	}
	t.publish()
	return t, problems
}

// place enters every location of r in the sites it is reached at.
func (t *Table) place(r *Resource) {
	for _, l := range r.locations {
		entry := place{path: l.prefix(), folded: fold(l.prefix()), resource: r}
		for _, a := range l.authorities() {
			s := t.sites[a]
			if s == nil {
				s = &site{documents: map[string]*Resource{}}
				t.sites[a] = s
			}
			s.places = append(s.places, entry)
		}
	}
}

// All lists the resources in the order of their specs.
func (t *Table) All() []*Resource { return slices.Clone(t.resources) }

// Named finds a resource by its name or its URI, byte for byte; nil if there
// is none.
func (t *Table) Named(nameOrURI string) *Resource { return t.named[nameOrURI] }

// Find tells which resource a request is for: the one with the longest path on
// that authority that is a whole-segment prefix of path, compared byte for
// byte. path is what stands before the first '?'. The answer is nil, fail
// closed, for an authority or path of no resource, for a path that is not safe
// ([PathFault]), and for one that a server which decodes escapes and ignores
// case would give to a longer path than its bytes do.
func (t *Table) Find(authority, path string) *Resource {
	s := t.site(authority)
	if s == nil || PathFault(path) != "" {
		return nil
	}
	return s.find(path)
}

func (s *site) find(path string) *Resource {
	i := slices.IndexFunc(s.places, func(p place) bool { return covers(p.path, path) })
	if i < 0 {
		return nil
	}
	match := s.places[i]
	folded := fold(path)
	for _, longer := range s.places[:i] {
		if len(longer.folded) > len(match.folded) && covers(longer.folded, folded) {
			return nil
		}
	}
	return match.resource
}

// At tells whether authority is one of this resource's, whatever the path.
func (r *Resource) At(authority string) bool {
	a, ok := parseAuthority(authority)
	return ok && slices.ContainsFunc(r.locations, func(l location) bool { return l.at(a) })
}

// Targets are the URLs under which a request for path may have been made, as
// the configuration knows them: the origin of each location, and the path that
// was asked for. They are what a DPoP proof may name as htu (RFC 9449, section
// 4.3); nothing that a client sends as host or forwarded host has a say.
func (r *Resource) Targets(path string) []string {
	targets := make([]string, len(r.locations))
	for i, l := range r.locations {
		targets[i] = l.origin() + path
	}
	return targets
}

// AllowsOrigin tells whether a request to authority with this Origin header may
// go on (MCP transports, DNS rebinding): the resource's own origin, that of an
// AlsoAt URL whose authority this is, an entry of Origins byte for byte, or any
// value where Origins has "*". An empty value is not allowed; a request without
// the header is the caller's to judge.
func (r *Resource) AllowsOrigin(origin, authority string) bool {
	switch i := slices.Index(r.origins, origin); {
	case origin == "":
		return false
	case i == 0, slices.Contains(r.Origins, origin), slices.Contains(r.Origins, "*"):
		return true
	case i < 0:
		return false
	}
	a, ok := parseAuthority(authority)
	return ok && slices.ContainsFunc(r.locations[1:], func(l location) bool { return l.at(a) && l.origin() == origin })
}

// clone makes a copy that no later write of the caller reaches. The values of
// Metadata are shared: the document is encoded once and never looks again.
func (s Spec) clone() Spec {
	s.AlsoAt = slices.Clone(s.AlsoAt)
	s.Audiences = slices.Clone(s.Audiences)
	s.Issuers = slices.Clone(s.Issuers)
	s.Scopes = slices.Clone(s.Scopes)
	s.Origins = slices.Clone(s.Origins)
	s.Metadata = maps.Clone(s.Metadata)
	s.Labels = maps.Clone(s.Labels)
	return s
}

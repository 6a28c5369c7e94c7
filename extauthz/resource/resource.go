// Package resource finds the protected resource that a request is for, and
// writes that resource's metadata document (RFC 9728).
//
// A [Table] is checked as a whole when it is built, so that no request finds a
// resource with a fault; a request that is not clearly for one resource finds
// none. URLs, authorities and paths are all that this package reads of a request:
// tokens, keys and policy are not its business.
package resource

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/hostpath"
)

// Spec is one resource as configured. [NewTable] checks it.
type Spec struct {
	URI       string            // canonical URI (RFC 8707), byte for byte as in the document and in clients
	Name      string            // short unique name for metrics, Rego and the mesh; "" means URI
	AlsoAt    []string          // other URLs under which a mesh shows the resource to us
	Aliases   []string          // further URLs that users type, each with a document and a challenge of its own
	Audiences []string          // exact aud values accepted besides URI and Aliases
	Issuers   []string          // exact iss values trusted here; at least one
	Scopes    []string          // scopes every request needs
	CORS      bool              // answer preflights, and let pages of allowed origins read answers
	Origins   []string          // Origin values allowed besides the resource's own; "*": any; "https://*.host": a label
	Metadata  map[string]any    // more members for the document (RFC 9728, section 2), as YAML decodes them
	Labels    map[string]string // for Rego

	// How a token without such an aud shows that it was issued for this resource.
	Clients    []string            // client ids that are registered for this resource alone
	Subjects   []string            // sub values of issuers whose callers choose aud themselves
	Claims     map[string][]string // claims, with the values accepted, of such issuers
	Parameters map[string]string   // by placeholder of a pattern, the claim that must have its value

	ScopePrefix  string              // what a client must write before the name of a scope to ask for it
	ScopeImplies map[string][]string // by scope, those that it includes
	ScopesAny    [][]string          // alternatives, of which a token needs all scopes of one; nil: none are needed

	AuthorizationServers []string      // those that the document names; nil: Issuers
	MirrorMetadata       bool          // serve the only authorization server's metadata on the resource's host
	MetadataMaxAge       time.Duration // how long documents may be cached; 0: 1 hour

	DPoP              string   // "off", "optional" or "required" (RFC 9449); "" means "off"
	ProofAlgorithms   []string // JWS algorithms of DPoP proofs, for the document
	ClientCertificate string   // where a client certificate is read (RFC 8705): "source" or "xfcc"; "" means "source"

	Operations        []Operation // what an operation needs besides Scopes; the first match decides
	OperationsDefault string      // of an operation without a match: "resource" or "deny"; "" means "resource"
	ChallengeScopes   string      // of a 403: "operation" or "operation_and_granted"; "" means "operation"
	MCP               MCP
	Anonymous         []Operation // operations that need no token, by Method and Name alone
	AnonymousSessions bool        // Anonymous holds in a session (Mcp-Session-Id) too
	ExpiresHeader     bool        // the server gets x-mcp-auth-expires: exp of the token, in Unix seconds
}

// TakesDPoP reports whether the resource accepts the DPoP scheme.
func (s *Spec) TakesDPoP() bool { return s.DPoP == "optional" || s.RequiresDPoP() }

// RequiresDPoP reports whether every token must be bound to a DPoP key.
func (s *Spec) RequiresDPoP() bool { return s.DPoP == "required" }

// ReadsXFCC reports whether the client's certificate is read from
// x-forwarded-client-cert, because another proxy terminates TLS.
func (s *Spec) ReadsXFCC() bool { return s.ClientCertificate == "xfcc" }

// Resource is one checked resource, as a request finds it. It comes from a [Table]
// and must not be changed. Where the Spec is a pattern, its URLs and audiences are
// those of the request's values.
type Resource struct {
	Spec                          // Name is filled in
	Values      map[string]string // of the placeholders of a pattern; nil for a literal resource
	Asked       string            // the URL that was asked: URI, or one of Aliases
	MetadataURL string            // where the document of Asked is (RFC 9728, section 3.1)

	locations []location // of Asked, then of URI, Aliases and AlsoAt
	origins   []string   // of each location
	document  []byte     // the document's JSON; nil for a pattern, whose document is written when it is asked for
}

// Table is an immutable set of resources, safe for concurrent use. The zero Table
// is empty.
type Table struct {
	resources []*Resource
	named     map[string]*Resource         // literal ones, by name, URI and alias
	sites     map[hostpath.Authority]*site // of literal ones
	patterns  []pattern
	audiences map[string]bool  // URIs, aliases and audiences of literal resources, by audienceKey
	asPattern []*regexp.Regexp // the same of patterns

	indexing sync.Once // of owners
	owners   owners
}

// site has the resources of one authority.
type site struct {
	hostpath.Paths[Resource]
	documents map[string]*Resource // by what follows the well-known prefix
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
		sites:     map[hostpath.Authority]*site{},
		patterns:  patternsOf(resources),
		audiences: map[string]bool{},
	}
	for _, r := range resources {
		t.own(r)
		if r.isPattern() {
			continue
		}
		for url := range 1 + len(r.Aliases) {
			if err := t.enter(r, url); err != nil { // not while metadata checks every value
				message := "cannot be written as JSON: " + err.Error()
				return nil, append(problems, finding.Finding{Path: "resources", Message: message})
			}
		}
	}
	t.publish()
	return t, problems
}

// enter makes a literal resource known by one of its URLs: its own (0), which
// brings those of AlsoAt along, or an alias.
func (t *Table) enter(r *Resource, url int) error {
	reached := r.locations[url : url+1]
	view := r
	if url == 0 {
		reached = append(slices.Clone(reached), r.locations[1+len(r.Aliases):]...)
		t.named[r.Name] = r
	} else {
		copied := *r
		view = copied.askedAt(url)
	}
	document, err := encodeDocument(view.Spec, view.Asked)
	view.document = document
	t.named[view.Asked] = view
	for _, l := range reached {
		t.place(view, l)
	}
	return err
}

// place enters a location in the sites it is reached at.
func (t *Table) place(r *Resource, l location) {
	path := l.prefix()
	for _, a := range l.authorities() {
		s := t.sites[a]
		if s == nil {
			s = &site{documents: map[string]*Resource{}}
			t.sites[a] = s
		}
		s.documents[path] = s.Add(path, r)
	}
}

// All lists the resources in the order of their specs.
func (t *Table) All() []*Resource { return slices.Clone(t.resources) }

// Named returns the resource that a mesh names: by its name, URI or alias, byte
// for byte, or by the filled-in URL of a pattern. The name of a pattern names the
// resource that authority fills it with; where a placeholder is in the path it
// names none. Nil: there is no such resource.
func (t *Table) Named(nameOrURI, authority string) *Resource {
	if r := t.named[nameOrURI]; r != nil || len(t.patterns) == 0 {
		return r
	}
	return t.namedPattern(nameOrURI, authority)
}

// Find returns the resource that a request is for: the one with the longest path
// on that authority that is a whole-segment prefix of path, compared byte for
// byte, or else the one that a pattern becomes. path is what precedes the first
// '?'. The result is nil, fail closed, for an authority or path of no resource,
// for a path that is not safe ([PathFault]), and for one that a server which
// decodes escapes and ignores case would give to another resource.
func (t *Table) Find(authority, path string) *Resource {
	a, ok := hostpath.ParseAuthority(authority)
	if !ok || PathFault(path) != "" {
		return nil
	}
	if s := t.sites[a]; s != nil {
		if r, unambiguous := s.Find(path); r != nil || !unambiguous {
			return r
		}
	}
	return t.findPattern(a, path)
}

// At reports whether authority is one of this resource's, whatever the path.
func (r *Resource) At(authority string) bool {
	a, ok := hostpath.ParseAuthority(authority)
	return ok && slices.ContainsFunc(r.locations, func(l location) bool { return l.at(a) })
}

// Targets are the URLs under which a request for path may have been made, as
// the configuration knows them: the origin of each location, and the path that
// was asked for. A DPoP proof may name one of them as htu (RFC 9449, section 4.3),
// and no host that the client sends.
func (r *Resource) Targets(path string) []string {
	targets := make([]string, len(r.locations))
	for i, l := range r.locations {
		targets[i] = l.origin() + path
	}
	return targets
}

// clone makes a copy that no later write of the caller reaches. The values of
// Metadata are shared: the document is encoded once and never looks again.
func (s Spec) clone() Spec {
	s.AlsoAt = slices.Clone(s.AlsoAt)
	s.Aliases = slices.Clone(s.Aliases)
	s.Audiences = slices.Clone(s.Audiences)
	s.Issuers = slices.Clone(s.Issuers)
	s.Scopes = slices.Clone(s.Scopes)
	s.Origins = slices.Clone(s.Origins)
	s.Metadata = maps.Clone(s.Metadata)
	s.Labels = maps.Clone(s.Labels)
	s.Clients = slices.Clone(s.Clients)
	s.Subjects = slices.Clone(s.Subjects)
	s.Claims = maps.Clone(s.Claims)
	s.Parameters = maps.Clone(s.Parameters)
	s.ScopeImplies = maps.Clone(s.ScopeImplies)
	s.ScopesAny = slices.Clone(s.ScopesAny)
	s.AuthorizationServers = slices.Clone(s.AuthorizationServers)
	s.Operations = cloneOperations(s.Operations)
	s.Anonymous = cloneOperations(s.Anonymous)
	return s
}

// isPattern reports whether the URL of a resource has placeholders.
func (s *Spec) isPattern() bool { return strings.Contains(s.URI, "{") }

// Owns reports whether an aud value names one of the resources: it is the URI, an
// alias or one of the audiences of a resource, in any spelling that is equal, or
// of a pattern with any values. A token with such an aud is for that resource,
// whatever else it says.
func (t *Table) Owns(audience string) bool {
	return t.audiences[audienceKey(audience)] ||
		slices.ContainsFunc(t.asPattern, func(p *regexp.Regexp) bool { return p.MatchString(audience) })
}

// own makes the audiences of a resource known.
func (t *Table) own(r *Resource) {
	for _, audience := range slices.Concat([]string{r.URI}, r.Aliases, r.Audiences) {
		if strings.Contains(audience, "{") {
			// In any case of letters: rather too much than too little.
			t.asPattern = append(t.asPattern, regexp.MustCompile("(?i)"+expression(audience, "[^/]+")))
		} else {
			t.audiences[audienceKey(audience)] = true
		}
	}
}

// patternsOf lists the URLs of all resources that are patterns.
func patternsOf(resources []*Resource) []pattern {
	var all []pattern
	for i, r := range resources {
		if !r.isPattern() {
			continue
		}
		for j, l := range r.locations {
			if l != (location{}) {
				all = append(all, newPattern(r, l, j, keyOf(i, j, len(r.Aliases))))
			}
		}
	}
	return all
}

package resource

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// wellKnown is where metadata documents live (RFC 9728, section 3).
const wellKnown = "/.well-known/oauth-protected-resource"

// discovery is where clients look for an authorization server on the host of a
// resource: by RFC 8414, section 3, and by OpenID Connect Discovery, section 4.
var discovery = []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"}

// documentMethods are the methods a document answers.
const documentMethods = "GET, HEAD, OPTIONS"

// Document is the answer to a request for metadata. The zero Document is no
// answer; [Table.Document] never returns it.
type Document struct {
	Name   string // of the resource it is for, "" for a 404
	Status int    // 200, 204, 404 or 405
	Allow  string // value of the Allow header of a 405, otherwise ""
	Body   []byte // JSON, nil for a 204; for HEAD the caller leaves it out. Not to be changed
}

// isMetadataPath tells whether a path asks for metadata, whichever document it
// means and whether there is one. A query is ignored.
func isMetadataPath(path string) bool {
	return isUnder(path, wellKnown)
}

// isUnder tells whether path, up to its query, is prefix or lies below it.
func isUnder(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/' || rest[0] == '?')
}

// IsMetadata tells whether [Table.Document] answers a request: every metadata
// path, on any host, and on the host of a resource also the paths where clients
// look for the metadata of an authorization server. No resource is one, and
// clients go on to the next place after a 404 alone: 401 and 403 stop them.
func (t *Table) IsMetadata(authority, path string) bool {
	if !strings.HasPrefix(path, "/.well-known/") {
		return false
	}
	if isMetadataPath(path) {
		return true
	}
	under := func(prefix string) bool { return isUnder(path, prefix) }
	return slices.ContainsFunc(discovery, under) && t.site(authority) != nil
}

// site is what lives on an authority, or nil.
func (t *Table) site(of string) *site {
	a, ok := parseAuthority(of)
	if !ok {
		return nil
	}
	return t.sites[a]
}

// Document answers a request for metadata (RFC 9728, section 3.1): the
// document of the resource whose path follows the well-known prefix, with or
// without one slash at its end, on an authority of that resource. The prefix
// alone is answered where exactly one resource lives. Everything else is a 404,
// whatever the method.
func (t *Table) Document(method, authority, path string) Document {
	r := t.described(authority, path)
	switch {
	case r == nil:
		return Document{Status: http.StatusNotFound, Body: []byte(`{"error":"not_found"}`)}
	case method == http.MethodGet, method == http.MethodHead:
		return Document{Name: r.Name, Status: http.StatusOK, Body: r.document}
	case method == http.MethodOptions:
		return Document{Name: r.Name, Status: http.StatusNoContent}
	}
	return Document{
		Name:   r.Name,
		Status: http.StatusMethodNotAllowed,
		Allow:  documentMethods,
		Body:   []byte(`{"error":"method_not_allowed"}`),
	}
}

// described finds the resource whose document a path asks for.
func (t *Table) described(authority, path string) *Resource {
	if !isMetadataPath(path) {
		return nil
	}
	s := t.site(authority)
	if s == nil {
		return nil
	}
	path, _, _ = strings.Cut(path, "?")
	// Only paths of the configuration are keys, and those are all safe.
	return s.documents[path[len(wellKnown):]]
}

// Headers are the exact response headers, in order. Documents are public, so
// that any page may read them: browser clients ask before they have a token
// (RFC 9728 says nothing about CORS, the MCP SDKs depend on it).
func (d Document) Headers() [][2]string {
	headers := [][2]string{{"access-control-allow-origin", "*"}}
	switch d.Status {
	case http.StatusNoContent:
		return append(headers,
			[2]string{"access-control-allow-methods", documentMethods},
			// The star does not cover authorization, and old browsers do not know it.
			[2]string{"access-control-allow-headers", "authorization, accept, content-type, mcp-protocol-version, *"},
			[2]string{"access-control-max-age", "3600"})
	case http.StatusOK:
		headers = append(headers, [2]string{"cache-control", "public, max-age=3600"})
	default:
		headers = append(headers, [2]string{"cache-control", "no-store"})
	}
	headers = append(headers, [2]string{"content-type", "application/json"})
	if d.Allow != "" {
		headers = append(headers, [2]string{"allow", d.Allow})
	}
	return headers
}

// publish enters the documents of all resources in all sites.
func (t *Table) publish() {
	for _, r := range t.resources {
		for _, l := range r.locations {
			for _, a := range l.authorities() {
				t.sites[a].documents[l.prefix()] = r
			}
		}
	}
	for _, s := range t.sites {
		s.publishCanonical()
		s.publishBare()
		s.publishSlashed()
	}
}

// publishCanonical lets a site answer the canonical path of its resources too,
// unless that path is taken or two resources would have it: a mesh that
// rewrites the host and not the path asks so.
func (s *site) publishCanonical() {
	wanted := map[string]*Resource{}
	for _, p := range s.places {
		path := p.resource.locations[0].prefix()
		if other, ok := wanted[path]; ok && other != p.resource {
			wanted[path] = nil
			continue
		}
		wanted[path] = p.resource
	}
	delete(wanted, "") // the bare form has its own rule
	for path, r := range wanted {
		if r != nil && s.documents[path] == nil {
			s.documents[path] = r
		}
	}
}

// publishBare lets the prefix alone stand for the only resource of a site. A
// resource that has the whole host owns the bare form in any case.
func (s *site) publishBare() {
	r := s.documents[""]
	if r == nil {
		r = s.places[0].resource
		if slices.ContainsFunc(s.places, func(p place) bool { return p.resource != r }) {
			return
		}
	}
	s.documents[""] = r
}

// publishSlashed lets each path be asked for with one slash more, as clients do
// that join it with another, unless that is the path of a resource.
func (s *site) publishSlashed() {
	for path, r := range maps.Clone(s.documents) {
		slashed := path + "/"
		if !strings.HasSuffix(path, "/") && s.documents[slashed] == nil {
			s.documents[slashed] = r
		}
	}
}

// encodeDocument writes the document of a spec (RFC 9728, section 2): first
// the members that are ours, then what metadata adds, sorted by name. Members
// without a value are left out (section 3.2).
func encodeDocument(s Spec) ([]byte, error) {
	members := map[string]any{
		"resource":                 s.URI,
		"authorization_servers":    s.Issuers,
		"scopes_supported":         s.Scopes,
		"bearer_methods_supported": []string{"header"},
	}
	order := []string{"resource", "authorization_servers", "scopes_supported", "bearer_methods_supported"}
	if s.TakesDPoP() { // RFC 9449, section 5.1; RFC 9728, section 2
		members["dpop_signing_alg_values_supported"] = s.ProofAlgorithms
		order = append(order, "dpop_signing_alg_values_supported")
	}
	if s.RequiresDPoP() {
		members["dpop_bound_access_tokens_required"] = true
		order = append(order, "dpop_bound_access_tokens_required")
	}
	maps.Copy(members, s.Metadata)
	for _, name := range slices.Sorted(maps.Keys(s.Metadata)) {
		if name != "scopes_supported" {
			order = append(order, name)
		}
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for _, name := range order {
		value := members[name]
		if isEmpty(value) {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		if err := writeJSON(&b, name); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := writeJSON(&b, value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func isEmpty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []string:
		return len(v) == 0
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// writeJSON writes one value without a line end and without the escapes that
// only HTML needs, so that a URL stays readable.
func writeJSON(b *bytes.Buffer, value any) error {
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1)
	return nil
}

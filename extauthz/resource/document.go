package resource

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/hostpath"
)

// wellKnown is where metadata documents are (RFC 9728, section 3).
const wellKnown = "/.well-known/oauth-protected-resource"

// discovery is where clients look for an authorization server on the host of a
// resource: by RFC 8414, section 3, and by OpenID Connect Discovery, section 4.
var discovery = []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"}

// documentMethods are the methods a document answers.
const documentMethods = "GET, HEAD, OPTIONS"

// Document is the answer to a request for metadata. The zero Document is no
// answer; [Table.Document] never returns it.
type Document struct {
	Name   string        // of the resource it is for, "" for a 404
	Status int           // 200, 204, 404 or 405
	Allow  string        // value of the Allow header of a 405, otherwise ""
	Body   []byte        // JSON, nil for a 204; for HEAD the caller leaves it out. Not to be changed
	MaxAge time.Duration // how long a 200 may be cached
	// Mirrors is the issuer whose own metadata is the body of a 200, which the
	// caller has; otherwise "".
	Mirrors string
}

// isUnder reports whether path, up to its query, is prefix or lies below it.
func isUnder(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/' || rest[0] == '?')
}

// IsMetadata reports whether [Table.Document] answers a request: every metadata
// path, on any host, and on the host of a resource also the paths where clients
// look for the metadata of an authorization server. Clients try the next place
// after a 404 alone: 401 and 403 stop them.
func (t *Table) IsMetadata(authority, path string) bool {
	if !strings.HasPrefix(path, "/.well-known/") {
		return false
	}
	if isUnder(path, wellKnown) {
		return true
	}
	return mirrored(path) != "" && t.isHost(authority)
}

// mirrored returns which of the places where clients look for an authorization
// server a path is in, or "".
func mirrored(path string) string {
	i := slices.IndexFunc(discovery, func(prefix string) bool { return isUnder(path, prefix) })
	if i < 0 {
		return ""
	}
	return discovery[i]
}

// isHost reports whether a resource is on an authority.
func (t *Table) isHost(of string) bool {
	a, ok := hostpath.ParseAuthority(of)
	if !ok {
		return false
	}
	return t.sites[a] != nil || slices.ContainsFunc(t.patterns, func(p pattern) bool {
		_, matches := p.matchHost(a)
		return matches
	})
}

// Document answers a request for metadata (RFC 9728, section 3.1): the
// document of the resource whose path follows the well-known prefix, with or
// without one slash at its end, on an authority of that resource. The prefix
// alone is answered where exactly one resource is. With MirrorMetadata, the paths
// for the metadata of an authorization server are answered the same way, with that
// server's. Everything else is a 404, whatever the method.
func (t *Table) Document(method, authority, path string) Document {
	prefix := cmp.Or(mirrored(path), wellKnown)
	r := t.described(authority, path, prefix)
	switch {
	case r == nil, prefix != wellKnown && !r.MirrorMetadata:
		return Document{Status: http.StatusNotFound, Body: []byte(`{"error":"not_found"}`)}
	case method == http.MethodGet, method == http.MethodHead:
		document := Document{Name: r.Name, Status: http.StatusOK, MaxAge: cmp.Or(r.MetadataMaxAge, time.Hour)}
		if prefix == wellKnown {
			document.Body = r.metadata()
		} else {
			document.Mirrors = r.servers()[0]
		}
		return document
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

// described finds the resource whose document a path below prefix asks for.
func (t *Table) described(of, path, prefix string) *Resource {
	a, ok := hostpath.ParseAuthority(of)
	if !ok || !isUnder(path, prefix) {
		return nil
	}
	path, _, _ = strings.Cut(path[len(prefix):], "?")
	s := t.sites[a]
	if s == nil {
		return t.describedPattern(a, path)
	}
	if r := s.documents[path]; r != nil { // only paths of the configuration are keys, and those are all safe
		return r
	}
	if path == "" {
		return nil // several resources are there
	}
	return t.describedPattern(a, path)
}

// describedPattern finds what a pattern becomes where the whole path, with or
// without one slash at its end, is that of the pattern, or where the path is empty
// and the host alone fills the only pattern on it.
func (t *Table) describedPattern(a hostpath.Authority, path string) *Resource {
	var only *pattern
	hosts := 0
	for i := range t.patterns {
		p := &t.patterns[i]
		values, ok := p.matchHost(a)
		if !ok {
			continue
		}
		only, hosts = p, hosts+1
		if rest, ok := p.matchPath(path, values); ok && (rest == "" || rest == "/") &&
			PathFault("/"+strings.TrimPrefix(path, "/")) == "" {
			return p.fill(values)
		}
	}
	if path != "" || hosts != 1 || only.hasPathPlaceholder() {
		return nil
	}
	values, _ := only.matchHost(a)
	return only.fill(values)
}

// metadata is the document of a resource.
func (r *Resource) metadata() []byte {
	if r.document != nil {
		return r.document
	}
	document, err := encodeDocument(r.Spec, r.Asked)
	if err != nil { // not while metadata checks every value
		return []byte("{}")
	}
	return document
}

// servers are the authorization servers that a document names.
func (s *Spec) servers() []string {
	if s.AuthorizationServers != nil {
		return s.AuthorizationServers
	}
	return s.Issuers
}

// Headers are the exact response headers, in order. Documents are public, so
// that any page may read them: browser clients ask before they have a token
// (RFC 9728 does not mention CORS; the MCP SDKs depend on it).
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
		public := fmt.Sprintf("public, max-age=%d", int(d.MaxAge.Seconds()))
		headers = append(headers, [2]string{"cache-control", public})
	default:
		headers = append(headers, [2]string{"cache-control", "no-store"})
	}
	headers = append(headers, [2]string{"content-type", "application/json"})
	if d.Allow != "" {
		headers = append(headers, [2]string{"allow", d.Allow})
	}
	return headers
}

// publish completes the documents of all sites.
func (t *Table) publish() {
	for _, s := range t.sites {
		s.publishCanonical()
		s.publishBare()
		s.publishSlashed()
	}
	t.shareSites()
}

// shareSites keeps one site for a host with and without the default port, where
// the two have the same resources: nearly always, and there may be many.
func (t *Table) shareSites() {
	for a, s := range t.sites {
		bare := t.sites[hostpath.Authority{Host: a.Host}]
		if a.Port != 0 && bare != nil && maps.Equal(s.All(), bare.All()) && maps.Equal(s.documents, bare.documents) {
			t.sites[a] = bare
		}
	}
}

// publishCanonical lets a site answer the canonical path of its resources too,
// unless that path is taken or two resources would have it: a mesh that
// rewrites the host and not the path asks so.
func (s *site) publishCanonical() {
	wanted := map[string]*Resource{}
	for _, r := range s.All() {
		path := r.locations[0].prefix()
		if other, ok := wanted[path]; ok && other != r {
			wanted[path] = nil
			continue
		}
		wanted[path] = r
	}
	delete(wanted, "") // the bare form has its own rule
	for path, r := range wanted {
		if r != nil && s.documents[path] == nil {
			s.documents[path] = r
		}
	}
}

// publishBare serves the only resource of a site under the prefix alone too. A
// resource that has the whole host owns the bare form in any case.
func (s *site) publishBare() {
	if s.documents[""] != nil {
		return
	}
	var only *Resource
	for _, path := range slices.Sorted(maps.Keys(s.All())) {
		r := s.All()[path]
		switch {
		case only == nil, r.Name == only.Name && r.Asked == r.URI:
			only = r
		case r.Name != only.Name:
			return
		}
	}
	s.documents[""] = only
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

// encodeDocument writes the document of a spec, as it is asked for under one of its
// URLs (RFC 9728, section 2): first the members that are ours, then what metadata adds, sorted by name. Members
// without a value are left out (section 3.2).
func encodeDocument(s Spec, asked string) ([]byte, error) {
	members := map[string]any{
		"resource":                 asked,
		"authorization_servers":    s.servers(),
		"scopes_supported":         s.AskedScopes(s.NeededScopes()),
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
	if supported, ok := s.Metadata["scopes_supported"].([]any); ok {
		members["scopes_supported"] = s.AskedScopes(texts(supported))
	}
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

// texts are the members of a list, which metadata has found to be strings.
func texts(list []any) []string {
	all := make([]string, len(list))
	for i, value := range list {
		all[i], _ = value.(string)
	}
	return all
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

package resource

import (
	"slices"
	"strings"

	"github.com/doorward/doorward/internal/hostpath"
)

// A resource is a pattern where its URL has a placeholder in the place of a
// whole label of the host or a whole segment of the path:
//
//	https://{tenant}.mcp.example.com/mcp
//	https://mcp.example.com/servers/{server}/mcp
//
// A request fills the placeholders, and the filled-in URL is the resource: the
// audience, the metadata document and the challenge are those of that URL. A
// literal resource has precedence over a pattern, and no two patterns match one
// request.

// pattern is one URL of a resource that is a pattern.
type pattern struct {
	resource *Resource
	location location // with placeholders
	labels   []string // of the host
	segments []string // of the path; none for the whole host
	at       string   // the configuration key
	asked    int      // index in the resource's locations
}

func newPattern(r *Resource, l location, asked int, at string) pattern {
	p := pattern{resource: r, location: l, labels: strings.Split(l.host, "."), at: at, asked: asked}
	if prefix := l.prefix(); prefix != "" {
		p.segments = strings.Split(prefix[1:], "/")
	}
	return p
}

// matchHost returns the values of the placeholders in the host. It allocates nothing
// for a host that does not match.
func (p *pattern) matchHost(a hostpath.Authority) (map[string]string, bool) {
	if a.Port != p.location.port && (a.Port != 0 || p.location.port != p.location.defaultPort()) {
		return nil, false
	}
	if !p.eachLabel(a.Host, func(string, string) {}) {
		return nil, false
	}
	values := map[string]string{}
	p.eachLabel(a.Host, func(name, value string) { values[name] = value })
	return values, true
}

// eachLabel calls use with each placeholder of the host and its value. It is false
// where the host does not match.
func (p *pattern) eachLabel(host string, use func(name, value string)) bool {
	for i, label := range p.labels {
		part, rest, more := strings.Cut(host, ".")
		if more != (i < len(p.labels)-1) {
			return false
		}
		if name, ok := placeholderName(label); ok {
			if !isLabelValue(part) {
				return false
			}
			use(name, part)
		} else if part != label {
			return false
		}
		host = rest
	}
	return true
}

// matchPath adds the values of the placeholders in the path, and returns what
// follows the part of the path that the pattern covers.
func (p *pattern) matchPath(path string, values map[string]string) (rest string, ok bool) {
	rest = path
	for i, segment := range p.segments {
		if rest == "" || rest[0] != '/' {
			return "", false
		}
		end := strings.IndexByte(rest[1:], '/') + 1
		if end == 0 {
			end = len(rest)
		}
		part := rest[1:end]
		if segment == "" && i == len(p.segments)-1 { // the pattern ends in a slash
			return rest[1:], true
		}
		if name, isPlaceholder := placeholderName(segment); isPlaceholder {
			if !isSegmentValue(part) {
				return "", false
			}
			values[name] = part
		} else if part != segment {
			return "", false
		}
		rest = rest[end:]
	}
	return rest, true
}

// hasPathPlaceholder reports whether a host alone does not fill the pattern.
func (p *pattern) hasPathPlaceholder() bool {
	return slices.ContainsFunc(p.segments, func(segment string) bool {
		_, ok := placeholderName(segment)
		return ok
	})
}

// findPattern returns the resource that the one matching pattern becomes, or nil.
func (t *Table) findPattern(a hostpath.Authority, path string) *Resource {
	for i := range t.patterns {
		p := &t.patterns[i]
		values, ok := p.matchHost(a)
		if !ok {
			continue
		}
		if _, ok := p.matchPath(path, values); ok {
			return p.fill(values)
		}
	}
	return nil
}

// fill makes the resource of these values. asked is the URL that matched, or the
// resource's own where that is an AlsoAt, which no client knows.
func (p *pattern) fill(values map[string]string) *Resource {
	template := p.resource
	r := &Resource{Spec: template.Spec, Values: values}
	r.URI = expand(template.URI, values)
	r.Aliases = expandAll(template.Aliases, values)
	r.AlsoAt = expandAll(template.AlsoAt, values)
	r.Audiences = expandAll(template.Audiences, values)
	if template.AuthorizationServers != nil {
		r.AuthorizationServers = expandAll(template.AuthorizationServers, values)
	}
	r.locations = make([]location, len(template.locations))
	for i, l := range template.locations {
		l.host, l.path = expand(l.host, values), expand(l.path, values)
		r.locations[i] = l
	}
	if p.asked > len(r.Aliases) {
		return r.askedAt(0)
	}
	return r.askedAt(p.asked)
}

// askedAt makes r the resource as it is under its own URL (0) or an alias (1 and
// more): that URL has its own document and challenge.
func (r *Resource) askedAt(url int) *Resource {
	r.Asked = r.URI
	if url > 0 {
		r.Asked = r.Aliases[url-1]
	}
	own := r.locations[url]
	r.locations = slices.Concat([]location{own}, r.locations[:url], r.locations[url+1:])
	r.origins = make([]string, len(r.locations))
	for i, l := range r.locations {
		r.origins[i] = l.origin()
	}
	r.MetadataURL = r.origins[0] + wellKnown + own.prefix()
	return r
}

// literalAt returns what has precedence over a filled-in pattern: the literal
// resource that a request for its URL would find, nil where that is ambiguous, or
// else filled itself.
func (t *Table) literalAt(filled *Resource) *Resource {
	own := filled.locations[0]
	if s := t.sites[own.authorities()[0]]; s != nil {
		if r, unambiguous := s.Find(own.prefix()); r != nil || !unambiguous {
			return r
		}
	}
	return filled
}

// namedPattern finds the resource that a mesh names: by a filled-in URL, or by the
// name of a pattern whose placeholders are all in the host, which authority fills.
func (t *Table) namedPattern(nameOrURI, authority string) *Resource {
	for i := range t.patterns {
		p := &t.patterns[i]
		if p.asked > 0 || p.resource.Name != nameOrURI || p.hasPathPlaceholder() {
			continue
		}
		a, ok := hostpath.ParseAuthority(authority)
		if values, matches := p.matchHost(a); ok && matches {
			return t.literalAt(p.fill(values))
		}
	}
	l, faults := parseLocation(nameOrURI)
	if len(faults) > 0 {
		return nil
	}
	named := l.authorities()[0]
	for i := range t.patterns {
		p := &t.patterns[i]
		if p.location.scheme != l.scheme || p.asked > len(p.resource.Aliases) {
			continue
		}
		values, ok := p.matchHost(named)
		if !ok {
			continue
		}
		if rest, ok := p.matchPath(l.prefix(), values); ok && rest == "" {
			return t.literalAt(p.fill(values))
		}
	}
	return nil
}

// meets reports whether a request can match both patterns. Literal segments are
// compared as a server compares them that ignores case.
func (p *pattern) meets(q *pattern) bool {
	if !p.location.sharesAuthority(q.location) || len(p.labels) != len(q.labels) {
		return false
	}
	for i := range p.labels {
		if !unify(p.labels[i], q.labels[i], isLabelValue) {
			return false
		}
	}
	for i := range min(len(p.segments), len(q.segments)) {
		if !unify(p.segments[i], q.segments[i], isSegmentValue) {
			return false
		}
	}
	return true
}

// unify reports whether one text can match two labels or segments.
func unify(a, b string, isValue func(string) bool) bool {
	_, aIsPlaceholder := placeholderName(a)
	_, bIsPlaceholder := placeholderName(b)
	switch {
	case aIsPlaceholder && bIsPlaceholder, a == "" || b == "": // "": a pattern that ends in a slash
		return true
	case aIsPlaceholder:
		return isValue(hostpath.Fold(b))
	case bIsPlaceholder:
		return isValue(hostpath.Fold(a))
	}
	return hostpath.Fold(a) == hostpath.Fold(b)
}

// hides reports whether every request that the pattern matches is one of a literal
// location, which has precedence.
func (l location) hides(p *pattern) bool {
	if l.host != p.location.host || l.port != p.location.port {
		return false
	}
	prefix := l.prefix()
	return hostpath.Covers(prefix, p.location.prefix())
}

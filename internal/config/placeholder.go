package config

import (
	"fmt"
	"net/url"
	"strings"
)

// checkPlaceholders refuses patterns and placeholders in values that are compared
// byte for byte: they would match nothing, or another request than intended.
func (r *reader) checkPlaceholders() {
	for i, is := range r.doc.Issuers {
		at := element("issuers", i)
		if !is.isTemplate() {
			r.noPlaceholder(at+".issuer", is.Issuer)
		}
		r.noPlaceholder(at+".jwks_uri", is.JWKSURI)
		r.noPlaceholder(at+".discovery_url", is.DiscoveryURL)
	}
	for i, e := range r.doc.Resources {
		at := element("resources", i)
		r.onlyNamed(at+".resource", e.Resource)
		for j, raw := range e.Aliases {
			r.onlyNamed(element(at+".aliases", j), raw)
		}
		for j, raw := range e.AlsoAt {
			r.onlyNamed(element(at+".also_at", j), raw)
		}
		for j, raw := range e.Audiences {
			r.onlyNamed(element(at+".audiences", j), raw)
		}
		for j, raw := range e.Origins {
			if !strings.Contains(raw, "*") { // resource.NewTable checks and warns of it
				r.noPlaceholder(element(at+".origins", j), raw)
			}
		}
	}
}

// onlyNamed refuses every pattern but {name}, which resource.NewTable checks.
func (r *reader) onlyNamed(path, raw string) {
	if !strings.Contains(raw, "{") {
		r.noPlaceholder(path, raw)
	}
}

func (r *reader) noPlaceholder(path, raw string) {
	if found := placeholder(raw); found != "" {
		r.problem(path, fmt.Sprintf("contains %q, and patterns and placeholders are not supported", found),
			"write one entry for each value, in full")
	}
}

// placeholder returns the part of a URL that looks like a pattern or a placeholder:
// "*", "{tenant}", "<tenant>", or a segment such as ":id"; "" if there is none.
// Percent-encoding is decoded first.
func placeholder(raw string) string {
	if plain, err := url.PathUnescape(raw); err == nil {
		raw = plain
	}
	for _, brackets := range []string{"{}", "<>"} {
		if start := strings.IndexByte(raw, brackets[0]); start >= 0 {
			length := strings.IndexByte(raw[start:], brackets[1])
			if length < 0 {
				length = len(raw[start:]) - 1
			}
			return raw[start : start+length+1]
		}
	}
	if strings.Contains(raw, "*") {
		return "*"
	}
	_, rest, _ := strings.Cut(raw, "://")
	for _, segment := range strings.Split(rest, "/")[1:] {
		if len(segment) > 1 && segment[0] == ':' {
			return segment
		}
	}
	return ""
}

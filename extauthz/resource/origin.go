package resource

import (
	"fmt"
	"slices"
	"strings"

	"github.com/doorward/doorward/internal/hostpath"
)

// AllowsOrigin reports whether a request to authority with this Origin header may
// proceed (MCP transports, DNS rebinding): with the origin of the URL that was
// asked, that of another URL of the resource whose authority this is, an entry of
// Origins byte for byte, with one label in the place of "*." at the beginning of
// its host, or any value where Origins has "*". An empty value is not
// allowed; the caller decides on a request without the header.
func (r *Resource) AllowsOrigin(origin, authority string) bool {
	switch i := slices.Index(r.origins, origin); {
	case origin == "":
		return false
	case i == 0, slices.ContainsFunc(r.Origins, func(allowed string) bool { return matchesOrigin(allowed, origin) }):
		return true
	case i < 0:
		return false
	}
	a, ok := hostpath.ParseAuthority(authority)
	return ok && slices.ContainsFunc(r.locations[1:], func(l location) bool { return l.at(a) && l.origin() == origin })
}

// matchesOrigin reports whether an entry of Origins allows an origin.
func matchesOrigin(allowed, origin string) bool {
	if allowed == origin || allowed == "*" {
		return true
	}
	scheme, rest, ok := strings.Cut(allowed, "://*.")
	if !ok {
		return false
	}
	host, ok := strings.CutPrefix(origin, scheme+"://")
	label, after, cut := strings.Cut(host, ".")
	return ok && cut && after == rest && isOriginLabel(label)
}

// isOriginLabel reports a label as browsers write it, A-labels among them.
func isOriginLabel(label string) bool {
	return label != "" && strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// origins checks the further Origin values of one resource.
func (c *checker) origins(at string, s Spec) {
	for i, origin := range s.Origins {
		entry := fmt.Sprintf("%s[%d]", at, i)
		switch {
		case len(s.Anonymous) > 0 && (origin == "*" || origin == "null"):
			c.problem(entry, "lets any web page call what anonymous opens: name the origins of the pages instead")
		case origin == "*":
			c.warning(entry, "lets every web page send requests: name the origins instead")
		case origin == "null":
			c.warning(entry, "is what every sandboxed page sends: name the origin of the page, such as "+
				"https://app.example.com")
		default:
			if fault := originFault(origin); fault != "" {
				c.problem(entry, "%s", fault)
			}
		}
	}
	c.duplicates(at, s.Origins)
}

// originFault describes how an entry differs from what browsers send (RFC 6454,
// section 6.2); "" if it does not. Schemes of extensions and editors are accepted
// as https is.
func originFault(origin string) string {
	const advice = ": write scheme://host or scheme://host:port"
	scheme, rest, ok := strings.Cut(origin, "://")
	if !ok || !isScheme(scheme) {
		return "is not an origin" + advice
	}
	if below, any := strings.CutPrefix(rest, "*."); any {
		if !strings.Contains(below, ".") {
			return "has * before a domain of one label, which has pages of others: write *.example.com"
		}
		origin, rest = scheme+"://any."+below, "any."+below
	}
	if strings.Contains(rest, "*") {
		return "has * in another place than a whole first label: " +
			"write " + scheme + "://*.example.com, or name each origin"
	}
	if strings.ContainsAny(rest, "/?#@") {
		return "is more than an origin" + advice + ", without a slash after it"
	}
	if scheme == schemeHTTP || scheme == schemeHTTPS {
		_, faults := parseLocation(origin)
		return strings.Join(faults, "; ")
	}
	a, ok := hostpath.ParseAuthority(rest)
	switch {
	case !ok:
		return "has no valid host or port" + advice
	case hostpath.LowerASCII(rest) != rest || a.Host == "":
		return "is not in lower case: write " + hostpath.LowerASCII(origin)
	}
	return ""
}

// isScheme reports whether s is a scheme in lower case (RFC 3986, section 3.1).
func isScheme(s string) bool {
	return s != "" && s[0] >= 'a' && s[0] <= 'z' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789+-.") == ""
}

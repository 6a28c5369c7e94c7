package resource

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/hostpath"
)

// checker collects the problems of a list of specs.
type checker struct {
	problems finding.List
	insecure []string // hosts that may be http://, canonical, or "loopback"
}

// check finds everything that is wrong with specs. The resources are good for
// use if no problem is more than a warning.
func check(specs []Spec, insecureHTTPHosts []string) ([]*Resource, finding.List) {
	c := &checker{}
	for _, host := range insecureHTTPHosts {
		c.insecure = append(c.insecure, insecureHost(host))
	}
	var resources []*Resource
	for i, s := range specs {
		resources = append(resources, c.spec(fmt.Sprintf("resources[%d]", i), s))
	}
	c.names(resources)
	c.overlaps(resources)
	c.sharedAudiences(resources)
	return resources, c.problems
}

func (c *checker) problem(path, format string, args ...any) {
	c.problems = append(c.problems, finding.Finding{Path: path, Message: fmt.Sprintf(format, args...)})
}

// conflict is a problem with two keys: format has one %s, for the other.
func (c *checker) conflict(path, other, format string, severity finding.Severity) {
	c.problems = append(c.problems, finding.Finding{
		Path: path, Message: fmt.Sprintf(format, other), Other: other, Severity: severity,
	})
}

func (c *checker) warning(path, message string) {
	c.problems = append(c.problems, finding.Finding{Path: path, Message: message, Severity: finding.Warning})
}

// spec checks what can be seen of one spec alone. A URL that cannot be read
// leaves a zero location in its place.
func (c *checker) spec(at string, s Spec) *Resource {
	r := &Resource{Spec: s.clone()}
	if r.Name == "" {
		r.Name = r.URI
	}
	r.locations = append(r.locations, c.canonicalURI(at+".resource", s.URI))
	for i, raw := range s.Aliases {
		r.locations = append(r.locations, c.canonicalURI(fmt.Sprintf("%s.aliases[%d]", at, i), raw))
	}
	for i, raw := range s.AlsoAt {
		r.locations = append(r.locations, c.location(fmt.Sprintf("%s.also_at[%d]", at, i), raw))
	}
	r.askedAt(0)
	c.placeholders(at, r)
	c.binding(at, s)
	c.scopeRules(at, s)
	c.servers(at, s)
	c.name(at+".name", s.Name)
	c.audiences(at+".audiences", r)
	if len(s.Issuers) == 0 {
		c.problem(at+".issuers", "is empty, so that no token could be accepted: write [https://issuer]")
	}
	c.duplicates(at+".issuers", s.Issuers)
	c.scopes(at+".scopes", s.Scopes)
	c.operationRules(at, s)
	c.origins(at+".origins", s)
	c.metadata(at+".metadata", s.Metadata)
	return r
}

// canonicalURI checks the resource's own URL. Clients send tokens to this URL
// alone, so only this one must be https (OAuth 2.1, section 1.5). Inside a mesh
// other rules may hold.
func (c *checker) canonicalURI(at, raw string) location {
	if raw == "" {
		c.problem(at, "is missing: write the URL that users give to their clients, such as https://mcp.example.com/mcp")
		return location{}
	}
	l := c.location(at, raw)
	switch {
	case hasOpenDomain(l.host):
		c.problem(at, "has a placeholder in the last two labels of the host, which would match the domains of "+
			"others: write it in a label before")
	case l.scheme != schemeHTTP:
	case c.allowsHTTP(l.host):
		c.warning(at, "is http://: tokens travel in the clear")
	default:
		c.problem(at, "is http://: write https://, or name the host in insecure_http_hosts")
	}
	return l
}

func (c *checker) location(at, raw string) location {
	names, err := Placeholders(raw)
	if err != nil {
		c.problem(at, "%s", err.Error())
		return location{}
	}
	plain, undo := withStandIns(raw, names)
	l, faults := parseLocation(plain)
	for _, fault := range faults {
		c.problem(at, "%s", undo.Replace(fault))
	}
	l.host, l.path = undo.Replace(l.host), undo.Replace(l.path)
	if fault := placeholderFault(l, names); fault != "" && len(faults) == 0 {
		c.problem(at, "%s", fault)
		return location{}
	}
	if len(faults) > 0 {
		return location{}
	}
	return l
}

func (c *checker) allowsHTTP(host string) bool {
	return slices.ContainsFunc(c.insecure, func(allowed string) bool {
		if allowed == loopback {
			return isLoopback(host)
		}
		return allowed == host
	})
}

// loopback names all hosts whose traffic does not leave the machine.
const loopback = "loopback"

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// insecureHost brings an entry of the configuration into the spelling of
// [hostpath.Authority]. An IPv6 address may come without brackets.
func insecureHost(s string) string {
	if strings.Contains(s, ":") && !strings.HasPrefix(s, "[") {
		s = "[" + s + "]"
	}
	host, _ := hostpath.CanonicalHost(s)
	return host
}

// nameBytes bounds a name, which is a label of every metric.
const nameBytes = 128

func (c *checker) name(at, name string) {
	unprintable := strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' })
	if unprintable || len(name) > nameBytes || strings.TrimSpace(name) != name {
		c.problem(at, "is not usable as a label: write at most %d printable ASCII characters", nameBytes)
	}
}

// audiences checks the further aud values of one resource.
func (c *checker) audiences(at string, r *Resource) {
	for i, audience := range r.Audiences {
		entry := fmt.Sprintf("%s[%d]", at, i)
		switch {
		case strings.Contains(audience, "{"): // see placeholders
		case audience == "":
			c.problem(entry, "is empty: write an exact aud value, or leave it out")
		case audienceKey(audience) == audienceKey(r.URI):
			c.warning(entry, "is the resource itself, which is always accepted: leave it out")
		case strings.Contains(audience, "*"), strings.TrimSpace(audience) != audience:
			c.warning(entry, "is compared byte for byte, so that no token has it unless an issuer writes the very "+
				"same star or space: write each aud value out")
		case isGeneric(audience):
			c.warning(entry, "is a word that other services use too, so that their tokens would open this one: have "+
				"the issuer put the resource in aud")
		}
	}
	c.duplicates(at, r.Audiences)
}

// isGeneric distinguishes a word such as api or account from a URI, an address or
// a random identifier.
func isGeneric(audience string) bool {
	return !strings.ContainsAny(audience, ":.0123456789")
}

// offlineAccess is a scope that asks the authorization server for a refresh
// token. No resource needs it, and no challenge asks for it (MCP
// authorization, "Refresh Tokens"); some clients ask for it only where the
// metadata document lists it.
const offlineAccess = "offline_access"

// scopes checks the scopes that a challenge names.
func (c *checker) scopes(at string, scopes []string) {
	for i, scope := range scopes {
		if scope == offlineAccess {
			c.problem(fmt.Sprintf("%s[%d]", at, i),
				"is offline_access, which is between client and issuer: leave it out")
		}
	}
	c.scopeTokens(at, scopes)
}

// scopeTokens checks a list of scope-tokens (RFC 6749, section 3.3).
func (c *checker) scopeTokens(at string, scopes []string) {
	for i, scope := range scopes {
		if !isScopeToken(scope) {
			c.problem(fmt.Sprintf("%s[%d]", at, i),
				"is not one scope: write visible ASCII without space, quote and backslash, one scope an entry")
		}
	}
	c.duplicates(at, scopes)
}

func isScopeToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '"' || r == '\\'
	})
}

// duplicates reports every entry that an earlier one repeats.
func (c *checker) duplicates(at string, list []string) {
	for i, entry := range list {
		if slices.Contains(list[:i], entry) {
			c.problem(fmt.Sprintf("%s[%d]", at, i), "is listed twice: leave one out")
		}
	}
}

package resource

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/doorward/doorward/extauthz/finding"
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
	c.origins(at+".origins", s.Origins)
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

// placeholderFault says which placeholder is no whole label of the host and no
// whole segment of the path; "" for none.
func placeholderFault(l location, names []string) string {
	labels, segments := strings.Split(l.host, "."), strings.Split(l.path, "/")
	for _, name := range names {
		part := "{" + name + "}"
		if !slices.Contains(labels, part) && !slices.Contains(segments, part) {
			return "has " + part + " as a part of a label or a segment: make it a whole label of the host or a " +
				"whole segment of the path"
		}
	}
	return ""
}

// hasOpenDomain reports a placeholder in the last two labels of a host: it would
// match the domains of others.
func hasOpenDomain(host string) bool {
	labels := strings.Split(host, ".")
	if len(labels) > 1 && labels[len(labels)-1] == "localhost" {
		return false
	}
	return slices.ContainsFunc(labels[max(0, len(labels)-2):], func(label string) bool {
		_, ok := placeholderName(label)
		return ok
	})
}

// placeholders checks that whatever names a resource which is a pattern is filled
// by each request, and that nothing else has placeholders.
func (c *checker) placeholders(at string, r *Resource) {
	names, err := Placeholders(r.URI)
	if err != nil {
		return // reported
	}
	c.repeats(at+".aliases", r.Aliases, names)
	c.repeats(at+".also_at", r.AlsoAt, names)
	for i, audience := range r.Audiences {
		entry := fmt.Sprintf("%s.audiences[%d]", at, i)
		if _, err := Placeholders(audience); err != nil {
			c.problem(entry, "%s", err.Error())
		} else if mergesValues(audience) {
			c.problem(entry, "has placeholders with nothing between them that ends a value, so that it is the same "+
				"for other values: write . or / between them")
		}
	}
	c.repeats(at+".audiences", r.Audiences, names)
	for _, name := range slices.Sorted(maps.Keys(r.Parameters)) {
		entry := at + ".parameters." + name
		switch {
		case !slices.Contains(names, name):
			c.problem(entry, "is no placeholder of the resource: write {%s} into its URL, or leave the entry out", name)
		case r.Parameters[name] == "":
			c.problem(entry, "names no claim: write the claim that has the value of {%s}", name)
		}
	}
	c.ties(at, r, names)
}

// repeats checks that texts have the placeholders of the resource, all of them and
// no others.
func (c *checker) repeats(at string, texts, names []string) {
	for i, text := range texts {
		there, err := Placeholders(text)
		if err != nil || sameNames(names, there) {
			continue
		}
		message := "has a placeholder that the resource does not have: write one entry for each value, in full"
		if len(names) > 0 {
			message = "does not have the placeholders of the resource, {" + strings.Join(names, "} and {") +
				"}: write each of them, or one such value is for all of them"
		}
		c.problem(fmt.Sprintf("%s[%d]", at, i), "%s", message)
	}
}

// ties checks that a pattern's ways to name tokens by something other than its URL
// tie each placeholder to a claim, and warns where nothing does.
func (c *checker) ties(at string, r *Resource, names []string) {
	if len(names) == 0 || len(r.Parameters) == len(names) {
		return
	}
	if len(r.Clients) > 0 {
		c.problem(at+".clients", "is for a pattern whose placeholders are tied to no claim, so that a client of one "+
			"would open all: write parameters: {%s: a claim}", names[0])
	}
	c.warning(at+".resource", "is a pattern: the URL says where a token is for, not that its user belongs there: "+
		"write parameters: {"+names[0]+": a claim}, or a rule over input.resource.parameters")
}

// sameNames reports whether two texts have the same placeholders.
func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// binding checks the entries that bind a token to the resource where aud does not.
func (c *checker) binding(at string, s Spec) {
	c.exact(at+".clients", s.Clients)
	c.exact(at+".subjects", s.Subjects)
	for _, claim := range slices.Sorted(maps.Keys(s.Claims)) {
		entry := at + ".claims." + claim
		if slices.Contains(claimsOfNoCaller, claim) {
			c.problem(entry, "says nothing of the caller, who chooses aud and shares the others with every caller: "+
				"write a claim that names it")
		}
		if len(s.Claims[claim]) == 0 || slices.Contains(s.Claims[claim], "") {
			c.problem(entry, "has no value, or an empty one: write the values that are accepted")
		}
		for i, value := range s.Claims[claim] {
			c.segments(fmt.Sprintf("%s[%d]", entry, i), value)
		}
	}
	for i, value := range s.Subjects {
		c.segments(fmt.Sprintf("%s.subjects[%d]", at, i), value)
	}
}

// claimsOfNoCaller are those that any caller of an issuer can have with any value, or
// that all callers have alike.
var claimsOfNoCaller = []string{"iss", "aud", "exp", "nbf", "iat", "jti"}

// exact checks values that are compared byte for byte.
func (c *checker) exact(at string, values []string) {
	for i, value := range values {
		if value == "" || strings.TrimSpace(value) != value {
			c.problem(fmt.Sprintf("%s[%d]", at, i), "is empty or has spaces around it: write the exact value")
		}
	}
	c.duplicates(at, values)
}

// segments refuses a star that is not a whole segment.
func (c *checker) segments(at, value string) {
	parts := strings.FieldsFunc(value, isSeparator)
	if slices.ContainsFunc(parts, func(part string) bool { return part != "*" && strings.Contains(part, "*") }) {
		c.problem(at, "has * in a part of a segment: * matches one whole segment between : and / alone")
	}
	switch {
	case len(parts) > 0 && !slices.ContainsFunc(parts, func(part string) bool { return part != "*" }):
		c.problem(at, "matches every value: write at least one segment out")
	case strings.HasPrefix(value, "repo:*"):
		c.warning(at, "matches the repositories of every owner, and anyone can own one: write the owner out")
	case strings.HasPrefix(value, "system:serviceaccount:*:*"):
		c.warning(at, "matches every service account: write the namespace out")
	}
}

// servers checks what the document names as authorization servers.
func (c *checker) servers(at string, s Spec) {
	names, _ := Placeholders(s.URI)
	for i, server := range s.AuthorizationServers {
		entry := fmt.Sprintf("%s.authorization_servers[%d]", at, i)
		there, err := Placeholders(server)
		plain, undo := withStandIns(server, there)
		_, faults := parseLocation(plain)
		switch {
		case err != nil:
			c.problem(entry, "%s", err.Error())
		case len(faults) > 0:
			c.problem(entry, "is no URL of an authorization server: it %s", undo.Replace(faults[0]))
		case slices.ContainsFunc(there, func(name string) bool { return !slices.Contains(names, name) }):
			c.problem(entry,
				"has a placeholder that the resource does not have: write one entry for each value, in full")
		}
	}
	c.duplicates(at+".authorization_servers", s.AuthorizationServers)
	if s.MirrorMetadata && len(s.servers()) != 1 {
		c.problem(at+".mirror_metadata", "needs exactly one authorization server, and the document names %d: write "+
			"one in authorization_servers, or leave mirror_metadata out", len(s.servers()))
	}
}

// scopeRules checks scope_prefix, scopes_any and scope_implies.
func (c *checker) scopeRules(at string, s Spec) {
	if s.ScopePrefix != "" && !isScopeToken(s.ScopePrefix) {
		c.problem(at+".scope_prefix", "is not the beginning of a scope: write visible ASCII without space, quote "+
			"and backslash")
	}
	c.withoutPrefix(at+".scopes", s, s.Scopes)
	for i, alternative := range s.ScopesAny {
		c.withoutPrefix(fmt.Sprintf("%s.scopes_any[%d]", at, i), s, alternative)
	}
	for i, alternative := range s.ScopesAny {
		entry := fmt.Sprintf("%s.scopes_any[%d]", at, i)
		if len(alternative) == 0 {
			c.problem(entry, "is empty, which every token has: write at least one scope")
		}
		c.scopes(entry, alternative)
	}
	for _, scope := range slices.Sorted(maps.Keys(s.ScopeImplies)) {
		entry := at + ".scope_implies." + scope
		c.scopeTokens(entry, []string{scope})
		c.scopeTokens(entry, s.ScopeImplies[scope])
		if slices.Contains(s.WithImplied(s.ScopeImplies[scope]), scope) {
			c.problem(entry, "includes itself, directly or through another: take one of the entries of the cycle out")
		}
	}
}

// withoutPrefix refuses a scope that begins with ScopePrefix: [Spec.HeldScopes] takes
// that off a token's scopes, so that no token would have it.
func (c *checker) withoutPrefix(at string, s Spec, scopes []string) {
	for i, scope := range scopes {
		if rest, has := strings.CutPrefix(scope, s.ScopePrefix); has && s.ScopePrefix != "" {
			c.problem(fmt.Sprintf("%s[%d]", at, i), "begins with scope_prefix, which is taken off a token's scopes, "+
				"so that no token has it: write %s", rest)
		}
	}
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
// authority.host. An IPv6 address may come without brackets.
func insecureHost(s string) string {
	if strings.Contains(s, ":") && !strings.HasPrefix(s, "[") {
		s = "[" + s + "]"
	}
	host, _ := canonicalHost(s)
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

// origins checks the further Origin values of one resource.
func (c *checker) origins(at string, origins []string) {
	for i, origin := range origins {
		entry := fmt.Sprintf("%s[%d]", at, i)
		switch origin {
		case "*":
			c.warning(entry, "lets every web page send requests: name the origins instead")
		case "null":
			c.warning(entry, "is what every sandboxed page sends: name the origin of the page, such as "+
				"https://app.example.com")
		default:
			if fault := originFault(origin); fault != "" {
				c.problem(entry, "%s", fault)
			}
		}
	}
	c.duplicates(at, origins)
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
	a, ok := parseAuthority(rest)
	switch {
	case !ok:
		return "has no valid host or port" + advice
	case lowerASCII(rest) != rest || a.host == "":
		return "is not in lower case: write " + lowerASCII(origin)
	}
	return ""
}

// isScheme reports whether s is a scheme in lower case (RFC 3986, section 3.1).
func isScheme(s string) bool {
	return s != "" && s[0] >= 'a' && s[0] <= 'z' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789+-.") == ""
}

// duplicates reports every entry that an earlier one repeats.
func (c *checker) duplicates(at string, list []string) {
	for i, entry := range list {
		if slices.Contains(list[:i], entry) {
			c.problem(fmt.Sprintf("%s[%d]", at, i), "is listed twice: leave one out")
		}
	}
}

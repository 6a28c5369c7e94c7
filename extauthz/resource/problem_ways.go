package resource

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

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

package resource

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/hostpath"
)

// names checks that a name means one resource, since the mesh may select by
// name or URI.
func (c *checker) names(resources []*Resource) {
	byName, byURI := map[string]int{}, map[string]int{}
	for i, r := range resources {
		byURI[r.URI] = i
		for _, alias := range r.Aliases {
			byURI[alias] = i
		}
	}
	for i, r := range resources {
		if r.Name == r.URI {
			continue // the same URI twice is found as the same path twice
		}
		at := fmt.Sprintf("resources[%d].name", i)
		if other, ok := byName[r.Name]; ok {
			c.conflict(at, fmt.Sprintf("resources[%d]", other), "is also the name of %s: give each resource its own",
				finding.Error)
		}
		if other, ok := byURI[r.Name]; ok {
			c.conflict(at, fmt.Sprintf("resources[%d]", other), "is the URL of %s: write a short name", finding.Error)
		}
		byName[r.Name] = i
	}
}

// address is what a request shows of a location: everything but the scheme.
type address struct {
	authority hostpath.Authority
	folded    string
}

// claimed is the resource that has an address, and its configuration key.
type claimed struct {
	resource *Resource
	location location
	at       string
}

// overlaps checks that no address belongs to two resources. Addresses are
// compared folded: of two paths that differ in case alone, a server that
// ignores case would serve one for the other.
func (c *checker) overlaps(resources []*Resource) {
	taken := map[address]claimed{}
	for i, r := range resources {
		for j, l := range r.locations {
			if l != (location{}) && !r.isPattern() {
				c.claim(taken, claimed{r, l, keyOf(i, j, len(r.Aliases))})
			}
		}
	}
	c.patterns(resources)
}

// keyOf is the configuration key of the location with index j of a resource that
// has so many aliases.
func keyOf(i, j, aliases int) string {
	switch {
	case j == 0:
		return fmt.Sprintf("resources[%d].resource", i)
	case j <= aliases:
		return fmt.Sprintf("resources[%d].aliases[%d]", i, j-1)
	}
	return fmt.Sprintf("resources[%d].also_at[%d]", i, j-1-aliases)
}

// patterns checks that no two patterns match one request, and that each matches
// a request that no literal resource takes.
func (c *checker) patterns(resources []*Resource) {
	all := patternsOf(resources)
	for i := range all {
		p := &all[i]
		if j := slices.IndexFunc(all[:i], func(q pattern) bool { return p.meets(&q) }); j >= 0 {
			c.conflict(p.at, all[j].at, "can match the same request as %s: write patterns of which a request "+
				"matches one alone", finding.Error)
		}
	}
	for i, r := range resources {
		if len(all) == 0 || r.isPattern() {
			continue
		}
		for j, l := range r.locations {
			hidden := slices.IndexFunc(all, func(p pattern) bool { return l.hides(&p) })
			if hidden >= 0 {
				c.conflict(all[hidden].at, keyOf(i, j, len(r.Aliases)),
					"is never reached, because a literal URL has precedence and %s takes every such request: give "+
						"the two different paths", finding.Error)
			}
		}
	}
}

// claim enters a location and reports at most one conflict.
func (c *checker) claim(taken map[address]claimed, mine claimed) {
	reported := false
	for _, a := range mine.location.authorities() {
		key := address{a, hostpath.Fold(mine.location.prefix())}
		other, found := taken[key]
		if !found {
			taken[key] = mine
			continue
		}
		message := conflict(mine, other)
		if message != "" && !reported {
			c.conflict(mine.at, other.at, message, finding.Error)
			reported = true
		}
	}
}

// conflict is the format of what is wrong with two claims on one address, with
// %s for the other; "" if nothing is.
func conflict(mine, other claimed) string {
	same := mine.location.prefix() == other.location.prefix()
	switch {
	case mine.resource == other.resource && same && mine.location.scheme == other.location.scheme:
		return "is the same URL as %s: leave it out"
	case mine.resource == other.resource:
		return ""
	case same:
		return "is the same authority and path as %s: give each URL to one resource"
	}
	return "differs from %s in case or escapes alone: write paths that no server takes for each other"
}

// sharedAudiences warns of a token that two resources would accept.
func (c *checker) sharedAudiences(resources []*Resource) {
	owners := map[string]int{} // of URIs
	for i, r := range resources {
		for _, uri := range slices.Concat([]string{r.URI}, r.Aliases) {
			owners[audienceKey(uri)] = i
		}
	}
	first := map[string]int{} // resource that names an audience first
	for i, r := range resources {
		for j, audience := range r.Audiences {
			at := fmt.Sprintf("resources[%d].audiences[%d]", i, j)
			if owner, ok := owners[audienceKey(audience)]; ok && owner != i {
				c.conflict(at, fmt.Sprintf("resources[%d]", owner),
					"is the URL of %s, so that its tokens open this resource too: leave it out", finding.Warning)
				continue
			}
			if other, ok := first[audience]; ok && other != i {
				c.conflict(at, fmt.Sprintf("resources[%d]", other),
					"is also accepted by %s, so that a token for one opens both: give each its own", finding.Warning)
				continue
			}
			first[audience] = i
		}
	}
	c.audiencesOfPatterns(resources)
}

// names is what aud may say of one resource.
type names struct {
	resource  int
	text      string
	expressed *regexp.Regexp // nil without a placeholder
	sample    string         // the text with some values
	audience  int            // index in the resource's audiences, -1 for a URL
}

func namesOf(resource int, text string, audience int) names {
	n := names{resource: resource, text: text, sample: text, audience: audience}
	if strings.Contains(text, "{") && utf8.ValidString(text) { // others are refused
		n.expressed = regexp.MustCompile(expression(text, "[A-Za-z0-9_-]{1,128}"))
		n.sample = placeholderForm.ReplaceAllString(text, "x")
	}
	return n
}

func (n names) meets(m names) bool {
	return n.expressed != nil && n.expressed.MatchString(m.sample) ||
		m.expressed != nil && m.expressed.MatchString(n.sample)
}

// audiencesOfPatterns warns of an audience that is, for some values, the URL or an
// audience of another resource, where one of the two is a pattern.
func (c *checker) audiencesOfPatterns(resources []*Resource) {
	if !slices.ContainsFunc(resources, func(r *Resource) bool { return r.isPattern() }) {
		return
	}
	var all, patterns []names
	for i, r := range resources {
		before := len(all)
		for _, uri := range slices.Concat([]string{r.URI}, r.Aliases) {
			all = append(all, namesOf(i, uri, -1))
		}
		for j, audience := range r.Audiences {
			all = append(all, namesOf(i, audience, j))
		}
		if r.isPattern() {
			patterns = append(patterns, all[before:]...)
		}
	}
	for _, mine := range all {
		if mine.audience < 0 {
			continue
		}
		others := patterns
		if mine.expressed != nil {
			others = all
		}
		other := slices.IndexFunc(others, func(n names) bool {
			later := n.audience >= 0 && n.resource > mine.resource // it has the warning
			return n.resource != mine.resource && n.text != mine.text && !later && mine.meets(n)
		})
		if other >= 0 {
			c.conflict(fmt.Sprintf("resources[%d].audiences[%d]", mine.resource, mine.audience),
				fmt.Sprintf("resources[%d]", others[other].resource), "can be the URL or an audience of %s, so that a "+
					"token for one opens both: leave it out", finding.Warning)
		}
	}
}

// audienceKey is equal for two values that one aud may match as a resource:
// scheme and host in lower case, without the default port, an empty path as a
// slash. A value that is no such URL is its own key.
func audienceKey(audience string) string {
	if strings.ContainsAny(audience, "?#@") {
		return audience
	}
	l, _ := parseLocation(audience)
	switch {
	case l.host == "":
		return audience
	case l.path == "":
		return l.origin() + "/"
	}
	return l.origin() + l.path
}

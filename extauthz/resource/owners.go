package resource

import (
	"regexp"
	"slices"
	"strings"
)

// owners are the resources by what an aud value may be.
type owners struct {
	literal  map[string][]owner // by audienceKey
	patterns []patternOwner
}

// owner is a resource with such a value: its URL, or one of Audiences.
type owner struct {
	resource *Resource
	further  bool
}

type patternOwner struct {
	owner
	spelling *regexp.Regexp
}

// Owners returns the resources that an aud value may be for: those whose URI or alias
// it is, in any spelling that is equal, and those that have it in Audiences. Of a
// pattern it is the resource of the value's URL, or the pattern where there is no one
// such resource. Whether a token with this aud is accepted there is for the policy.
//
// The first call makes an index, which takes as long as the resources are many.
func (t *Table) Owners(audience string) (named, further []*Resource) {
	t.indexing.Do(func() { t.owners = ownersOf(t.resources) })
	key := audienceKey(audience)
	for _, o := range t.owners.literal[key] {
		if o.further {
			further = append(further, o.resource)
		} else {
			named = append(named, o.resource)
		}
	}
	for _, p := range t.owners.patterns {
		switch {
		case !p.spelling.MatchString(audience) && !p.spelling.MatchString(key):
		case p.further:
			further = append(further, p.resource)
		default:
			filled := t.Named(key, "")
			if filled == nil || filled.Name != p.resource.Name {
				filled = p.resource
			}
			named = append(named, filled)
		}
	}
	return named, further
}

func ownersOf(resources []*Resource) owners {
	all := owners{literal: map[string][]owner{}}
	for _, r := range resources {
		for _, url := range slices.Concat([]string{r.URI}, r.Aliases) {
			all.add(url, owner{resource: r})
		}
		for _, audience := range r.Audiences {
			all.add(audience, owner{resource: r, further: true})
		}
	}
	return all
}

// add makes a value known. A pattern matches in any case of letters, and with a slash
// at its end: rather too much than too little.
func (all *owners) add(value string, of owner) {
	if strings.Contains(value, "{") {
		spelling := strings.TrimSuffix(expression(strings.TrimSuffix(value, "/"), "[^/]+"), "$")
		all.patterns = append(all.patterns, patternOwner{of, regexp.MustCompile("(?i)" + spelling + "/?$")})
		return
	}
	key := audienceKey(value)
	all.literal[key] = append(all.literal[key], of)
}

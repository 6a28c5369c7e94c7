package config

import (
	"fmt"
	"strings"

	"github.com/doorward/doorward/extauthz/resource"
)

// checkBindings checks what ties tokens to a resource by other means than aud: each
// is safe only where no other resource has the same.
func (r *reader) checkBindings(specs []resource.Spec, known knownIssuers) {
	r.warnOfHidden(specs, known)
	r.checkClients(specs)
	r.checkDedicated(specs, known)
	for i, s := range specs {
		at := element("resources", i)
		r.checkSelfAsserted(at, s, known)
		r.checkMirror(at, r.doc.Resources[i], s, known)
	}
}

// checkClients refuses a client of two resources that trust one issuer: its tokens
// would be for both.
func (r *reader) checkClients(specs []resource.Spec) {
	first := registrations{}
	for i, s := range specs {
		for j, client := range s.Clients {
			other, issuer, shared := first.add(i, client, s.Issuers)
			if !shared {
				continue
			}
			place := r.placeOf(element("resources", other) + ".clients")
			r.problem(element(element("resources", i)+".clients", j),
				fmt.Sprintf("is %q, which is also a client of resources[%d] (%v), and both trust %s, "+
					"so that its tokens would be for both", client, other, place, issuer),
				"register a client for each resource")
		}
	}
}

// registrations has the first resource of each client at an issuer.
type registrations map[struct{ issuer, client string }]int

// add adds a client of the resource at each issuer, up to the first issuer at which
// it is a client of another resource.
func (first registrations) add(at int, client string, issuers []string) (other int, issuer string, shared bool) {
	for _, issuer := range issuers {
		key := struct{ issuer, client string }{issuer, client}
		other, again := first[key]
		if !again {
			first[key] = at
		} else if other != at {
			return other, issuer, true
		}
	}
	return 0, "", false
}

// checkDedicated refuses an issuer that is dedicated to more than one resource, or
// to a pattern that does not say whose tokens are whose.
func (r *reader) checkDedicated(specs []resource.Spec, known knownIssuers) {
	first := map[string]int{}
	for i, s := range specs {
		for _, id := range s.Issuers {
			j, there := known.index[id]
			if !there || !r.doc.Issuers[j].Dedicated {
				continue
			}
			path := element("issuers", j) + ".dedicated"
			if other, again := first[id]; again && other != i {
				places := []any{other, r.placeOf(element("resources", other)), i, r.placeOf(element("resources", i))}
				r.problem(path, fmt.Sprintf("is true, and two resources trust the issuer: "+
					"resources[%d] (%v) and resources[%d] (%v)", places...),
					"let one of them trust it, or remove dedicated")
			}
			first[id] = i
			names, err := resource.Placeholders(s.URI)
			if err == nil && len(s.Parameters) < len(names) {
				r.problem(path, fmt.Sprintf("is true, and resources[%d] is a pattern whose placeholders are tied "+
					"to no claim, so that a token of one would open all", i),
					fmt.Sprintf("write parameters: {%s: a claim} there, or remove dedicated", names[0]))
			}
		}
	}
}

// checkSelfAsserted demands subjects or claims where a resource trusts an issuer
// whose callers choose aud, and no others where it trusts none.
func (r *reader) checkSelfAsserted(at string, s resource.Spec, known knownIssuers) {
	var chosen, alike []string // alike: a SPIFFE ID has its trust domain in itself
	for _, id := range s.Issuers {
		i, there := known.index[id]
		if !there {
			return // reported
		}
		if r.doc.Issuers[i].selfAsserted() {
			chosen = append(chosen, id)
			if r.doc.Issuers[i].SPIFFETrustDomain == "" {
				alike = append(alike, id)
			}
		}
	}
	tied := len(s.Subjects) > 0 || len(s.Claims) > 0
	switch {
	case len(chosen) > 0 && !tied:
		r.problem(at+".subjects", "is missing: callers of "+strings.Join(chosen, ", ")+" choose aud themselves, "+
			"so that each of them could be let in",
			"write subjects, or claims, with the callers that this resource is for")
	case len(alike) > 1:
		r.warn(r.writtenOf(at, "subjects", "claims"), "counts for callers of each of "+strings.Join(alike, ", ")+
			", and one name may be another caller's there",
			"see that no two of them name a caller alike, or trust one of them")
	case len(chosen) == 0 && tied:
		path := r.writtenOf(at, "subjects", "claims")
		r.problem(path, "has no effect, because callers of no issuer trusted here choose aud themselves",
			"write a rule for it, or audience: self_asserted in the issuer")
	}
}

// checkGenericAudiences refuses values that name one of the resources.
func (r *reader) checkGenericAudiences(table *resource.Table) {
	for i, is := range r.doc.Issuers {
		for j, audience := range is.GenericAudiences {
			if table.Owns(audience) {
				r.problem(element(element("issuers", i)+".generic_audiences", j),
					fmt.Sprintf("is %q, which names one of the resources", audience),
					"remove it: a token with it is for that resource")
			}
		}
	}
}

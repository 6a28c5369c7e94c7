package config

import (
	"fmt"
	"slices"
	"strings"
)

// warnOfLoosening warns of each key that lets in tokens which aud alone does not
// show to be access tokens for the resource.
func (r *reader) warnOfLoosening() {
	for i, e := range r.doc.Resources {
		if len(e.Clients) > 0 {
			r.warn(element("resources", i)+".clients", "lets in tokens whose aud does not name the resource",
				"have the issuer write the resource into aud, "+
					"or be sure that these clients are used for this resource alone")
		}
	}
	for i, is := range r.doc.Issuers {
		at := element("issuers", i)
		r.warnOfIssuer(at, is)
	}
}

func (r *reader) warnOfIssuer(at string, is issuer) {
	of := func(key string) string {
		if is.Preset == "" || r.written(join(at, key)) {
			return ""
		}
		return "of preset " + is.Preset + " "
	}
	if is.Dedicated {
		r.warn(at+".dedicated", "lets in every access token of this issuer, for whichever service it was issued",
			"have the issuer write the resource into aud, or be sure that it issues tokens for this resource alone")
	}
	if len(is.Accepts) > 0 {
		r.warn(at+".accepts", "lets in tokens with "+strings.Join(is.Accepts, ", ")+", as ID tokens have",
			"stop the issuer from writing them into access tokens")
	}
	trusting := r.trusting(is.Issuer)
	audiences := slices.ContainsFunc(trusting, func(e entry) bool { return len(e.Audiences) > 0 })
	clients := slices.ContainsFunc(trusting, func(e entry) bool { return len(e.Clients) > 0 })
	if is.Scopes == noScopes && (audiences || r.written(at+".scopes")) {
		r.warn(at+".scopes", of("scopes")+"lets in tokens without scopes at the audiences of resources",
			"have the issuer write scopes, or the resource's URL into aud")
	}
	if len(is.GenericAudiences) > 0 && (clients || is.Dedicated || r.written(at+".generic_audiences")) {
		r.warn(at+".generic_audiences",
			of("generic_audiences")+"takes "+strings.Join(is.GenericAudiences, ", ")+" in aud for no audience",
			"have the issuer write the resource into aud")
	}
	if is.selfAsserted() {
		r.warn(r.writtenOf(at, "audience", "spiffe_trust_domain"), of("audience")+"means that callers choose aud: "+
			"what ties a token to a resource is its subjects and claims alone",
			fmt.Sprintf("see that these name no more callers than each resource of %s is for", is.Issuer))
	}
}

// trusting lists the resources that trust an issuer.
func (r *reader) trusting(id string) []entry {
	var all []entry
	for _, e := range r.doc.Resources {
		if len(e.Issuers) == 0 || slices.Contains(e.Issuers, id) {
			all = append(all, e)
		}
	}
	return all
}

package config

import (
	"fmt"
	"slices"
	"strings"
)

// warnOfLoosening warns of each key that lets in tokens which aud alone does not
// show to be access tokens for the resource, requests without a token, or operations
// that a source other than the body shows.
func (r *reader) warnOfLoosening() {
	for i, e := range r.doc.Resources {
		r.warnOfOperations(element("resources", i), e)
		if len(e.Clients) == 0 {
			continue
		}
		letsIn := "lets in tokens whose aud does not name the resource"
		if len(e.Issuers) > 1 || len(e.Issuers) == 0 && len(r.doc.Issuers) > 1 {
			letsIn += ", of each issuer that the resource trusts: another one may use the same id for another client"
		}
		r.warn(element("resources", i)+".clients", letsIn,
			"have the issuer write the resource into aud, "+
				"or be sure that these clients are used for this resource alone")
	}
	for i, is := range r.doc.Issuers {
		at := element("issuers", i)
		r.warnOfIssuer(at, is)
	}
	r.warnOfEgress()
}

// warnOfEgress warns of each key by which a token of ours could leave, or more than its
// destination could get a token.
func (r *reader) warnOfEgress() {
	e := r.doc.Egress
	if e.Mode == observe {
		r.warn("egress.mode", "logs and counts what it would refuse, and lets it pass: tokens of ours leave",
			"write enforce once the log shows no request that should pass")
	}
	if e.Unknown == allow {
		r.warn("egress.unknown", "lets servers call every host that Envoy routes",
			"name each host in destinations, and write deny")
	}
	const unread = "lets bodies pass that cannot be searched: encoded, longer than Envoy sends, or not sent"
	if e.UnreadBody == allow {
		r.warn("egress.unread_body", unread, "write deny, and unread_body: allow in the destinations that need it")
	}
	for i, d := range e.Destinations {
		at := element("egress.destinations", i)
		if d.UnreadBody == allow {
			r.warn(at+".unread_body", unread,
				"write deny, or be sure that the destination needs streams or large bodies")
		}
		if d.BoundSubject == allow {
			r.warn(at+".bound_subject", "lets a token that is bound to a key be exchanged by a server without that key",
				"write deny, or be sure that the authorization server binds or shortens what it issues")
		}
	}
	if e.Handle.Carry == carryBaggage {
		r.warn("egress.handle.carry",
			"is baggage, which libraries send to every peer and trace backend, the handle in it; in a server with "+
				"sessions it may be that of the request which opened the session, so that a call is made for "+
				"another user",
			"write header, and copy x-mcp-auth-handle in the server, or let the server have no sessions")
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
	hasAudiences := func(e entry) bool { return len(e.Audiences) > 0 }
	if is.Scopes == noScopes && (r.written(at+".scopes") || r.isTrustedWhere(is.Issuer, hasAudiences)) {
		r.warn(at+".scopes", of("scopes")+"lets in tokens without scopes at the audiences of resources",
			"have the issuer write scopes, or the resource's URL into aud")
	}
	hasClients := func(e entry) bool { return len(e.Clients) > 0 }
	effective := is.Dedicated || r.written(at+".generic_audiences") || r.isTrustedWhere(is.Issuer, hasClients)
	if len(is.GenericAudiences) > 0 && effective {
		r.warn(at+".generic_audiences",
			of("generic_audiences")+"ignores "+strings.Join(is.GenericAudiences, ", ")+
				" in aud where a client or dedicated decides",
			"have the issuer write the resource into aud")
	}
	if is.choosable() && !is.selfAsserted() {
		r.warn(r.writtenOf(at, "audience", "issuer"), "lets in every caller of "+is.Issuer+
			", because each can have a token with any aud", "write audience: self_asserted, and subjects or claims "+
			"in the resources")
	}
	if is.selfAsserted() {
		r.warn(r.writtenOf(at, "audience", "spiffe_trust_domain"), of("audience")+"means that callers choose aud: "+
			"what ties a token to a resource is its subjects and claims alone",
			fmt.Sprintf("see that these name no more callers than each resource of %s is for", is.Issuer))
	}
}

// choosable reports whether an issuer is known for callers that choose aud.
func (is issuer) choosable() bool {
	name, _, _ := strings.Cut(is.Preset, "@")
	return slices.Contains(choosableIssuers, is.Issuer) ||
		slices.ContainsFunc(shippedPresets()[name], func(p preset) bool { return p.values.selfAsserted() })
}

// choosableIssuers give anyone a token with the aud that is asked for.
var choosableIssuers = []string{
	"https://token.actions.githubusercontent.com", "https://accounts.google.com", "accounts.google.com",
}

// isTrustedWhere reports whether a resource for which a condition holds trusts an
// issuer.
func (r *reader) isTrustedWhere(id string, holds func(entry) bool) bool {
	return slices.ContainsFunc(r.doc.Resources, func(e entry) bool {
		return holds(e) && (len(e.Issuers) == 0 || slices.Contains(e.Issuers, id))
	})
}

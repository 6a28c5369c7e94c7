package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/doorward/doorward/extauthz/token"
)

// checkIssuers checks every issuer and returns them.
func (r *reader) checkIssuers() []Issuer {
	if len(r.doc.Issuers) == 0 {
		r.problem("issuers", "names no issuer, so no token could be accepted", "write issuers: [{issuer: https://…}]")
	}
	var issuers []Issuer
	var ids, paths []string
	for i, is := range r.doc.Issuers {
		at := element("issuers", i)
		ids, paths = append(ids, is.Issuer), append(paths, at+".issuer")
		if is.Issuer == "" {
			r.problem(at+".issuer", "is missing", "write the exact iss of its tokens")
		}
		issuers = append(issuers, r.checkIssuer(at, is))
	}
	r.unique(ids, paths)
	r.checkTemplatesMeet()
	r.checkTrustDomains()
	return issuers
}

func (r *reader) checkIssuer(at string, is issuer) Issuer {
	r.checkAlgorithms(at+".algorithms", is.Algorithms)
	r.checkTokenRules(at, is)
	r.checkTenants(at, is)
	r.checkTrustDomain(at, is)
	profile := token.Standard
	if is.Profile == token.RFC9068.String() {
		profile = token.RFC9068
	}
	named := r.placeOf(at + ".issuer")
	return Issuer{
		Keys: r.keySourceOptions(at, is), Profile: profile, Algorithms: is.Algorithms,
		Tenants: is.Tenants, TrustDomain: is.SPIFFETrustDomain,
		ScopeClaims: is.ScopeClaims, NoScopes: is.Scopes == noScopes,
		GenericAudiences: is.GenericAudiences, SelfAssertedAudience: is.selfAsserted(),
		Dedicated: is.Dedicated, ClientIDPattern: is.ClientIDPattern,
		AccessTokenClaims: is.AccessTokenClaims, Accepts: is.Accepts,
		File: named.file, Line: named.line, Column: named.column,
	}
}

// selfAsserted reports whether callers choose aud themselves. Those of the SPIFFE
// Workload API do.
func (is issuer) selfAsserted() bool {
	return is.Audience == selfAssertedAudience || is.SPIFFETrustDomain != ""
}

// checkAlgorithms refuses algorithms that need no public key.
func (r *reader) checkAlgorithms(path string, algorithms []string) {
	if len(algorithms) == 0 {
		r.problem(path, "is empty, so no token could be accepted",
			"name at least one, or remove it to accept all safe ones")
	}
	const usePublicKey = "write an algorithm with a public key, such as RS256 or ES256"
	known := token.DefaultAlgorithms()
	var paths []string
	for i, name := range algorithms {
		at := element(path, i)
		paths = append(paths, at)
		fix := "the algorithms are " + strings.Join(known, ", ")
		if meant := Nearest(name, known); meant != "" {
			fix = fmt.Sprintf("did you mean %s?", meant)
		}
		switch {
		case slices.Contains(known, name) || name == "":
		case strings.HasPrefix(name, "HS"):
			r.problem(at, "is "+name+", which is never accepted: "+
				"a shared secret that verifies a token can also sign one", usePublicKey)
		case strings.EqualFold(name, "none"):
			r.problem(at, "is none, which is never accepted: such a token has no signature", usePublicKey)
		default:
			r.problem(at, fmt.Sprintf("is %q, which is not known", name), fix)
		}
	}
	r.unique(algorithms, paths)
}

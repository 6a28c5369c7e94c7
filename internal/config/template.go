package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/doorward/doorward/extauthz/resource"
)

// placeholder returns the first placeholder of an issuer, such as {tenant}, or "".
func (is issuer) placeholder() string {
	names, err := resource.Placeholders(is.Issuer)
	if err != nil || len(names) == 0 {
		return ""
	}
	return "{" + names[0] + "}"
}

// isTemplate reports whether the issuer is one for each of its tenants.
func (is issuer) isTemplate() bool { return is.placeholder() != "" }

// names lists the values of iss that an issuer may have.
func (is issuer) names() []string {
	if !is.isTemplate() {
		return []string{is.Issuer}
	}
	names := make([]string, len(is.Tenants))
	for i, tenant := range is.Tenants {
		names[i] = is.filled(tenant)
	}
	return names
}

// filled returns the iss of one tenant; without a template, of them all.
func (is issuer) filled(tenant string) string {
	if name := is.placeholder(); name != "" {
		return strings.ReplaceAll(is.Issuer, name, tenant)
	}
	return is.Issuer
}

// tenantForm matches a value that is a label or a segment in every issuer.
var tenantForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// checkTenants checks a template and its tenants.
func (r *reader) checkTenants(at string, is issuer) {
	listed := r.written(at+".tenants") || len(is.Tenants) > 0
	switch {
	case r.isBroken(at + ".issuer"):
		return
	case !is.isTemplate() && listed:
		r.problem(at+".tenants", "has no effect, because the issuer has no placeholder",
			"write {tenant} into issuer in the place of the tenant, or remove tenants")
		return
	case !is.isTemplate():
		return
	case len(is.Tenants) == 0:
		r.problem(at+".tenants", "names no tenant, and there is no word for all of them",
			"list the tenants whose tokens are trusted")
		return
	}
	r.checkTemplate(at, is)
	for i, tenant := range is.Tenants {
		if tenant != "" && !tenantForm.MatchString(tenant) {
			r.problem(element(at+".tenants", i), fmt.Sprintf("is %q, which is no tenant", tenant),
				"write it exactly as in iss: letters, digits, - and _, 128 at most")
		}
	}
	r.unique(is.Tenants, elements(at+".tenants", len(is.Tenants)))
}

// checkTemplate checks that a template has one placeholder in a place of its own,
// and that its keys can be found.
func (r *reader) checkTemplate(at string, is issuer) {
	before, after, _ := strings.Cut(is.Issuer, is.placeholder())
	switch {
	case strings.ContainsAny(before+after, "{}"):
		r.problem(at+".issuer", "has more than one placeholder", "write one, in the place of the tenant")
	case !isWhole(before, after):
		r.problem(at+".issuer", "has "+is.placeholder()+" as a part of a label or a segment",
			"make it a whole label of the host or a whole segment of the path")
	case is.DiscoveryURL == "" && r.keySource(at) == "":
		r.problem(at+".discovery_url", "is missing: the metadata of an issuer with "+is.placeholder()+
			" cannot be found from its URL",
			"write discovery_url, jwks_uri, jwks_file or jwks")
	}
}

// isWhole reports whether what is between two parts of a URL is a whole label of
// the host or a whole segment of the path.
func isWhole(before, after string) bool {
	if strings.Count(before, "/") < 3 { // in the host
		begins := strings.HasSuffix(before, "//") || strings.HasSuffix(before, ".")
		return begins && (after == "" || strings.ContainsAny(after[:1], "./:"))
	}
	return strings.HasSuffix(before, "/") && (after == "" || after[0] == '/')
}

// matches reports whether iss is an issuer of the template with some tenant.
func (is issuer) matches(iss string) bool {
	before, after, _ := strings.Cut(is.Issuer, is.placeholder())
	tenant, ok := strings.CutPrefix(iss, before)
	if !ok {
		return false
	}
	tenant, ok = strings.CutSuffix(tenant, after)
	return ok && tenantForm.MatchString(tenant)
}

// checkTemplatesMeet refuses a template that has an iss of another issuer: whose
// rules its tokens are read under would be open.
func (r *reader) checkTemplatesMeet() {
	names := map[string]int{}
	for i, is := range r.doc.Issuers {
		if !is.isTemplate() {
			names[is.Issuer] = i
		}
	}
	var templates []int
	for i, is := range r.doc.Issuers {
		at := element("issuers", i)
		if !is.isTemplate() || r.isBroken(at+".issuer") || r.isBroken(at+".tenants") {
			continue
		}
		for _, name := range is.names() {
			if other, taken := names[name]; taken {
				r.meets(i, other)
			}
		}
		for _, other := range templates {
			before := r.doc.Issuers[other]
			meet := slices.ContainsFunc(is.names(), before.matches) || slices.ContainsFunc(before.names(), is.matches)
			if before.Issuer != is.Issuer && meet {
				r.meets(i, other)
			}
		}
		templates = append(templates, i)
	}
}

func (r *reader) meets(i, other int) {
	at, otherAt := element("issuers", i)+".issuer", element("issuers", other)+".issuer"
	r.problem(at, fmt.Sprintf("has an iss that is also one of %s (%v)", otherAt, r.placeOf(otherAt)),
		"name each tenant in one issuer alone")
}

// trustDomainForm matches a trust domain (SPIFFE ID, section 2.1).
var trustDomainForm = regexp.MustCompile(`^[a-z0-9._-]{1,255}$`)

// checkTrustDomain checks a SPIFFE trust domain.
func (r *reader) checkTrustDomain(at string, is issuer) {
	path, domain := at+".spiffe_trust_domain", is.SPIFFETrustDomain
	if domain == "" {
		return
	}
	other, isSPIFFE := strings.CutPrefix(is.Issuer, "spiffe://")
	switch {
	case !trustDomainForm.MatchString(domain):
		r.problem(path, fmt.Sprintf("is %q, which is no name of a trust domain", domain),
			"write it without spiffe://, in small letters, digits, dots, - and _, such as example.org")
	case is.isTemplate():
		r.problem(path, "cannot be combined with tenants", "write one issuer for each trust domain")
	case isSPIFFE && other != domain:
		r.problem(path, fmt.Sprintf("is %q, and the issuer is that of the trust domain %q", domain, other),
			"write the same name in both")
	}
}

// checkTrustDomains refuses a trust domain of two issuers.
func (r *reader) checkTrustDomains() {
	var domains, paths []string
	for i, is := range r.doc.Issuers {
		domains = append(domains, is.SPIFFETrustDomain)
		paths = append(paths, element("issuers", i)+".spiffe_trust_domain")
	}
	r.unique(domains, paths)
}

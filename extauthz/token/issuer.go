package token

import (
	"context"
	"crypto/sha256"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/strictjson"
)

// Issuer is an authorization server and the rules for its tokens. Do not change it
// once it is in use: a change is another Issuer.
//
// Some rules hold for a token that is marked as an access token alone. A mark is
// the header type at+jwt, a token_use of "access", a typ of "Bearer" in the
// payload, a scope or scp that is not empty, or one of AccessTokenClaims that is
// not empty. That a token lacks the claims of an ID token is no mark.
type Issuer struct {
	ID         string       // the exact iss, or a template such as https://login.example/{tenant}/v2.0
	Tenants    []string     // the values that the template's placeholder may have
	Profile    Profile      // zero: Standard
	Algorithms []string     // JWS names, case-sensitive; empty accepts no token: see [DefaultAlgorithms]
	Keys       *jwks.Source // never nil

	// TrustDomain makes this the issuer of JWT-SVIDs whose sub is a SPIFFE ID of
	// the trust domain, with this iss or none.
	TrustDomain string

	// ScopeClaims are the claims that hold scopes, each a name or a path with dots;
	// all of them count. Nil: scope, or else scp.
	ScopeClaims []string
	// NoScopes means that the access tokens carry no scopes: a marked token may
	// then have one of a resource's further audiences without a permission.
	NoScopes bool
	// AccessTokenClaims are claims of this issuer's access tokens which its ID
	// tokens lack.
	AccessTokenClaims []string
	// Accepts are claims of ID tokens (nonce, at_hash, c_hash, s_hash) that this
	// issuer's access tokens carry too: they do not refuse a marked token.
	Accepts []string

	GenericAudiences     []string // aud values that name no resource
	Dedicated            bool     // every token is for the only resource that trusts this issuer
	ClientIDPattern      string   // what else aud may be where Dedicated: RE2, of the whole value; "": nothing
	SelfAssertedAudience bool     // callers choose aud themselves
}

// digest is a hash of all rules of an issuer.
type digest [sha256.Size]byte

// digestOf covers every field of an issuer but Keys, so that a field which is added
// counts by itself.
func (v *Verifier) digestOf(i *Issuer) digest {
	if known, ok := v.digests.Load(i); ok {
		return known.(digest) //nolint:errcheck,forcetypeassert // nothing else is stored
	}
	hash := sha256.New()
	value := reflect.ValueOf(i).Elem()
	for _, field := range reflect.VisibleFields(value.Type()) {
		if field.Name != "Keys" {
			_, _ = fmt.Fprintf(hash, "%s %#v\n", field.Name, value.FieldByIndex(field.Index).Interface())
		}
	}
	computed := digest(hash.Sum(nil))
	v.digests.Store(i, computed)
	return computed
}

// isMarked reports whether something shows that a token is an access token; a nil
// issuer has no AccessTokenClaims.
func (i *Issuer) isMarked(jws compactJWS) bool {
	payload := jws.payload.Members
	use, _ := payload.Get("token_use").Text()
	typ, _ := payload.Get("typ").Text()
	switch {
	case jws.header.typ != nil && *jws.header.typ == "at+jwt", use == "access", typ == "Bearer":
		return true
	case hasText(payload.Get("scope")), hasText(payload.Get("scp")):
		return true
	case i == nil || len(i.AccessTokenClaims) == 0:
		return false
	}
	own, err := strictjson.ReadMembers(jws.text, i.AccessTokenClaims...)
	return err == nil && slices.ContainsFunc(i.AccessTokenClaims, func(name string) bool {
		member := own.Get(name)
		return hasText(member) || member.Is('{') && !isEmptyObject(member) || member.Is('0') || member.Is('t')
	})
}

func isEmptyObject(member strictjson.Member) bool {
	return strings.Trim(string(member), "{} \t\r\n") == ""
}

// hasText reports a string, or an array of strings, with something in it.
func hasText(member strictjson.Member) bool {
	if text, isText := member.Text(); isText {
		return strings.TrimSpace(text) != ""
	}
	some := false
	return member.EachString(func(text string) { some = some || strings.TrimSpace(text) != "" }) && some
}

// namedBy is how a token names its issuer. The zero value names none.
type namedBy struct {
	iss         string // "" where it is absent
	trustDomain string // of a SPIFFE ID in sub, where iss is absent
	named       bool
}

func namedIssuer(payload strictjson.Members) namedBy {
	member := payload.Get("iss")
	if iss, isText := member.Text(); isText {
		return namedBy{iss: iss, named: true}
	}
	if member.Present() {
		return namedBy{}
	}
	sub, _ := payload.Get("sub").Text()
	domain := trustDomainOf(sub)
	return namedBy{trustDomain: domain, named: domain != ""}
}

// trustDomainOf returns the trust domain of a SPIFFE ID (SPIFFE-ID, section 2), ""
// for any other text: the whole authority, which has no port and no user.
func trustDomainOf(id string) string {
	rest, isSPIFFE := strings.CutPrefix(id, "spiffe://")
	domain, path, _ := strings.Cut(rest, "/")
	if !isSPIFFE || path == "" || strings.ContainsAny(id, "?#%@") || !trustDomain.MatchString(domain) {
		return ""
	}
	return domain
}

// trustDomain is SPIFFE-ID, section 2.1.
var trustDomain = regexp.MustCompile(`^[a-z0-9._-]{1,255}$`)

// rejectOtherIssuer finds what shows that a token is not of this issuer, which was
// found by its name: another trust domain, or another tenant in tid.
func (i *Issuer) rejectOtherIssuer(named namedBy, payload strictjson.Members) flaw {
	if i.TrustDomain != "" {
		if sub, _ := payload.Get("sub").Text(); trustDomainOf(sub) != i.TrustDomain {
			return "sub: not a SPIFFE ID of the issuer's trust domain"
		}
		return ""
	}
	tenant, ok := i.MatchTenant(named.iss)
	if !ok {
		return "iss: not trusted for this resource"
	}
	if tid := payload.Get("tid"); tenant != "" && tid.Present() {
		if text, _ := tid.Text(); text != tenant {
			return "tid: not the tenant in iss"
		}
	}
	return ""
}

// Placeholder returns the name of the placeholder in a template, "" where ID is not
// a template.
func (i *Issuer) Placeholder() string {
	_, name, _, _ := i.template()
	return name
}

// template splits an ID with a placeholder.
func (i *Issuer) template() (before, name, after string, ok bool) {
	before, rest, open := strings.Cut(i.ID, "{")
	name, after, closed := strings.Cut(rest, "}")
	return before, name, after, open && closed
}

// MatchTenant reports whether an iss is of this issuer, and the tenant that fills
// its template: one of Tenants, byte for byte. The tenant is "" without a template.
func (i *Issuer) MatchTenant(iss string) (tenant string, ok bool) {
	before, _, after, isTemplate := i.template()
	if !isTemplate {
		return "", iss == i.ID
	}
	rest, begins := strings.CutPrefix(iss, before)
	tenant, ends := strings.CutSuffix(rest, after)
	if !begins || !ends || !slices.Contains(i.Tenants, tenant) {
		return "", false
	}
	return tenant, true
}

// findKeys returns the keys that a header allows for tokens of this iss. A key
// whose set names an issuer for it is for that issuer alone.
func (i *Issuer) findKeys(ctx context.Context, h header, iss string) ([]*jwks.Key, reason.Reason) {
	keys, why := i.Keys.Find(ctx, h.kid, h.alg)
	foreign := func(key *jwks.Key) bool { return key.Issuer != "" && !issuedUnder(key.Issuer, iss) }
	if why != reason.Allowed || !slices.ContainsFunc(keys, foreign) {
		return keys, why
	}
	if keys = slices.DeleteFunc(slices.Clone(keys), foreign); len(keys) == 0 {
		return nil, reason.KeyUnknown
	}
	return keys, reason.Allowed
}

// issuedUnder compares the issuer of a key with an iss. In a set that tenants
// share, "{tenantid}" matches one segment.
func issuedUnder(issuer, iss string) bool {
	before, after, shared := strings.Cut(issuer, "{tenantid}")
	if !shared {
		return issuer == iss
	}
	rest, ok := strings.CutPrefix(iss, before)
	tenant, ends := strings.CutSuffix(rest, after)
	return ok && ends && tenant != "" && !strings.Contains(tenant, "/")
}

package token

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// with is the usual issuer under other rules.
func (w *world) with(change func(*Issuer)) *Issuer {
	issuer := *w.issuers[usualID]
	change(&issuer)
	return &issuer
}

// unrevoked is a verifier of tokens that nothing revokes by jti.
func unrevoked() *Verifier { return NewVerifier(Options{ClockSkew: skew, Now: at(testTime).now}) }

// under verifies a token of whatever issuer it names under these rules.
func under(t *testing.T, issuer *Issuer, audienceOptional bool, token string) (*Claims, *Refusal) {
	t.Helper()
	return unrevoked().Verify(t.Context(), token, func(iss, domain string) (*Issuer, bool) {
		if _, ok := issuer.MatchTenant(iss); ok || domain != "" && domain == issuer.TrustDomain {
			return issuer, audienceOptional
		}
		return nil, false
	})
}

// outcome is the reason of a refusal, or allowed.
func outcome(refusal *Refusal) reason.Reason {
	if refusal == nil {
		return reason.Allowed
	}
	return refusal.Reason
}

// bare makes a token of type JWT with nothing that marks it as an access token.
func bare(d *draft) {
	d.header["typ"] = "JWT"
	delete(d.claims, "scope")
}

// TestMarks of an access token: what only access tokens have, and nothing that a
// token merely lacks.
func TestMarks(t *testing.T) {
	w := newWorld()
	issuer := w.with(func(i *Issuer) { i.AccessTokenClaims = []string{"role", "https://example.com/kind"} })
	for intent, row := range map[string]struct {
		alter alteration
		want  bool
	}{
		"at+jwt":                     {func(d *draft) { bare(d); d.header["typ"] = "AT+JWT" }, true},
		"token_use":                  {all(bare, claim("token_use", "access")), true},
		"typ of Keycloak":            {all(bare, claim("typ", "Bearer")), true},
		"a scope":                    {all(bare, claim("scope", "a")), true},
		"a list of scopes":           {all(bare, claim("scope", []string{"a"})), true},
		"scp":                        {all(bare, claim("scp", "a")), true},
		"a list in scp":              {all(bare, claim("scp", []string{"", "a"})), true},
		"a claim of its own":         {all(bare, claim("role", "authenticated")), true},
		"a claim with a URL as name": {all(bare, claim("https://example.com/kind", "access")), true},
		"a list in it":               {all(bare, claim("role", []string{"a"})), true},
		"an object in it":            {all(bare, claim("role", map[string]any{"a": nil})), true},

		"nothing":                  {bare, false},
		"an empty scope":           {all(bare, claim("scope", "")), false},
		"a scope of spaces":        {all(bare, claim("scope", "  ")), false},
		"an empty list":            {all(bare, claim("scp", []string{})), false},
		"a list of nothing":        {all(bare, claim("scp", []string{""})), false},
		"roles":                    {all(bare, claim("roles", []string{"admin"})), false},
		"permissions":              {all(bare, claim("permissions", []string{"admin"})), false},
		"another token_use":        {all(bare, claim("token_use", "Access")), false},
		"another typ":              {all(bare, claim("typ", "bearer")), false},
		"its own claim, empty":     {all(bare, claim("role", "")), false},
		"its own claim, {}":        {all(bare, claim("role", map[string]any{})), false},
		"its own claim, null":      {all(bare, claim("role", nil)), false},
		"its own claim, false":     {all(bare, claim("role", false)), false},
		"its own claim in another": {all(bare, claim("x", map[string]any{"role": "a"})), false},
	} {
		claims, refusal := under(t, issuer, false, newDraft(w, row.alter).token())
		if refusal != nil {
			t.Errorf("%s: %+v", intent, refusal)
		} else if claims.Marked != row.want {
			t.Errorf("%s: %t", intent, claims.Marked)
		}
	}
}

// TestManyTenants: what an unverified iss costs does not grow with the tenants in
// memory.
func TestManyTenants(t *testing.T) {
	issuer := Issuer{ID: "https://login.example.com/{tenant}/v2.0"}
	for i := range 1000 {
		issuer.Tenants = append(issuer.Tenants, fmt.Sprintf("%036d", i))
	}
	issuer.Tenants = append(issuer.Tenants, "a")
	unlisted := fmt.Sprintf("https://login.example.com/%036d/v2.0", -1)
	if allocations := testing.AllocsPerRun(10, func() { issuer.MatchTenant(unlisted) }); allocations > 1 {
		t.Errorf("%v allocations", allocations)
	}
	for iss, want := range map[string]string{
		"https://login.example.com/a/v2.0": "a", unlisted: "", "https://login.example.com/v2.0": "",
		"https://login.example.com//v2.0": "", "https://login.example.com/a/v2.0/v2.0": "", issuer.ID: "",
	} {
		if got, ok := issuer.MatchTenant(iss); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %t", iss, got, ok)
		}
	}
}

// TestAccepts: a claim of ID tokens that access tokens carry too refuses a token
// that is not marked, and every mark of another kind refuses in any case.
func TestAccepts(t *testing.T) {
	w := newWorld()
	issuer := w.with(func(i *Issuer) { i.Accepts = []string{"nonce", "at_hash"} })
	nonce := claim("nonce", "n")
	for intent, row := range map[string]struct {
		alter alteration
		want  reason.Reason
	}{
		"a marked token":              {nonce, reason.Allowed},
		"two of them":                 {all(nonce, claim("at_hash", "h")), reason.Allowed},
		"no mark":                     {all(bare, nonce), reason.TypeNotAllowed},
		"no mark, and nothing of it":  {bare, reason.Allowed},
		"one that is not accepted":    {all(nonce, claim("c_hash", "h")), reason.TypeNotAllowed},
		"an ID token of Keycloak":     {all(nonce, claim("typ", "ID")), reason.TypeNotAllowed},
		"an ID token of Cognito":      {all(nonce, claim("token_use", "id")), reason.TypeNotAllowed},
		"the type of an ID token":     {all(nonce, inHeader("typ", "id_token")), reason.TypeNotAllowed},
		"a security event":            {all(nonce, claim("events", map[string]any{})), reason.TypeNotAllowed},
		"a refresh token of Keycloak": {all(nonce, claim("typ", "Refresh")), reason.TypeNotAllowed},
	} {
		if _, refusal := under(t, issuer, false, newDraft(w, row.alter).token()); outcome(refusal) != row.want {
			t.Errorf("%s: %+v", intent, refusal)
		}
	}
	events := w.with(func(i *Issuer) { i.Accepts = []string{"events"} })
	if _, refusal := under(t, events, false, newDraft(w, claim("events", 1)).token()); outcome(refusal) != reason.TypeNotAllowed {
		t.Errorf("events are accepted: %+v", refusal)
	}
}

// TestScopeClaims: all that are named count, each scope once; a literal name comes
// before a path, and no shape but text and arrays of texts counts.
func TestScopeClaims(t *testing.T) {
	w := newWorld()
	named := []string{"scope", "scp", "roles", "realm_access.roles", "https://example.com/scopes", "a.b"}
	for intent, row := range map[string]struct {
		named []string
		alter alteration
		want  []string
	}{
		"scope by default":       {nil, claim("scope", "a b"), []string{"a", "b"}},
		"a list by default":      {nil, claim("scope", []string{"a", "b c"}), []string{"a", "b c"}},
		"scp by default":         {nil, all(claim("scope", gone), claim("scp", []string{"a"})), []string{"a"}},
		"scope before scp":       {nil, all(claim("scope", "a"), claim("scp", 7)), []string{"a"}},
		"roles not by default":   {nil, all(claim("scope", gone), claim("roles", []string{"a"})), nil},
		"all together":           {named, all(claim("scope", "a b"), claim("scp", []string{"b", "c"}), claim("roles", "d")), []string{"a", "b", "c", "d"}},
		"a path":                 {named, all(claim("scope", gone), claim("realm_access", map[string]any{"roles": []string{"r"}})), []string{"r"}},
		"a URL":                  {named, all(claim("scope", gone), claim("https://example.com/scopes", "u v")), []string{"u", "v"}},
		"literal before path":    {named, all(claim("scope", gone), claim("a.b", "l"), claim("a", map[string]any{"b": "p"})), []string{"l"}},
		"a literal null":         {named, all(claim("scope", gone), claim("a.b", nil), claim("a", map[string]any{"b": "p"})), nil},
		"through an array":       {named, all(claim("scope", gone), claim("a", []any{map[string]any{"b": "p"}})), nil},
		"through null":           {named, all(claim("scope", gone), claim("a", nil)), nil},
		"through text":           {named, all(claim("scope", gone), claim("a", "b")), nil},
		"a number":               {named, claim("scope", 7), nil},
		"an array with a number": {named, claim("scope", []any{"a", 7}), nil},
		"an object":              {named, claim("scope", map[string]any{"a": "b"}), nil},
		"no claim at all":        {[]string{}, claim("scope", "a"), nil},
	} {
		issuer := w.with(func(i *Issuer) { i.ScopeClaims = row.named })
		claims, refusal := under(t, issuer, false, newDraft(w, row.alter).token())
		if refusal != nil {
			t.Errorf("%s: %+v", intent, refusal)
		} else if !slices.Equal(claims.Scopes, row.want) {
			t.Errorf("%s: %q, want %q", intent, claims.Scopes, row.want)
		}
	}
}

// TestClaimsThatNobodyReads refuse no token for their type.
func TestClaimsThatNobodyReads(t *testing.T) {
	w := newWorld()
	usual := w.issuers[usualID]
	number := newDraft(w, claim("jti", 7)).token()
	claims, refusal := under(t, usual, false, number)
	if refusal != nil || claims.ID != "" {
		t.Fatalf("%+v, %+v", claims, refusal)
	}
	reads := at(testTime)
	if valid, _ := reads.Revalidate(claims, usual, false); valid {
		t.Error("a remembered token whose jti is now read is valid")
	}
	if _, refusal := reads.Verify(t.Context(), number, w.trusted); outcome(refusal) != reason.ClaimsMissing {
		t.Errorf("something revokes by it: %+v", refusal)
	}
	if _, refusal := under(t, w.issuers[strictID], false, newDraft(w, strict, claim("jti", 7)).token()); outcome(refusal) != reason.ClaimsMissing {
		t.Errorf("RFC 9068 demands it: %+v", refusal)
	}
}

// TestAudienceMayBeAbsent where something else says whom a token is for, for a
// new token and a remembered one.
func TestAudienceMayBeAbsent(t *testing.T) {
	w := newWorld()
	usual := w.issuers[usualID]
	absent := newDraft(w, claim("aud", gone)).token()
	if _, refusal := under(t, usual, false, absent); outcome(refusal) != reason.ClaimsMissing {
		t.Errorf("%+v", refusal)
	}
	claims, refusal := under(t, usual, true, absent)
	if refusal != nil {
		t.Fatalf("%+v", refusal)
	}
	for optional, want := range map[bool]bool{true: true, false: false} {
		if valid, _ := at(testTime).Revalidate(claims, usual, optional); valid != want {
			t.Errorf("optional %t: %t", optional, valid)
		}
	}
	for intent, value := range map[string]any{"empty": []string{}, "a number": 7, "null": nil, "a mixed list": []any{"a", 7}} {
		if _, refusal := under(t, usual, true, newDraft(w, claim("aud", value)).token()); outcome(refusal) != reason.ClaimsMissing {
			t.Errorf("%s: %+v", intent, refusal)
		}
	}
}

// TestTenants: the tenant in iss is one of the list, byte for byte, and tid, where
// it is present, the same.
func TestTenants(t *testing.T) {
	w := newWorld()
	issuer := w.with(func(i *Issuer) {
		i.ID, i.Tenants = "https://login.example/{tenant}/v2.0", []string{"11111111-aaaa", "22222222-bbbb"}
	})
	for intent, row := range map[string]struct {
		iss    string
		alter  alteration
		want   reason.Reason
		tenant string
	}{
		"a tenant":            {"https://login.example/11111111-aaaa/v2.0", func(*draft) {}, reason.Allowed, "11111111-aaaa"},
		"the other":           {"https://login.example/22222222-bbbb/v2.0", claim("tid", "22222222-bbbb"), reason.Allowed, "22222222-bbbb"},
		"another tid":         {"https://login.example/22222222-bbbb/v2.0", claim("tid", "11111111-aaaa"), reason.IssuerUnknown, ""},
		"a tid of no text":    {"https://login.example/22222222-bbbb/v2.0", claim("tid", 7), reason.IssuerUnknown, ""},
		"an unknown tenant":   {"https://login.example/33333333-cccc/v2.0", func(*draft) {}, reason.IssuerUnknown, ""},
		"in capitals":         {"https://login.example/11111111-AAAA/v2.0", func(*draft) {}, reason.IssuerUnknown, ""},
		"the template":        {"https://login.example/{tenant}/v2.0", func(*draft) {}, reason.IssuerUnknown, ""},
		"nothing":             {"https://login.example//v2.0", func(*draft) {}, reason.IssuerUnknown, ""},
		"two tenants":         {"https://login.example/11111111-aaaa/22222222-bbbb/v2.0", func(*draft) {}, reason.IssuerUnknown, ""},
		"more after it":       {"https://login.example/11111111-aaaa/v2.0/", func(*draft) {}, reason.IssuerUnknown, ""},
		"another host before": {"https://evil.example/https://login.example/11111111-aaaa/v2.0", func(*draft) {}, reason.IssuerUnknown, ""},
	} {
		claims, refusal := under(t, issuer, false, newDraft(w, claim("iss", row.iss), row.alter).token())
		if outcome(refusal) != row.want {
			t.Errorf("%s: %+v", intent, refusal)
		}
		if refusal == nil && (claims.Issuer != row.iss || claims.IssuerID != issuer.ID || claims.Tenant != row.tenant) {
			t.Errorf("%s: issuer %s of %s, tenant %s", intent, claims.Issuer, claims.IssuerID, claims.Tenant)
		}
	}
	claims, _ := under(t, issuer, false, newDraft(w, claim("iss", "https://login.example/11111111-aaaa/v2.0")).token())
	fewer := *issuer
	fewer.Tenants = issuer.Tenants[1:]
	if valid, _ := at(testTime).Revalidate(claims, &fewer, false); valid {
		t.Error("a remembered token of a tenant that left is valid")
	}
}

// TestKeysOfOneIssuer: a key whose set names an issuer for it verifies tokens of
// that one alone.
func TestKeysOfOneIssuer(t *testing.T) {
	w := newWorld()
	key := jwttest.NewKey("ES256", "es")
	for issuer, row := range map[string]struct {
		iss  string
		want reason.Reason
	}{
		"https://login.example/{tenantid}/v2.0": {"https://login.example/11111111-aaaa/v2.0", reason.Allowed},
		"https://login.example/11111111-aaaa":   {"https://login.example/11111111-aaaa", reason.Allowed},
		"https://login.example/{tenantid}":      {"https://login.example/11111111-aaaa/v2.0", reason.KeyUnknown},
		"https://login.example/22222222-bbbb":   {"https://login.example/11111111-aaaa", reason.KeyUnknown},
	} {
		jwk := key.JWK()
		jwk["issuer"] = issuer
		rules := &Issuer{ID: row.iss, Algorithms: DefaultAlgorithms(), Keys: staticSource(row.iss, jwksOf(t, jwk))}
		draft := newDraft(w, claim("iss", row.iss))
		draft.key = key
		if _, refusal := under(t, rules, false, draft.token()); outcome(refusal) != row.want {
			t.Errorf("a key of %s, a token of %s: %+v", issuer, row.iss, refusal)
		}
	}
}

// TestJWTSVID: the trust domain is the whole authority of sub, and an iss that is
// present must be the issuer's.
func TestJWTSVID(t *testing.T) {
	w := newWorld()
	key := jwttest.NewKey("ES256", "es")
	jwk := key.JWK()
	jwk["use"] = "jwt-svid"
	issuer := &Issuer{
		ID: "https://oidc.td.example", TrustDomain: "td.example", Algorithms: DefaultAlgorithms(),
		Keys: jwks.NewSource(jwks.Options{Issuer: "https://oidc.td.example", SPIFFE: true, Static: jwksOf(t, jwk)}, jwks.Environment{}),
	}
	long := "spiffe://" + strings.Repeat("a", 256) + "/x"
	for intent, row := range map[string]struct {
		iss, sub any
		want     reason.Reason
	}{
		"no iss":                 {gone, "spiffe://td.example/agent", reason.Allowed},
		"its iss":                {"https://oidc.td.example", "spiffe://td.example/agent", reason.Allowed},
		"another iss":            {"https://other.example", "spiffe://td.example/agent", reason.IssuerUnknown},
		"another domain":         {gone, "spiffe://other.example/agent", reason.IssuerUnknown},
		"its iss, another one":   {"https://oidc.td.example", "spiffe://other.example/agent", reason.IssuerUnknown},
		"a longer domain":        {gone, "spiffe://td.example.evil/agent", reason.IssuerUnknown},
		"a domain below":         {gone, "spiffe://a.td.example/agent", reason.IssuerUnknown},
		"a port":                 {gone, "spiffe://td.example:1/agent", reason.ClaimsMissing},
		"a user":                 {gone, "spiffe://td.example@other.example/agent", reason.ClaimsMissing},
		"capitals":               {gone, "spiffe://TD.example/agent", reason.ClaimsMissing},
		"no path":                {gone, "spiffe://td.example", reason.ClaimsMissing},
		"the domain alone":       {gone, "spiffe://td.example/", reason.ClaimsMissing},
		"another scheme":         {gone, "https://td.example/agent", reason.ClaimsMissing},
		"an escape":              {gone, "spiffe://td.example%2f/agent", reason.ClaimsMissing},
		"too long":               {gone, long, reason.ClaimsMissing},
		"an iss that is no text": {7, "spiffe://td.example/agent", reason.ClaimsMissing},
		"no sub":                 {gone, gone, reason.ClaimsMissing},
	} {
		draft := newDraft(w, claim("iss", row.iss), claim("sub", row.sub))
		draft.key = key
		claims, refusal := under(t, issuer, false, draft.token())
		if outcome(refusal) != row.want {
			t.Errorf("%s: %+v", intent, refusal)
		}
		if refusal == nil && (claims.Issuer != issuer.ID || claims.IssuerID != issuer.ID) {
			t.Errorf("%s: issuer %q", intent, claims.Issuer)
		}
	}
}

func jwksOf(t *testing.T, jwk map[string]any) []byte {
	t.Helper()
	return encode(t, map[string]any{"keys": []any{jwk}})
}

func encode(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

package token

import (
	"reflect"
	"testing"
	"time"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// TestStill takes away, one at a time, what remembered claims rest on.
func TestStill(t *testing.T) {
	w := newWorld()
	claims, refusal := w.verify(t, newDraft(w, claim("exp", testTime.Add(time.Minute).Unix())).token())
	if refusal != nil {
		t.Fatalf("%+v", refusal)
	}
	issuer := func(change func(*Issuer)) *Issuer {
		changed := *w.issuers[usualID]
		change(&changed)
		return &changed
	}
	gone := jwks.NewSource(jwks.Options{Issuer: usualID, JWKSURI: usualID + "/jwks"}, jwks.Environment{})
	withdrawn := *claims
	source := staticSource(usualID, jwttest.JWKS(w.keys["es"], w.keys["rs"]))
	found, _ := source.Set().Lookup(&withdrawn.KeyID, withdrawn.Algorithm)
	withdrawn.Key = found[0]
	source.Close()
	for _, row := range []struct {
		intent string
		at     time.Time
		claims *Claims
		issuer *Issuer
		bytes  int
		still  bool
		want   reason.Reason
	}{
		{"nothing changed", testTime, claims, w.issuers[usualID], 0, true, reason.Allowed},
		{"the last moment", testTime.Add(time.Minute + skew - 1), claims, w.issuers[usualID], 0, true, reason.Allowed},
		{"expired, skew included", testTime.Add(time.Minute + skew), claims, w.issuers[usualID], 0, true, reason.TokenExpired},
		{"the clock was set back", testTime.Add(-2 * time.Hour), claims, w.issuers[usualID], 0, true, reason.TokenNotYetValid},
		{"the issuer is not trusted here", testTime, claims, nil, 0, false, reason.Allowed},
		{"another issuer", testTime, claims, issuer(func(i *Issuer) { i.ID += "/" }), 0, false, reason.Allowed},
		{"another profile", testTime, claims, issuer(func(i *Issuer) { i.Profile = RFC9068 }), 0, false, reason.Allowed},
		{"the algorithm left the list", testTime, claims, issuer(func(i *Issuer) { i.Algorithms = []string{"PS256"} }), 0, false, reason.Allowed},
		{"the keys are gone or stale", testTime, claims, issuer(func(i *Issuer) { i.Keys = gone }), 0, false, reason.Allowed},
		{"the key was withdrawn", testTime, &withdrawn, w.issuers[usualID], 0, false, reason.Allowed},
		{"the limit was lowered", testTime, claims, w.issuers[usualID], claims.Size - 1, false, reason.Allowed},
	} {
		t.Run(row.intent, func(t *testing.T) {
			v := NewVerifier(Options{ClockSkew: skew, MaxBytes: row.bytes, Now: func() time.Time { return row.at }})
			still, refusal := v.Revalidate(row.claims, row.issuer, false)
			got := reason.Allowed
			if refusal != nil {
				got = refusal.Reason
			}
			if still != row.still || got != row.want {
				t.Errorf("got %t, %s; want %t, %s", still, got, row.still, row.want)
			}
		})
	}
}

// TestARememberedTokenRestsOnEveryField of its issuer: a change of any one has
// the token verified anew, and a field without a line here fails.
func TestARememberedTokenRestsOnEveryField(t *testing.T) {
	w := newWorld()
	claims, refusal := w.verify(t, newDraft(w).token())
	if refusal != nil {
		t.Fatalf("%+v", refusal)
	}
	changes := map[string]func(*Issuer){
		"ID":                   func(i *Issuer) { i.ID = "https://other.example.com" },
		"Profile":              func(i *Issuer) { i.Profile = RFC9068 },
		"Algorithms":           func(i *Issuer) { i.Algorithms = []string{"PS256"} },
		"Tenants":              func(i *Issuer) { i.Tenants = []string{"t"} },
		"TrustDomain":          func(i *Issuer) { i.TrustDomain = "td.example" },
		"ScopeClaims":          func(i *Issuer) { i.ScopeClaims = []string{} },
		"NoScopes":             func(i *Issuer) { i.NoScopes = true },
		"AccessTokenClaims":    func(i *Issuer) { i.AccessTokenClaims = []string{"role"} },
		"Accepts":              func(i *Issuer) { i.Accepts = []string{"nonce"} },
		"GenericAudiences":     func(i *Issuer) { i.GenericAudiences = []string{"account"} },
		"Dedicated":            func(i *Issuer) { i.Dedicated = true },
		"ClientIDPattern":      func(i *Issuer) { i.ClientIDPattern = "x" },
		"SelfAssertedAudience": func(i *Issuer) { i.SelfAssertedAudience = true },
		// The same keys again, fetched by a source that inherited nothing.
		"Keys": func(i *Issuer) { i.Keys = staticSource(usualID, jwttest.JWKS(w.keys["es"], w.keys["rs"])) },
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Issuer]()) {
		change := changes[field.Name]
		if change == nil {
			t.Errorf("no word about Issuer.%s: does a remembered token rest on it?", field.Name)
			continue
		}
		changed := *w.issuers[usualID]
		change(&changed)
		if still, _ := at(testTime).Revalidate(claims, &changed, false); still {
			t.Errorf("Issuer.%s: the token is not verified anew", field.Name)
		}
	}
}

// TestAForgeryIsVerifiedOnce under one key, and anew under the next.
func TestAForgeryIsVerifiedOnce(t *testing.T) {
	w := newWorld()
	v := at(testTime)
	forged := newDraft(w, func(d *draft) { d.key = d.world.forger }).token()
	for i, remembered := range []bool{false, true, true} {
		_, refusal := v.Verify(t.Context(), forged, w.trusted)
		if refusal == nil || refusal.Reason != reason.SignatureInvalid || refusal.Remembered != remembered {
			t.Errorf("time %d: %+v", i, refusal)
		}
	}
	// The issuer takes the forger's key under the same kid: what failed under
	// the old key says nothing about the new one.
	reused := *w.issuers[usualID]
	reused.Keys = staticSource(usualID, jwttest.JWKS(w.forger))
	claims, refusal := v.Verify(t.Context(), forged, func(string, string) (*Issuer, bool) { return &reused, false })
	if refusal != nil || claims == nil {
		t.Errorf("under a new key: %+v", refusal)
	}
	// A good token is no forgery, whatever was remembered.
	if _, refusal := v.Verify(t.Context(), newDraft(w).token(), w.trusted); refusal != nil {
		t.Errorf("a good token: %+v", refusal)
	}
}

// TestForgeriesKeepTheirSpace: two that meet in one place forget, and are never
// taken for each other.
func TestForgeriesKeepTheirSpace(t *testing.T) {
	var table badSignatureCache
	key, other := []*jwks.Key{new(jwks.Key)}, []*jwks.Key{new(jwks.Key)}
	first, second := [32]byte{1, 31: 1}, [32]byte{1, 31: 2}
	table.remember(first, key)
	if !table.known(first, key) || table.known(first, other) || table.known(second, key) {
		t.Error("taken for another")
	}
	table.remember(second, key)
	if table.known(first, key) || !table.known(second, key) {
		t.Error("the later one has the place")
	}
	// What failed under two keys failed under each, and a third says nothing.
	both := []*jwks.Key{key[0], other[0]}
	table.remember(first, both)
	if !table.known(first, key) || !table.known(first, other) || !table.known(first, both) {
		t.Error("it failed under both keys")
	}
	if table.known(first, append(both, new(jwks.Key))) {
		t.Error("a key that was never tried")
	}
}

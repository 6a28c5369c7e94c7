package token

import (
	"slices"
	"testing"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
)

// ranked is a defect that can be put on top of another one, unless both touch
// the same thing.
type ranked struct {
	name    string
	touches []string
	alter   alteration
	want    reason.Reason
}

// pairCount is asserted, so that a pair cannot be lost unnoticed.
const pairCount = 140

// inOrder lists defects by the order of the contract: the first wins.
func inOrder() []ranked {
	later := testTime.Add(time.Hour).Unix()
	return []ranked{
		{"crit", nil, inHeader("crit", []string{"x"}), reason.TokenMalformed},
		{"kid is no string", []string{"kid"}, inHeader("kid", 1), reason.TokenMalformed},
		{"alg none", []string{"alg"}, inHeader("alg", "none"), reason.AlgorithmNotAllowed},
		{"alg not on the issuer's list", []string{"alg", "kid", "iss"}, signedWith("es512", "ES512"), reason.AlgorithmNotAllowed},
		{"alg of another key", []string{"kid", "iss"}, inHeader("kid", "rs"), reason.AlgorithmNotAllowed},
		{"typ", nil, inHeader("typ", "id_token"), reason.TypeNotAllowed},
		{"nonce", nil, claim("nonce", "x"), reason.TypeNotAllowed},
		{"unknown issuer", []string{"iss"}, claim("iss", "https://evil.example.com"), reason.IssuerUnknown},
		{"no issuer", []string{"iss"}, claim("iss", gone), reason.ClaimsMissing},
		{"no aud", nil, claim("aud", gone), reason.ClaimsMissing},
		{"jti is no string", nil, claim("jti", 1), reason.ClaimsMissing},
		{"cnf is no object", []string{"cnf"}, claim("cnf", nil), reason.ClaimsMissing},
		{"expired", nil, claim("exp", 1), reason.TokenExpired},
		{"nbf", nil, claim("nbf", later), reason.TokenNotYetValid},
		{"iat", nil, claim("iat", later), reason.TokenNotYetValid},
		{"unknown kid", []string{"kid"}, inHeader("kid", "unknown"), reason.KeyUnknown},
		{"forged", nil, func(d *draft) { d.key = d.world.forger }, reason.SignatureInvalid},
		{"bound", []string{"cnf"}, claim("cnf", map[string]any{"jkt": "x"}), reason.BindingUnproven},
	}
}

// Of two defects the reason that comes first in the contract is the answer.
func TestOrderOfReasons(t *testing.T) {
	w := *newWorld()
	short := *w.issuers[usualID]
	short.Algorithms = []string{"ES256", "RS256"}
	w.issuers = map[string]*Issuer{usualID: &short}
	pairs := 0
	for i, first := range inOrder() {
		for _, second := range inOrder()[i+1:] {
			if slices.ContainsFunc(first.touches, func(s string) bool { return slices.Contains(second.touches, s) }) {
				continue
			}
			pairs++
			t.Run(first.name+" and "+second.name, func(t *testing.T) {
				claims, refusal := w.verify(t, newDraft(&w, first.alter, second.alter).token())
				if claims != nil {
					t.Fatal("accepted")
				}
				if refusal.Reason != first.want {
					t.Errorf("%v (%s), want %v", refusal.Reason, refusal.Detail, first.want)
				}
			})
		}
	}
	if pairs != pairCount {
		t.Errorf("%d pairs, want %d", pairs, pairCount)
	}
}

// What depends on the issuer or on the state of its keys, in words.
func TestOrderWhereRulesMeet(t *testing.T) {
	rows := []struct {
		intent string
		alter  alteration
		want   reason.Reason
	}{
		{"the issuer's list precedes its type rules", all(strict, inHeader("alg", "RS256"), inHeader("typ", "JWT")), reason.AlgorithmNotAllowed},
		{"the key's algorithm precedes expiry", all(inHeader("kid", "rs"), claim("exp", 1)), reason.AlgorithmNotAllowed},
		{"an unknown issuer has no list and no keys", all(inHeader("kid", "rs"), claim("iss", "https://evil.example.com")), reason.IssuerUnknown},
		{"an unknown issuer's ID token is an ID token", all(inHeader("typ", "JWT"), claim("nonce", "x"), claim("iss", "https://evil.example.com")), reason.TypeNotAllowed},
		{"an unknown issuer's token may be of any profile", all(inHeader("typ", gone), claim("iss", "https://evil.example.com")), reason.IssuerUnknown},
		{"the strict profile's typ precedes its claims", all(strict, inHeader("typ", gone), claim("sub", gone)), reason.TypeNotAllowed},
		{"an iss of a wrong type names no issuer", claim("iss", []string{usualID}), reason.ClaimsMissing},
		{"a wrong-typed iss after a wrong typ", all(inHeader("typ", "x"), claim("iss", 1)), reason.TypeNotAllowed},
		{"expired precedes not yet valid", all(claim("exp", 1), claim("iat", testTime.Add(time.Hour).Unix())), reason.TokenExpired},
		{"malformed precedes alg none", all(inHeader("alg", "none"), payload(`{"a":1,"a":1}`)), reason.TokenMalformed},
	}
	w := newWorld()
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			_, refusal := w.verify(t, newDraft(w, row.alter).token())
			if refusal == nil || refusal.Reason != row.want {
				t.Errorf("%+v, want %v", refusal, row.want)
			}
		})
	}
}

// trusted is asked at most once, for a string the token names, and never before
// the token was found to be a JWS of an algorithm we have.
func TestIssuerIsAskedForOnce(t *testing.T) {
	w := newWorld()
	asked := func(alter alteration) []string {
		var names []string
		at(testTime).Verify(t.Context(), newDraft(w, alter).token(), func(iss, trustDomain string) (*Issuer, bool) {
			names = append(names, iss)
			return w.trusted(iss, trustDomain)
		})
		return names
	}
	if got := asked(func(*draft) {}); !slices.Equal(got, []string{usualID}) {
		t.Errorf("good token: %q", got)
	}
	for name, alter := range map[string]alteration{
		"malformed": inHeader("crit", 1), "alg none": inHeader("alg", "none"),
		"no iss": claim("iss", gone), "iss no string": claim("iss", 1),
	} {
		if got := asked(alter); got != nil {
			t.Errorf("%s: asked for %q", name, got)
		}
	}
}

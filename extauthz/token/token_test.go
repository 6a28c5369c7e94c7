package token

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// What is just within each bound is accepted.
func TestAccepted(t *testing.T) {
	unix := func(at time.Time) int64 { return at.Unix() }
	rows := map[string]alteration{
		"as drafted":                              func(*draft) {},
		"rfc9068":                                 strict,
		"rfc9068: application/at+jwt":             all(strict, inHeader("typ", "application/at+jwt")),
		"rfc9068: nonce is no mark there":         all(strict, claim("nonce", "x")),
		"rfc9068: an empty sub is a string":       all(strict, claim("sub", "")),
		"typ JWT":                                 inHeader("typ", "JWT"),
		"typ jwt":                                 inHeader("typ", "jwt"),
		"typ application/jwt":                     inHeader("typ", "application/jwt"),
		"typ AT+JWT":                              inHeader("typ", "AT+JWT"),
		"typ Application/At+Jwt":                  inHeader("typ", "Application/At+Jwt"),
		"no typ":                                  inHeader("typ", gone),
		"token_use access":                        claim("token_use", "access"),
		"payload typ Bearer":                      claim("typ", "Bearer"),
		"b64 true":                                inHeader("b64", true),
		"jku, x5u, x5c and jwk are ignored":       all(inHeader("jku", "https://evil.example.com"), inHeader("x5u", 1), inHeader("x5c", nil), inHeader("jwk", jwttest.NewKey("ES256", "").JWK())),
		"unknown header members are ignored":      inHeader("x", []any{map[string]any{"alg": "none"}}),
		"no kid, and one key fits":                all(strict, inHeader("kid", gone)),
		"no kid, and one key of several fits":     all(signedWith("ed", "EdDSA"), inHeader("kid", gone)),
		"no kid, and one key fits by two names":   all(signedWith("rs", "RS256"), inHeader("kid", gone)),
		"exp one second within the skew":          claim("exp", unix(testTime.Add(-skew+time.Second))),
		"exp a fraction within the skew":          number("exp", fmt.Sprintf("%d.01", unix(testTime.Add(-skew)))),
		"exp in the last second there is":         number("exp", "253402300799.5"),
		"exp with an exponent":                    number("exp", "2.5e11"),
		"nbf on the skew":                         claim("nbf", unix(testTime.Add(skew))),
		"nbf negative":                            claim("nbf", -1),
		"iat on the skew":                         claim("iat", unix(testTime.Add(skew))),
		"no nbf, iat, sub, jti, client_id, scope": all(claim("nbf", gone), claim("iat", gone), claim("sub", gone), claim("jti", gone), claim("client_id", gone), claim("scope", gone)),
		"aud is an array":                         claim("aud", []string{"a", "b"}),
		"aud is empty: it will match nothing":     claim("aud", ""),
		"64 levels of JSON":                       withMember(`"deep":` + nestedArrays(63)),
		"the same name in two objects":            withMember(`"x":{"a":1},"y":{"a":2}`),
		"a numeric claim beyond any machine word": withMember(`"x":123456789012345678901234567890`),
		"white space around the payload":          payload("\r\n {\"iss\":\"" + usualID + "\",\"aud\":\"x\",\"exp\":9e9} \n"),
		"a key without alg, as RS256":             signedWith("rsa-any", "RS256"),
		"a key without alg, as PS512":             signedWith("rsa-any", "PS512"),
	}
	w := newWorld()
	for name, alter := range rows {
		t.Run(name, func(t *testing.T) {
			claims, refusal := w.verify(t, newDraft(w, alter).token())
			if refusal != nil {
				t.Fatalf("refused as %v: %s", refusal.Reason, refusal.Detail)
			}
			if claims.Key == nil || claims.Key.ID != claims.KeyID {
				t.Errorf("key %v, key id %q", claims.Key, claims.KeyID)
			}
		})
	}
}

func nestedArrays(depth int) string {
	text := ""
	for range depth {
		text = "[" + text + "]"
	}
	return text
}

// J-1, J-5: every algorithm of the default list verifies, under a key of its own.
func TestEveryAlgorithm(t *testing.T) {
	rsa := jwttest.NewKey("RS256", "k")
	for _, alg := range DefaultAlgorithms() {
		t.Run(alg, func(t *testing.T) {
			key := *rsa
			if key.Alg = alg; alg[0] == 'E' {
				key = *jwttest.NewKey(alg, "k")
			}
			issuer := &Issuer{ID: usualID, Algorithms: []string{alg}, Keys: staticSource(usualID, jwttest.JWKS(&key))}
			claims, refusal := at(testTime).Verify(t.Context(), key.Sign(goodClaims()), func(string, string) (*Issuer, bool) { return issuer, false })
			if refusal != nil {
				t.Fatalf("refused as %v: %s", refusal.Reason, refusal.Detail)
			}
			if claims.KeyID != "k" {
				t.Errorf("key id %q", claims.KeyID)
			}
		})
	}
}

func TestEmptyAlgorithmsAcceptNothing(t *testing.T) {
	w := newWorld()
	shut := *w.issuers[usualID]
	shut.Algorithms = nil
	_, refusal := at(testTime).Verify(t.Context(), newDraft(w).token(), func(string, string) (*Issuer, bool) { return &shut, false })
	if refusal == nil || refusal.Reason != reason.AlgorithmNotAllowed {
		t.Errorf("%+v", refusal)
	}
}

func TestClaims(t *testing.T) {
	w := newWorld()
	compact := newDraft(w, strict, withMember(`"n":1.10`), number("exp", "1795435260.5")).token()
	got, refusal := w.verify(t, compact)
	if refusal != nil {
		t.Fatalf("%+v", refusal)
	}
	kid := "es"
	want := &Claims{
		Issuer: strictID, IssuerID: strictID, Marked: true, Subject: "alice", Client: "cli", ID: "t-1", KeyID: "es", Algorithm: "ES256", HeaderKeyID: &kid, Size: len(compact),
		Scopes: []string{"mcp:read", "mcp:write"}, Profile: RFC9068,
		Expiry:   testTime.Add(time.Minute + 500*time.Millisecond),
		IssuedAt: testTime.Add(-time.Minute), NotBefore: testTime.Add(-time.Minute),
		All: map[string]any{
			"iss": strictID, "aud": "https://mcp.example.com/mcp", "sub": "alice",
			"client_id": "cli", "jti": "t-1", "scope": "mcp:read mcp:write",
			"iat": json.Number("1795435140"), "nbf": json.Number("1795435140"),
			"exp": json.Number("1795435260.5"), "n": json.Number("1.10"),
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Claims{}, "Key"), cmpopts.IgnoreUnexported(Claims{})); diff != "" {
		t.Error(diff)
	}
	if got.Key == nil || got.Key.Withdrawn() {
		t.Error("no living key")
	}
}

func TestDateKeepsItsFraction(t *testing.T) {
	document, flaw := scanObject([]byte(`{"exp":-1.5}`), claimNames)
	if flaw != "" {
		t.Fatal(flaw)
	}
	r := claimReader{members: document.Members}
	if got := r.date("exp"); !got.Equal(time.Unix(-2, 5e8)) || r.flaw != "" {
		t.Errorf("%v %q", got, r.flaw)
	}
}

func TestScopesAndClient(t *testing.T) {
	scopes := []struct {
		intent     string
		scope, scp any
		want       []string
	}{
		{"none", gone, gone, nil},
		{"scope", "a b", gone, []string{"a", "b"}},
		{"scope, with spaces to spare", "  a  b ", gone, []string{"a", "b"}},
		{"a tab parts nothing", "a\tb", gone, []string{"a\tb"}},
		{"scp as a string", gone, "a b", []string{"a", "b"}},
		{"scp as an array", gone, []string{"a", "b"}, []string{"a", "b"}},
		{"an array member with a space is one scope", gone, []string{"a b"}, []string{"a b"}},
		{"scope wins over scp", "a", []string{"b"}, []string{"a"}},
		{"an empty scope wins too", "", []string{"b"}, nil},
	}
	w := newWorld()
	for _, row := range scopes {
		t.Run(row.intent, func(t *testing.T) {
			claims, refusal := w.verify(t, newDraft(w, claim("scope", row.scope), claim("scp", row.scp)).token())
			if refusal != nil {
				t.Fatalf("%+v", refusal)
			}
			if diff := cmp.Diff(row.want, claims.Scopes, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
	d := newDraft(w, claim("azp", "2nd"), claim("cid", "3rd"), claim("appid", "4th"), claim("client_id", "1st"))
	for i, name := range []string{"client_id", "azp", "cid", "appid", ""} {
		claims, refusal := w.verify(t, d.token())
		if want := []string{"1st", "2nd", "3rd", "4th", ""}[i]; refusal != nil || claims.Client != want {
			t.Errorf("%+v, %+v, want client %q", claims, refusal, want)
		}
		delete(d.claims, name)
	}
}

// The refusal names the issuer once one was found, and only a configured one.
func TestRefusalNamesTheIssuer(t *testing.T) {
	rows := []struct {
		intent string
		alter  alteration
		want   string
	}{
		{"malformed", inHeader("crit", 1), ""},
		{"no algorithm of ours", inHeader("alg", "none"), ""},
		{"unknown", claim("iss", "https://evil.example.com"), ""},
		{"no iss", claim("iss", gone), ""},
		{"algorithm of another key", inHeader("kid", "rs"), usualID},
		{"type", inHeader("typ", "x"), usualID},
		{"expired", claim("exp", 1), usualID},
		{"forged", func(d *draft) { d.key = d.world.forger }, usualID},
	}
	w := newWorld()
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			_, refusal := w.verify(t, newDraft(w, row.alter).token())
			if refusal == nil || refusal.Issuer != row.want {
				t.Errorf("%+v, want issuer %q", refusal, row.want)
			}
		})
	}
}

// The detail names the claim and the rule, for whoever reads the log.
func TestDetail(t *testing.T) {
	rows := map[string]alteration{
		"exp: not a number":                       claim("exp", true),
		"exp: not a date of the years 0 to 9999":  number("exp", "1e400"),
		"aud: absent":                             claim("aud", gone),
		"aud: empty":                              claim("aud", []string{}),
		"azp: not a string":                       claim("azp", 1),
		"alg: not on the issuer's list":           all(strict, inHeader("alg", "RS256")),
		"nonce: a claim of another kind of token": claim("nonce", "x"),
		"header: not a JSON object":               headerText("[]"),
		"payload: nested too deeply":              withMember(`"x":` + nestedArrays(64)),
		"typ: not the type of an access token":    inHeader("typ", "id_token"),
		"cnf: demands what cannot be proven here": claim("cnf", map[string]any{}),
	}
	w := newWorld()
	for want, alter := range rows {
		_, refusal := w.verify(t, newDraft(w, alter).token())
		if refusal == nil || refusal.Detail != want {
			t.Errorf("%+v, want %q", refusal, want)
		}
	}
}

// A token whose issuer has no keys, and whose time to wait is over, is no
// reason to log in again.
func TestKeysUnavailable(t *testing.T) {
	w := newWorld()
	keyless := *w.issuers[usualID]
	keyless.Keys = jwks.NewSource(jwks.Options{Issuer: usualID, JWKSURI: usualID + "/jwks"}, jwks.Environment{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	verify := func(alterations ...alteration) reason.Reason {
		_, refusal := at(testTime).Verify(ctx, newDraft(w, alterations...).token(), func(string, string) (*Issuer, bool) { return &keyless, false })
		return refusal.Reason
	}
	if got := verify(); got != reason.KeysUnavailable {
		t.Error(got)
	}
	if got := verify(claim("exp", 1)); got != reason.TokenExpired {
		t.Errorf("expired: %v: what needs no key comes first", got)
	}
	if got := verify(inHeader("kid", "rs")); got != reason.KeysUnavailable {
		t.Errorf("no set to compare the algorithm with: %v", got)
	}
}

func TestOverloaded(t *testing.T) {
	w := newWorld()
	v := NewVerifier(Options{InFlight: 1, Now: func() time.Time { return testTime }})
	verify := func(alterations ...alteration) reason.Reason {
		_, refusal := v.Verify(t.Context(), newDraft(w, alterations...).token(), w.trusted)
		if refusal == nil {
			return reason.Allowed
		}
		return refusal.Reason
	}
	busy, _ := v.limiter.acquire(t.Context(), usualID, work{"ES256", 1})
	if v.InFlight() != 1 {
		t.Errorf("%d in flight", v.InFlight())
	}
	if got := verify(); got != reason.Overloaded {
		t.Error(got)
	}
	if got := verify(inHeader("kid", "unknown")); got != reason.KeyUnknown {
		t.Errorf("no signature to verify: %v", got)
	}
	short := sent(func(token string) string { return token[:len(token)-6] })
	if got := verify(short); got != reason.SignatureInvalid {
		t.Errorf("a signature that cannot verify needs no turn: %v", got)
	}
	busy.release()
	if got := verify(); got != reason.Allowed {
		t.Error(got)
	}
	if got := verify(func(d *draft) { d.key = d.world.forger }); got != reason.SignatureInvalid {
		t.Error(got)
	}
	if v.InFlight() != 0 {
		t.Errorf("%d in flight after the last", v.InFlight())
	}
}

func TestLimitOfBytes(t *testing.T) {
	w := newWorld()
	token := newDraft(w).token()
	now := func() time.Time { return testTime }
	exact := NewVerifier(Options{MaxBytes: len(token), Now: now})
	if _, refusal := exact.Verify(t.Context(), token, w.trusted); refusal != nil {
		t.Errorf("%+v", refusal)
	}
	short := NewVerifier(Options{MaxBytes: len(token) - 1, Now: now})
	if _, refusal := short.Verify(t.Context(), token, w.trusted); refusal == nil || refusal.Reason != reason.TokenMalformed {
		t.Errorf("%+v", refusal)
	}
}

// The zero options use the real clock.
func TestZeroOptions(t *testing.T) {
	w := newWorld()
	claims := goodClaims()
	now := time.Now()
	claims["iat"], claims["nbf"], claims["exp"] = now.Add(-time.Hour).Unix(), now.Add(-time.Hour).Unix(), now.Add(time.Hour).Unix()
	if _, refusal := NewVerifier(Options{}).Verify(t.Context(), w.keys["es"].Sign(claims), w.trusted); refusal != nil {
		t.Errorf("%+v", refusal)
	}
}

func TestProfileNames(t *testing.T) {
	if Standard.String() != "standard" || RFC9068.String() != "rfc9068" || Profile(9).acceptsType(nil) {
		t.Error("wrong name, or an unknown profile that is not strict")
	}
}

// TestExpiredWhileItWaited: a token is looked at once more after the keys and
// the signature had their time.
func TestExpiredWhileItWaited(t *testing.T) {
	w := newWorld()
	looks := 0
	v := NewVerifier(Options{Now: func() time.Time {
		looks++
		return testTime.Add(time.Duration(looks-1) * time.Hour)
	}})
	claims, refusal := v.Verify(t.Context(), newDraft(w, claim("exp", testTime.Add(time.Minute).Unix())).token(), w.trusted)
	if claims != nil || refusal.Reason != reason.TokenExpired {
		t.Errorf("got %v, %+v", claims, refusal)
	}
}

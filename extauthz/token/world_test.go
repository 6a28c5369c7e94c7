package token

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

const (
	usualID  = "https://as.example.com"     // standard profile, every algorithm, keys of every kind
	strictID = "https://strict.example.com" // RFC 9068, ES256 alone, a single key
)

const skew = 30 * time.Second

// testTime is when every token here is looked at.
var testTime = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

// world is two issuers that are trusted and one forger who is not. Both issuers
// have a key with the kid "es".
type world struct {
	keys      map[string]*jwttest.Key // of the usual issuer, by kid
	strictKey *jwttest.Key
	forger    *jwttest.Key
	issuers   map[string]*Issuer
}

// newWorld is made once: RSA keys are slow to come by.
var newWorld = sync.OnceValue(func() *world {
	rsa := jwttest.NewKey("RS256", "rs")
	pss := *jwttest.NewKey("PS256", "ps")
	open := *rsa
	open.ID = "rsa-any" // published without alg: it serves RS* and PS*
	keys := map[string]*jwttest.Key{"rs": rsa, "ps": &pss, "rsa-any": &open}
	for kid, alg := range map[string]string{"es": "ES256", "es384": "ES384", "es512": "ES512", "ed": "EdDSA"} {
		keys[kid] = jwttest.NewKey(alg, kid)
	}
	w := &world{keys: keys, strictKey: jwttest.NewKey("ES256", "es"), forger: jwttest.NewKey("ES256", "es")}
	w.issuers = map[string]*Issuer{
		usualID:  {ID: usualID, Algorithms: DefaultAlgorithms(), Keys: usualSource(keys)},
		strictID: {ID: strictID, Profile: RFC9068, Algorithms: []string{"ES256"}, Keys: staticSource(strictID, jwttest.JWKS(w.strictKey))},
	}
	return w
})

func usualSource(keys map[string]*jwttest.Key) *jwks.Source {
	var set []map[string]any
	for kid, key := range keys {
		jwk := key.JWK()
		if kid == "rsa-any" {
			delete(jwk, "alg")
		}
		set = append(set, jwk)
	}
	document, err := json.Marshal(map[string]any{"keys": set})
	if err != nil {
		panic(err)
	}
	return staticSource(usualID, document)
}

func staticSource(issuer string, document []byte) *jwks.Source {
	return jwks.NewSource(jwks.Options{Issuer: issuer, Static: document}, jwks.Environment{})
}

func (w *world) trusted(iss, _ string) (*Issuer, bool) { return w.issuers[iss], false }

// at is a verifier whose clock always shows now.
func at(now time.Time) *Verifier {
	return NewVerifier(Options{ClockSkew: skew, InFlight: 2, Waiting: 10, ReadsID: true, Now: func() time.Time { return now }})
}

// verify verifies a token at noon.
func (w *world) verify(t *testing.T, token string) (*Claims, *Refusal) {
	t.Helper()
	claims, refusal := asBearer(at(testTime).Verify(t.Context(), token, w.trusted))
	if (claims == nil) == (refusal == nil) {
		t.Fatalf("claims %v and refusal %v: want exactly one", claims, refusal)
	}
	return claims, refusal
}

// asBearer goes on where Verify ends: the token is presented as a bearer token,
// without any proof.
func asBearer(claims *Claims, refusal *Refusal) (*Claims, *Refusal) {
	if refusal != nil {
		return claims, refusal
	}
	_, refusal = NewPossessionVerifier(PossessionOptions{}).Verify(context.Background(), readConfirmation(claims.All), Presentation{Scheme: SchemeBearer}, DPoPOff, ProofRules{})
	if refusal != nil {
		return nil, refusal
	}
	return claims, nil
}

// draft is a token in the making: whole and good, until a test alters it.
type draft struct {
	world  *world
	key    *jwttest.Key
	header map[string]any
	claims map[string]any
	raw    func(header, payload []byte) string // instead of key.SignRaw
	after  func(token string) string           // what is done to it on the way
}

// alteration changes a draft, mostly for the worse.
type alteration func(*draft)

func newDraft(w *world, alterations ...alteration) *draft {
	d := &draft{
		world:  w,
		key:    w.keys["es"],
		header: map[string]any{"alg": "ES256", "kid": "es", "typ": "at+jwt"},
		claims: goodClaims(),
		after:  func(token string) string { return token },
	}
	for _, alter := range alterations {
		alter(d)
	}
	return d
}

func goodClaims() map[string]any {
	return map[string]any{
		"iss": usualID, "aud": "https://mcp.example.com/mcp", "sub": "alice",
		"client_id": "cli", "jti": "t-1", "scope": "mcp:read mcp:write",
		"iat": testTime.Add(-time.Minute).Unix(), "nbf": testTime.Add(-time.Minute).Unix(),
		"exp": testTime.Add(time.Minute).Unix(),
	}
}

func (d *draft) token() string {
	header, err := json.Marshal(d.header)
	if err != nil {
		panic(err)
	}
	payload, err := json.Marshal(d.claims)
	if err != nil {
		panic(err)
	}
	if d.raw == nil {
		d.raw = d.key.SignRaw
	}
	return d.after(d.raw(header, payload))
}

// gone as a value takes the member away.
var gone = new(int)

func set(members map[string]any, name string, value any) {
	members[name] = value
	if value == gone {
		delete(members, name)
	}
}

func inHeader(name string, value any) alteration {
	return func(d *draft) { set(d.header, name, value) }
}

func claim(name string, value any) alteration {
	return func(d *draft) { set(d.claims, name, value) }
}

// number writes a claim that Go's own numbers cannot hold.
func number(name, text string) alteration { return claim(name, json.RawMessage(text)) }

// signedWith signs with another key of the usual issuer, and says so.
func signedWith(kid, alg string) alteration {
	return func(d *draft) {
		key := *d.world.keys[kid]
		key.Alg = alg
		d.key, d.header["kid"], d.header["alg"] = &key, kid, alg
	}
}

// strict makes it a token of the strict issuer.
func strict(d *draft) {
	d.key = d.world.strictKey
	d.claims["iss"] = strictID
}

// payload signs these bytes instead of the claims.
func payload(text string) alteration {
	return func(d *draft) {
		d.raw = func(header, _ []byte) string { return d.key.SignRaw(header, []byte(text)) }
	}
}

// headerText signs these bytes instead of the header.
func headerText(text string) alteration {
	return func(d *draft) {
		d.raw = func(_, payload []byte) string { return d.key.SignRaw([]byte(text), payload) }
	}
}

// sent replaces the token by what became of it on the way.
func sent(change func(token string) string) alteration {
	return func(d *draft) { d.after = change }
}

func all(alterations ...alteration) alteration {
	return func(d *draft) {
		for _, alter := range alterations {
			alter(d)
		}
	}
}

// withMember is a JSON text of good claims with one more member in front.
func withMember(member string) alteration {
	return func(d *draft) {
		d.raw = func(header, payload []byte) string {
			return d.key.SignRaw(header, append([]byte("{"+member+","), payload[1:]...))
		}
	}
}

// Package token verifies access tokens that are compact JWSs (RFC 7515). Make one
// [Verifier] with [NewVerifier], and call [Verifier.Verify] with a token and a
// function that returns the trusted [Issuer] of an iss. The result is verified
// [Claims], or a [Refusal] with its one reason.
//
// # What is verified
//
// A JWS is read as RFC 7515 demands; one that has two readings is refused. An
// algorithm belongs to a key (RFC 8725, section 3.1): alg must be on the issuer's
// list and be the algorithm of the key that verifies. Keys come from the issuer's
// set alone: jku, x5u, jwk and x5c in a header are not read. No claims are
// decoded, and no memory beyond a small multiple of the token is used, before the
// signature is verified.
//
// # What is not
//
// Compare the audience and the scopes with the resource, over [Claims.All]: this
// package does not know the resource. Call [Verifier.Revalidate] before using
// remembered claims again. Of refusals this package remembers failed signatures
// alone.
//
// # Order
//
// Where a token has several defects, the reason is the first in the order of
// package reason. [Verifier.Verify] checks in that order, so that every cheap
// check comes before any signature.
package token

import (
	"context"
	"sync"
	"time"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/reason"
)

// defaultMaxBytes is 16 KiB: Envoy itself refuses headers over 60 KiB.
const defaultMaxBytes = 16 << 10

// Options are the bounds of a [Verifier]. The zero value is usable and strict.
type Options struct {
	MaxBytes  int              // longest token accepted, in bytes; zero: 16 KiB
	ClockSkew time.Duration    // how far clocks may differ, either way; not negative
	InFlight  int              // signatures verified at once; zero: twice GOMAXPROCS
	Waiting   int              // more that may wait for a slot of their issuer; zero: no more
	ReadsID   bool             // jti is used to revoke tokens: one that is not a string is refused
	Now       func() time.Time // nil: time.Now
}

// Verifier verifies tokens. It is safe for concurrent use.
type Verifier struct {
	maxBytes      int
	skew          time.Duration
	readsID       bool
	now           func() time.Time
	limiter       *limiter
	badSignatures *badSignatureCache
	algorithms    map[string]algorithm
	digests       sync.Map // of issuers that it has seen
}

// NewVerifier returns a verifier with these bounds.
func NewVerifier(o Options) *Verifier {
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Verifier{
		maxBytes:      o.MaxBytes,
		skew:          o.ClockSkew,
		readsID:       o.ReadsID,
		now:           o.Now,
		limiter:       newLimiter(o.InFlight, o.Waiting),
		badSignatures: new(badSignatureCache),
		algorithms:    newAlgorithms(),
	}
}

// InFlight returns the number of signatures being verified now.
func (v *Verifier) InFlight() int { return v.limiter.inFlight() }

// Refusal is why there are no claims.
type Refusal struct {
	Reason reason.Reason
	Issuer string // the ID of a configured issuer; "" before one was found
	Detail string // for the log: fixed words naming a claim or rule, never a value of the token
	Nonce  string // for the client's next DPoP proof, with DPoPNonceRequired; otherwise ""

	Remembered bool // the signature was not verified again: it failed under the same keys before
}

// Claims are those of a verified token. They are shared: do not change them.
type Claims struct {
	Issuer      string         // iss (RFC 7519, section 4.1.1); the issuer's ID for a JWT-SVID without one
	IssuerID    string         // the ID of the configured issuer: Issuer, or the template that it fills
	Tenant      string         // the value of the template's placeholder; "" without a template
	Subject     string         // sub; "" where absent
	Client      string         // client_id (RFC 9068, section 2.2), else azp, cid or appid; "" where absent
	ID          string         // jti; "" where absent
	KeyID       string         // kid of the key that verified, as its set has it
	Algorithm   string         // alg of its header
	HeaderKeyID *string        // kid of its header; nil where it is absent
	Scopes      []string       // scope (RFC 8693, section 4.2), else scp, or what ScopeClaims name; in its order
	Marked      bool           // something shows that it is an access token: see [Issuer]
	Profile     Profile        // the rules it was read under
	Expiry      time.Time      // exp, clock skew not included
	NotBefore   time.Time      // nbf; zero where absent
	IssuedAt    time.Time      // iat; zero where absent
	Key         *jwks.Key      // the key that verified; void once it is withdrawn
	All         map[string]any // every claim; numbers are json.Number
	Size        int            // of the compact token, in bytes

	issuer     *Issuer // under whose rules it was read
	rules      digest  // of them
	noAudience bool    // aud is absent
	noID       bool    // jti is present and not a string
}

// Verify returns the claims of a compact JWS (RFC 7515, section 3.1), or why it is
// refused; exactly one of the two is nil. trusted returns the issuer that is
// trusted here for an iss, or without iss, for the trust domain of a SPIFFE ID in
// sub, nil if no issuer is; and whether a token of that issuer may lack aud. It is
// called at most once. ctx bounds the wait for keys and for the verification of the
// signature.
//
// An audience is well-formed: compare it with the resource. For a token with cnf,
// call [PossessionVerifier.Verify].
func (v *Verifier) Verify(
	ctx context.Context, compact string, trusted func(iss, trustDomain string) (issuer *Issuer, audienceOptional bool),
) (*Claims, *Refusal) {
	var issuer *Issuer // nil until one is found
	jws, flaw := parse(compact, v.maxBytes)
	if flaw != "" {
		return nil, issuer.refuse(reason.TokenMalformed, flaw)
	}
	algorithm, known := v.algorithms[jws.header.alg]
	if !known {
		return nil, issuer.refuse(reason.AlgorithmNotAllowed, "alg: none, symmetric or unknown")
	}

	by, needs := namedIssuer(jws.payload.Members), demand{audience: true, id: v.readsID}
	if by.named {
		var audienceOptional bool
		issuer, audienceOptional = trusted(by.iss, by.trustDomain)
		needs.audience = !audienceOptional
	}
	marked := issuer.isMarked(jws)
	if refusal := issuer.checkRules(jws, by, marked); refusal != nil {
		return nil, refusal
	}
	claims, flaw := issuer.checkClaims(jws.payload.Members, needs)
	if flaw != "" {
		return nil, issuer.refuse(reason.ClaimsMissing, flaw)
	}
	if refusal := v.checkTime(claims, issuer); refusal != nil {
		return nil, refusal
	}
	keys, why := issuer.findKeys(ctx, jws.header, by.iss)
	if why != reason.Allowed {
		return nil, issuer.refuse(why, jws.header.keyNotFound())
	}
	key, refusal := v.signer(ctx, compact, signatureCheck{jws, algorithm, keys, issuer})
	if refusal != nil {
		return nil, refusal
	}
	if refusal := v.checkTime(claims, issuer); refusal != nil { // the keys may have taken long
		return nil, refusal
	}
	claims.fill(jws.payload.Object(), issuer)
	claims.Marked, claims.issuer, claims.rules = marked, issuer, v.digestOf(issuer)
	claims.Key, claims.KeyID = key, key.ID
	claims.Algorithm, claims.HeaderKeyID, claims.Size = jws.header.alg, jws.header.kid, len(compact)
	return claims, nil
}

// checkRules refuses a token whose algorithm, type or iss the issuer's rules do not
// accept. The issuer is nil where the token names none that is trusted here.
func (i *Issuer) checkRules(jws compactJWS, by namedBy, marked bool) *Refusal {
	if flaw := i.refusesAlgorithm(jws.header); flaw != "" {
		return i.refuse(reason.AlgorithmNotAllowed, flaw)
	}
	if flaw := i.rejectOtherType(jws, marked); flaw != "" {
		return i.refuse(reason.TypeNotAllowed, flaw)
	}
	if !by.named { // an absent issuer is not an unknown one
		return i.refuse(reason.ClaimsMissing, "iss: absent or not a string")
	}
	if i == nil {
		return i.refuse(reason.IssuerUnknown, "iss: not trusted for this resource")
	}
	if flaw := i.rejectOtherIssuer(by, jws.payload.Members); flaw != "" {
		return i.refuse(reason.IssuerUnknown, flaw)
	}
	return nil
}

// refuse works on a nil issuer too, for a token of an issuer that is not known.
func (i *Issuer) refuse(why reason.Reason, f flaw) *Refusal {
	refusal := &Refusal{Reason: why, Detail: string(f)}
	if i != nil {
		refusal.Issuer = i.ID
	}
	return refusal
}

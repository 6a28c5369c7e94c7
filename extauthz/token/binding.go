package token

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"io"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
)

// DPoPMode is whether a resource accepts or requires DPoP (RFC 9449). "" is
// DPoPOff, and any other value counts as DPoPRequired.
type DPoPMode string

// The modes, as the configuration names them.
const (
	DPoPOff      DPoPMode = "off"      // the resource does not accept the DPoP scheme
	DPoPOptional DPoPMode = "optional" // bound tokens need a proof, unbound ones are bearer tokens
	DPoPRequired DPoPMode = "required" // every token must be bound to a DPoP key
)

// The schemes of a [Presentation].
const (
	SchemeBearer = "Bearer" // RFC 6750, section 2.1
	SchemeDPoP   = "DPoP"   // RFC 9449, section 7.1
)

// The bindings that [PossessionVerifier.Verify] returns.
const (
	bindingNone = "none"
	bindingDPoP = "dpop"
	bindingMTLS = "mtls"
)

// Presentation is how one request presents its token. Make one for each request
// and pass it to [PossessionVerifier.Verify]; do not cache it.
type Presentation struct {
	Issuer  string   // of the access token; proofs for tokens of one issuer share its slots
	Scheme  string   // SchemeBearer or SchemeDPoP, in this case
	Compact string   // the access token, as it came
	Proofs  []string // the DPoP header, one value per occurrence (RFC 9449, section 4.1)
	Method  string   // of the request, in its case

	// URLs are the http and https URLs under which the client may have sent this
	// request. Take them from configuration, not from headers that the client
	// writes. A URL that can be read in two ways matches no proof.
	URLs []string

	// CertificateSHA256 is the digest of the client's certificate in DER (RFC
	// 8705, section 3.1), where TLS requested one.
	CertificateSHA256 [sha256.Size]byte
	HasCertificate    bool

	// Attempt identifies the request, by its stream id and peer: Envoy's second
	// attempt at the same Check has the same Attempt, and no other request has.
	// "" where either is unknown: then a second attempt is a replay.
	Attempt string
}

// PossessionOptions are the bounds of a [PossessionVerifier]. The zero value is usable.
type PossessionOptions struct {
	Now    func() time.Time // nil: time.Now
	Random io.Reader        // for nonces; nil: crypto/rand.Reader

	// Since is the time from which on every accepted proof is remembered; earlier
	// proofs may come again. Zero means now.
	Since time.Time

	MaxBytes int // memory for the proofs seen; zero: 16 MiB
	PerKey   int // live proofs of one key; zero: 4096, a steady rate of about 11 a second
	InFlight int // proofs whose signature is verified at once; zero: twice GOMAXPROCS
	Waiting  int // more that may wait for a slot of their token's issuer; zero: none
}

// PossessionVerifier verifies that the client which presents a token is the one
// that the token was issued to. Make one for the life of the process, since it
// remembers the proofs that it accepted. Another replica does not know them, and
// a new process does not know those of the one before: for a while after the
// start a proof must carry a nonce, which shows that it was made since. It is
// safe for concurrent use.
//
// Its limiter is its own: a flood of forged tokens waits at the [Verifier], and
// only requests with a valid token wait here.
type PossessionVerifier struct {
	now        func() time.Time
	limiter    *limiter
	algorithms map[string]algorithm
	replays    *replayCache
	nonces     nonceIssuer
}

// NewPossessionVerifier returns a verifier that has accepted no proof yet.
func NewPossessionVerifier(o PossessionOptions) *PossessionVerifier {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Since.IsZero() {
		o.Since = o.Now()
	}
	return &PossessionVerifier{
		now:        o.Now,
		limiter:    newLimiter(o.InFlight, o.Waiting),
		algorithms: newAlgorithms(),
		replays:    newReplayCache(o.Now, o.MaxBytes, o.PerKey),
		nonces:     newNonceIssuer(o.Since, o.Random),
	}
}

// InFlight is the number of proofs whose signature is being verified now.
func (b *PossessionVerifier) InFlight() int { return b.limiter.inFlight() }

// Verify returns how the token of p is bound ("none", "dpop" or "mtls"), or the
// reason for which it must not be used; exactly one of the two is set. Verify the
// token first, and take c from its claims. ctx bounds the wait for the
// verification of a signature. The refusal names no issuer; with
// DPoPNonceRequired it has a nonce for the client.
//
// An accepted proof cannot be used again, even if the request is refused later.
func (b *PossessionVerifier) Verify(
	ctx context.Context, c Confirmation, p Presentation, mode DPoPMode, rules ProofRules,
) (string, *Refusal) {
	var issuer *Issuer // the refusal names none
	if flaw := c.failure(p, mode); flaw != "" {
		return "", issuer.refuse(reason.BindingUnproven, flaw)
	}
	switch {
	case c.Thumbprint != "":
		if why, flaw := b.checkProof(ctx, c.Thumbprint, p, rules); why != reason.Allowed {
			refusal := issuer.refuse(why, flaw)
			if why == reason.DPoPNonceRequired {
				refusal.Nonce = b.nonces.issue(rules, b.now())
			}
			return "", refusal
		}
		return bindingDPoP, nil
	case c.Certificate != "":
		return bindingMTLS, nil
	}
	return bindingNone, nil
}

// failure finds what no proof in the DPoP header could mend: the client needs
// another token, another scheme or another connection (RFC 9449, sections 7.1
// and 7.2; RFC 8705, section 3). A resource that requires DPoP refuses an
// unbound token here too: no key of a proof is related to it, so the token is
// what is invalid.
func (c Confirmation) failure(p Presentation, mode DPoPMode) flaw {
	switch {
	case c.Unknown, c.Present && c.Thumbprint == "" && c.Certificate == "":
		return "cnf: demands what cannot be proven here"
	case p.Scheme != SchemeBearer && p.Scheme != SchemeDPoP:
		return "scheme: neither Bearer nor DPoP"
	case p.Scheme == SchemeDPoP && (mode == DPoPOff || mode == ""):
		return "scheme DPoP: not enabled for this resource"
	case p.Scheme == SchemeDPoP && c.Thumbprint == "":
		return "scheme DPoP: the token is not bound to a key (no cnf.jkt)"
	case p.Scheme == SchemeBearer && c.Thumbprint != "":
		return "cnf.jkt: bound to a DPoP key, and presented as a bearer token"
	case p.Scheme == SchemeBearer && mode != DPoPOff && mode != "" && mode != DPoPOptional:
		return "cnf.jkt: absent, and this resource requires DPoP"
	case c.Certificate != "" && !p.HasCertificate:
		return "cnf.x5t#S256: the client's certificate is not known"
	case c.Certificate != "" && !p.certificateIs(c.Certificate):
		return "cnf.x5t#S256: not the client's certificate"
	}
	return ""
}

func (p Presentation) certificateIs(thumbprint string) bool {
	own := base64.RawURLEncoding.EncodeToString(p.CertificateSHA256[:])
	return subtle.ConstantTimeCompare([]byte(own), []byte(thumbprint)) == 1
}

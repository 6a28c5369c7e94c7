package token

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/strictjson"
)

// The members of a proof that are read (RFC 9449, section 4.2).
var (
	proofHeaderNames = append([]string{"jwk"}, headerNames...)
	proofClaimNames  = []string{"jti", "htm", "htu", "iat", "ath", "nonce"}
)

const (
	typeProof = "dpop+jwt" // RFC 9449, section 4.2

	// proofWindow is how long ago iat may lie (RFC 9449, section 11.1, sets no
	// value; SEP-1932 has 5 minutes). It may lie ahead as far as clocks differ.
	proofWindow = 5 * time.Minute

	maxProofBytes = 8 << 10 // an RSA key of 4096 bits, its signature and a long htu fit
	maxProofID    = 256     // bytes of jti
)

// dpopProof is the parts of a proof (RFC 9449, section 4.2), none of them
// verified.
type dpopProof struct {
	header    header
	jwk       strictjson.Member
	id        string    // jti
	method    string    // htm
	target    string    // htu, as [targetURI] returns it
	issued    time.Time // iat
	nonce     string    // nonce, "" where it is absent or no string
	tokenHash string    // ath
	input     string    // what the signature covers
	signature []byte
}

// checkProof makes the checks of RFC 9449, section 4.3, for a resource server. The
// key is compared with the token's before it is used, so that a signature is
// verified only with a key that the issuer accepted. The proof is remembered last,
// so that no client can use up the jti of another. A missing nonce is found before
// the signature is verified, since the client will send another proof.
func (b *PossessionVerifier) checkProof(
	ctx context.Context, thumbprint string, p Presentation, rules ProofRules,
) (reason.Reason, flaw) {
	compact, flaw := single(p.Proofs)
	if flaw != "" {
		return reason.DPoPProofInvalid, flaw
	}
	proof, flaw := readProof(compact)
	if flaw != "" {
		return reason.DPoPProofInvalid, "proof: " + flaw
	}
	algorithm, key, flaw := b.proofKey(proof, thumbprint)
	if flaw != "" {
		return reason.DPoPProofInvalid, "proof: " + flaw
	}
	if flaw := proof.mismatch(p); flaw != "" {
		return reason.DPoPProofInvalid, "proof: " + flaw
	}
	now := b.now()
	if flaw := checkProofTime(proof.issued, now, rules.ClockSkew); flaw != "" {
		return reason.DPoPProofInvalid, "proof: " + flaw
	}
	if b.nonces.required(rules, now) && !b.nonces.valid(proof.nonce, rules, now) {
		return reason.DPoPNonceRequired, "proof: nonce: absent, too old or not of this deployment"
	}
	if len(proof.signature) != algorithm.signatureSize(key.Public) {
		return reason.DPoPProofInvalid, "proof: signature: not of the length that jwk and alg demand"
	}
	flaw = "proof: signature: does not verify"
	entered, verified := b.limiter.verify(ctx, p.Issuer, work{proof.header.alg, 1}, func() bool {
		if algorithm.verifier.Verify([]byte(proof.input), proof.signature, key.Public) != nil {
			return false
		}
		// For the limiter a proof that comes again is a forged one.
		request := attempt(p.Attempt, compact)
		if flaw = b.replays.record(thumbprint, proof.id, proof.issued, request, rules.ClockSkew); flaw != "" {
			flaw = "proof: " + flaw
		}
		return flaw == ""
	})
	switch {
	case !entered:
		return reason.Overloaded, "signatures of proofs: too many at once"
	case !verified:
		return reason.DPoPProofInvalid, flaw
	}
	return reason.Allowed, ""
}

// single returns the one value that the DPoP header must have (RFC 9449, section
// 4.3, check 1). Envoy joins a repeated header with commas.
func single(values []string) (string, flaw) {
	switch {
	case len(values) == 0:
		return "", "proof: absent"
	case len(values) > 1, strings.Contains(values[0], ","):
		return "", "proof: more than one"
	}
	return values[0], ""
}

// readProof is as strict with a proof as parse is with a token, and checks that
// the required claims are present. It reads a nonce that is a string and does not
// know whether one is required.
func readProof(compact string) (dpopProof, flaw) {
	parts, flaw := split(compact, maxProofBytes)
	if flaw != "" {
		return dpopProof{}, flaw
	}
	members, flaw := scanObject(parts[0], proofHeaderNames)
	if flaw != "" {
		return dpopProof{}, "header: " + flaw
	}
	header, flaw := readHeader(members.Members)
	if flaw != "" {
		return dpopProof{}, flaw
	}
	if header.typ == nil || *header.typ != typeProof {
		return dpopProof{}, "typ: not dpop+jwt"
	}
	jwk := members.Get("jwk")
	if !jwk.Is('{') {
		return dpopProof{}, "jwk: absent or not an object"
	}
	claims, flaw := scanObject(parts[1], proofClaimNames)
	if flaw != "" {
		return dpopProof{}, "payload: " + flaw
	}
	proof := dpopProof{
		header: header, jwk: jwk,
		input: compact[:strings.LastIndexByte(compact, '.')], signature: parts[2],
	}
	return proof, proof.readClaims(claims.Members)
}

func (d *dpopProof) readClaims(claims strictjson.Members) flaw {
	r := claimReader{members: claims}
	r.require("jti", "htm", "htu", "iat", "ath")
	d.id, d.method, d.tokenHash, d.issued = r.string("jti"), r.string("htm"), r.string("ath"), r.date("iat")
	if d.id == "" || len(d.id) > maxProofID {
		r.fail("jti", "empty or over 256 bytes")
	}
	target, ok := targetURI(r.string("htu"))
	if !ok {
		r.fail("htu", "not a plain http or https URI")
	}
	d.target = target
	d.nonce, _ = claims.Get("nonce").Text()
	return r.flaw
}

// proofKey returns the key in the header of the proof, which must be the token's
// (RFC 9449, section 6.1), and the algorithm to verify the signature with.
func (b *PossessionVerifier) proofKey(proof dpopProof, thumbprint string) (algorithm, *jwks.Key, flaw) {
	algorithm, known := b.algorithms[proof.header.alg]
	if !known {
		return algorithm, nil, "alg: none, symmetric or unknown"
	}
	key, err := jwks.ParseKey(proof.jwk)
	if err != nil {
		return algorithm, nil, "jwk: " + flaw(err.Error())
	}
	if key.Thumbprint != thumbprint {
		return algorithm, nil, "jwk: not the key that the token is bound to"
	}
	if !key.Fits(proof.header.alg) {
		return algorithm, nil, "alg: not an algorithm of the key in jwk"
	}
	return algorithm, key, ""
}

// mismatch compares what the proof was made for with the request it came with
// (RFC 9449, section 4.3, checks 8, 9 and 12).
func (d *dpopProof) mismatch(p Presentation) flaw {
	digest := sha256.Sum256([]byte(p.Compact))
	switch {
	case d.method != p.Method || p.Method == "": // methods have case (RFC 9110, section 9.1)
		return "htm: not the method of the request"
	case !slices.ContainsFunc(p.URLs, d.targets):
		return "htu: not the URL of the request"
	case d.tokenHash != base64.RawURLEncoding.EncodeToString(digest[:]):
		return "ath: not the hash of the access token"
	}
	return ""
}

// targets reports whether the proof was made for a URL.
func (d *dpopProof) targets(url string) bool {
	target, ok := targetURI(url)
	return ok && target == d.target
}

// checkProofTime compares iat with the clock (RFC 9449, section 4.3, check 11).
// Clocks may differ by skew, so iat may lie that far ahead.
func checkProofTime(issued, now time.Time, skew time.Duration) flaw {
	switch age := now.Sub(issued); {
	case age > proofWindow:
		return "iat: over 5 minutes ago"
	case age < -skew:
		return "iat: further ahead than clock_skew allows"
	}
	return ""
}

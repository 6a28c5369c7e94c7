package token

import "time"

// Unverified is what a token says of itself before anybody verified it. It is
// for showing to the person who holds the token, and never for deciding: so it
// is no [Claims]. A member is zero where the token does not have it, or has it
// in another type.
type Unverified struct {
	Algorithm string // alg
	Type      string // typ, in lower case and without "application/"
	KeyID     string // kid
	HasKeyID  bool   // there is a kid, if an empty one

	Issuer, Subject, Client, ID string   // as in Claims
	Audience                    []string // aud
	Scopes                      []string // as in Claims

	Expiry, NotBefore, IssuedAt time.Time // as in Claims
}

// ReadUnverified takes a token apart by the same strict reading as
// [Verifier.Verify] and goes no further. It is false for what is no compact JWS.
func ReadUnverified(compact string) (Unverified, bool) {
	jws, flaw := parse(compact, len(compact))
	if flaw != "" {
		return Unverified{}, false
	}
	var claims Claims
	claims.fill(jws.payload.Object())
	r := claimReader{members: jws.payload.Members} // its flaw does not matter here
	u := Unverified{
		Algorithm: jws.header.alg,
		Issuer:    claims.Issuer,
		Subject:   claims.Subject,
		Client:    claims.Client,
		ID:        claims.ID,
		Audience:  claims.Audience(),
		Scopes:    claims.Scopes,
		Expiry:    r.date("exp"),
		NotBefore: r.date("nbf"),
		IssuedAt:  r.date("iat"),
	}
	if jws.header.typ != nil {
		u.Type = *jws.header.typ
	}
	if jws.header.kid != nil {
		u.KeyID, u.HasKeyID = *jws.header.kid, true
	}
	return u, true
}

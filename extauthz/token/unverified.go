package token

import "time"

// Unverified is the content of a token whose signature is not verified. Show it to
// the person who holds the token; never decide by it, which is why it is not
// [Claims]. A field is zero where the token does not have the member, or has it in
// another type.
type Unverified struct {
	Algorithm string // alg
	Type      string // typ, in lower case and without "application/"
	KeyID     string // kid
	HasKeyID  bool   // there is a kid, which may be empty

	Issuer, Subject, Client, ID string   // as in Claims
	Audience                    []string // aud
	Scopes                      []string // as in Claims

	Expiry, NotBefore, IssuedAt time.Time // as in Claims
}

// ReadUnverified reads a token as strictly as [Verifier.Verify] does, and verifies
// nothing. It returns false for a text that is not a compact JWS. It decodes all
// claims, so do not call it for every request.
func ReadUnverified(compact string) (Unverified, bool) {
	jws, flaw := parse(compact, len(compact))
	if flaw != "" {
		return Unverified{}, false
	}
	var claims Claims
	claims.fill(jws.payload.Object(), nil)
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

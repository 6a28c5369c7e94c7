package token

import (
	"crypto/sha256"
)

// The methods of RFC 7800 that can be proven here.
const (
	memberThumbprint  = "jkt"      // RFC 9449, section 6.1
	memberCertificate = "x5t#S256" // RFC 8705, section 3.1
)

// Confirmation is what a token's cnf claim demands of the client that presents it
// (RFC 7800, section 3.1). The zero value demands nothing.
type Confirmation struct {
	Present     bool   // there is a cnf claim
	Thumbprint  string // jkt: SHA-256 of the DPoP key, in base64url; "" where it is not demanded
	Certificate string // x5t#S256: SHA-256 of the client's certificate, in base64url; "" where it is not demanded
	Unknown     bool   // another member, a member of another shape, or no member: it cannot be proven here
}

// Confirmation returns what the token demands of the client that presents it,
// for [PossessionVerifier.Verify]. RFC 7800, section 3.1, lets an application
// demand that every member is understood; this one does, so that an issuer
// which wants more proof than can be verified here does not get less.
func (c *Claims) Confirmation() Confirmation { return readConfirmation(c.All) }

func readConfirmation(claims map[string]any) Confirmation {
	value, present := claims["cnf"]
	if !present {
		return Confirmation{}
	}
	members, _ := value.(map[string]any)
	c := Confirmation{Present: true, Unknown: len(members) == 0}
	for name, value := range members {
		digest, ok := sha256Text(value)
		switch {
		case ok && name == memberThumbprint:
			c.Thumbprint = digest
		case ok && name == memberCertificate:
			c.Certificate = digest
		default:
			c.Unknown = true
		}
	}
	return c
}

// sha256Text returns a string that is a SHA-256 digest in base64url.
func sha256Text(value any) (string, bool) {
	text, _ := value.(string)
	if !base64urlOnly(text) {
		return "", false
	}
	digest, err := strictBase64.DecodeString(text)
	return text, err == nil && len(digest) == sha256.Size
}

package extauthz

import (
	"strings"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/token"
)

// credential is what a client presents: a token, under a scheme that its
// resource takes.
type credential struct {
	scheme string // token.SchemeBearer or token.SchemeDPoP
	token  string
}

// credential reads the Authorization header (RFC 6750, section 2.1; RFC 9449,
// section 7.1). Without a token to verify it returns the reason, and the scheme of
// the credential that there is. The scheme is compared without case (RFC
// 9110, section 11.1); the token itself is left to the verifier.
func (r *request) credential(takesDPoP bool) (credential, reason.Reason) {
	value, present, more := r.headers.Only("authorization")
	word, rest, spaced := strings.Cut(value, " ")
	scheme := ""
	switch {
	case strings.EqualFold(word, token.SchemeBearer):
		scheme = token.SchemeBearer
	case takesDPoP && strings.EqualFold(word, token.SchemeDPoP):
		scheme = token.SchemeDPoP
	}
	switch {
	case more || twoCredentials(value) || r.hidesTokens:
		return credential{scheme: scheme}, reason.InvalidRequest
	case !present || scheme == "":
		return credential{}, reason.NoCredentials
	case !spaced:
		return credential{scheme: scheme}, reason.TokenMalformed
	}
	return credential{scheme, strings.TrimLeft(rest, " ")}, reason.Allowed
}

// twoCredentials reports whether value is what Envoy makes of a repeated
// Authorization header: `Bearer a,Bearer b`. That is a comma, which spaces may
// surround, a scheme, a space and more. Each byte is read a bounded number of
// times, whatever a client sends.
func twoCredentials(value string) bool {
	_, rest, found := strings.Cut(value, ",")
	for found {
		var part string
		part, rest, found = strings.Cut(rest, ",")
		word, more, spaced := strings.Cut(strings.TrimLeft(part, " \t"), " ")
		more = strings.TrimLeft(more, " ")
		if spaced && isToken(word) && (more != "" || found) {
			return true // something follows the spaces, if only a comma
		}
	}
	return false
}

// isToken reports a token of RFC 9110, section 5.6.2.
func isToken(word string) bool {
	const punctuation = "!#$%&'*+-.^_`|~"
	for _, c := range []byte(word) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		digit := c >= '0' && c <= '9'
		if !letter && !digit && strings.IndexByte(punctuation, c) < 0 {
			return false
		}
	}
	return word != ""
}

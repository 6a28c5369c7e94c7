package extauthz

import (
	"strings"

	"github.com/doorward/doorward/extauthz/reason"
)

// credential is the bearer token of a request (RFC 6750, section 2.1), or the
// reason why there is none to verify. The scheme is compared without case
// (RFC 9110, section 11.1); the token itself is judged by its verifier.
func (r *request) credential() (string, reason.Reason) {
	values := r.headers["authorization"]
	if len(values) > 1 || len(values) == 1 && twoCredentials(values[0]) || r.query.hidesToken() {
		return "", reason.InvalidRequest
	}
	if len(values) == 0 {
		return "", reason.NoCredentials
	}
	scheme, rest, spaced := strings.Cut(values[0], " ")
	switch {
	case !strings.EqualFold(scheme, "Bearer"):
		return "", reason.NoCredentials
	case !spaced:
		return "", reason.TokenMalformed
	}
	return strings.TrimLeft(rest, " "), reason.Allowed
}

// twoCredentials sees what Envoy makes of a repeated Authorization header:
// `Bearer a,Bearer b`. It is a comma, spaces allowed around it, followed by a
// scheme word, a space and more.
func twoCredentials(value string) bool {
	_, rest, found := strings.Cut(value, ",")
	for found {
		word, more, spaced := strings.Cut(strings.TrimLeft(rest, " \t"), " ")
		if spaced && isToken(word) && strings.TrimLeft(more, " ") != "" {
			return true
		}
		_, rest, found = strings.Cut(rest, ",")
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

package checkwire

import (
	"iter"
	"net/url"
	"slices"
	"strings"

	"github.com/doorward/doorward/internal/folding"
)

// QueryToken is the parameter that RFC 6750, section 2.3 once allowed and
// OAuth 2.1 forbids: it is never read as a credential.
const QueryToken = "access_token"

// parameters are the pairs of a query as they were spelled, split at '&' alone,
// as Envoy splits it. Nothing is copied: a client may write very many.
func parameters(raw string) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for part := range strings.SplitSeq(raw, "&") {
			name, value, _ := strings.Cut(part, "=")
			if part != "" && !yield(name, value) { // a flood of '&' is no flood of parameters
				return
			}
		}
	}
}

// QueryTokens are the spellings under which a query carries a token, each once,
// sorted. Envoy removes a parameter by its very spelling and no other.
func QueryTokens(raw string) []string {
	var spellings []string
	for name := range parameters(raw) {
		if folding.Parameter(name, QueryToken) {
			spellings = append(spellings, name)
		}
	}
	slices.Sort(spellings)
	return slices.Compact(spellings)
}

// HidesToken reports a token behind a ';'. To Envoy `x=1;access_token=t` is one
// parameter x, to some servers two, so that it could not be removed by name.
func HidesToken(raw string) bool {
	if strings.IndexByte(raw, ';') < 0 {
		return false
	}
	for part := range strings.SplitSeq(raw, "&") {
		_, rest, found := strings.Cut(part, ";")
		for found {
			part, rest, found = strings.Cut(rest, ";")
			if name, _, _ := strings.Cut(part, "="); folding.Parameter(name, QueryToken) {
				return true
			}
		}
	}
	return false
}

// Unescape percent-decodes; what cannot be decoded stays as it was spelled.
func Unescape(s string) string {
	decoded, err := url.QueryUnescape(s)
	if err != nil {
		decoded = s
	}
	return ReplaceInvalidUTF8(decoded)
}

// NextParameter is the first parameter at or after a position in a query, as it is
// spelled there, and the position after it; 0 after the last one. A token is no
// parameter here, in whatever spelling.
func NextParameter(raw string, at int) (name, value string, next int) {
	for at < len(raw) {
		pair, _, _ := strings.Cut(raw[at:], "&")
		at += len(pair) + 1
		name, value, _ := strings.Cut(pair, "=")
		if pair != "" && !folding.Parameter(name, QueryToken) {
			return name, value, at
		}
	}
	return "", "", 0
}

// Parameter is the next value of a parameter at or after a position in a query, and the
// position after it; 0 after the last one. A name is decoded only if its length allows
// it to be an encoding of the one wanted.
func Parameter(raw, name string, at int) (value string, next int) {
	for {
		spelled, value, next := NextParameter(raw, at)
		if next == 0 {
			return "", 0
		}
		if len(spelled) >= len(name) && len(spelled) <= 3*len(name) && Unescape(spelled) == name {
			return Unescape(value), next
		}
		at = next
	}
}

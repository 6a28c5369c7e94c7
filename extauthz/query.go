package extauthz

import (
	"iter"
	"net/url"
	"slices"
	"strings"

	"github.com/doorward/doorward/internal/checkwire"
	"github.com/doorward/doorward/internal/folding"
)

// queryToken is the parameter that RFC 6750, section 2.3 once allowed and
// OAuth 2.1 forbids: it is never read as a credential.
const queryToken = "access_token"

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

// queryTokens are the spellings under which a query carries a token, each once,
// sorted. Envoy removes a parameter by its very spelling and no other.
func queryTokens(raw string) []string {
	var spellings []string
	for name := range parameters(raw) {
		if folding.Parameter(name, queryToken) {
			spellings = append(spellings, name)
		}
	}
	slices.Sort(spellings)
	return slices.Compact(spellings)
}

// hidesToken reports a token behind a ';'. To Envoy `x=1;access_token=t` is one
// parameter x, to some servers two, so that it could not be removed by name.
func hidesToken(raw string) bool {
	if strings.IndexByte(raw, ';') < 0 {
		return false
	}
	for part := range strings.SplitSeq(raw, "&") {
		_, rest, found := strings.Cut(part, ";")
		for found {
			part, rest, found = strings.Cut(rest, ";")
			if name, _, _ := strings.Cut(part, "="); folding.Parameter(name, queryToken) {
				return true
			}
		}
	}
	return false
}

// unescape percent-decodes; what cannot be decoded stays as it was spelled.
func unescape(s string) string {
	decoded, err := url.QueryUnescape(s)
	if err != nil {
		decoded = s
	}
	return checkwire.ReplaceInvalidUTF8(decoded)
}

package extauthz

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/doorward/doorward/policy"
)

// queryToken is the parameter that RFC 6750, section 2.3 once allowed and
// OAuth 2.1 forbids: it is never read as a credential.
const queryToken = "access_token"

// query is a request's query, split at '&' alone, as Envoy splits it.
type query []parameter

// parameter is one `name=value` of a query as it was spelled.
type parameter struct{ name, value string }

func splitQuery(raw string) query {
	if raw == "" {
		return nil
	}
	var split query
	for part := range strings.SplitSeq(raw, "&") {
		if part != "" { // a flood of '&' is no flood of parameters
			name, value, _ := strings.Cut(part, "=")
			split = append(split, parameter{name, value})
		}
	}
	return split
}

// tokens are the spellings under which the query carries a token, each once.
// Envoy removes a parameter by its very spelling and no other.
func (q query) tokens() []string {
	var spellings []string
	seen := map[string]bool{}
	for _, p := range q {
		if mayBe(p.name, queryToken) && !seen[p.name] && unescape(p.name) == queryToken {
			seen[p.name] = true
			spellings = append(spellings, p.name)
		}
	}
	return spellings
}

// hidesToken reports a token behind a ';'. To Envoy `x=1;access_token=t` is one
// parameter x, to some servers two, so that it could not be removed by name.
func (q query) hidesToken() bool {
	for _, p := range q {
		if strings.IndexByte(p.name, ';') < 0 && strings.IndexByte(p.value, ';') < 0 {
			continue
		}
		_, rest, found := strings.Cut(p.name+"="+p.value, ";")
		for found {
			var part string
			part, rest, found = strings.Cut(rest, ";")
			name, _, _ := strings.Cut(part, "=")
			if unescape(name) == queryToken {
				return true
			}
		}
	}
	return false
}

// mayBe sees by its length alone that a spelling is no escape of name, so that
// most parameters are not decoded at all.
func mayBe(spelling, name string) bool {
	return len(spelling) >= len(name) && len(spelling) <= 3*len(name)
}

// values is the query as far as a policy reads it: decoded, without tokens.
func (q query) values(reads policy.Reads) map[string][]string {
	if !reads.AllQuery && len(reads.Query) == 0 {
		return nil
	}
	values := map[string][]string{}
	for _, p := range q {
		name := unescape(p.name)
		if name == queryToken || !reads.AllQuery && !slices.Contains(reads.Query, name) {
			continue
		}
		values[name] = append(values[name], unescape(p.value))
	}
	return values
}

// unescape percent-decodes; what cannot be decoded stays as it was spelled.
func unescape(s string) string {
	decoded, err := url.QueryUnescape(s)
	if err != nil {
		decoded = s
	}
	return replaceInvalidUTF8(decoded)
}

func replaceInvalidUTF8(raw string) string {
	if utf8.ValidString(raw) {
		return raw
	}
	var clean strings.Builder
	for len(raw) > 0 {
		r, size := utf8.DecodeRuneInString(raw)
		if r == utf8.RuneError && size == 1 {
			clean.WriteByte('!')
		} else {
			clean.WriteString(raw[:size])
		}
		raw = raw[size:]
	}
	return clean.String()
}

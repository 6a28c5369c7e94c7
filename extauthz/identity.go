package extauthz

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/doorward/doorward/internal/checkwire"
)

// The identity headers an upstream may rely on: on an allowed request they are
// ours or they are gone (T-7, T-8).
const (
	identityPrefix = "x-mcp-auth-"
	issuerHeader   = identityPrefix + "issuer"
	subjectHeader  = identityPrefix + "subject"
	clientHeader   = identityPrefix + "client"
	scopeHeader    = identityPrefix + "scope"
	expiresHeader  = identityPrefix + "expires" // of resources that ask for it

	handleHeader    = identityPrefix + "handle"
	assertionHeader = identityPrefix + "assertion"
)

// ownHeaders are removed from each allowed request that does not set them.
func ownHeaders() []string {
	return []string{issuerHeader, subjectHeader, clientHeader, scopeHeader, handleHeader, assertionHeader}
}

// upstreamHeaders are the headers an allowed request carries on: the identity in
// the token if there is one, then what the team's policy adds, sorted by name.
func (v *verdict) upstreamHeaders() [][2]string {
	var set [][2]string
	put := func(name, value string) {
		if value != "" {
			set = append(set, [2]string{name, value})
		}
	}
	if v.claims != nil {
		var scopes []string
		for _, scope := range v.resource.HeldScopes(v.claims.Scopes) {
			scopes = append(scopes, percentEncode(scope))
		}
		put(issuerHeader, percentEncode(v.claims.Issuer))
		put(subjectHeader, percentEncode(v.claims.Subject))
		put(clientHeader, percentEncode(v.claims.Client))
		put(scopeHeader, strings.Join(scopes, " "))
		if v.resource.ExpiresHeader {
			put(expiresHeader, strconv.FormatInt(v.claims.Expiry.Unix(), 10))
		}
		put(assertionHeader, v.issued.assertion)
		if !v.usesBaggage {
			put(handleHeader, v.issued.handle)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.decision.Headers)) {
		put(name, v.decision.Headers[name])
	}
	return set
}

// removedHeaders are the credentials, as the decision's strip names them and
// from nowhere else, and every header that could pass for one of ours: seen or
// not, since some meshes show us only a part. Envoy sets before it removes, so
// no name is in both lists.
func (v *verdict) removedHeaders(in *request, set [][2]string) []string {
	isSet := func(name string) bool {
		return slices.ContainsFunc(set, func(header [2]string) bool { return header[0] == name })
	}
	var removed []string
	for _, name := range slices.Concat(v.decision.Strip.Headers, ownHeaders(), v.policyHeaders) {
		if !isSet(name) && !slices.Contains(removed, name) {
			removed = append(removed, name)
		}
	}
	if v.resource.ExpiresHeader && !isSet(expiresHeader) {
		removed = append(removed, expiresHeader)
	}
	isForged := func(h checkwire.Header) bool { return isReservedName(h.Name, v.policyHeaders) }
	first := slices.IndexFunc(in.headers, isForged)
	if first < 0 {
		return removed
	}
	named := slices.Clip(removed)
	forged := make([]string, 0, len(in.headers)-first) // once: a client may write very many
	for _, header := range in.headers[first:] {
		if isForged(header) && !isSet(header.Name) && !slices.Contains(named, header.Name) {
			forged = append(forged, header.Name)
		}
	}
	slices.Sort(forged)
	return append(named, slices.Compact(forged)...)
}

// percentEncode writes every byte outside 0x21-0x7E, and '%', as %XX, so that
// the value is one header token whatever a claim holds.
func percentEncode(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r < 0x21 || r > 0x7e || r == '%' }) {
		return s
	}
	var encoded strings.Builder
	for _, b := range []byte(s) {
		if b < 0x21 || b > 0x7e || b == '%' {
			fmt.Fprintf(&encoded, "%%%02X", b)
		} else {
			encoded.WriteByte(b)
		}
	}
	return encoded.String()
}

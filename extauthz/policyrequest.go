package extauthz

import (
	"strings"

	"github.com/doorward/doorward/internal/folding"
)

// Attribute implements [policy.Request].
func (r *request) Attribute(name string) string {
	switch name {
	case "id":
		return r.id
	case "method":
		return r.method
	case "scheme":
		return r.scheme
	case "host":
		return r.authority
	case "path":
		return r.path
	case "source_address":
		return r.sourceAddress
	case "source_principal":
		return r.sourcePrincipal
	case "client_address":
		return r.clientAddress()
	default:
		return ""
	}
}

// Header implements [policy.Request]. Both forms in which Envoy sends headers
// have one result: it joins the values of a repeated header in `headers`, and
// keeps them apart in `header_map`.
func (r *request) Header(name string) (value string, ok bool) {
	if isPseudoHeader(name) {
		return "", false
	}
	value, ok, repeated := r.headers.Only(name)
	if repeated {
		return strings.Join(r.headers.Values(name), ","), true
	}
	return value, ok
}

// AllHeaders implements [policy.Request]. Each occurrence of a header counts.
func (r *request) AllHeaders(most int) (map[string]string, bool) {
	if len(r.headers) > most {
		return nil, false
	}
	values := map[string][]string{}
	for _, header := range r.headers {
		if !isPseudoHeader(header.Name) {
			values[header.Name] = append(values[header.Name], header.Value)
		}
	}
	all := make(map[string]string, len(values))
	for name, several := range values {
		all[name] = strings.Join(several, ",")
	}
	return all, true
}

// isPseudoHeader reports a header of HTTP/2 such as ":path", which Envoy lists
// among the others.
func isPseudoHeader(name string) bool { return strings.HasPrefix(name, ":") }

// Parameter implements [policy.Request]. A name is decoded only if its length
// allows it to be an encoding of the one wanted.
func (r *request) Parameter(name string, at int) (value string, next int) {
	for {
		spelled, value, next := r.parameter(at)
		if next == 0 {
			return "", 0
		}
		if len(spelled) >= len(name) && len(spelled) <= 3*len(name) && unescape(spelled) == name {
			return unescape(value), next
		}
		at = next
	}
}

// AnyParameter implements [policy.Request].
func (r *request) AnyParameter(at int) (name, value string, next int) {
	spelled, value, next := r.parameter(at)
	return unescape(spelled), unescape(value), next
}

// parameter is the first parameter at or after a position in the query, as it is
// spelled there, and the position after it; 0 after the last one. A token is no
// parameter here, in whatever spelling.
func (r *request) parameter(at int) (name, value string, next int) {
	for at < len(r.rawQuery) {
		pair, _, _ := strings.Cut(r.rawQuery[at:], "&")
		at += len(pair) + 1
		name, value, _ := strings.Cut(pair, "=")
		if pair != "" && !folding.Parameter(name, queryToken) {
			return name, value, at
		}
	}
	return "", "", 0
}

package policy

import (
	"maps"
	"slices"
	"strings"
)

// Request is the request that a decision is about. A decision asks for the
// members of `input.request` that the rules read and for no others, so that a
// server need not copy a request to have it decided. [RequestValues] is the
// Request to use where all values are at hand.
type Request interface {
	// Attribute is the string under this name in input.request: "id", "method",
	// "scheme", "host", "path", "source_address", "source_principal" or
	// "client_address". It is "" where the value is not known.
	Attribute(name string) string

	// Header is the value of a header, by its lower-case name. The values of a
	// header that a client repeats are joined with a comma.
	Header(name string) (value string, ok bool)

	// AllHeaders are the values that Header returns, by name. It is false where
	// the request has more than this many headers.
	AllHeaders(most int) (map[string]string, bool)

	// Parameter is the next value of a query parameter at or after a position in
	// the query, and the position that follows it. The first position is 0; next
	// is 0 where no value is left. Names and values are percent-decoded.
	Parameter(name string, at int) (value string, next int)

	// AnyParameter is Parameter for every name.
	AnyParameter(at int) (name, value string, next int)
}

// RequestValues is a [Request] with a field for each member of input.request.
// Its zero value has an empty method, scheme, host and path, and nothing else.
type RequestValues struct {
	ID              string              // the x-request-id; "": not known
	Method          string              // as the client sent it
	Scheme          string              // "https" or "http"
	Host            string              // the authority, as the client sent it
	Path            string              // the bytes before the first "?"
	Query           map[string][]string // decoded names and values; a name without values is no parameter
	Headers         map[string][]string // by lower-case name
	SourceAddress   string              // the peer's IP address; "": not known
	SourcePrincipal string              // the peer's identity from mTLS; "": not known
	ClientAddress   string              // the client's IP address; "": not known
}

// Attribute implements [Request].
func (r *RequestValues) Attribute(name string) string {
	switch name {
	case "id":
		return r.ID
	case "method":
		return r.Method
	case "scheme":
		return r.Scheme
	case "host":
		return r.Host
	case "path":
		return r.Path
	case "source_address":
		return r.SourceAddress
	case "source_principal":
		return r.SourcePrincipal
	case "client_address":
		return r.ClientAddress
	default:
		return ""
	}
}

// Header implements [Request].
func (r *RequestValues) Header(name string) (value string, ok bool) {
	values, ok := r.Headers[name]
	if len(values) == 1 {
		return values[0], ok
	}
	return strings.Join(values, ","), ok
}

// AllHeaders implements [Request].
func (r *RequestValues) AllHeaders(most int) (map[string]string, bool) {
	if len(r.Headers) > most {
		return nil, false
	}
	all := make(map[string]string, len(r.Headers))
	for name := range r.Headers {
		all[name], _ = r.Header(name)
	}
	return all, true
}

// Parameter implements [Request].
func (r *RequestValues) Parameter(name string, at int) (value string, next int) {
	if values := r.Query[name]; at < len(values) {
		return values[at], at + 1
	}
	return "", 0
}

// AnyParameter implements [Request].
func (r *RequestValues) AnyParameter(at int) (name, value string, next int) {
	before := 0
	for _, name := range slices.Sorted(maps.Keys(r.Query)) {
		if values := r.Query[name]; at < before+len(values) {
			return name, values[at-before], at + 1
		}
		before += len(r.Query[name])
	}
	return "", "", 0
}

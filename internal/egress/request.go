package egress

import (
	"iter"
	"strings"

	"github.com/doorward/doorward/internal/checkwire"
	"github.com/doorward/doorward/internal/tokensearch"
)

// request is the HTTP request that a Check is about.
type request struct {
	id        string // the x-request-id, else Envoy's stream id
	method    string
	scheme    string
	authority string
	path      string // the bytes before the first '?'
	rawQuery  string
	body      string
	headers   checkwire.Headers

	destination    string // context_extensions["destination"]
	hasDestination bool

	principal     string // of the peer, as Envoy verified it
	sourceAddress string // IP address of the peer, without port
}

// read makes a request of the attributes of a Check. It is false where they hold no
// HTTP request.
func read(a *checkwire.Attributes) (*request, bool) {
	if !a.HasHTTP {
		return nil, false
	}
	path, rawQuery, _ := strings.Cut(a.FullPath(), "?")
	return &request{
		id: a.JoinKey(), method: a.Method, scheme: a.Scheme, authority: a.Host,
		path: path, rawQuery: rawQuery, body: a.Body, headers: a.Headers(),
		destination: a.Destination, hasDestination: a.HasDestination,
		principal: a.Principal, sourceAddress: a.Peer.Address,
	}, true
}

// parts are all of the request in which a token can be, with this body, but for the
// handle.
func (r *request) parts(body string) iter.Seq[tokensearch.Part] {
	return func(yield func(tokensearch.Part) bool) {
		for _, part := range [...]tokensearch.Part{
			{Kind: tokensearch.Authority, Value: r.authority},
			{Kind: tokensearch.Path, Value: r.path},
			{Kind: tokensearch.Query, Value: r.rawQuery},
			{Kind: tokensearch.HeaderValue, Name: ":method", Value: r.method},
			{Kind: tokensearch.Body, Value: body},
		} {
			if part.Value != "" && !yield(part) {
				return
			}
		}
		for _, header := range r.headers {
			if header.Name == handleHeader || r.isPart(header) {
				continue
			}
			if !yield(tokensearch.Part{Kind: tokensearch.HeaderName, Value: header.Name}) ||
				!yield(tokensearch.Part{Kind: tokensearch.HeaderValue, Name: header.Name, Value: header.Value}) {
				return
			}
		}
	}
}

// isPart reports a pseudo-header whose value is a part of its own.
func (r *request) isPart(header checkwire.Header) bool {
	switch header.Name {
	case ":authority":
		return header.Value == r.authority
	case ":method":
		return header.Value == r.method
	case ":path":
		path, rawQuery, _ := strings.Cut(header.Value, "?")
		return path == r.path && rawQuery == r.rawQuery
	}
	return false
}

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
		return r.principal
	default:
		return ""
	}
}

// Header implements [policy.Request].
func (r *request) Header(name string) (value string, ok bool) { return r.headers.Joined(name) }

// AllHeaders implements [policy.Request].
func (r *request) AllHeaders(most int) (map[string]string, bool) { return r.headers.All(most) }

// Parameter implements [policy.Request].
func (r *request) Parameter(name string, at int) (value string, next int) {
	return checkwire.Parameter(r.rawQuery, name, at)
}

// AnyParameter implements [policy.Request].
func (r *request) AnyParameter(at int) (name, value string, next int) {
	spelled, value, next := checkwire.NextParameter(r.rawQuery, at)
	return checkwire.Unescape(spelled), checkwire.Unescape(value), next
}

package extauthz

import "github.com/doorward/doorward/internal/checkwire"

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

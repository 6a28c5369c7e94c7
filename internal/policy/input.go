package policy

import "cmp"

// Input is the Rego document `input`, version 1, of one request. It is an API:
// teams write rules against it, so members are added and never renamed. A value
// that is not known is absent from the document and not "", so that a
// requirement which reads it is undefined, and the request is refused.
//
// The document holds no credentials: the headers authorization, dpop and cookie
// and the query parameter access_token are left out, in every spelling.
type Input struct {
	Request  Request        // input.request; nil: the zero [RequestValues]
	Resource Resource       // input.resource
	Claims   map[string]any // input.claims: the verified claims; numbers are json.Number
	Token    Token          // input.token
}

// Resource is `input.resource`: the resource that the request is for.
type Resource struct {
	Name      string            // name: its short name in the configuration
	URI       string            // uri: its canonical URI (RFC 8707)
	Audiences []string          // audiences: further exact `aud` values
	Scopes    []string          // scopes: needed by every request
	Labels    map[string]string // labels: whatever the configuration says for Rego
}

// Token is `input.token`: what verification says about the token beside its
// claims.
type Token struct {
	Issuer  string   // issuer: the `iss` that is configured and trusted here
	Client  string   // client: client_id, else azp, cid, appid; may be absent
	Scopes  []string // scopes: from `scope`, else `scp`
	Profile string   // profile: "standard" or "rfc9068"
	Binding string   // binding: "none"; "" is shown as "none"
}

// noRequest is the request of an [Input] without one.
var noRequest = &RequestValues{}

func (in *Input) request() Request {
	if in.Request == nil {
		return noRequest
	}
	return in.Request
}

// text is the value of a part that is a string.
func (in *Input) text(p part) string {
	switch p {
	case resourceName:
		return in.Resource.Name
	case resourceURI:
		return in.Resource.URI
	case tokenIssuer:
		return in.Token.Issuer
	case tokenClient:
		return in.Token.Client
	case tokenProfile:
		return in.Token.Profile
	case tokenBinding:
		return cmp.Or(in.Token.Binding, "none")
	default:
		return in.request().Attribute(partPaths[p][1])
	}
}

// list is the value of a part that is a list of strings.
func (in *Input) list(p part) []string {
	switch p {
	case resourceAudiences:
		return in.Resource.Audiences
	case resourceScopes:
		return in.Resource.Scopes
	case tokenScopes:
		return in.Token.Scopes
	default:
		return nil
	}
}

// parameters are the query parameters that a policy may see, by name.
func (in *Input) parameters() map[string][]string {
	all := map[string][]string{}
	r := in.request()
	for name, value, at := r.AnyParameter(0); at > 0; name, value, at = r.AnyParameter(at) {
		if !requestQuery.hides(name) {
			all[name] = append(all[name], value)
		}
	}
	return all
}

// parameter are the values of one query parameter.
func (in *Input) parameter(name string) []string {
	var all []string
	r := in.request()
	for value, at := r.Parameter(name, 0); at > 0; value, at = r.Parameter(name, at) {
		all = append(all, value)
	}
	return all
}

// claim is the member of claims at the end of these names, and how many of the
// names lead to a value: all of them if the member exists.
func (in *Input) claim(below []string) (value any, there int) {
	value = in.Claims
	for i, name := range below {
		object, _ := value.(map[string]any)
		member, has := object[name]
		if !has {
			return nil, i
		}
		value = member
	}
	return value, len(below)
}

package policy

import "cmp"

// Input is what Rego sees as `input`, version 1. It is an API: teams write
// rules against it, so members are added, never renamed. A value that is not
// known (marked "may be absent") is left out rather than shown as "": what is
// missing makes a `require` rule undefined, and undefined denies.
//
// Credentials are no part of it: the headers authorization, dpop and cookie,
// and the query parameter access_token, are dropped even if they are given.
type Input struct {
	Request  Request        // input.request
	Resource Resource       // input.resource
	Claims   map[string]any // input.claims: verified claims, as package token decodes them; numbers are json.Number
	Token    Token          // input.token
}

// Request is `input.request`: the request as the client sent it.
//
// Query and Headers may hold only what [Evaluator.Reads] names: a decision reads no
// more of them.
type Request struct {
	ID              string              // id: the x-request-id; may be absent
	Method          string              // method: as sent, upper case by custom
	Scheme          string              // scheme: "https" or "http"
	Host            string              // host: the authority, as sent
	Path            string              // path: the bytes before the first "?"
	Query           map[string][]string // query: names and values percent-decoded, each name with all its values in order
	Headers         map[string][]string // headers: names in lower case, each with one value: what a client repeats is joined with a comma
	SourceAddress   string              // source_address: the peer's IP address; may be absent
	SourcePrincipal string              // source_principal: the peer's identity from mTLS; may be absent
	ClientAddress   string              // client_address: the client's IP address; may be absent
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

// text is a part that is a text.
func (in *Input) text(p part) string {
	switch p {
	case requestID:
		return in.Request.ID
	case requestMethod:
		return in.Request.Method
	case requestScheme:
		return in.Request.Scheme
	case requestHost:
		return in.Request.Host
	case requestPath:
		return in.Request.Path
	case requestSourceAddress:
		return in.Request.SourceAddress
	case requestSourcePrincipal:
		return in.Request.SourcePrincipal
	case requestClientAddress:
		return in.Request.ClientAddress
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
		return ""
	}
}

// list is a part that is a list of texts.
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

// lists is a part that holds lists of texts by name.
func (in *Input) lists(p part) map[string][]string {
	if p == requestQuery {
		return in.Request.Query
	}
	return in.Request.Headers
}

// claim is what stands below claims under these names, and how many of them
// there are: all of them where it is there.
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

package policy

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

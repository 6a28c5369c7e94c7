package policy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

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
	MCP      MCP            // input.mcp

	// Destination is where a server of the resource sends its own request
	// (input.destination). Nil: the request comes in. It decides what input.direction is.
	Destination *Destination

	// Fixed, where it has a State, is in the key of a cached decision in place of all that
	// the configuration fixes. It is no part of the document.
	Fixed Fixed
}

// Fixed names the configuration that an Input is made with. Two inputs with one Fixed
// must have the same Resource, but for what an operation needs and for Anonymous, and
// the same rules of the issuer in Token.
type Fixed struct {
	State    uint64 // no two configurations of a process have the same; 0: each value is in the key
	Resource string // the URL that was asked; of no pattern, whose values are those of a request
	Issuer   string // of the configuration
}

// MCP is `input.mcp`: the operation that the request asks for. Method, Name and
// ProtocolVersion are absent where they are not known, as for a GET.
type MCP struct {
	Method          string // method: of JSON-RPC, such as "tools/call"
	Name            string // name: the tool, prompt, resource URI, or reference of a completion
	ProtocolVersion string // protocol_version: the MCP-Protocol-Version header
	Source          string // source: "headers", "body", "filter_metadata" or "none"; "" is shown as "none"
	Trusted         bool   // trusted: the configuration trusts the source, or it is the body
}

// Destination is `input.destination`: where the request of a server goes.
type Destination struct {
	Host  string // host: as it is configured
	Path  string // path: the one that is configured for it; absent: all paths of the host
	Token string // token: what it gets of the configuration: "none", "keep", "exchange" or "client_credentials"
}

// Resource is `input.resource`: the resource that the request is for. Of a request that
// goes out, it is the one whose server makes it.
type Resource struct {
	Name      string            // name: its short name in the configuration
	URI       string            // uri: its canonical URI (RFC 8707)
	Audiences []string          // audiences: further exact `aud` values
	Scopes    []string          // scopes: needed by every request
	Labels    map[string]string // labels: of the configuration, for Rego

	Aliases    []string          // aliases: further URIs that users type, which `aud` may name
	Clients    []string          // clients: client ids that are registered for this resource alone
	Parameters map[string]string // parameters: the values of a pattern's placeholders, by name
	ScopesAny  [][]string        // scopes_any: alternatives, of which every request needs one

	// What the operation of this request needs beside that.
	OperationScopes []string      // operation_scopes
	ACRValues       []string      // acr_values: acr must be one of them (RFC 9470); empty: any
	MaxAge          time.Duration // max_age: of the authentication, in seconds (RFC 9470); absent: any

	// Anonymous is whether the operation may come without a token and this request has
	// none (anonymous). Then input has no claims and no token.
	Anonymous bool
}

// Token is `input.token`: what verification established beside the claims.
type Token struct {
	Issuer  string   // issuer: the `iss` that is configured and trusted here
	Client  string   // client: client_id, else azp, cid, appid; may be absent
	Scopes  []string // scopes: from `scope`, else `scp`, or from the issuer's scope_claims
	Profile string   // profile: "standard" or "rfc9068"
	Binding string   // binding: "none"; "" is shown as "none"
	Tenant  string   // tenant: of an issuer that is a template; may be absent

	// How the token shows that it was issued for the resource.
	BoundBy         string // bound_by: "aud", "client" or "dedicated"; absent where no way can hold
	Marked          bool   // marked: something shows that it is an access token
	SubjectAccepted bool   // subject_accepted: the resource's subjects and claims accept it

	// Recent is whether auth_time is within the resource's max_age now, or there is none
	// (recent).
	Recent bool

	// Trusted is whether its issuer is one of the resource's, which every verified token's
	// is (trusted): for [Engine.Ours].
	Trusted bool

	// The rules of its issuer.
	NoScopes         bool     // no_scopes: its access tokens carry no scopes
	Dedicated        bool     // dedicated: all its tokens are for one resource
	GenericAudiences []string // generic_audiences: values of `aud` that name no resource
	ClientIDPattern  string   // client_id_pattern: what else `aud` may be where dedicated; may be absent
	SelfAsserted     bool     // self_asserted: callers choose `aud` themselves
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
	case tokenTenant:
		return in.Token.Tenant
	case tokenBoundBy:
		return in.Token.BoundBy
	case tokenClientIDPattern:
		return in.Token.ClientIDPattern
	case tokenBinding:
		return cmp.Or(in.Token.Binding, "none")
	case mcpMethod:
		return in.MCP.Method
	case mcpName:
		return in.MCP.Name
	case mcpProtocolVersion:
		return in.MCP.ProtocolVersion
	case mcpSource:
		return cmp.Or(in.MCP.Source, "none")
	case direction:
		if in.Destination != nil {
			return "egress"
		}
		return "inbound"
	case destinationHost:
		return in.destination().Host
	case destinationPath:
		return in.destination().Path
	case destinationToken:
		return in.destination().Token
	default:
		return in.request().Attribute(partPaths[p][1])
	}
}

func (in *Input) destination() Destination {
	if in.Destination == nil {
		return Destination{}
	}
	return *in.Destination
}

// list is the value of a part that is a list of strings.
func (in *Input) list(p part) []string {
	switch p {
	case resourceAudiences:
		return in.Resource.Audiences
	case resourceScopes:
		return in.Resource.Scopes
	case resourceAliases:
		return in.Resource.Aliases
	case resourceClients:
		return in.Resource.Clients
	case resourceOperationScopes:
		return in.Resource.OperationScopes
	case resourceACRValues:
		return in.Resource.ACRValues
	case tokenScopes:
		return in.Token.Scopes
	case tokenGenericAudiences:
		return in.Token.GenericAudiences
	default:
		return nil
	}
}

// flag is the value of a part that is true or false.
func (in *Input) flag(p part) bool {
	switch p {
	case tokenMarked:
		return in.Token.Marked
	case tokenSubjectAccepted:
		return in.Token.SubjectAccepted
	case tokenNoScopes:
		return in.Token.NoScopes
	case tokenDedicated:
		return in.Token.Dedicated
	case tokenRecent:
		return in.Token.Recent
	case tokenTrusted:
		return in.Token.Trusted
	case resourceAnonymous:
		return in.Resource.Anonymous
	case mcpTrusted:
		return in.MCP.Trusted
	default:
		return in.Token.SelfAsserted
	}
}

// maxAge is max_age as it is written; "" where there is none.
func (in *Input) maxAge() json.Number {
	if in.Resource.MaxAge == 0 {
		return ""
	}
	return json.Number(strconv.FormatInt(int64(in.Resource.MaxAge/time.Second), 10))
}

// mapping is the value of a part that maps names to texts.
func (in *Input) mapping(p part) map[string]string {
	if p == resourceParameters {
		return in.Resource.Parameters
	}
	return in.Resource.Labels
}

// maxRead is how many query parameters, and how many headers, a request may have
// where the rules read all of them. Each costs about 700 bytes to build and to
// evaluate, and a client writes one with two bytes.
const maxRead = 500

var (
	errManyParameters = fmt.Errorf("the request has more than %d query parameters, "+
		"and a rule reads all of input.request.query: read those that the rule needs by name, "+
		"as input.request.query.page", maxRead)
	errManyHeaders = fmt.Errorf("the request has more than %d headers, and a rule reads all of input.request.headers: "+
		`read those that the rule needs by name, as input.request.headers["x-tenant"]`, maxRead)
)

// parameters are the query parameters that a policy may see, by name.
func (in *Input) parameters() (map[string][]string, error) {
	all := map[string][]string{}
	r, count := in.request(), 0
	for name, value, at := r.AnyParameter(0); at > 0; name, value, at = r.AnyParameter(at) {
		if count++; count > maxRead {
			return nil, errManyParameters
		}
		if !requestQuery.hides(name) {
			all[name] = append(all[name], value)
		}
	}
	return all, nil
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

// claim is the member of claims at the end of these names, and how many of the names
// have a value: all of them if the member exists.
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

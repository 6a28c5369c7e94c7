package extauthz

import (
	"fmt"
	"slices"
	"strings"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/denials"
	"github.com/doorward/doorward/internal/redact"
)

// Fact is a detail of a refusal for a person, redacted and truncated.
type Fact struct{ Name, Value string }

// denialAdvice composes the facts of one refusal and the advice of what to do about
// it. It is composed for a log line or for Explain, never for an answer, so that
// it may parse the token again.
type denialAdvice struct {
	state *numberedState
	req   *request
	v     *verdict

	scheme, compact string           // of the Authorization header
	unverified      token.Unverified // claims without a verified signature; zero for what is no token

	facts  []Fact
	advice string
}

// newDenialAdvice composes it. state is nil before the first Swap.
func newDenialAdvice(state *numberedState, req *request, v *verdict) *denialAdvice {
	a := &denialAdvice{state: state, req: req, v: v, advice: v.reason.Advice()}
	if state == nil || v.allowed() {
		return a
	}
	value, _, _ := req.headers.Only("authorization")
	var rest string
	a.scheme, rest, _ = strings.Cut(value, " ")
	a.compact = strings.TrimLeft(rest, " ")
	switch v.reason {
	case reason.NoResource, reason.Misconfigured:
		a.noResource()
	case reason.OriginNotAllowed:
		a.origin()
	case reason.InvalidRequest:
		a.invalidRequest()
	case reason.NoCredentials:
		a.noCredentials()
	case reason.TokenMalformed:
		a.tokenMalformed()
	case reason.BindingUnproven:
		a.bindingUnproven()
	case reason.AudienceMismatch:
		a.audience()
	case reason.OperationUnknown:
		a.operationUnknown()
	case reason.InsufficientUserAuthentication:
		a.scopes()
		a.authentication()
	case reason.InsufficientScope:
		a.scopes()
	default:
		a.token()
	}
	return a
}

// addFact adds a fact whose value is redacted already.
func (a *denialAdvice) addFact(name, value string) {
	if value != "" {
		a.facts = append(a.facts, Fact{name, denials.Truncate(value)})
	}
}

// addFactList adds names that the configuration or a verified token has.
func (a *denialAdvice) addFactList(name string, values []string) {
	a.addFact(name, redact.ID(strings.Join(values, " ")))
}

// advise replaces the advice that goes with the reason alone.
func (a *denialAdvice) advise(format string, args ...any) { a.advice = fmt.Sprintf(format, args...) }

func (a *denialAdvice) noResource() {
	named := denials.Truncate(redact.Text(a.req.resource))
	fault := resource.PathFault(a.req.path)
	if a.req.hasResource {
		a.addFact("named", named)
	}
	switch {
	case a.v.reason == reason.Misconfigured:
	case fault != "":
		a.advise("the path %s, so that two readers may read it in two ways: no resource has such a path", fault)
	case a.req.hasResource:
		a.advise("context_extensions names the resource %s, which is not at this authority: correct the route in "+
			"Envoy, or add the URL to its also_at", named)
	case a.authorityKnown():
		a.advise("no resource at this authority has this path, byte for byte: write the URL that clients type as a " +
			"resource, or stop routing it here")
	}
}

// authorityKnown reports whether any resource is at the authority of the request.
func (a *denialAdvice) authorityKnown() bool {
	return slices.ContainsFunc(a.state.Resources.All(),
		func(r *resource.Resource) bool { return r.At(a.req.authority) })
}

func (a *denialAdvice) origin() {
	origins := a.req.headers.Values("origin")
	a.addFact("origin", redact.Text(strings.Join(origins, ", ")))
	switch {
	case len(origins) > 1, strings.Contains(origins[0], ","):
		a.advise("the request has more than one Origin, and a browser sends one: look for what adds the others")
	case origins[0] == "null":
		a.advise("the page has no origin, as a local file or a sandboxed frame: origins: [\"null\"] lets those " +
			"in, and any page can open such a frame")
	}
}

func (a *denialAdvice) invalidRequest() {
	value, _, more := a.req.headers.Only("authorization")
	switch {
	case more:
		a.advise("the request has %d Authorization headers: have the client send one",
			len(a.req.headers.Values("authorization")))
	case twoCredentials(value):
		a.advise("the Authorization header holds two credentials, or was sent twice: have the client send one")
	default:
		a.advise("the query has an access_token behind a semicolon, which some servers read as a parameter of its " +
			"own: mend the client")
	}
}

func (a *denialAdvice) noCredentials() {
	_, present, _ := a.req.headers.Only("authorization")
	_, parsed := token.ReadUnverified(a.scheme)
	switch {
	case !present && len(a.req.tokens) > 0:
		a.advise("the token is in the query, where it is never read: have the client send it in the Authorization " +
			"header")
	case !present && a.v.cause != "":
		a.advise("anonymous lists operations that need no token, and this request needs one: see cause; the " +
			"challenge starts the client's login")
	case !present:
	case parsed:
		a.advise("the Authorization header has a token without a scheme: have the client write Bearer before it")
	case strings.EqualFold(a.scheme, token.SchemeDPoP):
		a.addFact("scheme", token.SchemeDPoP)
		a.advise("the client sent a DPoP token, and the resource takes none: set dpop: optional there, or have the " +
			"client use Bearer")
	default:
		a.addFact("scheme", redact.Text(a.scheme))
		a.advise("the scheme of the Authorization header is not Bearer: the challenge starts the login of a client " +
			"that knows MCP")
	}
}

func (a *denialAdvice) scopes() {
	a.addFactList("needed", a.v.decision.Scopes)
	a.addFactList("granted", a.v.grantedScopes())
	a.addFactList("missing", a.v.missingScopes())
}

func sameButSlash(a, b string) bool {
	return a != b && strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/")
}

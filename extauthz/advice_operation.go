package extauthz

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/mcp"
	"github.com/doorward/doorward/internal/redact"
)

// operationUnknown advises on the source of the operation that is missing or not
// trusted, or on the entry that is missing.
func (a *denialAdvice) operationUnknown() {
	read, trust := &a.req.operation, a.v.resource.MCP
	switch {
	case read.Fault == mcp.NoFault:
		a.advise("add an entry for this method and name to operations, if tokens of this resource may ask for it: " +
			"operations_default: deny refuses what no entry matches")
	case a.req.method != http.MethodPost:
		a.advise("MCP uses POST, GET and DELETE: have the client use one of them")
	case read.Detail == mcp.SourcesDisagree:
		a.advise("the headers or the metadata name another operation than the one that the server would run: " +
			"correct the client, or the proxy that writes the headers")
	case read.Detail == mcp.ResponseOrCall:
		a.advise("the client answers a request of the server, and Envoy's mcp filter does not show whether that is " +
			"also a call: use with_request_body for this server")
	case read.Source == mcp.FilterMetadata && !trust.FilterMetadata:
		a.advise("write mcp: {filter_metadata: trusted} where the conditions of docs/operations.md hold, or have " +
			"Envoy send bodies: with_request_body")
	case read.Source != mcp.None:
	case !trust.FilterMetadata:
		a.advise("Envoy sends neither the body nor metadata of its mcp filter: configure one of them as envoy.yaml " +
			"shows, and for the filter mcp: {filter_metadata: trusted}")
	case len(a.req.attributes.MCP) == 0:
		a.advise("Envoy sends no metadata of its mcp filter: put the filter before ext_authz, and write " +
			"metadata_context_namespaces: [envoy.filters.http.mcp] there; it sends none for a body without JSON-RPC")
	default:
		a.advise("Envoy's mcp filter did not read one whole message: the body is larger than its " +
			"max_request_body_size, is a batch, is no JSON-RPC, or has a key twice")
	}
}

// authentication shows how and when the user logged in, and what the operation needs
// (RFC 9470).
func (a *denialAdvice) authentication() {
	needs, claims := a.v.stepUp, a.v.claims
	if needs == nil || claims == nil {
		return
	}
	acr, _ := claims.All["acr"].(string)
	lacksACR := len(needs.ACRValues) > 0 && !slices.Contains(needs.ACRValues, acr)
	a.addFact("acr", redact.Text(acr))
	a.addFact("acr_values", strings.Join(needs.ACRValues, " "))
	at, hasTime := loginTime(claims.All["auth_time"])
	age := a.state.Verifier.Now().Sub(at)
	if hasTime {
		a.addTime("auth_time", at)
	}
	if needs.MaxAge > 0 {
		a.addFact("max_age", needs.MaxAge.String())
	}
	switch {
	case lacksACR && acr == "", needs.MaxAge > 0 && !hasTime:
		a.advise("the token has no acr or no auth_time, and the operation needs it: have the authorization server " +
			"put both into access tokens (RFC 9068, section 2.2.1)")
	case lacksACR:
		a.advise("acr is none of acr_values: the client should log in with those of the challenge; if it did, the " +
			"authorization server does not heed them, or writes other values")
	case age < 0:
		a.advise("auth_time lies in the future: compare the clocks")
	default:
		a.advise("the user logged in %s ago, and max_age is %s: the client should log in with max_age",
			roundedDuration(age), needs.MaxAge)
	}
}

// loginTime reads auth_time.
func loginTime(claim any) (time.Time, bool) {
	const latest = 1 << 37 // of the year 6325; beyond it a time.Duration would overflow no sooner
	number, isNumber := claim.(json.Number)
	seconds, err := number.Float64()
	if !isNumber || err != nil || seconds < 0 || seconds > latest {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}

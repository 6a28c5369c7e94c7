package egress

import (
	"slices"
	"strings"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/checkwire"
	"github.com/doorward/doorward/internal/destination"
	"github.com/doorward/doorward/internal/folding"
	"github.com/doorward/doorward/internal/redact"
)

// ownHeaders never leave a server: the headers that an inbound allow can set, and the one of
// the server that Envoy shows to no Check.
var ownHeaders = []string{
	checkwire.Reserved + "issuer", checkwire.Reserved + "subject", checkwire.Reserved + "client",
	checkwire.Reserved + "scope", checkwire.Reserved + "expires", handleHeader, checkwire.Reserved + "assertion",
	"x-envoy-auth-partial-body",
}

// credentialHeaders are those in which a request can hold a credential for its
// destination.
var credentialHeaders = []string{"authorization", "proxy-authorization", "dpop", "cookie"}

// answer writes a verdict as Envoy reads it, in the bytes of a CheckResponse. What cannot
// be written becomes a bare refusal.
func (v *verdict) answer(req *request) []byte {
	m := checkwire.Message{Wire: make([]byte, 0, 1024)}
	if v.passes() {
		m.Allow(v.allow(req))
	} else {
		m.Deny(checkwire.Code(v.status()), v.status(), v.denialHeaders(), v.denialBody())
	}
	v.metadata(&m)
	if m.Broken {
		return (&verdict{}).answer(&request{})
	}
	return m.Wire
}

// allow is what Envoy changes in a request that passes. Envoy sets before it removes: no
// name is in both lists.
func (v *verdict) allow(req *request) *checkwire.Allow {
	allow := &checkwire.Allow{Remove: slices.Clone(ownHeaders)}
	remove := func(name string) {
		if !slices.Contains(allow.Remove, name) {
			allow.Remove = append(allow.Remove, name)
		}
	}
	replaces := v.access != ""
	if v.reason == reason.Allowed && v.to != nil && v.to.Token != destination.Keep {
		for _, name := range credentialHeaders {
			if name != "authorization" || !replaces {
				remove(name)
			}
		}
		for i := range req.headers {
			name := req.headers[i].Name
			if slices.Contains(credentialHeaders, folding.Header(name)) && (name != "authorization" || !replaces) {
				remove(name)
			}
		}
		allow.Query = checkwire.QueryTokens(req.rawQuery)
	}
	for i := range req.headers {
		if name := req.headers[i].Name; isOwn(name) {
			remove(name)
		}
	}
	if replaces {
		allow.Set = append(allow.Set, [2]string{"authorization", "Bearer " + v.access})
	}
	if members, isOurs := checkwire.Baggage(req.headers.Values(baggageHeader)); isOurs && len(members) == 0 {
		remove(baggageHeader)
	} else if isOurs {
		allow.Set = append(allow.Set, [2]string{baggageHeader, strings.Join(members, ",")})
	}
	return allow
}

// isOwn reports a header that a server could read as one that an inbound allow sets.
func isOwn(name string) bool { return strings.HasPrefix(folding.Header(name), checkwire.Reserved) }

// removesCredentials reports a destination that gets no credential of the server's.
func (c *check) removesCredentials() bool { return c.to != nil && c.to.Token != destination.Keep }

// hidesToken reports a token in the query that Envoy cannot remove.
func (r *request) hidesToken() bool { return r.rawQuery != "" && checkwire.HidesToken(r.rawQuery) }

func (v *verdict) denialHeaders() [][2]string {
	headers := [][2]string{{"content-type", "application/json"}, {"cache-control", "no-store"}}
	if v.status() == 503 {
		headers = append(headers, [2]string{"retry-after", "1"})
	}
	return headers
}

// denialBody is for the developer of the server, who reads it in the answer to the
// server's own request.
func (v *verdict) denialBody() []byte {
	description, code := v.reason.Description(), ""
	switch v.reason {
	case reason.Passthrough:
		description = "A token that was issued for an MCP server does not leave it"
		if v.isUnread {
			description = "A request that cannot be searched for tokens does not leave an MCP server"
		}
	case reason.PolicyDenied:
		code = redact.Text(v.decision.Code)
	default: // the description is for both directions
	}
	return checkwire.ErrorBody(v.reason.String(), description, code)
}

// metadata is what Envoy's access log can show of a Check.
func (v *verdict) metadata(m *checkwire.Message) {
	all := m.OpenMetadata()
	m.Member("direction", "egress")
	m.Member("reason", v.reason.String())
	m.Member("resource", v.resource)
	m.Member("destination", v.destination())
	m.Member("place", v.place)
	if v.observed {
		m.Flag("observed", true)
	}
	if v.claims != nil {
		m.Member("issuer", v.claims.Issuer)
		m.Member("client_id", redact.ID(v.claims.Client))
		m.Member("token_id", redact.ID(v.claims.ID))
	}
	if v.reason == reason.PolicyDenied {
		m.Member("policy_code", redact.Text(v.decision.Code))
		m.Member("policy_rule", v.decision.Rule)
	}
	m.Close(all)
}

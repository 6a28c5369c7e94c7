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
	replaces := v.access != ""
	strips := v.reason == reason.Allowed && v.to != nil && v.to.Token != destination.Keep
	allow := &checkwire.Allow{Remove: make([]string, 0, len(ownHeaders)+len(credentialHeaders)+1)}
	allow.Remove = append(allow.Remove, ownHeaders...)
	if strips {
		for _, name := range credentialHeaders {
			if name != "authorization" || !replaces {
				allow.Remove = append(allow.Remove, name)
			}
		}
		allow.Query = checkwire.QueryTokens(req.rawQuery)
	}
	if replaces {
		allow.Set = append(allow.Set, [2]string{"authorization", "Bearer " + v.access})
	}
	if members, isOurs := checkwire.Baggage(req.headers.Values(baggageHeader)); isOurs && len(members) == 0 {
		allow.Remove = append(allow.Remove, baggageHeader)
	} else if isOurs {
		allow.Set = append(allow.Set, [2]string{baggageHeader, strings.Join(members, ",")})
	}
	allow.Remove = appendSpelled(allow.Remove, req.headers, strips)
	return allow
}

// appendSpelled appends the names of a request that a server could read as one that an
// inbound allow sets or, where strips is set, as one of a credential; those that are in all
// already, and authorization itself, which may be set, are left out.
func appendSpelled(all []string, headers checkwire.Headers, strips bool) []string {
	named := slices.Clip(all)
	var spelled []string
	for i := range headers {
		name := headers[i].Name
		if strings.HasPrefix(name, ":") || name == "authorization" {
			continue
		}
		folded := folding.Header(name)
		isRemoved := strings.HasPrefix(folded, checkwire.Reserved) ||
			strips && slices.Contains(credentialHeaders, folded)
		if isRemoved && !slices.Contains(named, name) {
			spelled = append(spelled, name)
		}
	}
	slices.Sort(spelled) // once each: a server may write very many
	return append(all, slices.Compact(spelled)...)
}

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

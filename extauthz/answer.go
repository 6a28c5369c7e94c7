package extauthz

import (
	"slices"
	"strings"

	codepb "google.golang.org/genproto/googleapis/rpc/code"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/checkwire"
	"github.com/doorward/doorward/internal/redact"
)

// answer writes a verdict as Envoy reads it, in the bytes of a CheckResponse.
// What cannot be written becomes a bare refusal.
func (v *verdict) answer(in *request) []byte {
	m := checkwire.Message{Wire: make([]byte, 0, 1024)}
	switch v.reason {
	case reason.Allowed, reason.AllowedAnonymous:
		v.allow(&m, in)
	case reason.Metadata:
		m.Deny(codepb.Code_PERMISSION_DENIED, v.document.Status, v.document.Headers(), v.document.Body)
	case reason.Preflight:
		m.Deny(codepb.Code_PERMISSION_DENIED, v.status(), in.preflightHeaders(v.resource.TakesDPoP()), nil)
	default:
		headers := append(v.denialHeaders(), in.corsHeaders()...)
		m.Deny(checkwire.Code(v.reason.HTTPStatus()), v.reason.HTTPStatus(), headers, v.denialBody(in))
	}
	v.metadata(&m, in)
	if m.Broken {
		return bareRefusal()
	}
	return m.Wire
}

func (v *verdict) allow(m *checkwire.Message, in *request) {
	set, removesBaggage := v.setBaggage(v.upstreamHeaders(), in)
	allow := checkwire.Allow{Set: set, Remove: v.removedHeaders(in, set), Expose: in.corsHeaders()}
	if removesBaggage {
		allow.Remove = append(allow.Remove, baggageHeader)
	}
	if slices.Contains(v.decision.Strip.Query, checkwire.QueryToken) {
		allow.Query = in.tokens
	}
	m.Allow(&allow)
}

// bareRefusal is the answer where no other can be made.
func bareRefusal() []byte {
	return (&verdict{}).answer(&request{})
}

func (v *verdict) denialHeaders() [][2]string {
	headers := [][2]string{{"content-type", "application/json"}, {"cache-control", "no-store"}}
	for _, challenge := range v.challenges() {
		headers = append(headers, [2]string{"www-authenticate", challenge})
	}
	if v.nonce != "" {
		headers = append(headers, [2]string{"dpop-nonce", v.nonce})
	}
	if v.reason.HTTPStatus() == 503 {
		headers = append(headers, [2]string{"retry-after", "1"})
	}
	return headers
}

// denialBody is what a person or a program reads that has lost the headers.
func (v *verdict) denialBody(in *request) []byte {
	if v.isJSONRPC() {
		return v.jsonRPCError(in)
	}
	name, code := v.reason.OAuthError(), ""
	if name == "" {
		name = v.reason.String()
	}
	if v.reason == reason.PolicyDenied {
		code = v.decision.Code
	}
	return checkwire.ErrorBody(name, v.reason.Description(), code)
}

// metadata is what Envoy's access log can show of a Check, its dynamic metadata.
// Claims come from a verified token or not at all; a token in one of them is
// redacted.
func (v *verdict) metadata(m *checkwire.Message, in *request) {
	all := m.OpenMetadata()
	put := m.Member
	put("reason", v.reason.String())
	put("resource", v.name())
	if v.claims != nil {
		put("issuer", v.claims.Issuer)
		put("client_id", redact.ID(v.claims.Client))
		put("token_id", redact.ID(v.claims.ID))
		put("scope", redact.ID(strings.Join(v.claims.Scopes, " ")))
		if v.withSubject {
			put("subject", redact.ID(v.claims.Subject))
		}
	}
	if v.reason == reason.PolicyDenied {
		put("policy_code", redact.Text(v.decision.Code))
		put("policy_rule", v.decision.Rule)
	}
	in.operation.metadata(m)
	m.Close(all)
}

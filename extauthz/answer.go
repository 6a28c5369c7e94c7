package extauthz

import (
	"encoding/json"
	"slices"
	"strings"

	codepb "google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/redact"
)

// The numbers of the fields that an answer is written in.
const (
	// CheckResponse
	responseStatus   = 1
	responseDenied   = 2
	responseOK       = 3
	responseMetadata = 4

	// google.rpc.Status, and the HTTP status of a denial
	statusCode = 1

	// DeniedHttpResponse
	deniedStatus = 1
	deniedBody   = 3

	// OkHttpResponse
	okHeadersToRemove = 5
	okResponseHeaders = 6
	okQueryToRemove   = 8

	// both of these: a HeaderValueOption each
	answerHeaders = 2
	optionHeader  = 1
	headerKey     = 1
	headerText    = 2
	optionAction  = 3
	overwrite     = 2 // OVERWRITE_IF_EXISTS_OR_ADD, which Envoy reads in response_headers_to_add alone

	// google.protobuf.Struct: a map of names to Values
	structFields = 1
	entryName    = 1
	entryValue   = 2
	valueText    = 3
	valueBool    = 4
	valueStruct  = 5
)

// answer writes a verdict as Envoy reads it, in the bytes of a CheckResponse.
// Every refusal is a denied_response with a status other than 0: Envoy takes an
// unset status for an allow, and an error_response becomes one under
// failure_mode_allow. What cannot be written becomes a bare refusal.
func (v *verdict) answer(in *request) []byte {
	m := message{wire: make([]byte, 0, 1024)}
	switch v.reason {
	case reason.Allowed, reason.AllowedAnonymous:
		v.allow(&m, in)
	case reason.Metadata:
		deny(&m, codepb.Code_PERMISSION_DENIED, v.document.Status, v.document.Headers(), v.document.Body)
	case reason.Preflight:
		deny(&m, codepb.Code_PERMISSION_DENIED, v.status(), in.preflightHeaders(v.resource.TakesDPoP()), nil)
	default:
		headers := append(v.denialHeaders(), in.corsHeaders()...)
		deny(&m, v.code(), v.reason.HTTPStatus(), headers, v.denialBody(in))
	}
	v.metadata(&m, in)
	if m.broken {
		return bareRefusal()
	}
	return m.wire
}

func (v *verdict) allow(m *message, in *request) {
	set := v.upstreamHeaders()
	m.close(m.open(responseStatus)) // code 0: OK
	ok := m.open(responseOK)
	for _, header := range set {
		writeHeader(m, header)
	}
	m.texts(okHeadersToRemove, v.removedHeaders(in, set))
	m.exposeTo(in)
	if slices.Contains(v.decision.Strip.Query, queryToken) {
		m.texts(okQueryToRemove, in.tokens)
	}
	m.close(ok)
}

func deny(m *message, code codepb.Code, httpStatus int, headers [][2]string, body []byte) {
	status := m.open(responseStatus)
	m.integer(statusCode, int(code))
	m.close(status)
	denied := m.open(responseDenied)
	status = m.open(deniedStatus)
	m.integer(statusCode, httpStatus)
	m.close(status)
	for _, header := range headers {
		writeHeader(m, header)
	}
	m.text(deniedBody, string(body))
	m.close(denied)
}

// bareRefusal is the answer where no other can be made.
func bareRefusal() []byte {
	return (&verdict{}).answer(&request{})
}

// writeHeader leaves `append` unset, which means "set": Envoy silently drops an
// appended header of a denial, and reads nothing but `value`. A name that is set
// twice in one answer has two lines.
func writeHeader(m *message, header [2]string) { writeOption(m, answerHeaders, header, 0) }

// writeOption writes a HeaderValueOption as the field with this number. An action of
// 0 is left out.
func writeOption(m *message, number protowire.Number, header [2]string, action int) {
	option := m.open(number)
	inside := m.open(optionHeader)
	m.text(headerKey, header[0])
	m.text(headerText, header[1])
	m.close(inside)
	m.integer(optionAction, action)
	m.close(option)
}

// code is the gRPC code beside a denial. Envoy only logs it; what matters is
// that it is never OK.
func (v *verdict) code() codepb.Code {
	switch v.reason.HTTPStatus() {
	case 400:
		return codepb.Code_INVALID_ARGUMENT
	case 401:
		return codepb.Code_UNAUTHENTICATED
	case 403:
		return codepb.Code_PERMISSION_DENIED
	default:
		return codepb.Code_UNAVAILABLE
	}
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
	body := struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Code        string `json:"code,omitempty"`
	}{v.reason.OAuthError(), v.reason.Description(), ""}
	if body.Error == "" {
		body.Error = v.reason.String()
	}
	if v.reason == reason.PolicyDenied {
		body.Code = v.decision.Code
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil // three strings cannot fail; an empty body is still a refusal
	}
	return encoded
}

// metadata is what Envoy's access log can show of a Check, its dynamic metadata.
// Claims come from a verified token or not at all; a token in one of them is
// redacted.
func (v *verdict) metadata(m *message, in *request) {
	all := m.open(responseMetadata)
	put := m.member
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
	m.close(all)
}

// member writes a text of a google.protobuf.Struct, unless it is empty.
func (m *message) member(name, value string) {
	if value == "" {
		return
	}
	entry := m.open(structFields)
	m.text(entryName, name)
	inside := m.open(entryValue)
	m.text(valueText, value)
	m.close(inside)
	m.close(entry)
}

package extauthz

import (
	"encoding/json"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	codepb "google.golang.org/genproto/googleapis/rpc/code"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/doorward/doorward/extauthz/reason"
)

// answer writes a verdict as Envoy reads it, in the bytes of a CheckResponse.
// One that cannot be encoded becomes a bare refusal: an error would be a gRPC
// error to Envoy.
func (v *verdict) answer(in *request) []byte {
	return encode(v.response(in))
}

func encode(response *authv3.CheckResponse) []byte {
	wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(response)
	if err != nil {
		return bareRefusal()
	}
	return wire
}

// response is an answer. Every refusal is a denied_response with a status other
// than 0: Envoy takes an unset status for an allow, and an error_response
// becomes one under failure_mode_allow.
func (v *verdict) response(in *request) *authv3.CheckResponse {
	var response *authv3.CheckResponse
	switch v.reason {
	case reason.Allowed:
		response = allow(v, in)
	case reason.Metadata:
		response = deny(codepb.Code_PERMISSION_DENIED, v.document.Status, v.document.Headers(), v.document.Body)
	default:
		response = deny(v.code(), v.reason.HTTPStatus(), v.denialHeaders(), v.denialBody())
	}
	response.DynamicMetadata = v.dynamicMetadata()
	return response
}

func allow(v *verdict, in *request) *authv3.CheckResponse {
	set := v.upstreamHeaders()
	ok := &authv3.OkHttpResponse{HeadersToRemove: v.removedHeaders(in, set)}
	for _, header := range set {
		ok.Headers = append(ok.Headers, headerOption(header))
	}
	for _, name := range v.decision.Strip.Query {
		if name == queryToken {
			ok.QueryParametersToRemove = in.tokens
		}
	}
	return &authv3.CheckResponse{
		Status:       &statuspb.Status{Code: int32(codepb.Code_OK)},
		HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: ok},
	}
}

func deny(code codepb.Code, httpStatus int, headers [][2]string, body []byte) *authv3.CheckResponse {
	denied := &authv3.DeniedHttpResponse{
		Status: &typev3.HttpStatus{Code: typev3.StatusCode(httpStatus)}, //nolint:gosec // a constant of net/http
		Body:   string(body),
	}
	for _, header := range headers {
		denied.Headers = append(denied.Headers, headerOption(header))
	}
	return &authv3.CheckResponse{
		Status:       &statuspb.Status{Code: int32(code)},
		HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: denied},
	}
}

// bareRefusal is the answer where no other can be made.
func bareRefusal() []byte {
	return (&verdict{}).answer(&request{})
}

// headerOption leaves `append` unset, which is "set": Envoy drops an appended
// header of a denial without a word, and reads nothing but `value`.
func headerOption(header [2]string) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{Header: &corev3.HeaderValue{Key: header[0], Value: header[1]}}
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
	if challenge := v.challenge(); challenge != "" {
		headers = append(headers, [2]string{"www-authenticate", challenge})
	}
	if v.reason.HTTPStatus() == 503 {
		headers = append(headers, [2]string{"retry-after", "1"})
	}
	return headers
}

// denialBody is what a person or a program reads that has lost the headers.
func (v *verdict) denialBody() []byte {
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

// dynamicMetadata is what Envoy's access log can show of a Check. Claims come
// from a verified token or not at all.
func (v *verdict) dynamicMetadata() *structpb.Struct {
	fields := map[string]*structpb.Value{}
	put := func(name, value string) {
		if value != "" {
			fields[name] = structpb.NewStringValue(value)
		}
	}
	put("reason", v.reason.String())
	put("resource", v.name())
	if v.claims != nil {
		put("issuer", v.claims.Issuer)
		put("client_id", v.claims.Client)
		put("token_id", v.claims.ID)
		put("scope", strings.Join(v.claims.Scopes, " "))
		if v.withSubject {
			put("subject", v.claims.Subject)
		}
	}
	if v.reason == reason.PolicyDenied {
		put("policy_code", v.decision.Code)
		put("policy_rule", v.decision.Rule)
	}
	return &structpb.Struct{Fields: fields}
}

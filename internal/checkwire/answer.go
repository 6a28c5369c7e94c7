package checkwire

import (
	"encoding/json"

	codepb "google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/protobuf/encoding/protowire"
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

// Allow is an answer that lets the request through.
type Allow struct {
	Set    [][2]string // headers of the request, each in place of what is there
	Remove []string    // headers of the request. Envoy sets before it removes: no name is in both
	Expose [][2]string // headers of the server's answer; `vary` goes beside the server's own
	Query  []string    // parameters that are removed, each by its very spelling
}

// Allow writes an answer that lets the request through.
func (m *Message) Allow(a *Allow) {
	m.Close(m.Open(responseStatus)) // code 0: OK
	ok := m.Open(responseOK)
	for _, header := range a.Set {
		m.header(answerHeaders, header, 0)
	}
	m.Texts(okHeadersToRemove, a.Remove)
	for _, header := range a.Expose {
		action := overwrite
		if header[0] == "vary" {
			action = 0
		}
		m.header(okResponseHeaders, header, action)
	}
	m.Texts(okQueryToRemove, a.Query)
	m.Close(ok)
}

// Deny writes an answer in place of the server's. Every refusal is a denied_response with a
// status other than 0: Envoy takes an unset status for an allow, and an error_response
// becomes one under failure_mode_allow.
//
// `append` of the headers is left unset, which means "set": Envoy silently drops an
// appended header of a denial, and reads nothing but `value`. A name that is set twice in one
// answer has two lines.
func (m *Message) Deny(code codepb.Code, httpStatus int, headers [][2]string, body []byte) {
	status := m.Open(responseStatus)
	m.Integer(statusCode, int(code))
	m.Close(status)
	denied := m.Open(responseDenied)
	status = m.Open(deniedStatus)
	m.Integer(statusCode, httpStatus)
	m.Close(status)
	for _, header := range headers {
		m.header(answerHeaders, header, 0)
	}
	m.Text(deniedBody, string(body))
	m.Close(denied)
}

// Code is the gRPC code beside a denial. Envoy only logs it; what matters is that it
// is never OK.
func Code(httpStatus int) codepb.Code {
	switch httpStatus {
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

// ErrorBody is the body of a denial, for a person or a program that has lost the headers.
func ErrorBody(name, description, code string) []byte {
	body := struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Code        string `json:"code,omitempty"`
	}{name, description, code}
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil // three strings cannot fail; an empty body is still a refusal
	}
	return encoded
}

// header writes a HeaderValueOption as the field with this number. An action of
// 0 is left out.
func (m *Message) header(number protowire.Number, header [2]string, action int) {
	option := m.Open(number)
	inside := m.Open(optionHeader)
	m.Text(headerKey, header[0])
	m.Text(headerText, header[1])
	m.Close(inside)
	m.Integer(optionAction, action)
	m.Close(option)
}

// OpenMetadata begins the dynamic metadata of the answer, which [Message.Close] ends.
func (m *Message) OpenMetadata() (begin int) { return m.Open(responseMetadata) }

// Member writes a text of a google.protobuf.Struct, unless it is empty.
func (m *Message) Member(name, value string) {
	if value == "" {
		return
	}
	entry := m.Open(structFields)
	m.Text(entryName, name)
	inside := m.Open(entryValue)
	m.Text(valueText, value)
	m.Close(inside)
	m.Close(entry)
}

// Flag writes a boolean of a google.protobuf.Struct.
func (m *Message) Flag(name string, value bool) {
	entry := m.Open(structFields)
	m.Text(entryName, name)
	inside := m.Open(entryValue)
	m.Wire = protowire.AppendTag(m.Wire, valueBool, protowire.VarintType)
	m.Wire = protowire.AppendVarint(m.Wire, protowire.EncodeBool(value))
	m.Close(inside)
	m.Close(entry)
}

// Struct writes a google.protobuf.Struct inside another, with the members that write writes.
func (m *Message) Struct(name string, write func()) {
	entry := m.Open(structFields)
	m.Text(entryName, name)
	inside := m.Open(entryValue)
	all := m.Open(valueStruct)
	write()
	m.Close(all)
	m.Close(inside)
	m.Close(entry)
}

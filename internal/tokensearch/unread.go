package tokensearch

import (
	"net/http"
	"strconv"
	"strings"
)

// Message is what says whether a request's body was shown, and whole. Only the
// proxy's own words count: it removes a header x-envoy-auth-partial-body of a client.
type Message struct {
	Method  string
	Headers func(name string) []string // every value of a header by its lower-case name, in order
	Body    string                     // as it was shown; "" for none
}

// partialBody is the header with which Envoy says that it sends a body, and whether
// only the beginning of it.
const partialBody = "x-envoy-auth-partial-body"

// encodings are the headers that say how a body is encoded, the last two of gRPC and of
// Connect.
var encodings = []string{"content-encoding", "grpc-encoding", "connect-content-encoding"}

// Unread is why the body of a request counts as unread, in fixed words; "" for a body
// that [Find] can search, and for a request without one.
func Unread(m Message) string {
	partial := m.Headers(partialBody)
	for _, value := range partial {
		if value != "false" {
			return "the body is longer than what Envoy sends"
		}
	}
	length, isKnown := contentLength(m.Headers("content-length"))
	switch {
	case !isKnown:
		return "the length of the body is unclear"
	case length > int64(len(m.Body)) && m.Body == "":
		return "Envoy sends no body of this request: set with_request_body"
	case length >= 0 && length != int64(len(m.Body)):
		return "the body is cut"
	case length < 0 && len(partial) == 0 && m.Body != "":
		return "nothing says whether the body is whole"
	case length < 0 && len(partial) == 0 && m.mayHaveBody():
		return "Envoy sends no body of this request: set with_request_body"
	case m.Body != "" && m.isEncoded():
		return "the body is encoded"
	}
	return ""
}

// contentLength is -1 where there is no such header.
func contentLength(values []string) (length int64, isKnown bool) {
	if len(values) == 0 {
		return -1, true
	}
	length, err := strconv.ParseInt(values[0], 10, 64)
	return length, err == nil && len(values) == 1 && length >= 0
}

// mayHaveBody reports a request that can have a body without saying so (HTTP/2).
func (m *Message) mayHaveBody() bool {
	switch m.Method {
	case http.MethodGet, http.MethodHead, http.MethodDelete, http.MethodOptions, http.MethodTrace:
		return len(m.Headers("transfer-encoding")) > 0
	}
	return true
}

func (m *Message) isEncoded() bool {
	for _, name := range encodings {
		for _, value := range m.Headers(name) {
			if !strings.EqualFold(value, "identity") {
				return true
			}
		}
	}
	for _, value := range m.Headers("transfer-encoding") {
		if !strings.EqualFold(value, "chunked") {
			return true
		}
	}
	return false
}

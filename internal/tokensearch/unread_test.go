package tokensearch

import (
	"strings"
	"testing"
)

// TestUnread: what says that a body is whole, and every way not to say it.
func TestUnread(t *testing.T) {
	const (
		cut     = "the body is cut"
		tooLong = "the body is longer than what Envoy sends"
		none    = "Envoy sends no body of this request: set with_request_body"
		unclear = "the length of the body is unclear"
		unsure  = "nothing says whether the body is whole"
		encoded = "the body is encoded"
	)
	rows := []struct {
		intent, method, headers, body, want string
	}{
		{"a whole body", "POST", "x-envoy-auth-partial-body: false, content-length: 1", "a", ""},
		{"a whole body in chunks", "POST", "x-envoy-auth-partial-body: false, transfer-encoding: chunked", "a", ""},
		{"a whole body of HTTP/2", "POST", "x-envoy-auth-partial-body: false", "a", ""},
		{"a whole body of a GET", "GET", "x-envoy-auth-partial-body: false", "a", ""},
		{"an empty body", "POST", "x-envoy-auth-partial-body: false", "", ""},
		{"no body", "GET", "", "", ""},
		{"no body, and that said", "POST", "content-length: 0", "", ""},
		{"no body of a DELETE", "DELETE", "", "", ""},
		{"a body without the header of Envoy", "POST", "content-length: 1", "a", ""},
		{"identity", "POST", "x-envoy-auth-partial-body: false, content-encoding: Identity", "a", ""},
		{"an encoding of no body", "GET", "content-encoding: gzip", "", ""},

		{"a partial body", "POST", "x-envoy-auth-partial-body: true", "a", tooLong},
		{"a partial body, and the header twice", "POST", "x-envoy-auth-partial-body: false, x-envoy-auth-partial-body: true", "a", tooLong},
		{"another word", "POST", "x-envoy-auth-partial-body: False", "a", tooLong},
		{"shorter than its length", "POST", "x-envoy-auth-partial-body: false, content-length: 2", "a", cut},
		{"longer than its length", "POST", "x-envoy-auth-partial-body: false, content-length: 1", "ab", cut},
		{"a body that was not sent", "POST", "content-length: 1", "", none},
		{"a body of a GET that was not sent", "GET", "content-length: 1", "", none},
		{"chunks that were not sent", "GET", "transfer-encoding: chunked", "", none},
		{"perhaps a body of HTTP/2", "POST", "", "", none},
		{"perhaps a body, of another method", "QUERY", "", "", none},
		{"a body of unknown length", "POST", "", "a", unsure},
		{"two lengths", "POST", "content-length: 1, content-length: 1", "a", unclear},
		{"a length below zero", "POST", "content-length: -1", "a", unclear},
		{"a length that is no number", "POST", "content-length: 1a", "a", unclear},
		{"a length beyond all numbers", "POST", "content-length: 99999999999999999999", "a", unclear},
		{"gzip", "POST", "x-envoy-auth-partial-body: false, content-encoding: gzip", "a", encoded},
		{"gzip beside identity", "POST", "x-envoy-auth-partial-body: false, content-encoding: identity, content-encoding: br", "a", encoded},
		{"a list of encodings", "POST", "x-envoy-auth-partial-body: false, content-encoding: identity;gzip", "a", encoded},
		{"gRPC's encoding", "POST", "x-envoy-auth-partial-body: false, grpc-encoding: gzip", "a", encoded},
		{"Connect's encoding", "POST", "x-envoy-auth-partial-body: false, connect-content-encoding: gzip", "a", encoded},
		{"a transfer encoding", "POST", "x-envoy-auth-partial-body: false, transfer-encoding: gzip", "a", encoded},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			headers := func(name string) (values []string) {
				for line := range strings.SplitSeq(row.headers, ", ") {
					if value, found := strings.CutPrefix(line, name+": "); found {
						values = append(values, value)
					}
				}
				return values
			}
			if got := Unread(Message{Method: row.method, Headers: headers, Body: row.body}); got != row.want {
				t.Errorf("%q, want %q", got, row.want)
			}
		})
	}
}

package extauthz_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/extauthz/httpauth"
	"github.com/doorward/doorward/extauthz/reason"
)

// TestHTTPAuthAnswersAsCheckDoes sends every row of the table of reasons to the
// middleware and over gRPC: status, headers and body of a refusal are the same,
// and so is what the wrapped handler and the server behind Envoy see. Rows in
// which a mesh names the resource cannot be asked for over plain HTTP.
func TestHTTPAuthAnswersAsCheckDoes(t *testing.T) {
	const namedByMesh = 6 // rows at the most
	compared, skipped := map[reason.Reason]int{}, 0
	for _, row := range wireRows() {
		t.Run(row.reason.String()+"/"+row.intent, func(t *testing.T) {
			d := startService(t, useTempFolder(t, row.change)...)
			if row.reason == reason.KeysUnavailable {
				d.state.Issuers[issuerURL].Keys.Close()
			}
			question := row.ask(d)
			if row.reason == reason.OperationUnknown {
				t.Skip("a request over plain HTTP always has a body, if an empty one")
			}
			if question.extensions != nil {
				skipped++
				t.Skip("named by a mesh")
			}
			compared[row.reason]++
			compareHTTP(t, d, question)
		})
	}
	if skipped > namedByMesh ||
		len(compared) < len(reason.All())-8 { // internal, overloaded, misconfigured, operation_unknown, three of egress, and one to come
		t.Errorf("%d reasons compared, %d rows skipped", len(compared), skipped)
	}
}

// TestHTTPAuthBindsTokensAsCheckDoes: whom a token is for does not depend on how the
// request came.
func TestHTTPAuthBindsTokensAsCheckDoes(t *testing.T) {
	for _, group := range allBounds() {
		d := startService(t, group.change)
		for _, row := range group.asked {
			t.Run(group.intent+"/"+row.intent, func(t *testing.T) { compareHTTP(t, d, d.presents(row)) })
		}
	}
}

func compareHTTP(t *testing.T, d *testService, question clientRequest) {
	t.Helper()
	var upstream *http.Request
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { upstream = r })
	recorder := httptest.NewRecorder()
	httpauth.Handler(d.server, next).ServeHTTP(recorder, question.plain())
	response := d.check(t, question.apart())
	denied, allowed := response.GetDeniedResponse(), response.GetOkResponse()
	if (allowed != nil) != (upstream != nil) {
		t.Fatalf("over gRPC allowed is %v, over HTTP %v", allowed != nil, upstream != nil)
	}
	if denied != nil {
		got := recorder.Result()
		defer got.Body.Close()
		if want := int(denied.GetStatus().GetCode()); got.StatusCode != want {
			t.Errorf("status %d, not %d", got.StatusCode, want)
		}
		if recorder.Body.String() != denied.GetBody() {
			t.Errorf("body %q, not %q", recorder.Body, denied.GetBody())
		}
		for _, option := range denied.GetHeaders() {
			name := option.GetHeader().GetKey()
			if want := deniedHeader(denied, name); !slices.Equal(got.Header.Values(name), want) {
				t.Errorf("%s: %q, not %q", name, got.Header.Values(name), want)
			}
		}
		return
	}
	for name, want := range okHeaders(response) {
		if got := upstream.Header.Values(name); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q, not %q", name, got, want)
		}
	}
	for _, name := range allowed.GetHeadersToRemove() {
		for spelling := range upstream.Header {
			if strings.EqualFold(spelling, name) {
				t.Errorf("%s is still there", spelling)
			}
		}
	}
	for _, name := range allowed.GetQueryParametersToRemove() {
		if strings.Contains(upstream.RequestURI, name+"=") || strings.Contains(upstream.URL.RawQuery, name+"=") {
			t.Errorf("%s is still in %s", name, upstream.RequestURI)
		}
	}
}

// plain is the request as net/http gives it to a handler.
func (a clientRequest) plain() *http.Request {
	description := a.http()
	path, query, _ := strings.Cut(description.GetPath(), "?")
	r := &http.Request{
		Method: description.GetMethod(), Host: description.GetHost(), RequestURI: description.GetPath(),
		URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(a.body)), ContentLength: int64(len(a.body)),
	}
	for _, header := range a.headers {
		name := http.CanonicalHeaderKey(header[0])
		r.Header[name] = append(r.Header[name], header[1])
	}
	return r
}

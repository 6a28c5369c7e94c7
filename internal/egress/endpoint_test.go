package egress_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// endpoint is the token endpoint of every authorization server.
type endpoint struct {
	mu     sync.Mutex
	key    *jwttest.Key
	forms  []url.Values
	asked  []*http.Request
	issuer string // of what it issues
	access string
	answer func(form url.Values) (status int, body string)
	down   bool
	hangs  bool
}

func newEndpoint() *endpoint {
	e := &endpoint{key: jwttest.NewKey("ES256", "as")}
	e.issuer, e.access = issuerURL, e.issue(nil)
	e.answer = func(url.Values) (int, string) { return 200, e.issued(e.access) }
	return e
}

// issue makes a token for the API.
func (e *endpoint) issue(changes map[string]any) string {
	all := map[string]any{
		"iss": issuerURL, "sub": "alice", "aud": apiURI, "exp": testTime.Add(10 * time.Minute).Unix(),
		"act": map[string]any{"sub": "doorward"},
	}
	maps.Copy(all, changes)
	return e.key.Sign(all)
}

func (e *endpoint) issued(access string) string {
	body, err := json.Marshal(map[string]any{
		"access_token": access, "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
		"token_type": "Bearer", "expires_in": 600,
	})
	if err != nil {
		panic(err)
	}
	return string(body)
}

// RoundTrip implements [http.RoundTripper].
func (e *endpoint) RoundTrip(request *http.Request) (*http.Response, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.down {
		return nil, syscall.ECONNREFUSED
	}
	if e.hangs {
		e.mu.Unlock()
		<-request.Context().Done()
		e.mu.Lock()
		return nil, request.Context().Err()
	}
	body := new(bytes.Buffer)
	_, err := body.ReadFrom(request.Body)
	form, formErr := url.ParseQuery(body.String())
	if err := errors.Join(err, formErr); err != nil {
		return nil, err
	}
	e.forms, e.asked = append(e.forms, form), append(e.asked, request)
	status, text := e.answer(form)
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Request: request,
		Body: io.NopCloser(strings.NewReader(text)),
	}, nil
}

// change changes what answers.
func (e *endpoint) change(f func(*endpoint)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f(e)
}

// last is the last request, and the number of all.
func (e *endpoint) last() (*http.Request, url.Values, int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.asked) == 0 {
		return nil, nil, 0
	}
	return e.asked[len(e.asked)-1], e.forms[len(e.forms)-1], len(e.asked)
}

// refuse answers with an error (RFC 6749, section 5.2).
func (e *endpoint) refuse(code string) {
	e.change(func(e *endpoint) {
		e.answer = func(url.Values) (int, string) { return 400, `{"error":"` + code + `"}` }
	})
}

// issueUpstream issues the tokens of the other server.
func (e *endpoint) issueUpstream() {
	e.change(func(e *endpoint) {
		if e.issuer != upstreamURL {
			e.issuer, e.access = upstreamURL, e.issue(map[string]any{"iss": upstreamURL})
		}
	})
}

// pages are the JSON documents of a server.
type pages func(*http.Request) string

// RoundTrip implements [http.RoundTripper].
func (p pages) RoundTrip(request *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Request: request,
		Body: io.NopCloser(strings.NewReader(p(request))),
	}, nil
}

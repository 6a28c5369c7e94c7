package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// exchange is one request of a client and its answer.
type exchange struct {
	method string
	url    *url.URL
	asked  http.Header
	form   url.Values // of a form body
	call   []byte     // a JSON body

	client string // host:port of the client, which is how Envoy's access log names it
	status int
	header http.Header
	body   []byte // of a JSON answer
}

func (e exchange) challenge() string { return e.header.Get("WWW-Authenticate") }

// recorder is a transport that keeps what passes. Each request has a connection
// of its own, so that its client address is found once in Envoy's access log.
type recorder struct {
	next *http.Transport

	mu     sync.Mutex
	kept   []exchange
	tokens []string // every bearer token sent, to search the logs for
}

func newRecorder() *recorder {
	return &recorder{next: &http.Transport{DisableKeepAlives: true}}
}

func (r *recorder) client() *http.Client { return &http.Client{Transport: r} }

// RoundTrip implements [http.RoundTripper].
func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	kept := exchange{method: request.Method, url: request.URL, asked: request.Header.Clone()}
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		kept.client = info.Conn.LocalAddr().String()
	}}
	request = request.Clone(httptrace.WithClientTrace(request.Context(), trace))
	if err := kept.readAsked(request); err != nil {
		return nil, err
	}
	response, err := r.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	kept.status, kept.header = response.StatusCode, response.Header.Clone()
	// An event stream is for its reader: it may have no end.
	if isJSON(response.Header) {
		kept.body, response.Body, err = drain(response.Body)
		if err != nil {
			return nil, err
		}
	}
	r.keep(kept)
	return response, nil
}

func (r *recorder) keep(e exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = append(r.kept, e)
	for _, credential := range e.asked.Values("Authorization") {
		for part := range strings.SplitSeq(credential, ",") {
			if token, found := strings.CutPrefix(strings.TrimSpace(part), "Bearer "); found {
				r.tokens = append(r.tokens, token)
			}
		}
	}
	if token := e.url.Query().Get("access_token"); token != "" {
		r.tokens = append(r.tokens, token)
	}
}

// find is the first exchange that is wanted.
func (r *recorder) find(wanted func(exchange) bool) (exchange, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.kept, wanted)
	if i < 0 {
		return exchange{}, false
	}
	return r.kept[i], true
}

// sent are the tokens that any request carried.
func (r *recorder) sent() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.tokens)
}

func (e *exchange) readAsked(request *http.Request) error {
	if request.Body == nil {
		return nil
	}
	body, again, err := drain(request.Body)
	if err != nil {
		return err
	}
	request.Body = again
	if isJSON(request.Header) {
		e.call = body
		return nil
	}
	e.form, err = url.ParseQuery(string(body))
	return err
}

func isJSON(header http.Header) bool {
	return strings.HasPrefix(header.Get("Content-Type"), "application/json")
}

// drain reads a body to its end, and gives it back unread.
func drain(body io.ReadCloser) (read []byte, again io.ReadCloser, err error) {
	read, err = io.ReadAll(body)
	if closing := body.Close(); err == nil {
		err = closing
	}
	return read, io.NopCloser(bytes.NewReader(read)), err
}

// last is the latest exchange.
func (r *recorder) last() exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept[len(r.kept)-1]
}

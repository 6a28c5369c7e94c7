package jwks

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const (
	issuerID = "https://as.example.com"
	keysURI  = "https://as.example.com/jwks.json"
)

var errDown error = syscall.ECONNREFUSED

// issuer is an authorization server below http.RoundTripper. Without an answer
// for it, a URL is 404.
type issuer struct {
	mu       sync.Mutex
	keys     []byte        // served at keysURI, and at moved where that is set
	moved    string        // where the keys are now; "" for keysURI
	etag     string        // answered, and confirmed by 304
	headers  http.Header   // of every answer
	status   int           // of every answer, where not 0
	down     bool          // no answer at all
	latency  time.Duration // of every answer
	metadata string        // served at the RFC 8414 place
	requests []request
}

type request struct {
	at          time.Time
	url         string
	ifNoneMatch string
}

func (i *issuer) RoundTrip(req *http.Request) (*http.Response, error) {
	i.mu.Lock()
	i.requests = append(i.requests, request{time.Now(), req.URL.String(), req.Header.Get("If-None-Match")})
	latency := i.latency
	i.mu.Unlock()
	if latency > 0 {
		select {
		case <-time.After(latency):
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.down {
		return nil, errDown
	}
	status, body := i.answer(req)
	header := http.Header{}
	if i.headers != nil {
		header = i.headers.Clone()
	}
	if i.etag != "" {
		header.Set("ETag", i.etag)
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(body))}, nil
}

func (i *issuer) answer(req *http.Request) (int, []byte) {
	url := req.URL.String()
	at := keysURI
	if i.moved != "" {
		at = i.moved
	}
	switch {
	case i.status != 0:
		return i.status, nil
	case url == at && i.etag != "" && req.Header.Get("If-None-Match") == i.etag:
		return http.StatusNotModified, nil
	case url == at:
		return http.StatusOK, i.keys
	case strings.HasSuffix(url, "/.well-known/oauth-authorization-server") && i.metadata != "":
		return http.StatusOK, []byte(i.metadata)
	}
	return http.StatusNotFound, nil
}

// change changes the issuer under its lock.
func (i *issuer) change(f func(i *issuer)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f(i)
}

func (i *issuer) fetches() int { return len(i.seen()) }

func (i *issuer) seen() []request {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]request(nil), i.requests...)
}

// report is one call of Environment.Refreshed.
type report struct {
	result string
	keys   int
}

// running is a source under test, inside a synctest bubble.
type running struct {
	*Source
	t       *testing.T
	log     *bytes.Buffer
	reports *[]report
	stop    func()
}

func options() Options { return Options{Issuer: issuerID, JWKSURI: keysURI} }

// newRunning makes a source without jitter and does not run it yet.
func newRunning(t *testing.T, o Options, i *issuer) *running {
	t.Helper()
	log, reports := &bytes.Buffer{}, &[]report{}
	s := NewSource(o, Environment{
		Log:       slog.New(slog.NewTextHandler(log, nil)),
		Transport: i,
		Refreshed: func(r Refresh) { *reports = append(*reports, report{r.Result, r.Keys}) },
	})
	s.jitter = func() float64 { return 0 }
	return &running{Source: s, t: t, log: log, reports: reports}
}

// start runs a source until the test is over and lets its first fetch begin,
// and end unless the issuer has latency.
func start(t *testing.T, o Options, i *issuer) *running {
	t.Helper()
	r := newRunning(t, o, i)
	r.run()
	return r
}

func (r *running) run() {
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.Run(ctx)
	}()
	r.stop = func() { cancel(); <-ended }
	r.t.Cleanup(r.stop)
	synctest.Wait()
}

// logged counts the log lines with these words.
func (r *running) logged(words string) int {
	synctest.Wait()
	return strings.Count(r.log.String(), words)
}

// reported returns what Environment.Refreshed was called with so far.
func (r *running) reported() []report {
	synctest.Wait()
	return *r.reports
}

// lastReport is the newest of them.
func (r *running) lastReport() report {
	all := r.reported()
	return all[len(all)-1]
}

// pass lets time go by and the bubble settle.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

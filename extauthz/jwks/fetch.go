package jwks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// fetchTimeout bounds one HTTP exchange, body included.
const fetchTimeout = 5 * time.Second

// The results that [Environment.Refreshed] is told.
const (
	ResultOK          = "ok"           // a key set came
	ResultNotModified = "not_modified" // the issuer confirmed the one we have (304)
	ResultNetwork     = "network"      // no answer, or not all of it, within its time
	ResultStatus      = "status"       // an answer with another status, redirects among them
	ResultKept        = "kept"         // the set of the last run was taken from CacheDir
	ResultInvalid     = "invalid"      // an answer that breaks the rules: content, size, issuer, URL, no usable key
)

// failure is why a fetch brought no keys.
type failure struct {
	result    string // ResultNetwork, ResultStatus or ResultInvalid
	problem   string // fixed words and a URL's host
	cause     error  // for the log alone; nil where problem says it all
	withdraws bool   // the issuer answered by the rules, and with no usable key
}

// download is what a fetch brought.
type download struct {
	began    time.Time     // of the request for the key set, or of the attempt where it came to none
	set      *Set          // nil: not modified
	body     []byte        // of set, as it came
	skipped  []Skipped     // of set
	lifetime time.Duration // how long the issuer lets it be used unasked
}

func (d download) result() string {
	if d.set == nil {
		return ResultNotModified
	}
	return ResultOK
}

// fetcher speaks HTTP to one issuer. It is used by one goroutine.
type fetcher struct {
	issuer        string
	configuredURI string
	insecureHosts []string
	silent        time.Duration // lifetime of an answer that names none, and of a discovery
	transport     http.RoundTripper

	discoveredURI string    // "": discovery comes first
	discoveredAt  time.Time //
	etag, etagURI string    // of the set that was accepted last
}

func newFetcher(o Options, transport http.RoundTripper) *fetcher {
	if transport == nil {
		transport = newTransport(o.CAPEM)
	}
	return &fetcher{
		issuer:        o.Issuer,
		configuredURI: o.JWKSURI,
		insecureHosts: o.InsecureHTTPHosts,
		silent:        o.refresh().max,
		transport:     transport,
	}
}

func newTransport(caPEM []byte) *http.Transport {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool() // no system roots here: the issuer's CA is all there is
	}
	roots.AppendCertsFromPEM(caPEM)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConns:           1,
		IdleConnTimeout:        time.Minute,
	}
}

func (f *fetcher) closeIdle() {
	if t, ok := f.transport.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// forget makes the next fetch ask for the whole set.
func (f *fetcher) forget() { f.etag, f.etagURI = "", "" }

// keySet fetches the issuer's set, after discovery where that is due.
func (f *fetcher) keySet(ctx context.Context) (download, *failure) {
	began := time.Now()
	uri, failed := f.uri(ctx)
	if failed != nil {
		return download{began: began}, failed
	}
	began = time.Now()
	etag := ""
	if uri == f.etagURI {
		etag = f.etag
	}
	answer, failed := f.get(ctx, uri, etag)
	if failed == nil && answer.notModified {
		return download{began: began, lifetime: f.lifetime(answer.header)}, nil
	}
	var got download
	if failed == nil {
		got, failed = f.read(uri, answer)
	}
	if failed != nil {
		f.discoveredURI = "" // it may have moved: discover it again next time
	}
	got.began = began
	return got, failed
}

// read takes a set in. Only an accepted set is remembered by its ETag, so that
// a 304 can never confirm one that was refused.
func (f *fetcher) read(uri string, a *answer) (download, *failure) {
	f.forget()
	set, skipped, err := Parse(a.body)
	switch {
	case err != nil:
		return download{}, &failure{result: ResultInvalid, problem: "key set of " + host(uri) + " is invalid", cause: err}
	case set.Len() == 0:
		return download{skipped: skipped}, &failure{result: ResultInvalid, problem: "key set of " + host(uri) + " has no usable key", withdraws: true}
	}
	f.etag, f.etagURI = a.header.Get("ETag"), uri
	return download{set: set, body: a.body, skipped: skipped, lifetime: f.lifetime(a.header)}, nil
}

// answer is a 200 with its body, or a 304.
type answer struct {
	header      http.Header
	body        []byte
	notModified bool
}

// get does one exchange, by a RoundTripper and not a Client: a redirect is an
// answer like any other, and none is followed.
func (f *fetcher) get(ctx context.Context, uri, etag string) (*answer, *failure) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, &failure{result: ResultInvalid, problem: "URL of " + host(uri) + " is invalid"}
	}
	req.Header.Set("Accept", "application/json, application/jwk-set+json")
	req.Header.Set("User-Agent", "doorward")
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	res, err := f.transport.RoundTrip(req)
	if err != nil {
		return nil, &failure{result: ResultNetwork, problem: host(uri) + " did not answer", cause: err}
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusNotModified && etag != "":
		return &answer{header: res.Header, notModified: true}, nil
	case res.StatusCode != http.StatusOK:
		return nil, &failure{result: ResultStatus, problem: fmt.Sprintf("%s answered with status %d", host(uri), res.StatusCode)}
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxDocument+1))
	switch {
	case err != nil:
		return nil, &failure{result: ResultNetwork, problem: host(uri) + " broke off its answer", cause: err}
	case len(body) > maxDocument:
		return nil, &failure{result: ResultInvalid, problem: host(uri) + " sent more than 1 MiB"}
	}
	return &answer{header: res.Header, body: body}, nil
}

func host(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return "a host that cannot be read"
	}
	return u.Host
}

// lifetime reads how long an answer is fresh (RFC 9111, section 4.2). One that
// cannot be read is not fresh at all (section 4.2.1).
func (f *fetcher) lifetime(h http.Header) time.Duration {
	lifetime := f.silent
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-cache", "no-store":
			return 0
		case "max-age":
			lifetime = seconds(strings.Trim(value, `"`)) - seconds(h.Get("Age"))
		}
	}
	return lifetime
}

// seconds reads a delta-seconds (RFC 9111, section 1.2.2): 0 if it is none,
// and as much as a Duration holds if it is more.
func seconds(s string) time.Duration {
	n, err := strconv.ParseUint(s, 10, 32)
	switch {
	case errors.Is(err, strconv.ErrRange):
		n = math.MaxUint32
	case err != nil:
		return 0
	}
	return time.Duration(n) * time.Second
}

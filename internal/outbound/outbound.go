// Package outbound is the one HTTP client of doorward: whatever it fetches or
// sends (keys, metadata, policy bundles, decision logs) goes through a [Client],
// and the rules of what may leave and what may come back are written here once.
//
//   - A URL is https, or http on a host that is named for it.
//   - Credentials (headers and the client certificate) go to the configured
//     origin, and never along with a redirect.
//   - An address that is not public is for the configured origin. Where another
//     URL comes from a document or a redirect of a public host, it must lead to
//     a public address, and that is checked when the connection is made.
//   - Redirects, time, and the bytes of an answer (once unpacked) are bounded.
//
// A proxy of the environment is trusted: it hides the address of a host, and only
// addresses in a URL itself are checked.
package outbound

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Rules are what the requests of one user may do. The zero values follow no
// redirect, read no answer, and allow no time: set what is needed.
type Rules struct {
	// URL is the configured one. Its origin alone gets credentials.
	URL string
	// Public means that URL is not configured: the document of a public host names
	// it, and it must lead to a public address as any other such URL.
	Public bool
	// InsecureHTTPHosts are the hosts that may be spoken to without TLS; see [MayBePlain].
	InsecureHTTPHosts []string
	// Redirects is how many are followed for one request.
	Redirects int
	// Time bounds one request and its answer, body included.
	Time time.Duration
	// Bytes bounds the body of an answer, unpacked where it came compressed.
	Bytes int64
	// Packed leaves a compressed answer as it came.
	Packed bool

	// Trust is whose certificates are accepted.
	Trust Trust
	// CertFile and KeyFile are our own certificate for the configured origin,
	// in PEM, read at every handshake, or "". CertPEM and KeyPEM are their content,
	// where they are not read from a file.
	CertFile, KeyFile string
	CertPEM, KeyPEM   []byte

	// Base takes the place of the network, for tests. Nil: the network.
	Base http.RoundTripper
}

// Client is an http.RoundTripper that keeps to its rules. It may be used by any
// number of goroutines. A request that the rules forbid fails with a
// [*Refusal]; [Client.Explain] explains every other failure.
type Client struct {
	rules   Rules
	origin  origin
	private atomic.Bool // the configured origin is at an address that is not public

	own   http.RoundTripper // for the configured origin
	other http.RoundTripper // for every other one, and after a redirect
	close func()
}

// New makes a client. Where the URL cannot be read, no origin is the configured
// one.
func New(r Rules) *Client {
	c := &Client{rules: r, close: func() {}}
	if configured, err := url.Parse(r.URL); err == nil {
		c.origin = originOf(configured)
		c.private.Store(namesPrivate(configured.Hostname()))
	}
	if r.Base != nil {
		c.own, c.other = r.Base, r.Base
		return c
	}
	own, other := c.transport(), c.transport()
	other.DialContext = dialPublic
	if r.Public {
		own.DialContext = dialPublic
	}
	if r.CertFile != "" || len(r.CertPEM) > 0 {
		own.TLSClientConfig.GetClientCertificate = r.certificate
	}
	c.own, c.other = own, other
	c.close = func() { own.CloseIdleConnections(); other.CloseIdleConnections() }
	return c
}

// HTTP is the client for a library that wants an http.Client.
func (c *Client) HTTP() *http.Client {
	return &http.Client{Transport: c, CheckRedirect: func(*http.Request, []*http.Request) error {
		return nil // RoundTrip counts them
	}}
}

// Private reports whether the configured origin is at an address that is not
// public, as far as that is known: by its name, and then by the last connection.
func (c *Client) Private() bool { return c.private.Load() }

// CloseIdle closes the connections that no request uses.
func (c *Client) CloseIdle() { c.close() }

// RoundTrip implements http.RoundTripper.
func (c *Client) RoundTrip(request *http.Request) (*http.Response, error) {
	hops := redirects(request)
	own := originOf(request.URL) == c.origin
	route, err := c.route(request, own, hops)
	if err != nil {
		if request.Body != nil {
			_ = request.Body.Close() // as a RoundTripper must; the refusal is the better error
		}
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithValue(request.Context(), routeKey{}, route), c.rules.Time)
	transport := c.own
	if !own || hops > 0 {
		transport = c.other
		request = request.Clone(ctx)
		keepHarmless(request.Header)
	} else {
		request = request.Clone(c.watched(ctx, route))
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		cancel()
		return nil, err
	}
	response.Body = &body{ReadCloser: response.Body, left: c.rules.Bytes, end: cancel}
	return response, nil
}

// route checks the URL of a request, and returns how it goes.
func (c *Client) route(request *http.Request, own bool, hops int) (route, error) {
	to := request.URL
	switch {
	case hops > c.rules.Redirects && c.rules.Redirects == 0:
		return route{}, refuse("answers with a redirect to %s, and none is followed: write the URL that it leads "+
			"to", Place(to))
	case hops > c.rules.Redirects:
		return route{}, refuse("redirects more than %d times", c.rules.Redirects)
	case !Secure(to, c.rules.InsecureHTTPHosts):
		return route{}, refuse("leads to %s, which is not https: correct the redirect or the document, or name the "+
			"host in insecure_http_hosts", Place(to))
	}
	proxy, err := http.ProxyFromEnvironment(request)
	if err != nil {
		return route{}, refuse("cannot be asked: the proxy of the environment is no URL")
	}
	r := route{proxy: proxy, public: c.rules.Public || !own && !c.private.Load()}
	if r.public && namesPrivate(to.Hostname()) {
		return route{}, refusePrivate(to.Hostname())
	}
	return r, nil
}

// redirects counts those that led to a request.
func redirects(request *http.Request) (hops int) {
	for r := request.Response; r != nil && r.Request != nil; r = r.Request.Response {
		hops++
	}
	return hops
}

// harmless are the headers that any host may see. What is not known to be
// harmless is a credential: a signature has as many forms as there are clouds,
// and Referer holds the URL that led here with its query.
var harmless = []string{"Accept", "Accept-Encoding", "If-None-Match", "Prefer", "Range", "User-Agent"}

func keepHarmless(header http.Header) {
	for name := range header {
		if !slices.Contains(harmless, name) {
			delete(header, name)
		}
	}
}

// Place is a URL as it may be shown: its query may be a secret, and what a
// document or a redirect names may be of any length.
func Place(u *url.URL) string {
	return Clean(u.Scheme + "://" + u.Host + u.EscapedPath())
}

// Clean makes what another host wrote fit for one line of a log: without
// control characters, and bounded.
func Clean(text string) string {
	const most = 300
	text = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 || c == '\u2028' || c == '\u2029' {
			return ' '
		}
		return c
	}, text)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}

// body ends with an error where it is larger than it may be, and ends the time
// of its request.
type body struct {
	io.ReadCloser
	left int64
	end  context.CancelFunc
}

func (b *body) Read(into []byte) (int, error) {
	if int64(len(into)) > b.left+1 {
		into = into[:b.left+1]
	}
	n, err := b.ReadCloser.Read(into)
	if int64(n) > b.left {
		n, b.left = int(b.left), 0
		return n, errTooLarge
	}
	b.left -= int64(n)
	return n, err
}

func (b *body) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}

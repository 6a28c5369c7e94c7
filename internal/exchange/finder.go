package exchange

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/internal/outbound"
	"github.com/doorward/doorward/internal/strictjson"
)

const (
	requestTime = 5 * time.Second
	maxBody     = 64 << 10
	// metadataLifetime is how long a token endpoint that was found is used.
	metadataLifetime = time.Hour
	// doubtAfter is the age from which a failure of the endpoint has it looked for
	// again: it may have moved.
	doubtAfter = time.Minute
	// failureLifetime is how long a failed discovery answers for the next one, so
	// that requests which waited for it do not repeat it one after the other.
	failureLifetime = time.Second
)

// endpoint is where requests go.
type endpoint struct {
	url    string
	post   bool // the secret goes into the body: the metadata does not offer client_secret_basic
	public bool // the metadata of a public host names it
	client *outbound.Client
}

// finder finds the token endpoint, and keeps it.
type finder struct {
	entry     Entry
	now       func() time.Time
	transport http.RoundTripper
	turn      chan struct{} // of who looks for it

	mu    sync.Mutex
	found *endpoint // nil before the first success
	err   error     // of the last discovery
	at    time.Time // of that
	until time.Time // found or err is used until then
}

func newFinder(entry Entry, environment Environment) finder {
	return finder{
		entry: entry, now: environment.Now, transport: environment.Transport, turn: make(chan struct{}, 1),
	}
}

func (f *finder) find(ctx context.Context) (*endpoint, error) {
	if e, err := f.known(); e != nil || err != nil {
		return e, err
	}
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, errLeft
	}
	defer func() { <-f.turn }()
	if e, err := f.known(); e != nil || err != nil {
		return e, err
	}
	e, err := f.discover(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.at = err, f.now()
	f.until = f.at.Add(metadataLifetime)
	switch {
	case err != nil:
		f.until = f.at.Add(failureLifetime)
	case f.found == nil || *f.found != *e:
		f.found = e
	}
	return f.found, err
}

func (f *finder) known() (*endpoint, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.now().Before(f.until) {
		return nil, nil
	}
	if f.err != nil {
		return nil, f.err
	}
	return f.found, nil
}

// doubt makes the next request look for the endpoint again, if it was found a while
// ago.
func (f *finder) doubt() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if again := f.at.Add(doubtAfter); again.Before(f.until) {
		f.until = again
	}
}

func (f *finder) closeIdle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.found != nil {
		f.found.client.CloseIdle()
	}
}

// discover reads the metadata where the entry does not name the endpoint.
func (f *finder) discover(ctx context.Context) (*endpoint, error) {
	if f.entry.TokenEndpoint != "" {
		return f.endpoint(f.entry.TokenEndpoint, false, false), nil
	}
	document, private, err := jwks.Options{
		Issuer: f.entry.server(), DiscoveryURL: f.entry.DiscoveryURL,
		CAPEM: f.entry.CAPEM, InsecureHTTPHosts: f.entry.InsecureHTTPHosts,
	}.FetchMetadata(ctx, f.transport)
	if err != nil {
		return nil, err
	}
	url, post, err := f.entry.readMetadata(document)
	if err != nil {
		return nil, err
	}
	return f.endpoint(url, post, !private), nil
}

// endpoint keeps the client of the last endpoint where that is the same: it has
// connections.
func (f *finder) endpoint(url string, post, public bool) *endpoint {
	f.mu.Lock()
	before := f.found
	f.mu.Unlock()
	if before != nil && before.url == url && before.public == public {
		return &endpoint{url, post, public, before.client}
	}
	return &endpoint{url, post, public, outbound.New(outbound.Rules{
		URL:               url,
		Public:            public,
		InsecureHTTPHosts: f.entry.InsecureHTTPHosts,
		Time:              requestTime,
		Bytes:             maxBody,
		Trust:             outbound.Trust{PEM: f.entry.CAPEM},
		CertPEM:           f.entry.ClientCertificate,
		KeyPEM:            f.entry.ClientKey,
		Base:              f.transport,
	})}
}

// readMetadata returns the token endpoint (RFC 8414, section 2; RFC 8705, section 5).
func (e Entry) readMetadata(document []byte) (url string, post bool, err error) {
	const alias, methods = "mtls_endpoint_aliases", "token_endpoint_auth_methods_supported"
	metadata, err := strictjson.ReadMembers(document, "token_endpoint", alias, methods)
	if err != nil {
		return "", false, errors.New("the metadata of " + e.server() + " is refused: " + err.Error())
	}
	url, _ = metadata.Get("token_endpoint").Text()
	if aliases := metadata.Get(alias); len(e.ClientCertificate) > 0 && aliases.Present() {
		members, err := strictjson.ReadMembers(aliases, "token_endpoint")
		if own, isText := members.Get("token_endpoint").Text(); err == nil && isText {
			url = own
		}
	}
	if _, err := outbound.SecureURL(url, e.InsecureHTTPHosts); err != nil {
		return "", false, errors.New("the token_endpoint in the metadata of " + e.server() + " " + err.Error())
	}
	var offered []string
	metadata.Get(methods).EachString(func(method string) { offered = append(offered, method) })
	post = slices.Contains(offered, "client_secret_post") && !slices.Contains(offered, "client_secret_basic")
	return url, post, nil
}

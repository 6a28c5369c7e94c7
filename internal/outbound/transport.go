package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// Trust is whose certificates are accepted.
type Trust struct {
	PEM  []byte // certificates, beside the system's
	Only bool   // those of PEM, instead of the system's
}

// dialTime bounds the making of one connection. A request has a time of its
// own; this is for a connection that no request waits for any more.
const dialTime = 10 * time.Second

// route is how one request goes. Connections are kept by origin, and all
// requests to one origin have one route, so that no connection is used by a request
// that would not have been allowed to make it.
type route struct {
	proxy  *url.URL // nil: no proxy
	public bool     // the address must be public
}

type routeKey struct{}

func routeOf(ctx context.Context) route {
	r, _ := ctx.Value(routeKey{}).(route)
	return r
}

func (c *Client) transport() *http.Transport {
	return &http.Transport{
		Proxy:                  func(r *http.Request) (*url.URL, error) { return routeOf(r.Context()).proxy, nil },
		DialContext:            (&net.Dialer{Timeout: dialTime}).DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: c.rules.Trust.pool(), MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    dialTime,
		ForceAttemptHTTP2:      true,
		DisableCompression:     c.rules.Packed,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConns:           2,
		IdleConnTimeout:        time.Minute,
	}
}

// pool is nil for those of the system alone, which all clients then share.
func (t Trust) pool() *x509.CertPool {
	if !t.Only && len(t.PEM) == 0 {
		return nil
	}
	roots := x509.NewCertPool()
	if !t.Only {
		if system, err := x509.SystemCertPool(); err == nil { // otherwise there are only those of PEM
			roots = system
		}
	}
	roots.AppendCertsFromPEM(t.PEM)
	return roots
}

func (r Rules) certificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	load := func() (tls.Certificate, error) { return tls.LoadX509KeyPair(r.CertFile, r.KeyFile) }
	if r.CertFile == "" {
		load = func() (tls.Certificate, error) { return tls.X509KeyPair(r.CertPEM, r.KeyPEM) }
	}
	pair, err := load()
	if err != nil {
		return nil, refuse("is not asked, because cert_file and key_file cannot be used: %v", err)
	}
	return &pair, nil
}

// watched keeps, of a request to the configured origin, whether that is at an
// address that is not public: of the connection that was used, once its
// certificate was verified, and not of a DNS answer at some other time.
func (c *Client) watched(ctx context.Context, r route) context.Context {
	if r.proxy != nil {
		return ctx
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) {
		if at, err := netip.ParseAddrPort(got.Conn.RemoteAddr().String()); err == nil {
			c.private.Store(isPrivate(at.Addr()))
		}
	}})
}

// dialPublic connects to another origin, and checks each address just before: a
// name may have a public address when it is looked up, and another one later.
func dialPublic(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialTime}
	if r := routeOf(ctx); r.public && r.proxy == nil {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		dialer.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
			if at, err := netip.ParseAddrPort(address); err != nil || isPrivate(at.Addr()) {
				return refusePrivate(host)
			}
			return nil
		}
	}
	return dialer.DialContext(ctx, network, address)
}

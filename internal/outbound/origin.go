package outbound

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// origin is what credentials are for: scheme, host and port.
type origin struct{ scheme, host string }

func originOf(u *url.URL) origin {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	case u.Scheme == "http":
		port = "80"
	}
	return origin{u.Scheme, net.JoinHostPort(strings.ToLower(u.Hostname()), port)}
}

// SameOrigin reports whether two URLs have one scheme, host and port.
func SameOrigin(a, b *url.URL) bool { return originOf(a) == originOf(b) }

// SecureURL parses a URL that may be asked: absolute, with https, or with http for a
// host in insecureHosts (J-8). Errors are fixed words.
func SecureURL(value string, insecureHosts []string) (*url.URL, error) {
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("is no absolute URL: write https://host/path")
	case u.User != nil:
		return nil, errors.New("holds user information: leave it out")
	case u.Fragment != "" || strings.Contains(value, "#"):
		return nil, errors.New("has a fragment: leave it out")
	case Secure(u, insecureHosts):
		return u, nil
	}
	return nil, errors.New("is not https: use https, or name its host in insecure_http_hosts")
}

// Secure reports whether a URL is https, or http where [MayBePlain] allows it.
func Secure(u *url.URL, insecureHosts []string) bool {
	return u.Scheme == "https" || u.Scheme == "http" && MayBePlain(u, insecureHosts)
}

// MayBePlain reports whether the host of u may be used without TLS, by the
// names of insecure_http_hosts: a host with or without its port, in any case of
// letters, or "loopback" for localhost and every loopback address.
func MayBePlain(u *url.URL, insecureHosts []string) bool {
	for _, named := range insecureHosts {
		byName := strings.EqualFold(named, u.Hostname()) || strings.EqualFold(named, u.Host)
		if byName || named == "loopback" && isLoopback(u.Hostname()) {
			return true
		}
	}
	return false
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && address.IsLoopback()
}

package outbound

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"
	"time"
)

func TestPrivate(t *testing.T) {
	for text, want := range map[string]bool{
		"127.0.0.1": true, "127.255.255.254": true, "0.0.0.0": true, "10.1.2.3": true, "172.15.255.255": false,
		"172.16.0.1": true, "172.31.255.255": true, "172.32.0.1": false, "192.168.0.1": true, "192.167.0.1": false,
		"169.254.169.254": true, "100.63.255.255": false, "100.64.0.1": true, "100.127.255.255": true, "100.128.0.1": false,
		"198.18.0.1": true, "224.0.0.1": true, "255.255.255.255": true, "8.8.8.8": false, "1.1.1.1": false,
		"::": true, "::1": true, "::7f00:1": true, "::ffff:127.0.0.1": true, "::ffff:8.8.8.8": false,
		"fd00::1": true, "fe80::1%eth0": true, "fec0::1": true, "ff02::1": true, "fd00:ec2::254": true,
		"64:ff9b::127.0.0.1": true, "64:ff9b::169.254.169.254": true, "64:ff9b::8.8.8.8": false, "64:ff9b:1::1": true,
		"2002:7f00:1::": true, "2002:a9fe:a9fe::": true, "2002:808:808::": false, "2001::1": true,
		"2001:db8::1": true, "2606:4700::1111": false, "2a00:1450::1": false,
	} {
		if got := isPrivate(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if !isPrivate(netip.Addr{}) {
		t.Error("no address at all is public")
	}
}

func TestNamesPrivate(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST.": true, "a.localhost": true, "127.0.0.1": true, "::1": true,
		"localhost.example.com": false, "8.8.8.8": false, "as.example.com": false, "": false,
	} {
		if got := namesPrivate(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

// TestDialPublic: whatever a name resolved to before, the address is checked when
// it is dialled; that of a proxy is not checked.
func TestDialPublic(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	for _, row := range []struct {
		intent  string
		route   route
		reaches bool
	}{
		{"must be public", route{public: true}, false},
		{"need not", route{}, true},
		{"a proxy", route{public: true, proxy: &url.URL{Host: "localhost:" + port}}, true},
	} {
		conn, err := dialPublic(context.WithValue(t.Context(), routeKey{}, row.route), "tcp", "localhost:"+port)
		var refusal *Refusal
		if reached := err == nil; reached != row.reaches || !reached && !errors.As(err, &refusal) {
			t.Errorf("%s: %v", row.intent, err)
		}
		if err == nil {
			conn.Close()
		}
	}
}

// TestRoute: an address that a URL names is checked before anything else, which
// is all that can be checked where a proxy makes the connection.
func TestRoute(t *testing.T) {
	c := New(Rules{URL: "https://as.example.com"})
	request := &http.Request{URL: &url.URL{Scheme: "https", Host: "127.0.0.1", Path: "/keys"}}
	if _, err := c.route(request, false, 0); err == nil {
		t.Error("a public host leads to loopback")
	}
	if _, err := c.route(request, true, 0); err != nil {
		t.Errorf("what is configured: %v", err)
	}
	named := New(Rules{URL: "https://127.0.0.1", Public: true})
	if _, err := named.route(request, true, 0); err == nil {
		t.Error("the document of a public host leads to loopback")
	}
}

// TestWatched: that the configured host, whatever its name, is in a network of
// our own shows in its connection.
func TestWatched(t *testing.T) {
	server := httptest.NewServer(nil)
	defer server.Close()
	c := New(Rules{URL: server.URL, InsecureHTTPHosts: []string{"loopback"}, Time: time.Minute})
	c.private.Store(false) // as with a name
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := c.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if !c.private.Load() {
		t.Error("it is at a loopback address")
	}
}

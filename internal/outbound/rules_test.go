package outbound_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/exchange"
	"github.com/doorward/doorward/internal/outbound"
)

// TestRedirects: of every user and every status, to another port of the same
// host and to the very same origin: no credential goes along, in no header and
// no handshake, and none is followed without need.
func TestRedirects(t *testing.T) {
	w := newWorld(t)
	for _, user := range users {
		for _, status := range []int{301, 302, 303, 307, 308} {
			for _, certificate := range []bool{false, true} {
				if certificate && !user.credentials {
					continue
				}
				t.Run(user.name, func(t *testing.T) {
					first, second := w.server(t, "127.0.0.1", true), w.server(t, "127.0.0.1", true)
					first.leads("https://"+second.host+"/end?secret=2", status)
					p := place{host: first.host, scheme: "https", caFile: w.caFile, tokenFile: tokenFile(t)}
					if certificate {
						p.pair = w.pair(t)
					}
					said := user.ask(t, p)
					if said == "" || strings.Contains(said, "secret=") {
						t.Errorf("said %q", said)
					}
					checkAsked(t, first, second, user.credentials, user.redirects || user.name == "keys by discovery")
				})
			}
		}
	}
}

func checkAsked(t *testing.T, first, second *server, credentials, goesOn bool) {
	t.Helper()
	shown := false
	for _, r := range first.requests() {
		shown = shown || r.Header.Get("Authorization") != "" || len(r.TLS.PeerCertificates) > 0
	}
	if shown != credentials {
		t.Errorf("credentials were shown to the configured place: %v", shown)
	}
	if goesOn != (len(second.requests()) > 0) {
		t.Errorf("the other place was asked %d times", len(second.requests()))
	}
	for _, r := range second.requests() {
		for name := range r.Header {
			if !strings.Contains("Accept Accept-Encoding If-None-Match Prefer Range User-Agent", name) {
				t.Errorf("%s: %s went along", name, r.Header.Get(name))
			}
		}
		if len(r.TLS.PeerCertificates) > 0 {
			t.Error("our certificate was shown")
		}
	}
}

// TestRedirectWithinAnOrigin carries no credential either.
func TestRedirectWithinAnOrigin(t *testing.T) {
	w := newWorld(t)
	for _, user := range users {
		if !user.redirects {
			continue
		}
		for _, pair := range []string{"", w.pair(t)} {
			t.Run(user.name, func(t *testing.T) {
				s := w.server(t, "127.0.0.1", true)
				s.handle = func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path != "/end" {
						http.Redirect(w, r, "/end?secret=2", http.StatusFound)
						return
					}
					w.WriteHeader(http.StatusForbidden)
				}
				said := user.ask(t, place{host: s.host, scheme: "https", caFile: w.caFile, tokenFile: tokenFile(t), pair: pair})
				if !strings.Contains(said, "/end answers 403 after a redirect, and credentials go to the configured host alone") || strings.Contains(said, "secret") {
					t.Errorf("said %q", said)
				}
				for _, r := range s.requests() {
					if r.URL.Path == "/end" && (r.Header.Get("Authorization")+r.Header.Get("X-Amz-Security-Token")+r.Referer() != "" || len(r.TLS.PeerCertificates) > 0) {
						t.Errorf("%v went along", r.Header)
					}
				}
			})
		}
	}
}

// TestRedirectsEnd: a circle of redirects ends.
func TestRedirectsEnd(t *testing.T) {
	w := newWorld(t)
	for _, user := range users {
		if !user.redirects {
			continue
		}
		t.Run(user.name, func(t *testing.T) {
			s := w.server(t, "127.0.0.1", true)
			s.leads("https://"+s.host+"/start", http.StatusFound)
			if said := user.ask(t, place{host: s.host, scheme: "https", caFile: w.caFile}); !strings.Contains(said, "redirects more than 5 times") || len(s.requests()) != 6 {
				t.Errorf("%d requests, said %q", len(s.requests()), said)
			}
		})
	}
}

// TestPlain: nothing is sent without TLS to a host that is not named for it,
// neither at first nor because a document or a redirect leads there.
func TestPlain(t *testing.T) {
	w := newWorld(t)
	for _, user := range users {
		t.Run(user.name, func(t *testing.T) {
			plain, secure := w.server(t, "127.0.0.1", false), w.server(t, "127.0.0.1", true)
			secure.leads("http://"+plain.host+"/end", http.StatusFound)
			for _, p := range []place{
				{host: plain.host, scheme: "http", caFile: w.caFile, tokenFile: tokenFile(t)},
				{host: secure.host, scheme: "https", caFile: w.caFile, tokenFile: tokenFile(t)},
			} {
				if said := user.ask(t, p); said == "" {
					t.Errorf("%s: no problem", p.scheme)
				}
			}
			if n := len(plain.requests()); n > 0 {
				t.Errorf("the plain host was asked %d times", n)
			}
			user.ask(t, place{host: plain.host, scheme: "http", insecure: []string{"127.0.0.1"}, caFile: w.caFile})
			if len(plain.requests()) == 0 {
				t.Error("insecure_http_hosts does not help")
			}
		})
	}
}

// TestAddresses: 127.0.0.1 stands for a public address here, and 127.0.0.2 for
// one of our own network.
func TestAddresses(t *testing.T) {
	t.Cleanup(outbound.SetPrivate(func(a netip.Addr) bool { return a == netip.MustParseAddr("127.0.0.2") }))
	w := newWorld(t)
	for _, user := range users {
		for _, row := range []struct {
			from, to string
			leads    bool
		}{
			{"127.0.0.1", "127.0.0.2", false},
			{"127.0.0.1", "127.0.0.1", true},
			{"127.0.0.2", "127.0.0.2", true},
			{"127.0.0.2", "127.0.0.1", true},
		} {
			t.Run(user.name+" "+row.from+" "+row.to, func(t *testing.T) {
				first, second := w.server(t, row.from, true), w.server(t, row.to, true)
				first.leads("https://"+second.host+"/end", http.StatusFound)
				said := user.ask(t, place{host: first.host, scheme: "https", caFile: w.caFile})
				if len(first.requests()) == 0 {
					t.Fatalf("what is configured was not asked: %s", said)
				}
				follows := user.redirects || user.name == "keys by discovery"
				if asked := len(second.requests()) > 0; asked != (row.leads && follows) {
					t.Errorf("asked: %v, said %s", asked, said)
				}
				if follows && !row.leads && !strings.Contains(said, "leads to 127.0.0.2, which is at an address that is not public") {
					t.Errorf("said %s", said)
				}
			})
		}
	}
}

// TestTokenEndpoint: where the document of a public host names it, it is at a public
// address, and gets our credentials; of a host of our own network it is anywhere.
func TestTokenEndpoint(t *testing.T) {
	t.Cleanup(outbound.SetPrivate(func(a netip.Addr) bool { return a == netip.MustParseAddr("127.0.0.2") }))
	w := newWorld(t)
	for _, row := range []struct {
		from, to string
		leads    bool
	}{
		{"127.0.0.1", "127.0.0.2", false},
		{"127.0.0.1", "127.0.0.1", true},
		{"127.0.0.2", "127.0.0.2", true},
		{"127.0.0.2", "127.0.0.1", true},
	} {
		for _, pair := range []string{"", w.pair(t)} {
			first, second := w.server(t, row.from, true), w.server(t, row.to, true)
			first.handle = func(w http.ResponseWriter, _ *http.Request) {
				_, _ = fmt.Fprintf(w, `{"issuer":"https://%s","token_endpoint":"https://nowhere.invalid",`+
					`"mtls_endpoint_aliases":{"token_endpoint":"https://%s/token"}}`, first.host, second.host)
			}
			if pair == "" {
				first.handle = func(w http.ResponseWriter, _ *http.Request) {
					_, _ = fmt.Fprintf(w, `{"issuer":"https://%s","token_endpoint":"https://%s/token"}`, first.host, second.host)
				}
			}
			said := tryExchange(t, place{host: first.host, scheme: "https", caFile: w.caFile, tokenFile: tokenFile(t), pair: pair}, exchange.Entry{})
			asked := second.requests()
			if row.leads != (len(asked) == 1) || row.leads == strings.Contains(said, "leads to 127.0.0.2, which is at an address that is not public") {
				t.Errorf("%s to %s: asked %d times, said %s", row.from, row.to, len(asked), said)
			}
			for _, r := range asked {
				if (r.Header.Get("Authorization") != "") != (pair == "") || (len(r.TLS.PeerCertificates) > 0) != (pair != "") {
					t.Errorf("%s to %s: %v, %d certificates", row.from, row.to, r.Header, len(r.TLS.PeerCertificates))
				}
			}
			for _, r := range first.requests() {
				if r.Header.Get("Authorization") != "" || len(r.TLS.PeerCertificates) > 0 {
					t.Errorf("credentials went to the metadata: %v", r.Header)
				}
			}
		}
	}
}

// TestSizes: an answer that would fill the memory is refused, as it comes and
// once it is unpacked, and headers are too.
func TestSizes(t *testing.T) {
	w := newWorld(t)
	var bomb bytes.Buffer
	packed := gzip.NewWriter(&bomb)
	for range 64 {
		_, _ = packed.Write(make([]byte, 1<<20))
	}
	packed.Close()
	for _, user := range users {
		for intent, answer := range map[string]http.HandlerFunc{
			"without end": func(w http.ResponseWriter, r *http.Request) {
				for sent := 0; sent < 80 && r.Context().Err() == nil; sent++ {
					_, _ = w.Write(make([]byte, 1<<20))
				}
			},
			"a bomb": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", "gzip")
				_, _ = w.Write(bomb.Bytes())
			},
			"headers": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Long", strings.Repeat("x", 100<<10)) },
		} {
			if intent == "a bomb" && strings.HasPrefix(user.name, "a bundle") {
				continue // half a GiB is unpacked before it is one: package bundles tests that once
			}
			t.Run(user.name+" "+intent, func(t *testing.T) {
				s := w.server(t, "127.0.0.1", true)
				s.handle = answer
				said := user.ask(t, place{host: s.host, scheme: "https", caFile: w.caFile})
				if user.name == "the decision log" && intent != "headers" {
					if said != "" {
						t.Errorf("the status is all that is looked at: %s", said)
					}
					return
				}
				// A registry is asked for a header first; package bundles sees to its layers.
				if !strings.Contains(said, "sent more than 1 MiB") && !strings.Contains(said, "sent more than 64 KiB") && !strings.Contains(said, "is larger than 64 MiB") &&
					!strings.Contains(said, "response headers exceeded") && (user.name != "a bundle in a registry" || said == "") {
					t.Errorf("said %q", said)
				}
			})
		}
	}
}

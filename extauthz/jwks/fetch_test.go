package jwks

import (
	"compress/gzip"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/outbound"
)

// TestFetchRefuses runs against real HTTP.
func TestFetchRefuses(t *testing.T) {
	keys := string(setOf(ed25519JWK("a")))
	rows := []struct {
		intent  string
		serve   http.HandlerFunc
		result  string
		cause   outbound.Cause
		problem string // after the URL; HOST is replaced by its host
	}{
		{"a redirect to the very keys", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/jwks" {
				http.Redirect(w, r, "/moved?secret=1", http.StatusPermanentRedirect)
				return
			}
			fmt.Fprint(w, keys)
		}, resultStatus, causeStatus, "answered with status 308, a redirect to http://HOST/moved: only redirects within one https origin are followed, write jwks_uri: the URL of the key set itself"},
		{"a redirect that cannot be read", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://[:bad")
			w.WriteHeader(http.StatusFound)
		}, resultStatus, causeStatus, "answered with status 302: only redirects within one https origin are followed, write jwks_uri: the URL of the key set itself"},
		{"another success", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			fmt.Fprint(w, keys)
		}, resultStatus, causeStatus, "answered with status 202"},
		{"a body over 1 MiB", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, keys, strings.Repeat(" ", maxDocument))
		}, resultInvalid, outbound.TooLarge, "sent more than 1 MiB"},
		{"a body over 1 MiB once unpacked", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			packed := gzip.NewWriter(w)
			fmt.Fprint(packed, keys, strings.Repeat(" ", maxDocument))
			packed.Close()
		}, resultInvalid, outbound.TooLarge, "sent more than 1 MiB"},
		{"a body that breaks off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9999")
			fmt.Fprint(w, keys)
		}, resultNetwork, outbound.BrokenOff, "broke off its answer"},
		{"headers without end", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 128<<10))
			fmt.Fprint(w, keys)
		}, resultNetwork, outbound.Unreachable, "cannot be reached: net/http: server response headers exceeded 65536 bytes; aborted"},
		{"hanging up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, resultNetwork, outbound.BrokenOff, "broke off its answer"},
		{
			"an error page", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
			resultInvalid, causeNotJSON, "is no JSON: look for an error page, a login, or a proxy in between",
		},
		{
			"JSON, and no key set", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") },
			resultInvalid, causeKeySet, "is not a JWK Set: keys is not an array",
		},
		{
			"no usable key", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"keys":[{"kty":"oct","k":"AAAA"}]}`) },
			resultInvalid, causeNoKey, "has no usable key among 1: it needs a public RSA, EC or Ed25519 key for signatures",
		},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			server := httptest.NewServer(row.serve)
			defer server.Close()
			uri := server.URL + "/jwks"
			o := Options{Issuer: server.URL, JWKSURI: uri + "?secret=1", InsecureHTTPHosts: []string{"loopback"}}
			got, failed := newFetcher(o, nil).keySet(t.Context())
			want := &failure{row.result, row.cause, uri + " " + strings.ReplaceAll(row.problem, "HOST", server.Listener.Addr().String()), row.cause == causeNoKey}
			if diff := cmp.Diff(want, failed, cmp.AllowUnexported(failure{})); diff != "" {
				t.Fatalf("%+v (-want +got):\n%s", got, diff)
			}
		})
	}
}

// TestNoListener: what no handler can show.
func TestNoListener(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	o := Options{JWKSURI: server.URL + "/jwks", InsecureHTTPHosts: []string{"loopback"}}
	if _, failed := newFetcher(o, nil).keySet(t.Context()); failed == nil || failed.cause != outbound.Refused ||
		failed.problem != server.URL+"/jwks refused the connection: nothing listens there" {
		t.Errorf("%+v", failed)
	}
}

// TestSlowAnswers: five seconds for headers and body together.
func TestSlowAnswers(t *testing.T) {
	t.Run("headers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := start(t, options(), &issuer{keys: setOf(ed25519JWK("a")), latency: time.Hour})
			pass(fetchTimeout)
			if s.Status().Problem != keysURI+" did not answer within 5s" {
				t.Errorf("%+v", s.Status())
			}
		})
	})
	t.Run("body", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFetcher(options(), drip{})
			began := time.Now()
			_, failed := f.keySet(t.Context())
			if failed == nil || failed.problem != keysURI+" did not answer within 5s" || time.Since(began) != fetchTimeout {
				t.Errorf("%+v after %s", failed, time.Since(began))
			}
		})
	})
}

// drip answers at once, and its body comes by a byte a second.
type drip struct{}

func (drip) RoundTrip(req *http.Request) (*http.Response, error) {
	body, w := io.Pipe()
	go func() {
		for {
			select {
			case <-time.After(time.Second):
				fmt.Fprint(w, " ")
			case <-req.Context().Done():
				w.CloseWithError(req.Context().Err())
				return
			}
		}
	}()
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body}, nil
}

// TestTLS: the reason of crypto/x509 is in the problem, and what to do about it.
func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(setOf(ed25519JWK("a")))
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	plain := httptest.NewServer(nil)
	defer plain.Close()
	theirs := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	port := server.URL[strings.LastIndexByte(server.URL, ':'):]
	for _, row := range []struct {
		intent, uri string
		ca          []byte
		want        string // in the problem; "" for none
	}{
		{"an unknown CA", server.URL, nil, "certificate signed by unknown authority: if its authority is your own, name that one's certificate in ca_file"},
		{"another name", "https://localhost" + port, theirs, "not localhost: the server needs another certificate, which ca_file cannot mend"},
		{"no TLS at all", "https" + strings.TrimPrefix(plain.URL, "http"), nil, "first record does not look like a TLS handshake: look for http in place of https, or another port"},
		{"the CA of ca_file", server.URL, theirs, ""},
	} {
		t.Run(row.intent, func(t *testing.T) {
			got, failed := newFetcher(Options{JWKSURI: row.uri, CAPEM: row.ca}, nil).keySet(t.Context())
			switch {
			case row.want == "" && (failed != nil || got.set.Len() != 1):
				t.Errorf("%+v", failed)
			case row.want != "" && (failed == nil || failed.cause != outbound.TLS || !strings.Contains(failed.problem, row.want)):
				t.Errorf("%+v", failed)
			}
		})
	}
}

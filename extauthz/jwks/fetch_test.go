package jwks

import (
	"compress/gzip"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestFetchRefuses runs against real HTTP.
func TestFetchRefuses(t *testing.T) {
	keys := string(setOf(ed25519JWK("a")))
	rows := []struct {
		intent  string
		serve   http.HandlerFunc
		result  string
		problem string // after the host
	}{
		{"a redirect to the very keys", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/jwks" {
				http.Redirect(w, r, "/moved", http.StatusPermanentRedirect)
				return
			}
			fmt.Fprint(w, keys)
		}, ResultStatus, "answered with status 308"},
		{"a redirect that cannot be read", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://[:bad")
			w.WriteHeader(http.StatusFound)
		}, ResultStatus, "answered with status 302"},
		{"another success", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			fmt.Fprint(w, keys)
		}, ResultStatus, "answered with status 202"},
		{"a body over 1 MiB", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, keys, strings.Repeat(" ", maxDocument))
		}, ResultInvalid, "sent more than 1 MiB"},
		{"a body over 1 MiB once unpacked", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			packed := gzip.NewWriter(w)
			fmt.Fprint(packed, keys, strings.Repeat(" ", maxDocument))
			packed.Close()
		}, ResultInvalid, "sent more than 1 MiB"},
		{"a body that breaks off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9999")
			fmt.Fprint(w, keys)
		}, ResultNetwork, "broke off its answer"},
		{"headers without end", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 128<<10))
			fmt.Fprint(w, keys)
		}, ResultNetwork, "did not answer"},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			server := httptest.NewServer(row.serve)
			defer server.Close()
			o := Options{Issuer: server.URL, JWKSURI: server.URL + "/jwks", InsecureHTTPHosts: []string{"loopback"}}
			got, failed := newFetcher(o, nil).keySet(t.Context())
			if failed == nil || failed.result != row.result || failed.problem != server.Listener.Addr().String()+" "+row.problem {
				t.Fatalf("%+v, %+v", got, failed)
			}
			if failed.cause != nil && strings.Contains(failed.cause.Error(), "/jwks") {
				t.Errorf("the URL is in the error: %s", failed.cause)
			}
		})
	}
}

// TestSlowAnswers: five seconds for headers and body together.
func TestSlowAnswers(t *testing.T) {
	t.Run("headers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := start(t, options(), &issuer{keys: setOf(ed25519JWK("a")), latency: time.Hour})
			pass(fetchTimeout)
			if s.Status().Problem != "as.example.com did not answer" {
				t.Errorf("%+v", s.Status())
			}
		})
	})
	t.Run("body", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFetcher(options(), drip{})
			began := time.Now()
			_, failed := f.keySet(t.Context())
			if failed == nil || failed.problem != "as.example.com broke off its answer" || time.Since(began) != fetchTimeout {
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

func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(setOf(ed25519JWK("a")))
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	o := Options{Issuer: server.URL, JWKSURI: server.URL + "/jwks"}

	if _, failed := newFetcher(o, nil).keySet(t.Context()); failed == nil || failed.result != ResultNetwork {
		t.Errorf("an unknown CA: %+v", failed)
	}
	o.CAPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if got, failed := newFetcher(o, nil).keySet(t.Context()); failed != nil || got.set.Len() != 1 {
		t.Errorf("the CA of ca_file: %+v", failed)
	}
}

// TestTransport holds what no server on loopback can show: the proxy of the
// environment is asked (net/http never uses one for loopback), and the roots
// of the system stay beside those of ca_file.
func TestTransport(t *testing.T) {
	transport := newTransport(nil)
	if transport.Proxy == nil {
		t.Fatal("no proxy")
	}
	if _, err := transport.Proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: "as.example.com"}}); err != nil {
		t.Error(err)
	}
	if transport.TLSClientConfig.InsecureSkipVerify || transport.TLSClientConfig.RootCAs == nil {
		t.Error("the server's certificate is not checked")
	}
}

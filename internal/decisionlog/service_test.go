package decisionlog

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/plugins/logs"
)

// post is one batch as a service sees it.
type post struct {
	method, path, kind, encoding, authorization string
	events                                      []logs.EventV1
}

// receive reads a batch as OPA's own services do.
func receive(t *testing.T, r *http.Request) post {
	t.Helper()
	unzip, err := gzip.NewReader(r.Body)
	if err != nil {
		t.Error(err)
		return post{}
	}
	text, err := io.ReadAll(unzip)
	if err != nil {
		t.Error(err)
	}
	got := post{r.Method, r.URL.Path, r.Header.Get("Content-Type"), r.Header.Get("Content-Encoding"), r.Header.Get("Authorization"), nil}
	if err := json.Unmarshal(text, &got.events); err != nil {
		t.Errorf("%v in %s", err, text)
	}
	return got
}

// posted is what a log with these options sends when two events are logged.
func posted(t *testing.T, server *httptest.Server, posts <-chan post, o Options) post {
	t.Helper()
	o.To, o.SampleAllows, o.Buffer, o.InsecureHTTPHosts = server.URL+o.To, 1, 1<<20, []string{"loopback"}
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	l.Put(allow())
	l.Put(denial())
	closeAll(t, l)
	select {
	case got := <-posts:
		return got
	default:
		t.Fatal("nothing was sent")
		return post{}
	}
}

// serve is a service that keeps what it is sent.
func serve(t *testing.T, secure *tls.Config) (*httptest.Server, <-chan post) {
	t.Helper()
	posts := make(chan post, 100)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { posts <- receive(t, r) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if secure == nil {
		server.Start()
	} else {
		server.TLS = secure
		server.StartTLS()
	}
	t.Cleanup(server.Close)
	return server, posts
}

// TestBatch is what OPA posts: a compressed array, below the path of the URL.
func TestBatch(t *testing.T) {
	server, posts := serve(t, nil)
	for to, want := range map[string]string{"": "/logs", "/": "/logs", "/opa/v1": "/opa/v1/logs"} {
		got := posted(t, server, posts, Options{To: to})
		var reasons []any
		for _, event := range got.events {
			result, _ := (*event.Result).(map[string]any)
			reasons = append(reasons, result["reason"])
		}
		if diff := cmp.Diff([]any{"policy_denied", "allowed"}, reasons); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		got.events = nil
		if diff := cmp.Diff(post{"POST", want, "application/json", "gzip", "", nil}, got, cmp.AllowUnexported(post{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", to, diff)
		}
	}
}

// TestABatchIsNoLargerThanOPAs, where every event has a token and a request of
// its own.
func TestABatchIsNoLargerThanOPAs(t *testing.T) {
	q := newQueue(1<<20, func(bool) { t.Error("dropped") })
	dice := rand.NewChaCha8([32]byte{})
	l := &Log{claims: []string{"sub", "jti"}, random: dice.Uint64}
	for q.held() < batchBytes {
		e := denial()
		_, _ = dice.Read(e.TokenDigest[:])
		e.RequestID = hex.EncodeToString(e.TokenDigest[8:24])
		q.put(l.keep(e))
	}
	size := 0
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { size = int(r.ContentLength) }))
	defer server.Close()
	to, err := newService(form{`{"labels":{}`}, Options{To: server.URL, InsecureHTTPHosts: []string{"loopback"}}, within)
	if err != nil {
		t.Fatal(err)
	}
	batch := q.take()
	if n, err := to.deliver(t.Context(), batch); err != nil || n != len(batch) || size == 0 || size > 32<<10 {
		t.Errorf("%d of %d events delivered in %d bytes, %v", n, len(batch), size, err)
	}
	t.Logf("%d events, %d bytes", len(batch), size)
}

// TestBearerToken is read at every request: it may be turned over.
func TestBearerToken(t *testing.T) {
	server, posts := serve(t, nil)
	name := filepath.Join(t.TempDir(), "token")
	if _, err := New(Options{To: server.URL, TokenFile: name}); err == nil {
		t.Error("a token that is not there is no problem")
	}
	for _, token := range []string{"one", "two\n"} {
		if err := os.WriteFile(name, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := posted(t, server, posts, Options{TokenFile: name}); got.authorization != "Bearer "+strings.TrimSpace(token) {
			t.Errorf("%q", got.authorization)
		}
	}
}

// TestCertificates: the service is believed by ca_file alone, and sees ours.
func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	names := atomic.Int64{}
	server, posts := serve(t, &tls.Config{
		ClientAuth: tls.RequireAnyClientCert,
		VerifyConnection: func(state tls.ConnectionState) error {
			names.Store(int64(len(state.PeerCertificates)))
			return nil
		},
	})
	ours := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(ours.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	certFile, keyFile := write("cert.pem", "CERTIFICATE", ours.Certificate[0]), write("key.pem", "PRIVATE KEY", key)
	if got := posted(t, server, posts, Options{CAFile: certFile, CertFile: certFile, KeyFile: keyFile}); len(got.events) != 2 || names.Load() != 1 {
		t.Errorf("%d events, %d certificates of ours", len(got.events), names.Load())
	}
	stranger, said := new(counted), new(journal)
	l, err := New(Options{To: server.URL, Buffer: 1 << 20, CertFile: certFile, KeyFile: keyFile, Log: said.logger(), Dropped: stranger.drop})
	if err != nil {
		t.Fatal(err)
	}
	l.Put(denial())
	closeAll(t, l)
	if stranger.denials.Load() != 1 || !strings.Contains(said.String(), "certificate") {
		t.Errorf("a service that nobody vouches for was believed: %s", said)
	}
}

// TestAServiceThatFails: refused connections, 500s and hanging requests are one
// line each, with what is wrong; nothing is lost while there is room, and
// nothing is sent twice over the id of a decision.
func TestAServiceThatFails(t *testing.T) {
	for _, row := range []struct {
		intent, problem string
		answer          func(w http.ResponseWriter, r *http.Request)
	}{
		{"500", "500 Internal Server Error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }},
		{"a redirection to nowhere", "302 Found: no redirect is followed", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(302) }},
		{"hangs", "did not answer within 50ms", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}},
		{"hangs up", "broke off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		{"refuses", "refused the connection", nil},
	} {
		t.Run(row.intent, func(t *testing.T) {
			var failures atomic.Int64
			ids := make(chan string, 100)
			server := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if failures.Add(1) <= 2 {
					row.answer(w, r)
					return
				}
				for _, event := range receive(t, r).events {
					ids <- event.DecisionID
				}
			})}
			listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			address := listener.Addr().String()
			if row.answer == nil {
				listener.Close()
				failures.Store(2)
			} else {
				go func() { _ = server.Serve(listener) }()
			}
			defer server.Close()

			said, lost := new(journal), new(counted)
			o := Options{To: "http://" + address, InsecureHTTPHosts: []string{"loopback"}, Buffer: 1 << 20, Log: said.logger(), Dropped: lost.drop}.withDefaults()
			to, err := newService(form{`{"labels":{}`}, o, 50*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			l := start(o, to, pace{look: time.Millisecond, retry: time.Millisecond, retryMost: 10 * time.Millisecond, stalled: time.Hour})
			for range 3 {
				l.Put(denial())
			}
			if row.answer == nil {
				await(t, func() bool { return strings.Contains(said.String(), row.problem) })
				if listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", address); err != nil {
					t.Skipf("the port was taken meanwhile: %v", err)
				}
				go func() { _ = server.Serve(listener) }()
			}
			got := map[string]bool{}
			for range 3 {
				select {
				case id := <-ids:
					got[id] = true
				case <-time.After(within):
					t.Fatalf("nothing is delivered: %s", said)
				}
			}
			closeAll(t, l)
			if len(got) != 3 || len(ids) != 0 || lost.denials.Load() != 0 {
				t.Errorf("%d ids, %d more events, %d dropped", len(got), len(ids), lost.denials.Load())
			}
			if diff := cmp.Diff([]string{saidFailed, saidDelivered}, said.messages(t)); diff != "" || !strings.Contains(said.String(), row.problem) {
				t.Errorf("told (-want +got):\n%s\n%s", diff, said)
			}
		})
	}
}

// await looks until something is so.
func await(t *testing.T, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-ctx.Done():
			t.Fatal("it never came")
		case <-tick.C:
		}
	}
}

package bundles_test

import (
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/bundles"
)

// place is a bundle server with ETag and long polling, as OPA asks for it.
type place struct {
	mu      sync.Mutex
	content []byte
	status  int // in place of 200; 0: none
	changed chan struct{}
	asked   []http.Header
	held    int // requests that were held until there was something new
}

func newPlace(content []byte) *place { return &place{content: content, changed: make(chan struct{})} }

func (p *place) put(content []byte, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.content, p.status = content, status
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *place) look() (content []byte, status int, etag string, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.content, p.status, fmt.Sprintf(`"%x"`, sha256.Sum256(p.content)), p.changed
}

func (p *place) requests() []http.Header {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

func (p *place) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, r.Header.Clone())
	p.mu.Unlock()
	content, status, etag, changed := p.look()
	waits := strings.Contains(r.Header.Get("Prefer"), "wait=")
	if waits && status == 0 && r.Header.Get("If-None-Match") == etag {
		p.mu.Lock()
		p.held++
		p.mu.Unlock()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
		content, status, etag, _ = p.look()
	}
	if waits {
		w.Header().Set("Content-Type", "application/vnd.openpolicyagent.bundles")
	}
	if status != 0 {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(content)
}

func httpOptions(url string) bundles.Options {
	return bundles.Options{
		Name: "b", URL: url, InsecureUnsigned: true, Algorithm: "RS256",
		PollMin: time.Second, PollMax: time.Second, InsecureHTTPHosts: "loopback",
	}
}

func numbered(t testing.TB, revision string) []byte {
	t.Helper()
	m := usual()
	m.revision = revision
	return m.pack(t)
}

// TestLongPolling: a new bundle is there as soon as it is published; one that is
// refused leaves the one before; the server is asked again after an error, and
// never for a delta.
func TestLongPolling(t *testing.T) {
	p := newPlace(numbered(t, "r1"))
	server := httptest.NewServer(p)
	t.Cleanup(server.Close) // after what follows it has stopped
	o := httpOptions(server.URL + "/bundles/b.tar.gz?of=weather")
	o.LongPoll = 5 * time.Minute
	s, j := follow(t, o)
	await(t, s, j, "there", revision("r1"))
	await(t, s, j, "held", func(bundles.Status) bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.held > 0
	})
	p.put(numbered(t, "r2"), 0)
	await(t, s, j, "replaced", revision("r2"))

	rootless := usual()
	rootless.roots = nil
	p.put(rootless.pack(t), 0)
	refused := await(t, s, j, "refused", problem("has no roots"))
	if refused.Latest == nil || refused.Latest.Revision != "r2" || !refused.Refused {
		t.Errorf("%+v", refused)
	}
	p.put(numbered(t, "r3")[:100], 0)
	await(t, s, j, "cut off", problem("is cut off"))
	p.put(numbered(t, "r3"), http.StatusNotFound)
	if gone := await(t, s, j, "gone", problem("404")); gone.Refused {
		t.Errorf("nothing was there to refuse: %+v", gone)
	}
	p.put(numbered(t, "r3"), 0)
	await(t, s, j, "there again", revision("r3"))
	for _, header := range p.requests() {
		if prefer := header.Get("Prefer"); strings.Contains(prefer, "delta") || !strings.Contains(prefer, "modes=snapshot") || !strings.Contains(prefer, "wait=300") {
			t.Errorf("Prefer: %s", prefer)
		}
	}
}

// TestPolling: a server without long polling is asked again and again, and says
// that nothing has changed.
func TestPolling(t *testing.T) {
	t.Parallel()
	p := newPlace(numbered(t, "r1"))
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	s, j := follow(t, httpOptions(server.URL))
	first := await(t, s, j, "there", revision("r1"))
	await(t, s, j, "asked again", func(s bundles.Status) bool { return s.LastSuccess.After(first.LastSuccess) })
	p.put(numbered(t, "r2"), 0)
	await(t, s, j, "replaced", revision("r2"))
	if requests := p.requests(); len(requests) < 3 || requests[0].Get("If-None-Match") != "" || requests[1].Get("If-None-Match") == "" {
		t.Errorf("%d requests", len(requests))
	}
	if j.String() != "" {
		t.Errorf("something is told of answers without news: %s", j)
	}
}

// TestARefusedBundleStaysRefused while the server says that nothing has changed,
// and while it says nothing.
func TestARefusedBundleStaysRefused(t *testing.T) {
	t.Parallel()
	rootless := usual()
	rootless.roots = nil
	p := newPlace(rootless.pack(t))
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	s, j := follow(t, httpOptions(server.URL))
	await(t, s, j, "refused", problem("has no roots"))
	await(t, s, j, "asked again", func(bundles.Status) bool { return len(p.requests()) > 2 })
	p.put(nil, http.StatusBadGateway)
	asked := len(p.requests())
	await(t, s, j, "asked while it was down", func(bundles.Status) bool { return len(p.requests()) > asked+1 })
	if got := s.Status(); !got.Refused || !strings.Contains(got.Problem, "has no roots") || !got.LastSuccess.IsZero() {
		t.Errorf("%+v", got)
	}
	if got := strings.Count(j.String(), "has no roots"); got != 1 {
		t.Errorf("told %d times", got)
	}
}

// TestTheServerIsDown at the start, and comes up.
func TestTheServerIsDown(t *testing.T) {
	server := httptest.NewUnstartedServer(newPlace(numbered(t, "r1")))
	address := server.Listener.Addr().String()
	server.Listener.Close()
	s, j := follow(t, httpOptions("http://"+address+"/b?signature=secret"))
	await(t, s, j, "missed", problem("/b refused the connection"))
	if strings.Contains(s.Status().Problem+j.String(), "secret") {
		t.Errorf("the query is told: %s", j)
	}
	server = httptest.NewUnstartedServer(newPlace(numbered(t, "r1")))
	listener, err := listen(t, address)
	if err != nil {
		t.Skipf("the port has been taken: %v", err)
	}
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	await(t, s, j, "there", revision("r1"))
	if got := strings.Count(j.String(), "refused the connection"); got != 1 {
		t.Errorf("told %d times:\n%s", got, j)
	}
}

// TestCredentials: each kind reaches the server, files are read anew.
func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	put(t, token, []byte("first\n"))
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_REGION", "eu-central-1")
	for _, test := range []struct {
		intent string
		change func(*bundles.Options)
		header string
		want   string
	}{
		{"none", func(*bundles.Options) {}, "Authorization", ""},
		{"a bearer token", func(o *bundles.Options) { o.TokenFile = token }, "Authorization", "Bearer first"},
		{"S3", func(o *bundles.Options) { o.AWS = "environment" }, "Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"},
		{"S3, its region and service", func(o *bundles.Options) { o.AWS = "environment" }, "Authorization", "/eu-central-1/s3/aws4_request"},
		{"S3, what was signed", func(o *bundles.Options) { o.AWS = "environment" }, "X-Amz-Content-Sha256", "e3b0c442"},
	} {
		t.Run(test.intent, func(t *testing.T) {
			p := newPlace(numbered(t, "r1"))
			server := httptest.NewServer(p)
			t.Cleanup(server.Close)
			o := httpOptions(server.URL + "/bucket/b.tar.gz")
			test.change(&o)
			s, j := follow(t, o)
			await(t, s, j, "there", revision("r1"))
			if got := p.requests()[0].Get(test.header); !strings.Contains(got, test.want) || (got == "") != (test.want == "") {
				t.Errorf("%s: %q", test.header, got)
			}
		})
	}
	p := newPlace(numbered(t, "r1"))
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	o := httpOptions(server.URL)
	o.TokenFile = token
	s, j := follow(t, o)
	await(t, s, j, "there", revision("r1"))
	put(t, token, []byte("second"))
	await(t, s, j, "asked again with the new token", func(bundles.Status) bool {
		requests := p.requests()
		return requests[len(requests)-1].Get("Authorization") == "Bearer second"
	})
}

// TestTLS: the server's certificate is verified against ca_file alone, and the
// client shows its own.
func TestTLS(t *testing.T) {
	p := newPlace(numbered(t, "r1"))
	var shown sync.Map
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown.Store("certificates", len(r.TLS.PeerCertificates))
		p.ServeHTTP(w, r)
	}))
	askForCertificate(server)
	server.StartTLS()
	t.Cleanup(server.Close)
	o := httpOptions(server.URL)
	s, j := follow(t, o)
	await(t, s, j, "refused", problem("signed by unknown authority"))

	o.CAPEM = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	o.CertFile, o.KeyFile = clientPair(t)
	s, j = follow(t, o)
	await(t, s, j, "there", revision("r1"))
	if got, _ := shown.Load("certificates"); got != 1 {
		t.Errorf("%v certificates were shown", got)
	}
}

// TestNoWayToPlainHTTP: a redirect cannot lead away from TLS.
func TestNoWayToPlainHTTP(t *testing.T) {
	plain := newPlace(numbered(t, "r1"))
	target := httptest.NewServer(plain)
	t.Cleanup(target.Close)
	server := httptest.NewTLSServer(http.RedirectHandler(target.URL, http.StatusFound))
	t.Cleanup(server.Close)
	o := httpOptions(server.URL)
	o.InsecureHTTPHosts = ""
	o.CAPEM = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	s, j := follow(t, o)
	await(t, s, j, "refused", problem("which is not https"))
	if len(plain.requests()) > 0 {
		t.Error("it was followed")
	}
}

// TestContentEncoding: an object that a store calls gzip-encoded is the archive
// all the same.
func TestContentEncoding(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(numbered(t, "r1"))
	}))
	t.Cleanup(server.Close)
	s, j := follow(t, httpOptions(server.URL))
	await(t, s, j, "there", revision("r1"))
}

// TestTooLargeToDownload: a server cannot fill the memory.
func TestTooLargeToDownload(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		zeros := make([]byte, 1<<20)
		for range 65 {
			if _, err := w.Write(zeros); err != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	s, j := follow(t, httpOptions(server.URL))
	await(t, s, j, "refused", problem("is larger than"))
}

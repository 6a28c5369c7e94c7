package outbound_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// world is an authority, and servers that it has signed.
type world struct {
	caFile string
	key    *ecdsa.PrivateKey
	ca     *x509.Certificate
}

func newWorld(t *testing.T) *world {
	w := &world{key: newKey(t), caFile: filepath.Join(t.TempDir(), "ca.pem")}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, w.key.Public(), w.key)
	if err == nil {
		w.ca, err = x509.ParseCertificate(der)
	}
	if err != nil {
		t.Fatal(err)
	}
	write(t, w.caFile, "CERTIFICATE", der)
	return w
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func write(t *testing.T, name, kind string, der []byte) {
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w *world) sign(t *testing.T, address string) (der []byte, key *ecdsa.PrivateKey) {
	key = newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), Subject: pkix.Name{CommonName: "ours"}}
	template.IPAddresses = []net.IP{net.ParseIP(address)}
	der, err := x509.CreateCertificate(rand.Reader, template, w.ca, key.Public(), w.key)
	if err != nil {
		t.Fatal(err)
	}
	return der, key
}

// pair writes a certificate of ours.
func (w *world) pair(t *testing.T) string {
	name := filepath.Join(t.TempDir(), "ours")
	der, key := w.sign(t, "127.0.0.9")
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, name+".crt", "CERTIFICATE", der)
	write(t, name+".key", "PRIVATE KEY", private)
	return name
}

// server keeps what it is asked, and answers by handle.
type server struct {
	*httptest.Server
	host   string
	handle http.HandlerFunc

	mu    sync.Mutex
	asked []*http.Request
}

func (w *world) server(t *testing.T, address string, secure bool) *server {
	s := &server{handle: http.NotFound}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r)
		s.mu.Unlock()
		s.handle(w, r)
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	s.Listener.Close()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address+":0")
	if err != nil {
		t.Skipf("not every system has all of 127.0.0.0/8: %v", err)
	}
	s.Listener, s.host = listener, listener.Addr().String()
	if secure {
		der, key := w.sign(t, address)
		s.TLS = &tls.Config{
			ClientAuth:   tls.RequestClientCert,
			Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		}
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

func (s *server) requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// leads sends every request on, by what each user goes by: a redirect, and for
// discovery the document.
func (s *server) leads(to string, status int) {
	s.handle = func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/.well-known/") {
			scheme := "http"
			if r.TLS != nil {
				scheme = "https"
			}
			_, _ = w.Write([]byte(`{"issuer":"` + scheme + "://" + s.host + `","jwks_uri":"` + to + `"}`))
			return
		}
		w.Header().Set("Location", to)
		w.WriteHeader(status)
	}
}

const secret = "a.secret.token"

func tokenFile(t *testing.T) string {
	name := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(name, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

package main

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
)

// signer signs bundles.
type signer struct{ private, public string }

func newSigner(t testing.TB) signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return signer{
		string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
	}
}

// release is one version of a bundle with one module, whose package is the
// first root.
type release struct {
	serial int      // 0: none
	roots  []string // none: authz; "": not declared
	rules  string   // below its package
	data   map[string]any
	signer *signer
}

func (r release) pack(t testing.TB) string {
	t.Helper()
	if r.roots == nil {
		r.roots = []string{"authz"}
	}
	rego := "package " + strings.ReplaceAll(cmp.Or(r.roots[0], "authz"), "/", ".") + "\n\n" + r.rules + "\n"
	b := bundle.Bundle{
		Manifest: bundle.Manifest{Revision: fmt.Sprintf("release-%d", r.serial), Roots: &r.roots},
		Data:     r.data,
		Modules:  []bundle.ModuleFile{{URL: "/a.rego", Path: "/a.rego", Raw: []byte(rego), Parsed: ast.MustParseModule(rego)}},
	}
	if r.data == nil {
		b.Data = map[string]any{}
	}
	if r.serial > 0 {
		b.Manifest.Metadata = map[string]any{"doorward": map[string]any{"serial": r.serial}}
	}
	if r.roots[0] == "" {
		b.Manifest.Roots = nil
	}
	if r.signer != nil {
		if err := b.GenerateSignature(bundle.NewSigningConfig(r.signer.private, "RS256", ""), "key", true); err != nil {
			t.Fatal(err)
		}
	}
	var packed bytes.Buffer
	if err := bundle.Write(&packed, b); err != nil {
		t.Fatal(err)
	}
	return packed.String()
}

// bundleServer holds requests until there is something new.
type bundleServer struct {
	mu      sync.Mutex
	content string // "": none yet
	changed chan struct{}
}

func newBundleServer() *bundleServer { return &bundleServer{changed: make(chan struct{})} }

func (s *bundleServer) publish(content string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.content = content
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *bundleServer) look() (content, etag string, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.content, fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(s.content))), s.changed
}

func (s *bundleServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	content, etag, changed := s.look()
	if r.Header.Get("If-None-Match") == etag {
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
		content, etag, _ = s.look()
	}
	w.Header().Set("Content-Type", "application/vnd.openpolicyagent.bundles")
	if content == "" {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("ETag", etag)
	_, _ = w.Write([]byte(content))
}

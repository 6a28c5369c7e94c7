package bundles_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/bundles"
)

// signer is a key pair in PEM.
type signer struct{ private, public, algorithm string }

func newSigner(t testing.TB, algorithm string) signer {
	t.Helper()
	var key crypto.Signer
	var err error
	if algorithm[0] == 'E' {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return signer{
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		algorithm,
	}
}

// made is a bundle as a build server makes it, with what a test changes.
type made struct {
	revision string
	roots    *[]string // nil: not declared
	serial   any       // nil: none
	rego     string
	data     map[string]any
	change   func(*bundle.Bundle)
	signer   *signer
	after    func(*bundle.Bundle) // the signature
}

func usual() made {
	return made{
		revision: "r1", roots: &[]string{"authz"}, rego: "package authz\n\nrequire.a if true\n",
		data: map[string]any{},
	}
}

func (m made) pack(t testing.TB) []byte {
	t.Helper()
	module, err := ast.ParseModule("/authz.rego", m.rego)
	if err != nil {
		t.Fatal(err)
	}
	b := bundle.Bundle{
		Manifest: bundle.Manifest{Revision: m.revision, Roots: m.roots},
		Data:     m.data,
		Modules:  []bundle.ModuleFile{{URL: "/authz.rego", Path: "/authz.rego", Raw: []byte(m.rego), Parsed: module}},
	}
	if m.serial != nil {
		b.Manifest.Metadata = map[string]any{"doorward": map[string]any{"serial": m.serial}}
	}
	if m.change != nil {
		m.change(&b)
	}
	if m.signer != nil {
		config := bundle.NewSigningConfig(m.signer.private, m.signer.algorithm, "")
		if err := b.GenerateSignature(config, "the name of a key", true); err != nil {
			t.Fatal(err)
		}
	}
	if m.after != nil {
		m.after(&b)
	}
	var packed bytes.Buffer
	if err := bundle.Write(&packed, b); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// journal is what a source has told.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
	news chan struct{}
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	defer j.tell()
	return j.text.Write(p)
}

func (j *journal) tell() {
	select {
	case j.news <- struct{}{}:
	default:
	}
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// follow runs a source until the test ends.
func follow(t testing.TB, o bundles.Options) (*bundles.Source, *journal) {
	t.Helper()
	for _, p := range o.Check() {
		if p.Severity == finding.Error {
			t.Fatalf("%s %s", p.Path, p.Message)
		}
	}
	j := &journal{news: make(chan struct{}, 1)}
	s := bundles.NewSource(o, slog.New(slog.NewTextHandler(j, nil)), j.tell)
	done := make(chan struct{})
	go func() { defer close(done); s.Run(t.Context()) }()
	t.Cleanup(func() {
		<-done
		if strings.Contains(j.String(), "cancel") {
			t.Errorf("its own end is told as a failure: %s", j)
		}
	})
	return s, j
}

// await returns the first status that is as wanted.
func await(t testing.TB, s *bundles.Source, j *journal, want string, is func(bundles.Status) bool) bundles.Status {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		if status := s.Status(); is(status) {
			return status
		}
		select {
		case <-j.news:
		case <-time.After(50 * time.Millisecond): // some changes, such as an answer that all is as before, are not told
		case <-timeout:
			t.Fatalf("not %s: %+v\n%s", want, s.Status(), j)
		}
	}
}

func revision(r string) func(bundles.Status) bool {
	return func(s bundles.Status) bool { return s.Latest != nil && s.Latest.Revision == r }
}

func problem(part string) func(bundles.Status) bool {
	return func(s bundles.Status) bool { return strings.Contains(s.Problem, part) }
}

package bundles_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/doorward/doorward/extauthz/finding"
)

// TestKeys: a key that could not verify anything is refused at once.
func TestKeys(t *testing.T) {
	rsaKey, ecKey := newSigner(t, "RS256"), newSigner(t, "ES256")
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, bytes []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}))
	}
	for _, test := range []struct{ intent, key, algorithm, want string }{
		{"RSA", rsaKey.public, "PS384", ""},
		{"EC", ecKey.public, "ES256", ""},
		{"RSA for ES256", rsaKey.public, "ES256", "does not go with ES256"},
		{"EC for RS256", ecKey.public, "RS256", "does not go with RS256"},
		{"a private key", rsaKey.private, "RS256", "holds a private key"},
		{"Ed25519", block("PUBLIC KEY", other), "RS256", "neither RSA nor EC"},
		{"no key", block("PUBLIC KEY", []byte("x")), "RS256", "cannot be read"},
		{"a certificate", block("CERTIFICATE", other), "RS256", `type "CERTIFICATE"`},
		{"no PEM", "x", "RS256", "no PEM block"},
	} {
		o := httpOptions("https://bundles.example.com/b.tar.gz")
		o.InsecureUnsigned, o.Key, o.Algorithm = false, test.key, test.algorithm
		problems := o.Check()
		if test.want == "" && len(problems) > 0 || test.want != "" && (len(problems) != 1 || problems[0].Path != "verification.key_file" || !strings.Contains(problems[0].Message, test.want)) {
			t.Errorf("%s: %v", test.intent, problems)
		}
	}
}

// TestPlainHTTP needs the host to be named.
func TestPlainHTTP(t *testing.T) {
	for _, test := range []struct {
		url, hosts string
		errors     int
		warnings   int
	}{
		{"https://a.example.com/b", "", 0, 0},
		{"http://a.example.com/b", "", 1, 0},
		{"http://a.example.com/b", "loopback b.example.com", 1, 0},
		{"http://a.example.com:80/b", "a.example.com", 0, 1},
		{"http://[::1]:80/b", "loopback", 0, 1},
		{"oci://a.example.com/b:c", "", 0, 0},
		{"oci://localhost:5000/b:c", "loopback", 0, 1},
	} {
		o := httpOptions(test.url)
		o.InsecureHTTPHosts, o.InsecureUnsigned = test.hosts, false
		var errors, warnings int
		for _, p := range o.Check() {
			if p.Severity == finding.Warning {
				warnings++
			} else {
				errors++
			}
		}
		if errors != test.errors || warnings != test.warnings {
			t.Errorf("%s with %q: %d errors, %d warnings", test.url, test.hosts, errors, warnings)
		}
	}
}

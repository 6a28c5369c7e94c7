package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

// withAssertion is an assertion of the resource of [folder.configure].
const withAssertion = `  assertion:
    {issuer: "https://doorward.example", audience: "https://example.internal", key_file: assertion.pem}
`

// writeKey writes a new private key under this name.
func (f *folder) writeKey(t testing.TB, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	f.write(t, name, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

// configurePublic is configure with an address that servers reach.
func (f *folder) configurePublic(t testing.TB, more string) string {
	t.Helper()
	f.configure(t, more)
	name := f.path("doorward.yaml")
	f.write(t, "doorward.yaml", strings.Replace(readFile(t, name), `http: "127.0.0.1:0"`, `http: "0.0.0.0:9190"`, 1))
	return name
}

// TestPrintTheKeysOfAssertions prints public keys alone, and fails where there are none.
func TestPrintTheKeysOfAssertions(t *testing.T) {
	f := newFolder(t)
	f.writeKey(t, "assertion.pem")
	f.writeKey(t, "next.pem")
	published := strings.Replace(withAssertion, "assertion.pem}", "assertion.pem, publish_files: [next.pem]}", 1)
	for _, row := range []struct {
		more string
		code int
		keys int
	}{{"", exitFailure, 0}, {withAssertion, 0, 1}, {published, 0, 2}, {withAssertion + "\nnonsense: 1", exitFailure, 0}} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), []string{"jwks", "--config", f.configurePublic(t, row.more)}, &stdout, &stderr)
		if code != row.code {
			t.Errorf("%q: exit %d: %s", row.more, code, stderr.String())
		}
		if code != 0 {
			if stdout.Len() > 0 {
				t.Errorf("%q: %s", row.more, stdout.String())
			}
			continue
		}
		set, err := jwk.Parse(stdout.Bytes())
		if err != nil || set.Len() != row.keys || strings.Contains(stdout.String(), `"d"`) {
			t.Errorf("%q: %v: %s", row.more, err, stdout.String())
		}
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"jwks"}, &stdout, &stderr); code != exitUsage {
		t.Errorf("without --config: exit %d", code)
	}
}

package interop

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/doorward/doorward/internal/testenv"
)

//go:embed mtls.mjs
var mtlsProgram []byte

// certificateAbout is above the table of oidc-provider.
const certificateAbout = "Doorward gets a token for the MCP server itself, by client credentials, with a client certificate (RFC 8705, " +
	"`tls_client_auth`)."

// leaves configures two ways out: with a certificate that an oidc-provider knows, and with another one.
func (s *oidcServer) leaves() error {
	free, err := testenv.FreeAddresses(1)
	if err != nil {
		return err
	}
	s.byCertificate = free[0]
	const entry = "{issuer: %q, resource: %q, scope: [mcp:read], client_id: cert, ca_file: authority.pem, " +
		"client_certificate: {cert_file: %s.pem, key_file: %[4]s.key}}"
	issuer := "https://" + s.byCertificate
	s.service.egress = fmt.Sprintf(`egress:
  listeners: [{listen: "unix://%s", resource: interop}]
  destinations:
  - {host: api.example.com, token: client_credentials, client_credentials: %s}
  - {host: api.example.com, paths: [/other], token: client_credentials, client_credentials: %s}
`, s.service.socket(), fmt.Sprintf(entry, issuer, destination, "doorward", "doorward"), fmt.Sprintf(entry, issuer, destination, "other", "other"))
	return errors.Join(s.certificates(), os.WriteFile(filepath.Join(s.folder, "mtls.mjs"), mtlsProgram, 0o600))
}

// certificates makes an authority and what it signs.
func (s *oidcServer) certificates() error {
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	signer, err := s.certificate("authority", authority, authority, nil)
	if err != nil {
		return err
	}
	for i, name := range []string{"server", "doorward", "other"} {
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 2)), Subject: pkix.Name{CommonName: name}, NotAfter: authority.NotAfter,
			DNSNames: []string{name + ".example.com"}, KeyUsage: x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}
		if name == "server" {
			leaf.IPAddresses, leaf.ExtKeyUsage = []net.IP{net.IPv4(127, 0, 0, 1)}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}
		if _, err := s.certificate(name, leaf, authority, signer); err != nil {
			return err
		}
	}
	return nil
}

// certificate writes NAME.pem and NAME.key. A nil signer is the key itself.
func (s *oidcServer) certificate(name string, leaf, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(s.folder, name)
	return key, errors.Join(
		os.WriteFile(file+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(file+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600),
	)
}

// machineOut calls the API twice as the MCP server itself: with a certificate that the server knows, and another one.
func (s *oidcServer) machineOut(ctx context.Context) (o outcome, err error) {
	_, port, _ := net.SplitHostPort(s.byCertificate)
	process, err := testenv.Start(ctx, testenv.Command{Program: "node", Args: []string{"mtls.mjs", port, "private-jwks.json"}, Dir: s.folder})
	if err != nil {
		return o, err
	}
	defer func() { _ = process.Stop() }() // what it did is known by then
	if err := process.Until(ctx, func(ctx context.Context) error { return dial(ctx, s.byCertificate) }); err != nil {
		return o, err
	}
	statuses, api, err := s.service.callsOut(ctx, "/v1/things", http.Header{})
	if err != nil {
		return o, err
	}
	claims, _, err := api.token(statuses)
	if err != nil {
		return o, err
	}
	refused, _, err := s.service.callsOut(ctx, "/other", http.Header{})
	if err != nil {
		return o, err
	}
	about := fmt.Sprintf("%s, sub %v", aboutUpstream(claims), claims["sub"])
	return outcome{
		got:   fmt.Sprintf("%s; with another certificate %s", about, refused[0]),
		cells: []string{"tls_client_auth", about, refused[0]},
	}, nil
}

package service

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"sync/atomic"

	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/snapshot"
)

// tlsConfig is what the gRPC port offers now. A reload replaces it for the
// connections that come after.
type tlsConfig struct{ current atomic.Pointer[tls.Config] }

// readTLS reads the files of where, which is at a key; nil without a certificate.
func readTLS(key string, where config.TLS, files *snapshot.Snapshot) (*tls.Config, error) {
	if where.CertFile == "" {
		return nil, nil
	}
	cert, err := files.ReadFile(where.CertFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	private, err := files.ReadFile(where.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	certificate, err := tls.X509KeyPair(cert, private)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	next := &tls.Config{
		Certificates: []tls.Certificate{certificate},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2"},
	}
	if where.ClientCAFile != "" {
		pem, err := files.ReadFile(where.ClientCAFile)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		next.ClientCAs = x509.NewCertPool()
		if !next.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: %s holds no certificate", key, where.ClientCAFile)
		}
		next.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return next, nil
}

// server asks for the configuration in force at each handshake.
func (t *tlsConfig) server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return t.current.Load(), nil
		},
	}
}

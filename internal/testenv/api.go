package testenv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"strings"
	"time"
)

// APIOptions are the choices of an [API].
type APIOptions struct {
	Listen   string // host:port; "" is a free port on 127.0.0.1
	Name     string // of the certificate
	Audience string // the aud of the tokens that it accepts

	// Verify returns the claims of a token, as [AuthServer.Verify].
	Verify func(compact string) (map[string]any, error)
}

// API is a service that an MCP server calls for its user, over TLS. It accepts only
// tokens that were issued for it, answers with their claims, and keeps each request.
type API struct {
	seenRequests

	server    *httpServer
	options   APIOptions
	authority []byte
}

// StartAPI serves on loopback until Close, with a certificate that it makes.
func StartAPI(o APIOptions) (*API, error) {
	certificate, authority, err := selfSigned(o.Name)
	if err != nil {
		return nil, err
	}
	a := &API{options: o, authority: authority}
	listener, err := Listen(o.Listen)
	if err != nil {
		return nil, err
	}
	settings := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	a.server = serveOn(tls.NewListener(listener, settings), a.remember(http.HandlerFunc(a.answer)))
	return a, nil
}

// Address is the host:port that Envoy forwards to.
func (a *API) Address() string { return a.server.address }

// Authority is the certificate to trust, in PEM.
func (a *API) Authority() []byte { return a.authority }

// Close ends the server and its connections.
func (a *API) Close() error { return a.server.close() }

func (a *API) answer(w http.ResponseWriter, r *http.Request) {
	compact, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	claims, err := a.options.Verify(compact)
	if err != nil || claims["aud"] != a.options.Audience {
		w.Header().Set("WWW-Authenticate", "Bearer")
		answer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
		return
	}
	answer(w, http.StatusOK, claims)
}

// selfSigned makes a certificate that is its own authority, for a day.
func selfSigned(name string) (certificate tls.Certificate, authority []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return certificate, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return certificate, nil, err
	}
	authority = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, authority, nil
}

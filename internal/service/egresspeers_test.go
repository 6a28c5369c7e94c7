package service

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// authority signs certificates.
type authority struct {
	key *ecdsa.PrivateKey
	ca  *x509.Certificate
	pem string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour),
	}
	der, key := sign(t, template, nil, nil)
	a.key, a.pem = key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	var err error
	if a.ca, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

func sign(t *testing.T, template, by *x509.Certificate, with *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if by == nil {
		by, with = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by, key.Public(), with)
	if err != nil {
		t.Fatal(err)
	}
	return der, key
}

// issue makes a certificate with these URIs, for 127.0.0.1.
func (a *authority) issue(t *testing.T, uris ...string) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{{127, 0, 0, 1}},
	}
	for _, text := range uris {
		uri, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		template.URIs = append(template.URIs, uri)
	}
	der, key := sign(t, template, a.ca, a.key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// dial connects with a certificate, or none.
func (a *authority) dial(t *testing.T, address string, certificates ...tls.Certificate) authv3.AuthorizationClient {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(a.ca)
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		RootCAs: roots, Certificates: certificates, MinVersion: tls.VersionTLS12,
	})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return authv3.NewAuthorizationClient(conn)
}

// asks is the reason of the answer to a Check of a server, and "" where none comes.
func asks(t *testing.T, client authv3.AuthorizationClient, principal string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	response, err := client.Check(ctx, &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source: &authv3.AttributeContext_Peer{Principal: principal},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Method: "GET", Scheme: "https", Host: "api.example.com", Path: "/",
		}},
	}})
	if err != nil {
		return ""
	}
	return response.GetDynamicMetadata().GetFields()["reason"].GetStringValue()
}

// TestEgressPeers: over TCP an Envoy asks with the certificate of a peer alone, and whose
// server calls is what the configuration in force says, also over a connection that was
// open before.
func TestEgressPeers(t *testing.T) {
	const mesh, server = "spiffe://td/ns/mesh/sa/egress", "spiffe://td/ns/example/sa/server"
	f, trusted, other := newFolder(t), newAuthority(t), newAuthority(t)
	own := trusted.issue(t)
	der, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	f.write(t, "ca.pem", trusted.pem)
	f.write(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]})))
	f.write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	free, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	_ = free.Close()
	rules := fmt.Sprintf(`egress:
  listeners:
  - listen: %q
    tls: {cert_file: cert.pem, key_file: key.pem, client_ca_file: ca.pem}
    peers: [%q]
    callers: {%q: example}
  destinations: [{host: api.example.com, token: keep}]
`, address, mesh, server)
	f.configure(t, rules)
	r := begin(t, f.path("doorward.yaml"))
	opened, err := r.listenEgress(t.Context(), r.current.Load().Config)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range opened {
		go func() { _ = l.server.Serve(l) }()
		t.Cleanup(l.server.Stop)
	}
	for intent, client := range map[string]authv3.AuthorizationClient{
		"no certificate":        trusted.dial(t, address),
		"of another authority":  trusted.dial(t, address, other.issue(t, mesh)),
		"another URI":           trusted.dial(t, address, trusted.issue(t, "spiffe://td/eve")),
		"no URI":                trusted.dial(t, address, trusted.issue(t)),
		"a second URI":          trusted.dial(t, address, trusted.issue(t, mesh, "spiffe://td/eve")),
		"the URI of the server": trusted.dial(t, address, trusted.issue(t, server)),
	} {
		if got := asks(t, client, server); got != "" {
			t.Errorf("%s: %s", intent, got)
		}
	}
	peer := trusted.dial(t, address, trusted.issue(t, mesh))
	look := func(intent, principal, want string) {
		t.Helper()
		if got := asks(t, peer, principal); got != want {
			t.Errorf("%s: %q, want %q", intent, got, want)
		}
	}
	look("a peer", server, "allowed")
	look("a server of no resource", "spiffe://td/eve", "misconfigured")
	f.configure(t, strings.Replace(rules, server, "spiffe://td/ns/example/sa/next", 1))
	r.again(t)
	look("a server that a reload removed", server, "misconfigured")
	look("a server that a reload added", "spiffe://td/ns/example/sa/next", "allowed")
	f.configure(t, strings.Replace(rules, mesh, "spiffe://td/ns/mesh/sa/next", 1))
	r.again(t)
	look("a peer that a reload removed, over its open connection", server, "misconfigured")
	if got := asks(t, trusted.dial(t, address, trusted.issue(t, "spiffe://td/ns/mesh/sa/next")), server); got != "allowed" {
		t.Errorf("a peer that a reload added: %q", got)
	}
	f.configure(t, rules)
	r.again(t)
	look("a peer that came back", server, "allowed")
}

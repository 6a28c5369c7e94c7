package jwks

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/extauthz/finding"
)

func TestCheck(t *testing.T) {
	https := Options{Issuer: issuerID}
	rows := []struct {
		intent  string
		options Options
		want    finding.List // messages are not compared
	}{
		{"discovery", https, nil},
		{"an issuer with a path", Options{Issuer: issuerID + "/realms/a"}, nil},
		{"a configured URI", options(), nil},
		{"static keys", Options{Issuer: issuerID, Static: setOf(ed25519JWK("a"))}, nil},
		{"no issuer", Options{}, finding.List{{Path: "issuer"}}},
		{"a name is no issuer", Options{Issuer: "as"}, finding.List{{Path: "issuer"}}},
		{"http", Options{Issuer: "http://as.example.com"}, finding.List{{Path: "issuer"}}},
		{"ftp", Options{Issuer: "ftp://localhost", InsecureHTTPHosts: []string{"loopback"}}, finding.List{{Path: "issuer"}}},
		{"http on a named host is warned about", Options{Issuer: "http://as.example.com:8080", InsecureHTTPHosts: []string{"as.example.com"}}, finding.List{{Path: "issuer", Severity: finding.Warning}}},
		{"http on a named host and port", Options{Issuer: "http://as.example.com:8080", InsecureHTTPHosts: []string{"AS.example.com:8080"}}, finding.List{{Path: "issuer", Severity: finding.Warning}}},
		{"http on another port", Options{Issuer: "http://as.example.com:8080", InsecureHTTPHosts: []string{"as.example.com:9090"}}, finding.List{{Path: "issuer"}}},
		{"http below a named host", Options{Issuer: "http://evil.as.example.com", InsecureHTTPHosts: []string{"as.example.com"}}, finding.List{{Path: "issuer"}}},
		{"loopback by name", Options{Issuer: "http://localhost:1", InsecureHTTPHosts: []string{"loopback"}}, finding.List{{Path: "issuer", Severity: finding.Warning}}},
		{"loopback by address", Options{Issuer: "http://[::1]:1", InsecureHTTPHosts: []string{"loopback"}}, finding.List{{Path: "issuer", Severity: finding.Warning}}},
		{"not loopback", Options{Issuer: "http://192.0.2.1", InsecureHTTPHosts: []string{"loopback"}}, finding.List{{Path: "issuer"}}},
		{"not loopback either", Options{Issuer: "http://localhost.example.com", InsecureHTTPHosts: []string{"loopback"}}, finding.List{{Path: "issuer"}}},
		{"user information", Options{Issuer: "https://me@as.example.com"}, finding.List{{Path: "issuer"}}},
		{"a fragment", Options{Issuer: "https://as.example.com#"}, finding.List{{Path: "issuer"}}},
		{"a query", Options{Issuer: "https://as.example.com?a=b"}, finding.List{{Path: "issuer"}}},
		{"an empty query", Options{Issuer: "https://as.example.com?"}, finding.List{{Path: "issuer"}}},
		{"a key set may have one", Options{Issuer: issuerID, JWKSURI: keysURI + "?tenant=1"}, nil},
		{"a key set without TLS", Options{Issuer: issuerID, JWKSURI: "http://as.example.com/jwks"}, finding.List{{Path: "jwks_uri"}}},
		{"two sources of keys", Options{Issuer: issuerID, JWKSURI: keysURI, Static: setOf(ed25519JWK("a"))}, finding.List{{Path: "jwks_uri"}}},
		{"static, broken", Options{Issuer: issuerID, Static: []byte("{")}, finding.List{{Path: "jwks"}}},
		{"static, an empty file", Options{Issuer: issuerID, Static: []byte{}}, finding.List{{Path: "jwks"}}},
		{"static, no usable key", Options{Issuer: issuerID, Static: setOf()}, finding.List{{Path: "jwks"}}},
		{"static, one key skipped", Options{Issuer: issuerID, Static: setOf(ed25519JWK("a"), member{})}, finding.List{{Path: "jwks.keys[1]", Severity: finding.Warning}}},
		{"static, five keys for a token without kid", Options{Issuer: issuerID, Static: setOf(
			ed25519JWK("a"), ed25519JWK("b"), ed25519JWK("c"), ed25519JWK("d"), ed25519JWK("e"))}, finding.List{{Path: "jwks", Severity: finding.Warning}}},
		{"a CA file without certificates", Options{Issuer: issuerID, CAPEM: []byte("x")}, finding.List{{Path: "ca_file"}}},
		{"negative durations", Options{Issuer: issuerID, RefreshMin: -1, RefreshMax: -1, MaxStale: -1}, finding.List{{Path: "refresh.min"}, {Path: "refresh.max"}, {Path: "refresh.max_stale"}}},
		{"floor over ceiling", Options{Issuer: issuerID, RefreshMin: 2 * time.Hour}, finding.List{{Path: "refresh.min"}}},
		{"ceiling over staleness", Options{Issuer: issuerID, MaxStale: time.Minute}, finding.List{{Path: "refresh.max_stale"}}},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			got := row.options.Check()
			for n := range got {
				if got[n].Message == "" {
					t.Error("a problem without words")
				}
				got[n].Message = ""
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEqual(t *testing.T) {
	full := Options{
		Issuer: issuerID, JWKSURI: keysURI, Static: []byte("s"), CAPEM: []byte("c"),
		InsecureHTTPHosts: []string{"loopback"}, RefreshMin: 1, RefreshMax: 2, MaxStale: 3,
	}
	rows := []struct {
		intent string
		change func(o *Options)
	}{
		{"issuer", func(o *Options) { o.Issuer = "" }},
		{"jwks_uri", func(o *Options) { o.JWKSURI = "" }},
		{"static", func(o *Options) { o.Static = []byte("t") }},
		{"ca", func(o *Options) { o.CAPEM = nil }},
		{"hosts", func(o *Options) { o.InsecureHTTPHosts = nil }},
		{"min", func(o *Options) { o.RefreshMin = 0 }},
		{"max", func(o *Options) { o.RefreshMax = 0 }},
		{"max_stale", func(o *Options) { o.MaxStale = 0 }},
	}
	for _, row := range rows {
		changed := full
		if !full.Equal(changed) {
			t.Fatal("not equal to itself")
		}
		row.change(&changed)
		if full.Equal(changed) {
			t.Errorf("a change of %s is not seen", row.intent)
		}
	}
	if !(Options{RefreshMin: time.Minute, RefreshMax: time.Hour, MaxStale: 24 * time.Hour}).Equal(Options{}) {
		t.Error("a default that is written out is a change")
	}
	if (Options{Static: []byte{}}).Equal(Options{}) {
		t.Error("an empty key file is no discovery")
	}
}

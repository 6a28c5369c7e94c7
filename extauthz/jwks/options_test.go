package jwks

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCheck(t *testing.T) {
	https := Options{Issuer: issuerID}
	rows := []struct {
		intent  string
		options Options
		want    []Problem // messages are not compared
	}{
		{"discovery", https, nil},
		{"an issuer with a path", Options{Issuer: issuerID + "/realms/a"}, nil},
		{"a configured URI", options(), nil},
		{"static keys", Options{Issuer: issuerID, Static: setOf(ed25519JWK("a"))}, nil},
		{"no issuer", Options{}, []Problem{{Path: "issuer"}}},
		{"a name is no issuer", Options{Issuer: "as"}, []Problem{{Path: "issuer"}}},
		{"http", Options{Issuer: "http://as.example.com"}, []Problem{{Path: "issuer"}}},
		{"ftp", Options{Issuer: "ftp://localhost", InsecureHTTPHosts: []string{"loopback"}}, []Problem{{Path: "issuer"}}},
		{"http on a named host is warned about", Options{Issuer: "http://as.example.com:8080", InsecureHTTPHosts: []string{"as.example.com"}}, []Problem{{Path: "issuer", Warning: true}}},
		{"http on a named host and port", Options{Issuer: "http://as.example.com:8080", InsecureHTTPHosts: []string{"AS.example.com:8080"}}, []Problem{{Path: "issuer", Warning: true}}},
		{"http on another port", Options{Issuer: "http://as.example.com:8080", InsecureHTTPHosts: []string{"as.example.com:9090"}}, []Problem{{Path: "issuer"}}},
		{"http below a named host", Options{Issuer: "http://evil.as.example.com", InsecureHTTPHosts: []string{"as.example.com"}}, []Problem{{Path: "issuer"}}},
		{"loopback by name", Options{Issuer: "http://localhost:1", InsecureHTTPHosts: []string{"loopback"}}, []Problem{{Path: "issuer", Warning: true}}},
		{"loopback by address", Options{Issuer: "http://[::1]:1", InsecureHTTPHosts: []string{"loopback"}}, []Problem{{Path: "issuer", Warning: true}}},
		{"not loopback", Options{Issuer: "http://192.0.2.1", InsecureHTTPHosts: []string{"loopback"}}, []Problem{{Path: "issuer"}}},
		{"not loopback either", Options{Issuer: "http://localhost.example.com", InsecureHTTPHosts: []string{"loopback"}}, []Problem{{Path: "issuer"}}},
		{"user information", Options{Issuer: "https://me@as.example.com"}, []Problem{{Path: "issuer"}}},
		{"a fragment", Options{Issuer: "https://as.example.com#"}, []Problem{{Path: "issuer"}}},
		{"a query", Options{Issuer: "https://as.example.com?a=b"}, []Problem{{Path: "issuer"}}},
		{"an empty query", Options{Issuer: "https://as.example.com?"}, []Problem{{Path: "issuer"}}},
		{"a key set may have one", Options{Issuer: issuerID, JWKSURI: keysURI + "?tenant=1"}, nil},
		{"a key set without TLS", Options{Issuer: issuerID, JWKSURI: "http://as.example.com/jwks"}, []Problem{{Path: "jwks_uri"}}},
		{"two sources of keys", Options{Issuer: issuerID, JWKSURI: keysURI, Static: setOf(ed25519JWK("a"))}, []Problem{{Path: "jwks_uri"}}},
		{"static, broken", Options{Issuer: issuerID, Static: []byte("{")}, []Problem{{Path: "jwks"}}},
		{"static, an empty file", Options{Issuer: issuerID, Static: []byte{}}, []Problem{{Path: "jwks"}}},
		{"static, no usable key", Options{Issuer: issuerID, Static: setOf()}, []Problem{{Path: "jwks"}}},
		{"static, one key skipped", Options{Issuer: issuerID, Static: setOf(ed25519JWK("a"), member{})}, []Problem{{Path: "jwks.keys[1]", Warning: true}}},
		{"static, five keys for a token without kid", Options{Issuer: issuerID, Static: setOf(
			ed25519JWK("a"), ed25519JWK("b"), ed25519JWK("c"), ed25519JWK("d"), ed25519JWK("e"))}, []Problem{{Path: "jwks", Warning: true}}},
		{"a CA file without certificates", Options{Issuer: issuerID, CAPEM: []byte("x")}, []Problem{{Path: "ca_file"}}},
		{"negative durations", Options{Issuer: issuerID, RefreshMin: -1, RefreshMax: -1, MaxStale: -1}, []Problem{{Path: "refresh.min"}, {Path: "refresh.max"}, {Path: "refresh.max_stale"}}},
		{"floor over ceiling", Options{Issuer: issuerID, RefreshMin: 2 * time.Hour}, []Problem{{Path: "refresh.min"}}},
		{"ceiling over staleness", Options{Issuer: issuerID, MaxStale: time.Minute}, []Problem{{Path: "refresh.max_stale"}}},
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

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

const onlineConfig = `
listen: {grpc: "127.0.0.1:0", http: "127.0.0.1:0"}
drain: 0s
insecure_http_hosts: [loopback]
issuers:
- issuer: %s
resources: [{resource: "https://mcp.example.com/mcp"}]
`

// TestCheckOnline: what check --online says of keys is what serve then says in
// its log, on /readyz and in its metrics; and it ends with a failure exactly
// where serve would have no keys.
func TestCheckOnline(t *testing.T) {
	key := jwttest.NewKey("ES256", "key-1")
	for _, row := range []struct {
		cause string // "" for none
		serve func(w http.ResponseWriter, r *http.Request, issuer string)
	}{
		{"status", func(w http.ResponseWriter, r *http.Request, _ string) { http.NotFound(w, r) }},
		{"not_json", func(w http.ResponseWriter, _ *http.Request, _ string) { _, _ = io.WriteString(w, "<html>") }},
		{"wrong_issuer", func(w http.ResponseWriter, _ *http.Request, issuer string) {
			_, _ = fmt.Fprintf(w, `{"issuer":"%s/","jwks_uri":"%s/jwks"}`, issuer, issuer)
		}},
		{"no_usable_key", func(w http.ResponseWriter, r *http.Request, issuer string) {
			if r.URL.Path == "/jwks" {
				_, _ = io.WriteString(w, `{"keys":[]}`)
				return
			}
			_, _ = fmt.Fprintf(w, `{"issuer":"%s","jwks_uri":"%s/jwks?secret=1"}`, issuer, issuer)
		}},
		{"", func(w http.ResponseWriter, r *http.Request, issuer string) {
			if r.URL.Path == "/jwks" {
				_, _ = w.Write(jwttest.JWKS(key))
				return
			}
			_, _ = fmt.Fprintf(w, `{"issuer":"%s","jwks_uri":"%s/jwks?secret=1"}`, issuer, issuer)
		}},
	} {
		t.Run(row.cause, func(t *testing.T) {
			issuer := ""
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { row.serve(w, r, issuer) }))
			defer server.Close()
			issuer = server.URL
			f := newFolder(t)
			f.write(t, "doorward.yaml", fmt.Sprintf(onlineConfig, issuer))

			var stdout, stderr bytes.Buffer
			code := run(t.Context(), []string{"check", "--online", "--config", f.path("doorward.yaml")}, &stdout, &stderr)
			p := start(t, "--config", f.path("doorward.yaml"))
			if row.cause == "" {
				if code != 0 || !strings.Contains(stdout.String(), issuer+": 1 keys from "+issuer+"/jwks\n") {
					t.Errorf("check: %d\n%s%s", code, &stdout, &stderr)
				}
				return
			}
			problem := sameOnReadyz(t, p, row.cause)
			want := fmt.Sprintf("doorward.yaml:6:11: no keys of %s: %s (%s)\n", issuer, problem, row.cause)
			if code != exitFailure || !strings.Contains(stdout.String(), want) {
				t.Errorf("check: %d, want %s in\n%s%s", code, want, &stdout, &stderr)
			}
			quoted, _ := json.Marshal(problem)
			p.log.await(t, 1, string(quoted))
			_, _, metrics := get(t, "http://"+p.http+"/metrics")
			if !strings.Contains(metrics, fmt.Sprintf("doorward_jwks_refreshes_total{cause=%q,issuer=%q,", row.cause, issuer)) {
				t.Errorf("no metric of %s", row.cause)
			}
			if strings.Contains(stdout.String()+problem, "secret") {
				t.Errorf("a query is shown: %s", problem)
			}
		})
	}
}

// sameOnReadyz waits for the first fetch, and gives its problem.
func sameOnReadyz(t *testing.T, p *program, cause string) string {
	t.Helper()
	p.log.await(t, 1, "fetch of keys failed")
	_, _, body := get(t, "http://"+p.http+"/readyz")
	var ready struct {
		Issuers []struct{ Problem, Cause, NextTry string }
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(body, "next_try", "nexttry")), &ready); err != nil || len(ready.Issuers) != 1 {
		t.Fatalf("%v: %s", err, body)
	}
	one := ready.Issuers[0]
	if at, err := time.Parse(time.RFC3339Nano, one.NextTry); err != nil || time.Until(at).Abs() > time.Minute || one.Cause != cause {
		t.Errorf("readyz: %s", body)
	}
	return one.Problem
}

// TestCheckOnlineAndBundles: a bundle that does not come is a problem, and one
// that does is part of the policy that is judged.
func TestCheckOnlineAndBundles(t *testing.T) {
	var content string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if content == "" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, content)
	}))
	defer server.Close()
	f := newFolder(t)
	f.write(t, "doorward.yaml", fmt.Sprintf(`
insecure_http_hosts: [loopback]
issuers: [{issuer: "https://as.example.com", jwks_file: keys.json}]
resources: [{resource: "https://mcp.example.com/mcp"}]
policy: {bundles: [{name: weather, url: "%s/b.tar.gz", insecure_unsigned: true}]}
`, server.URL))
	f.write(t, "keys.json", string(jwttest.JWKS(jwttest.NewKey("ES256", "key-1"))))
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"check", "--online", "--config", f.path("doorward.yaml")}, &stdout, &stderr)
	if code != exitFailure || !strings.Contains(stdout.String(), "policy.bundles: weather the server answers 404 Not Found: check its url\n") {
		t.Errorf("%d\n%s%s", code, &stdout, &stderr)
	}
	if code := run(t.Context(), []string{"check", "--config", f.path("doorward.yaml")}, &stdout, &stderr); code != 0 {
		t.Errorf("without the network: %d", code)
	}
	for _, row := range []struct {
		rules, want string
		code        int
	}{
		{`require.good if input.claims.sub == "alice"`, "bundle weather: roots authz, revision \"release-7\", serial 7\n", 0},
		{`require.bad if input.no.such == 1`, "a.rego:3:", exitFailure},
	} {
		content = release{serial: 7, rules: row.rules}.pack(t)
		stdout.Reset()
		code := run(t.Context(), []string{"check", "--online", "--config", f.path("doorward.yaml")}, &stdout, &stderr)
		if code != row.code || !strings.Contains(stdout.String(), row.want) || strings.Contains(stdout.String(), "decisions depend on bundles") {
			t.Errorf("%d\n%s%s", code, &stdout, &stderr)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// authority is an authorization server whose metadata, over TLS, names a key set
// without TLS: every kind of trust is in use.
type authority struct {
	key        *jwttest.Key
	tls, plain *httptest.Server
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{key: jwttest.NewKey("ES256", "key-1")}
	a.plain = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(jwttest.JWKS(a.key))
	}))
	a.tls = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"issuer": %q, "jwks_uri": %q}`, a.tls.URL, a.plain.URL+"/jwks")
	}))
	t.Cleanup(a.fall)
	return a
}

// fall ends the server: it answers nothing from now on.
func (a *authority) fall() {
	a.tls.Close()
	a.plain.Close()
}

func (a *authority) token(more map[string]any) string {
	claims := map[string]any{
		"iss": a.tls.URL, "aud": "https://mcp.example.com/mcp", "sub": "alice", "exp": time.Now().Add(time.Hour).Unix(),
	}
	maps.Copy(claims, more)
	if more != nil { // its marks are those of the row
		return a.key.SignAs(map[string]any{"alg": "ES256", "kid": "key-1"}, claims)
	}
	return a.key.Sign(claims)
}

// withdrawal takes back one thing that the trust in an issuer rested on.
type withdrawal struct {
	intent   string
	old, new string // in doorward.yaml
	want     string

	before [2]string      // what the row needs in doorward.yaml first: old and new, where URL is the issuer
	claims map[string]any // of the token, besides the usual ones
}

// issuerAndResource are two lines of doorward.yaml: those of the issuer end, those
// of the resource begin.
const issuerAndResource = "  refresh: {min: 1m}\nresources: [{"

// withdrawals are by the field of config.Issuer; package jwks does the same for
// each field of Keys.
var withdrawals = map[string][]withdrawal{
	"Keys": {
		{intent: "another place", old: "  ca_file", new: "  jwks_uri: https://127.0.0.1:1/jwks\n  ca_file", want: "keys_unavailable"},
		{intent: "another certificate authority", old: "ca.pem", new: "other.pem", want: "keys_unavailable"},
		{intent: "a permission", old: "insecure_http_hosts: [loopback]", new: "insecure_http_hosts: []", want: "keys_unavailable"},
		{intent: "the issuer", old: "issuer: https://127.0.0.1", new: "issuer: https://localhost", want: "issuer_unknown"},
		{intent: "nothing: how often", old: "min: 1m", new: "min: 2m", want: "allowed"},
		{intent: "nothing: one more permission", old: "[loopback]", new: "[loopback, other.example]", want: "allowed"},
	},
	// No key rests on these two: every token is held against them before its key
	// is looked for, so the keys stay and no token that they refuse gets through.
	"Algorithms": {{intent: "the algorithm", old: "algorithms: [ES256]", new: "algorithms: [RS256]", want: "algorithm_not_allowed"}},
	"Profile":    {{intent: "the profile", old: "profile: standard", new: "profile: rfc9068", want: "claims_missing"}},
	// Nor on the others: a change leaves the keys where they are.
	"Tenants": {{
		intent: "the tenant", old: `["1"]`, new: `["2"]`, want: "issuer_unknown",
		before: [2]string{"issuer: https://127.0.0.1:", "discovery_url: URL/metadata\n  tenants: [\"1\"]\n  issuer: https://127.0.0.{tenant}:"},
	}},
	"TrustDomain": {{
		intent: "tokens without a SPIFFE ID", old: issuerAndResource,
		new: "  spiffe_trust_domain: example.org\nresources: [{subjects: [alice], ", want: "issuer_unknown",
	}},
	"ScopeClaims": {{
		intent: "the claim with scopes", old: "[roles]", new: "[groups]", want: "insufficient_scope",
		before: [2]string{issuerAndResource, "  scope_claims: [roles]\nresources: [{scopes: [a], "}, claims: map[string]any{"roles": []string{"a"}},
	}},
	"Accepts": {{
		intent: "a claim of ID tokens", old: "[nonce]", new: "[at_hash]", want: "type_not_allowed",
		before: [2]string{"  ca_file", "  accepts: [nonce]\n  ca_file"}, claims: map[string]any{"nonce": "n", "scope": "a"},
	}},
	"AccessTokenClaims": {{
		intent: "the mark of an access token", old: "[role]", new: "[uid]", want: "type_not_allowed",
		before: [2]string{"  ca_file", "  accepts: [nonce]\n  access_token_claims: [role]\n  ca_file"}, claims: map[string]any{"nonce": "n", "role": "user"},
	}},
	"NoScopes": {{
		intent: "tokens without scopes", old: "scopes: none", new: "scopes: claims", want: "audience_mismatch",
		before: [2]string{issuerAndResource, "  scopes: none\n  access_token_claims: [role]\nresources: [{audiences: [api-1], "},
		claims: map[string]any{"aud": "api-1", "role": "user"},
	}},
	"GenericAudiences": {{
		intent: "an audience that names no resource", old: "[account]", new: "[other]", want: "audience_mismatch",
		before: [2]string{issuerAndResource, "  generic_audiences: [account]\nresources: [{clients: [app], "},
		claims: map[string]any{"aud": "account", "client_id": "app", "scope": "a"},
	}},
	"Dedicated": {{
		intent: "everything that it issues", old: "dedicated: true", new: "dedicated: false", want: "audience_mismatch",
		before: [2]string{"  ca_file", "  dedicated: true\n  ca_file"},
		claims: map[string]any{"aud": "app", "client_id": "app", "scope": "a"},
	}},
	"ClientIDPattern": {{
		intent: "the form of client ids", old: "[a-z]+", new: "[0-9]+", want: "audience_mismatch",
		before: [2]string{"  ca_file", "  dedicated: true\n  client_id_pattern: '[a-z]+'\n  ca_file"},
		claims: map[string]any{"aud": "other", "client_id": "app", "scope": "a"},
	}},
	"SelfAssertedAudience": {
		{
			intent: "a subject", old: issuerAndResource, new: "  audience: self_asserted\nresources: [{subjects: [bob], ",
			want: "audience_mismatch",
		},
		{
			intent: "nothing: a subject that is accepted", old: issuerAndResource,
			new: "  audience: self_asserted\nresources: [{subjects: [alice], ", want: "allowed",
		},
	},
	// Where an issuer is written is for messages alone.
	"File":   {moved},
	"Line":   {moved},
	"Column": {moved},
}

var moved = withdrawal{intent: "nothing: where it is written", old: "issuers:", new: "# moved\nissuers:", want: "allowed"}

// TestWhatTrustRestedOnIsTakenBack while the authorization server is down: over
// a reload and over a restart nothing remembers it, neither kept nor inherited
// keys nor the verified token nor its pinned verdict.
func TestWhatTrustRestedOnIsTakenBack(t *testing.T) {
	for _, field := range reflect.VisibleFields(reflect.TypeFor[config.Issuer]()) {
		if len(withdrawals[field.Name]) == 0 {
			t.Errorf("no word about config.Issuer.%s: does trust rest on it?", field.Name)
		}
		for _, w := range withdrawals[field.Name] {
			for _, restart := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/restart %t", w.intent, restart), func(t *testing.T) {
					t.Parallel()
					takeBack(t, w, restart)
				})
			}
		}
	}
}

func takeBack(t *testing.T, w withdrawal, restart bool) {
	f, a := newFolder(t), newAuthority(t)
	f.write(t, "kept/README", "")
	f.write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.tls.Certificate().Raw})))
	f.write(t, "other.pem", newCertificate(t).certPEM)
	before := fmt.Sprintf(`
listen: {grpc: "127.0.0.1:0", http: "off"}
drain: 0s
limits: {check_timeout: 300ms}
insecure_http_hosts: [loopback]
jwks_cache_dir: kept
issuers:
- issuer: %s
  ca_file: ca.pem
  algorithms: [ES256]
  profile: standard
  refresh: {min: 1m}
resources: [{resource: "https://mcp.example.com/mcp"}]
`, a.tls.URL)
	before = strings.Replace(before, w.before[0], strings.ReplaceAll(w.before[1], "URL", a.tls.URL), 1)
	f.write(t, "doorward.yaml", before)
	p := start(t, "--config", f.path("doorward.yaml"))
	given := a.token(w.claims)
	p.log.await(t, 1, "keys loaded")
	for range 2 {
		if got := verdict(t, p.dial(t, p.grpc, nil), given); got != "allowed" {
			t.Fatalf("before: %s", got)
		}
	}
	awaitFile(t, f.path("kept/*.json"))
	if restart {
		p.stop()
		p.wait(t)
	}
	a.fall()
	after := strings.Replace(before, w.old, w.new, 1)
	if after == before {
		t.Fatalf("no %q in %s", w.old, before)
	}
	f.write(t, "doorward.yaml", after)
	if restart {
		p = start(t, "--config", f.path("doorward.yaml"))
	} else {
		p.log.await(t, 1, "is in force")
	}
	for range 2 {
		if got := verdict(t, p.dial(t, p.grpc, nil), given); got != w.want {
			t.Errorf("after: %s, want %s; log:\n%s", got, w.want, p.log)
		}
	}
}

// awaitFile waits until there is a file: nothing tells when keys are kept.
func awaitFile(t *testing.T, pattern string) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for timeout := time.After(within); ; {
		if found, err := filepath.Glob(pattern); err != nil || len(found) > 0 {
			return
		}
		select {
		case <-look.C:
		case <-timeout:
			t.Fatalf("no file %s", pattern)
		}
	}
}

// TestAFolderThatOthersCanWriteIsRefused by check with its place, at the start,
// and by a reload.
func TestAFolderThatOthersCanWriteIsRefused(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write(t, "kept/README", "")
	path := f.configure(t, "jwks_cache_dir: kept")
	p := start(t, "--config", path)
	if err := os.Chmod(f.path("kept"), 0o770); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"check", "--config", path}, &stdout, &stderr)
	want := "doorward.yaml:10:17: jwks_cache_dir is not usable: " + f.path("kept") + " can be written by others (mode 0770)"
	if code != exitFailure || !strings.Contains(stdout.String(), want) {
		t.Errorf("check: exit %d, %s", code, &stdout)
	}
	log := newLines()
	refused, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	code = run(refused, []string{"serve", "--config", path}, &stdout, log)
	if code != exitFailure || !strings.Contains(log.String(), "can be written by others") {
		t.Errorf("serve: exit %d, %s", code, log)
	}
	f.configure(t, "jwks_cache_dir: kept\nclock_skew: 1s")
	p.log.await(t, 1, "was refused")
	if err := os.Chmod(f.path("kept"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.log.await(t, 1, "is in force")
}

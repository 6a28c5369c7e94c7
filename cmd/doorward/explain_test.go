package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/explain"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// testTime is when explain is asked, so that nothing it says depends on the day.
var testTime = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const weatherConfig = `
insecure_http_hosts: [loopback]
issuers:
- {issuer: "https://as.example.com", jwks_file: keys.json, algorithms: [ES256]}
- {issuer: "http://127.0.0.1:1"}
resources:
- resource: https://mcp.example.com/mcp
  name: weather
  scopes: [mcp:read]
  dpop: optional
  audiences: [api://weather]
  origins: [https://app.example.com]
  issuers: ["https://as.example.com", "http://127.0.0.1:1"]
policy: {paths: [policy]}
revocation_file: revoked.json
`

// operationsConfig is weatherConfig with operations.
var operationsConfig = strings.Replace(weatherConfig, "  dpop: optional\n", `  dpop: optional
  metadata: {scopes_supported: [mcp:read, mcp:write]}
  operations:
  - {method: tools/call, name: pay, scopes: [mcp:write], acr_values: [gold], max_age: 5m}
  - {method: tools/call, name: "delete_*", scopes: [mcp:write]}
  - {method: tools/call}
  - {method: tools/list}
  operations_default: deny
  anonymous: [tools/list, {method: tools/call, name: search}]
`, 1)

const weatherRules = `package authz

require.staff if {
	some group in input.claims.groups
	group == "staff"
}

deny contains {"code": "closed", "message": "nobody deletes on Sundays"} if input.request.method == "DELETE"

deny contains {"code": "broken", "message": ""} if to_number(input.request.headers["x-number"][0]) == 1

scopes contains "mcp:admin" if input.request.method == "PUT"

warn contains {"code": "old", "message": "this path goes away"} if input.request.path == "/mcp/old"

headers["x-group"] := input.claims.groups[0]
`

// weather is a folder with a whole configuration, and the working directory.
func weather(t *testing.T) *folder {
	t.Helper()
	f := newFolder(t)
	f.write(t, "keys.json", string(jwttest.JWKS(f.key)))
	f.write(t, "doorward.yaml", weatherConfig)
	f.write(t, "operations.yaml", operationsConfig)
	f.write(t, "no-rules.yaml", strings.Replace(operationsConfig, "policy: {paths: [policy]}\n", "", 1))
	f.write(t, "policy/team.rego", weatherRules)
	f.write(t, "revoked.json", `{"serial": 1, "revoked": [{"issuer": "https://as.example.com", "jti": "lost"}]}`)
	t.Chdir(f.dir)
	return f
}

// claimsAt are those of a good token at noon, after changes; nil deletes.
func claimsAt(changes map[string]any) map[string]any {
	all := map[string]any{
		"iss": "https://as.example.com", "aud": "https://mcp.example.com/mcp", "sub": "alice", "client_id": "app", "jti": "id-1",
		"iat": testTime.Add(-time.Minute).Unix(), "exp": testTime.Add(time.Hour).Unix(), "scope": "mcp:read", "groups": []string{"staff"},
	}
	for name, value := range changes {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	return all
}

// commandResult is what a run of explain left behind.
type commandResult struct {
	code           int
	stdout, stderr string
}

// explainAt asks at noon, within a time in which no key server needs to answer.
func explainAt(t *testing.T, stdin string, args ...string) commandResult {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	return explainWithin(ctx, stdin, args...)
}

func explainWithin(ctx context.Context, stdin string, args ...string) commandResult {
	var stdout, stderr bytes.Buffer
	cmd := explainCommand(func() time.Time { return testTime })
	cmd.SilenceErrors, cmd.SilenceUsage = true, true // as below the root
	cmd.SetArgs(args)
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	code := exitCode(cmd.ExecuteContext(ctx), "doorward explain", &stderr)
	return commandResult{code, stdout.String(), stderr.String()}
}

// explainRow is one request, and the golden file of what is said of it.
type explainRow struct {
	golden string
	code   int
	token  func(f *folder) string // nil: none
	args   []string
}

func signed(changes map[string]any) func(*folder) string {
	return func(f *folder) string { return f.key.Sign(claimsAt(changes)) }
}

func explainRows() []explainRow {
	const url = "https://mcp.example.com/mcp"
	at := func(url string, more ...string) []string { return append([]string{"--url", url}, more...) }
	tool := func(name string) []string { return at(url, "--mcp-method", "tools/call", "--mcp-name", name) }
	return []explainRow{
		{"allowed", 0, signed(nil), at(url)},
		{"allowed-with-everything", 0, signed(map[string]any{"aud": []string{"x", "api://weather"}}), at(
			url+"/old?a=b&access_token=canary-query#canary-fragment", "--method", "GET", "--header", "Origin: https://app.example.com",
			"--header", "X-MCP-Auth-Subject: canary-header", "--header", "Cookie: canary-cookie", "--header", "cookie: canary-cookie",
		)},
		{"metadata", 0, nil, at("https://mcp.example.com/.well-known/oauth-protected-resource/mcp", "--method", "GET")},
		{"metadata-nowhere", 3, nil, at("https://mcp.example.com/.well-known/oauth-protected-resource/x", "--method", "GET")},
		{"no-resource", 3, signed(nil), at("https://mcp.example.com/mcpx")},
		{"no-resource-unsafe-path", 3, nil, at(url + "/..;/\x1b[2Jx")},
		{"origin-not-allowed", 3, signed(nil), at(url, "--header", "Origin: https://evil.example.com")},
		{"origin-twice", 3, signed(nil), at(url, "--header", "Origin: https://app.example.com", "--header", "origin: https://app.example.com")},
		{"no-credentials", 3, nil, at(url)},
		{"token-malformed", 3, func(*folder) string { return "canary-opaque" }, at(url)},
		{"issuer-unknown", 3, signed(map[string]any{"iss": "https://evil.example.com"}), at(url)},
		{"claims-missing", 3, signed(map[string]any{"exp": nil, "aud": 7, "sub": "a\x1b[2Jb"}), at(url)},
		{"token-expired", 3, signed(map[string]any{"exp": testTime.Add(-time.Hour).Unix()}), at(url)},
		{"key-unknown", 3, func(*folder) string { return jwttest.NewKey("ES256", "key-2").Sign(claimsAt(nil)) }, at(url)},
		{"signature-invalid", 3, func(*folder) string { return jwttest.NewKey("ES256", "key-1").Sign(claimsAt(nil)) }, at(url)},
		{"token-revoked", 3, signed(map[string]any{"jti": "lost"}), at(url)},
		{"binding-unproven", 3, signed(map[string]any{"cnf": map[string]any{"jkt": strings.Repeat("A", 43)}}), at(url)},
		{"dpop-proof-invalid", 3, signed(map[string]any{"cnf": map[string]any{"jkt": strings.Repeat("A", 43)}}), at(url, "--header", "DPoP: canary-proof")},
		{"audience-mismatch", 3, signed(map[string]any{"aud": []string{"https://other.example.com", "https://mcp.example.com"}}), at(url)},
		{"policy-denied-by-deny", 3, signed(nil), at(url, "--method", "DELETE")},
		{"policy-denied-by-several", 3, signed(map[string]any{"groups": nil}), at(url, "--method", "DELETE")},
		{"policy-denied-by-require", 3, signed(map[string]any{"groups": []string{"guests"}}), at(url)},
		{"insufficient-scope", 3, signed(nil), at(url, "--method", "PUT")},
		{"policy-error", 1, signed(nil), at(url, "--header", "X-Number: canary-number")},
		{"operation-allowed", 0, signed(map[string]any{"scope": "mcp:read mcp:write"}), tool("delete_all")},
		{"operation-scope", 3, signed(nil), tool("delete_all")},
		{"operation-step-up", 3, signed(map[string]any{"acr": "silver", "auth_time": testTime.Add(-time.Hour).Unix()}), tool("pay")},
		{"operation-unlisted", 3, signed(nil), at(url, "--mcp-method", "prompts/get", "--mcp-name", "greeting")},
		{"operation-unknown", 3, signed(nil), at(url)},
		{"operation-exempt", 0, signed(nil), at(url, "--mcp-method", "initialize")},
		{"operation-anonymous", 0, nil, tool("search")},
		{"operation-anonymous-denied", 3, nil, tool("search")},
		{"operation-without-a-token", 3, nil, tool("delete_all")},
	}
}

// TestExplainFromAnAddress: a rule about networks is explained for the address
// that is given, as the peer's or as what Envoy would write.
func TestExplainFromAnAddress(t *testing.T) {
	f := weather(t)
	f.write(t, "policy/team.rego", `package authz

require["office"] if net.cidr_contains("203.0.113.0/24", input.request.client_address)
`)
	f.write(t, "token", f.key.Sign(claimsAt(nil)))
	f.write(t, "behind.yaml", weatherConfig+"trust_client_address: true\n")
	for _, row := range []struct {
		config string
		more   []string
		code   int
	}{
		{"doorward.yaml", nil, 3},
		{"doorward.yaml", []string{"--source-address", "203.0.113.7"}, 0},
		{"doorward.yaml", []string{"--source-address", "198.51.100.1"}, 3},
		{"doorward.yaml", []string{"--source-address", "203.0.113.7:443"}, 2},
		{"behind.yaml", nil, 3},
		{"behind.yaml", []string{"--source-address", "203.0.113.7"}, 0},
		{"behind.yaml", []string{"--source-address", "203.0.113.7", "--header", "x-envoy-external-address: 198.51.100.1"}, 3},
		{"behind.yaml", []string{"--header", "x-envoy-external-address: 203.0.113.7"}, 0},
	} {
		args := append([]string{"--config", row.config, "--url", "https://mcp.example.com/mcp", "--token-file", "token"}, row.more...)
		if got := explainAt(t, "", args...); got.code != row.code {
			t.Errorf("%v: exit %d, want %d\n%s%s", args, got.code, row.code, got.stdout, got.stderr)
		}
	}
}

// TestExplainRedacts: what looks like a token is told from no part of a request,
// and from no claim.
func TestExplainRedacts(t *testing.T) {
	f := weather(t)
	secret := jwttest.NewKey("ES256", "other").Sign(map[string]any{"sub": "victim"})
	parts := strings.Split(secret, ".")
	const url = "https://mcp.example.com/mcp"
	everyClaim := map[string]any{}
	for _, name := range []string{"sub", "jti", "client_id", "azp", "scope"} {
		everyClaim[name] = secret
	}
	for _, row := range []struct {
		intent string
		token  string
		args   []string
	}{
		{"path", f.key.Sign(claimsAt(nil)), []string{"--url", url + "/" + secret}},
		{"path of nobody", f.key.Sign(claimsAt(nil)), []string{"--url", "https://mcp.example.com/" + secret}},
		{"query", f.key.Sign(claimsAt(nil)), []string{"--url", url + "?access_token=" + secret}},
		{"host", f.key.Sign(claimsAt(nil)), []string{"--url", "https://" + secret + "/mcp"}},
		{"method", f.key.Sign(claimsAt(nil)), []string{"--url", url, "--method", secret}},
		{"origin", f.key.Sign(claimsAt(nil)), []string{"--url", url, "--header", "origin: " + secret}},
		{"user agent", f.key.Sign(claimsAt(nil)), []string{"--url", url, "--header", "user-agent: " + secret}},
		{"request id", f.key.Sign(claimsAt(nil)), []string{"--url", url, "--header", "x-request-id: " + secret}},
		{"a header's name", f.key.Sign(claimsAt(nil)), []string{"--url", url, "--header", "x-mcp-auth-" + secret + ": a"}},
		{"claims", f.key.Sign(claimsAt(everyClaim)), []string{"--url", url}},
		{"claims of a refusal", f.key.Sign(claimsAt(everyClaim)), []string{"--url", url, "--method", "DELETE"}},
		{"audience", f.key.Sign(claimsAt(map[string]any{"aud": secret})), []string{"--url", url}},
		{"issuer", f.key.Sign(claimsAt(map[string]any{"iss": secret})), []string{"--url", url}},
		{"a header of the team", f.key.Sign(claimsAt(map[string]any{"groups": []string{secret, "staff"}})), []string{"--url", url}},
		{"a key id", f.key.SignAs(map[string]any{"alg": "ES256", "kid": secret, "typ": secret}, claimsAt(nil)), []string{"--url", url}},
	} {
		f.write(t, "token", row.token)
		args := append([]string{"--config", "doorward.yaml", "--token-file", "token"}, row.args...)
		for _, told := range []commandResult{explainAt(t, "", args...), explainAt(t, "", append(args, "--json")...)} {
			for _, part := range append(parts, strings.Split(row.token, ".")...) {
				if all := strings.ToLower(told.stdout + told.stderr); strings.Contains(all, strings.ToLower(part)) {
					t.Errorf("%s: %q is told:\n%s", row.intent, part, all)
				}
			}
		}
	}
}

// TestExplain holds every word of what is said, in both forms; and that no part
// of a token or of a header's value is among them.
func TestExplain(t *testing.T) {
	golden, err := filepath.Abs("testdata/explain")
	if err != nil {
		t.Fatal(err)
	}
	f := weather(t)
	for _, row := range explainRows() {
		t.Run(row.golden, func(t *testing.T) {
			config := "doorward.yaml"
			if strings.HasPrefix(row.golden, "operation-") {
				config = "operations.yaml"
			}
			if row.golden == "operation-anonymous" {
				config = "no-rules.yaml"
			}
			args := append([]string{"--config", config}, row.args...)
			secrets := []string{"canary"}
			if row.token != nil {
				token := row.token(f)
				f.write(t, "token", token+"\n")
				args = append(args, "--token-file", "token")
				secrets = append(secrets, strings.Split(token, ".")...)
			}
			text, document := explainAt(t, "", args...), explainAt(t, "", append(args, "--json")...)
			if text.code != row.code || document.code != row.code {
				t.Errorf("exit %d and %d, want %d\n%s", text.code, document.code, row.code, text.stderr)
			}
			for _, secret := range secrets {
				if all := text.stdout + text.stderr + document.stdout + document.stderr; strings.Contains(all, secret) {
					t.Errorf("%q is told:\n%s", secret, all)
				}
			}
			if strings.ContainsRune(text.stdout, 0x1b) {
				t.Errorf("a control byte for the terminal in %q", text.stdout)
			}
			compareGolden(t, filepath.Join(golden, row.golden+".txt"), text.stdout)
			compareGolden(t, filepath.Join(golden, row.golden+".json"), document.stdout)
			var r explain.Report
			decoder := json.NewDecoder(strings.NewReader(document.stdout))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&r); err != nil || decoder.More() || r.Reason == "" || r.Insecure {
				t.Errorf("%v: %+v", err, r)
			}
		})
	}
}

func compareGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(readFile(t, file), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", filepath.Base(file), diff)
	}
}

// TestExplainReadsTheTokenFromStandardInput, and does not care for the line
// break behind it.
func TestExplainReadsTheTokenFromStandardInput(t *testing.T) {
	f := weather(t)
	got := explainAt(t, f.key.Sign(claimsAt(nil))+"\r\n", "--config", f.path("doorward.yaml"), "--url", "https://mcp.example.com/mcp", "--token-file", "-")
	if got.code != 0 || !strings.Contains(got.stdout, "\nallowed\n") {
		t.Errorf("%+v", got)
	}
}

// TestExplainComparesWithEachIssuer: the advice for a token of a tenant that is not
// listed is that of the log of serve.
func TestExplainComparesWithEachIssuer(t *testing.T) {
	f := newFolder(t)
	f.write(t, "doorward.yaml", `
issuers:
- {issuer: "https://as.example.com/{tenant}", tenants: [a], jwks_uri: "https://as.example.com/keys"}
resources:
- resource: https://mcp.example.com/mcp
`)
	token := f.key.Sign(claimsAt(map[string]any{"iss": "https://as.example.com/b"}))
	got := explainAt(t, token, "--config", f.path("doorward.yaml"), "--url", "https://mcp.example.com/mcp", "--token-file", "-")
	if got.code != 3 || !strings.Contains(got.stdout, "add it to tenants") {
		t.Errorf("%+v", got)
	}
}

// TestExplainNamesFilesFromHere, whichever way the configuration was named.
func TestExplainNamesFilesFromHere(t *testing.T) {
	f := weather(t)
	token := f.key.Sign(claimsAt(map[string]any{"groups": nil}))
	for _, more := range [][]string{nil, {"--header", "x-number: nonsense"}} {
		args := append([]string{"--config", f.path("doorward.yaml"), "--url", "https://mcp.example.com/mcp", "--token-file", "-"}, more...)
		if got := explainAt(t, token, args...); !strings.Contains(got.stdout, " policy/team.rego:") || strings.Contains(got.stdout, f.dir) {
			t.Errorf("%s", got.stdout)
		}
	}
}

// TestExplainUnsignedClaims: they are judged by everything but a signature, and
// nobody can take that for a token.
func TestExplainUnsignedClaims(t *testing.T) {
	f := weather(t)
	for _, row := range []struct {
		intent, claims, reason string
		code                   int
	}{
		{"good ones", encoded(t, claimsAt(nil)), "allowed", 0},
		{"for another server", encoded(t, claimsAt(map[string]any{"aud": "x"})), "audience_mismatch", 3},
		{"expired", encoded(t, claimsAt(map[string]any{"exp": 1})), "token_expired", 3},
		{"an issuer that is not trusted", encoded(t, claimsAt(map[string]any{"iss": "https://evil.example.com"})), "issuer_unknown", 3},
		{"of another kind", encoded(t, claimsAt(map[string]any{"nonce": "n"})), "type_not_allowed", 3},
		{"revoked", encoded(t, claimsAt(map[string]any{"jti": "lost"})), "token_revoked", 3},
		{"the keys of its issuer cannot be had, and need not", encoded(t, claimsAt(map[string]any{"iss": "http://127.0.0.1:1"})), "allowed", 0},
		{"a name twice", `{"iss": "https://as.example.com", "iss": "x"}`, "token_malformed", 3},
		{"no JSON", `nonsense`, "token_malformed", 3},
	} {
		t.Run(row.intent, func(t *testing.T) {
			f.write(t, "claims.json", row.claims)
			args := []string{"--config", "doorward.yaml", "--url", "https://mcp.example.com/mcp", "--insecure-claims", "claims.json"}
			text, document := explainAt(t, "", args...), explainAt(t, "", append(args, "--json")...)
			var r explain.Report
			if err := json.Unmarshal([]byte(document.stdout), &r); err != nil {
				t.Fatal(err)
			}
			if r.Reason != row.reason || text.code != row.code || !r.Insecure || r.Token != nil && r.Token.Verified {
				t.Errorf("exit %d, %s", text.code, document.stdout)
			}
			if !strings.HasPrefix(text.stdout, "INSECURE: these claims are not signed") || strings.Contains(text.stdout, ", verified") || strings.Contains(text.stdout, "signed with") {
				t.Errorf("not said: %s", text.stdout)
			}
		})
	}
}

func encoded(t *testing.T, claims map[string]any) string {
	t.Helper()
	out, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestExplainBroken is exit 1, with problems where check prints them.
func TestExplainBroken(t *testing.T) {
	f := weather(t)
	f.write(t, "bad.yaml", weatherConfig+"nonsense: 1\n")
	f.write(t, "unready.yaml", strings.Replace(weatherConfig, "revoked.json", "half.json", 1))
	f.write(t, "half.json", `{"serial": 0}`)
	f.write(t, "long", strings.Repeat("a", longestFile+1))
	for intent, row := range map[string]struct {
		args           []string
		stdout, stderr string
	}{
		"a bad configuration":  {[]string{"--config", "bad.yaml"}, `bad.yaml:16:1: unknown key "nonsense"`, "1 problem\n"},
		"a list of revocation": {[]string{"--config", "unready.yaml"}, "", "half.json:1:12"},
		"no token file":        {[]string{"--config", "doorward.yaml", "--token-file", "nowhere"}, "", "--token-file: open nowhere"},
		"no claims file":       {[]string{"--config", "doorward.yaml", "--insecure-claims", "nowhere"}, "", "--insecure-claims: open nowhere"},
		"an endless token":     {[]string{"--config", "doorward.yaml", "--token-file", "long"}, "", "long has more than"},
	} {
		got := explainAt(t, "", append(row.args, "--url", "https://mcp.example.com/mcp")...)
		if got.code != exitFailure || !strings.Contains(got.stdout, row.stdout) || !strings.Contains(got.stderr, row.stderr) || row.stdout == "" && got.stdout != "" {
			t.Errorf("%s: %+v", intent, got)
		}
	}
}

// TestExplainUsage is exit 2, and a token on the command line is turned away.
func TestExplainUsage(t *testing.T) {
	weather(t)
	config := []string{"--config", "doorward.yaml"}
	url := append(slices.Clone(config), "--url", "https://mcp.example.com/mcp")
	for intent, row := range map[string]struct {
		args []string
		want string
	}{
		"nothing":             {[]string{}, "--config"},
		"no URL":              {config, "--url"},
		"a relative URL":      {append(slices.Clone(config), "--url", "/mcp"), "absolute"},
		"another scheme":      {append(slices.Clone(config), "--url", "ftp://mcp.example.com/"), "absolute"},
		"no host":             {append(slices.Clone(config), "--url", "https:///mcp"), "no host"},
		"user information":    {append(slices.Clone(config), "--url", "https://a:canary@mcp.example.com/mcp"), "user information"},
		"a token in a header": {append(slices.Clone(url), "--header", "AUTHORIZATION: Bearer canary"), "--token-file"},
		"a host in a header":  {append(slices.Clone(url), "--header", "Host: x"), "--url"},
		"no header":           {append(slices.Clone(url), "--header", "canary"), "Name: value"},
		"a space in a name":   {append(slices.Clone(url), "--header", "canary x: y"), "Name: value"},
		"a token and claims":  {append(slices.Clone(url), "--token-file", "-", "--insecure-claims", "x"), "one of them"},
		"an argument":         {append(slices.Clone(url), "canary"), "unknown command"},
		"a flag nobody knows": {append(slices.Clone(url), "--token"), "unknown flag"},
	} {
		got := explainAt(t, "", row.args...)
		if got.code != exitUsage || got.stdout != "" || !strings.Contains(got.stderr, row.want) {
			t.Errorf("%s: %+v", intent, got)
		}
		if strings.Contains(got.stderr, "canary") && intent != "an argument" {
			t.Errorf("%s: repeats a secret: %s", intent, got.stderr)
		}
	}
}

// TestExplainFetchesKeys of the token's issuer for this run, and leaves the
// folder of kept keys alone; nobody is asked where there is no token.
func TestExplainFetchesKeys(t *testing.T) {
	f := newFolder(t)
	asked := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		_, _ = w.Write(jwttest.JWKS(f.key))
	}))
	defer server.Close()
	f.write(t, "kept/.keep", "")
	f.write(t, "doorward.yaml", strings.NewReplacer(
		`jwks_file: keys.json`, `jwks_uri: "`+server.URL+`/one"`,
		`{issuer: "http://127.0.0.1:1"}`, `{issuer: "http://127.0.0.1:1", jwks_uri: "`+server.URL+`/two"}`,
		"policy: {paths: [policy]}\n", "", "revocation_file: revoked.json\n", "jwks_cache_dir: kept\n",
	).Replace(weatherConfig))
	args := []string{"--config", f.path("doorward.yaml"), "--url", "https://mcp.example.com/mcp"}
	if got := explainAt(t, "", args...); got.code != exitRefused || len(asked) != 0 {
		t.Errorf("without a token: exit %d, %d fetches\n%s", got.code, len(asked), got.stdout)
	}
	if got := explainAt(t, f.key.Sign(claimsAt(nil)), append(args, "--token-file", "-")...); got.code != 0 {
		t.Errorf("exit %d: %s%s", got.code, got.stdout, got.stderr)
	}
	if len(asked) != 1 || <-asked != "/one" {
		t.Error("not the token's issuer alone was asked, once")
	}
	if kept, err := os.ReadDir(f.path("kept")); err != nil || len(kept) != 1 {
		t.Errorf("keys are kept: %v, %v", kept, err)
	}
}

// TestExplainWithoutKeys: nothing is decided then, and it says where they
// should have come from.
func TestExplainWithoutKeys(t *testing.T) {
	f := weather(t)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	token := f.key.Sign(claimsAt(map[string]any{"iss": "http://127.0.0.1:1"}))
	got := explainWithin(ctx, token, "--config", "doorward.yaml", "--url", "https://mcp.example.com/mcp", "--token-file", "-")
	if got.code != exitFailure || !strings.Contains(got.stdout, "undecided: keys_unavailable") || !strings.Contains(got.stdout, "✗ verify") ||
		!strings.Contains(got.stdout, "keys_unavailable: missing: ") || !strings.Contains(got.stdout, "HTTP 503") {
		t.Errorf("%+v", got)
	}
}

// TestUnsignedClaimsAreNoMark: claims that no signed token would open the resource
// with do not open it unsigned, under each profile.
func TestUnsignedClaimsAreNoMark(t *testing.T) {
	f := weather(t)
	for profile, codes := range map[string][2]int{"standard": {3, 0}, "rfc9068": {0, 0}} {
		f.write(t, "audiences.yaml", strings.Replace(
			strings.Replace(weatherConfig, "algorithms: [ES256]", "profile: "+profile, 1), "  scopes: [mcp:read]\n", "", 1))
		for i, scope := range []any{nil, "mcp:read"} {
			changes := map[string]any{"aud": "api://weather", "scope": scope, "roles": []string{"mcp:read"}}
			text, err := json.Marshal(claimsAt(changes))
			if err != nil {
				t.Fatal(err)
			}
			f.write(t, "claims.json", string(text))
			got := explainAt(t, "", "--config", "audiences.yaml", "--url", "https://mcp.example.com/mcp", "--insecure-claims", "claims.json")
			if got.code != codes[i] {
				t.Errorf("%s, scope %v: exit %d, want %d\n%s%s", profile, scope, got.code, codes[i], got.stdout, got.stderr)
			}
		}
	}
}

// TestExplainOperations: what --mcp-method and --mcp-name refuse.
func TestExplainOperations(t *testing.T) {
	weather(t)
	for _, row := range []struct {
		more []string
		want string
	}{
		{[]string{"--mcp-name", "search"}, "--mcp-name without --mcp-method"},
		{[]string{"--mcp-method", "tools/call"}, "--mcp-method tools/call without --mcp-name"},
		{[]string{"--mcp-method", "completion/complete"}, "--mcp-method completion/complete without --mcp-name"},
		{[]string{"--mcp-method", "tools/list", "--mcp-name", "search"}, "--mcp-name with --mcp-method tools/list"},
		{[]string{"--mcp-method", "tools/call", "--mcp-name", "search", "--method", "GET"}, "--mcp-method is of a POST"},
	} {
		got := explainAt(t, "", append([]string{"--config", "operations.yaml", "--url", "https://mcp.example.com/mcp"}, row.more...)...)
		if got.code != 2 || !strings.Contains(got.stderr, row.want) {
			t.Errorf("%q: %+v", row.more, got)
		}
	}
}

package main

import (
	"strings"
	"testing"
)

// issuedConfig is weatherConfig with what its server gets in the place of a token.
func issuedConfig(carry string) string {
	return strings.Replace(weatherConfig, "policy: {paths: [policy]}", `  assertion: {issuer: "https://doorward.example", audience: "https://weather.internal", key_file: assertion.pem}
listen: {http: "0.0.0.0:9190"}
egress:
  listeners: [{listen: "unix:///tmp/doorward-explain-test.sock", resource: weather}]
  handle: {key_files: [handle.key], carry: `+carry+`}
  destinations:
  - host: api.example.com
    token: exchange
    exchange:
    - {issuer: "https://as.example.com", token_endpoint: "https://as.example.com/token", resource: "https://api.example.com", client_id: doorward, client_secret_file: secret}
policy: {paths: [policy]}`, 1)
}

// TestExplainPrintsNoHandleAndNoAssertion: a handle is random text and no token, so that
// its header decides, or that it is a member of baggage. The other members are printed.
func TestExplainPrintsNoHandleAndNoAssertion(t *testing.T) {
	f := weather(t)
	f.writeKey(t, "assertion.pem")
	f.write(t, "handle.key", strings.Repeat("k", 32))
	f.write(t, "secret", "a secret of a client")
	f.write(t, "token", f.key.Sign(claimsAt(nil)))
	stolen := strings.Repeat("Ab3", 100)
	for carry, want := range map[string]string{
		"header":  "x-mcp-auth-handle: [redacted]",
		"baggage": "baggage: a=1,b=[redacted],x-mcp-auth-handle=[redacted]",
	} {
		f.write(t, "doorward.yaml", issuedConfig(carry))
		args := []string{
			"--config", "doorward.yaml", "--token-file", "token", "--url", "https://mcp.example.com/mcp",
			"--header", "baggage: a=1,b=" + stolen + ",x-mcp-auth-handle=" + stolen, "--header", "x-mcp-auth-handle: " + stolen,
		}
		text, asJSON := explainAt(t, "", args...), explainAt(t, "", append(args, "--json")...)
		if text.code != 0 || asJSON.code != 0 {
			t.Fatalf("%s: %+v %+v", carry, text, asJSON)
		}
		quoted := strings.Replace(want, ": ", `","value":"`, 1)
		compact := strings.Join(strings.Fields(asJSON.stdout), "")
		for _, part := range []string{"with     " + want + "\n", "with     x-mcp-auth-assertion: [redacted]\n"} {
			if !strings.Contains(text.stdout, part) {
				t.Errorf("%s: no %q in\n%s", carry, part, text.stdout)
			}
		}
		for _, part := range []string{quoted + `"`, `x-mcp-auth-assertion","value":"[redacted]"`} {
			if !strings.Contains(compact, part) {
				t.Errorf("%s: no %q in\n%s", carry, part, compact)
			}
		}
		for _, all := range []string{text.stdout + text.stderr, asJSON.stdout + asJSON.stderr} {
			if strings.Contains(all, stolen) {
				t.Errorf("%s: %s", carry, all)
			}
		}
	}
}

package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/snapshot"
)

// TestFlagsAreAFile: the short form means what the same words in a file mean.
func TestFlagsAreAFile(t *testing.T) {
	dir := write(t, map[string]string{
		"a.yaml": `
listen: {grpc: "127.0.0.1:1", http: "127.0.0.1:2"}
issuers: [{issuer: http://localhost:9000}, {issuer: https://two.example.com}]
resources: [{resource: http://localhost:10000/mcp, scopes: [mcp:read, mcp:write]}]
policy: {paths: [rules]}
insecure_http_hosts: [localhost]
`,
		"rules/authz.rego": "package authz\n",
	})
	want := mustLoad(t, dir)
	got, problems := config.Flags{
		Resource: "http://localhost:10000/mcp",
		Issuers:  []string{"http://localhost:9000", "https://two.example.com"},
		Scopes:   []string{"mcp:read", "mcp:write"}, PolicyPaths: []string{dir + "/rules"}, InsecureHosts: []string{"localhost"},
		GRPCAddr: "127.0.0.1:1", HTTPAddr: "127.0.0.1:2",
	}.Load(snapshot.New())
	if got == nil {
		t.Fatalf("refused:\n%s", text(problems))
	}
	if diff := cmp.Diff(specs(want), specs(got)); diff != "" {
		t.Errorf("resources (-file +flags):\n%s", diff)
	}
	got.Resources, want.Resources, want.Files, want.Sources = nil, nil, nil, nil
	if diff := cmp.Diff(want, got, anywhere); diff != "" {
		t.Errorf("(-file +flags):\n%s", diff)
	}
	if len(problems) == 0 {
		t.Error("no warning about plain http")
	}
}

// TestFlagsNameThemselves: a problem points to the flag it is about.
func TestFlagsNameThemselves(t *testing.T) {
	for _, test := range []struct {
		intent, resource             string
		issuers, scopes, rego, hosts []string
		grpc, http                   string
		want                         string
	}{
		{intent: "no resource", issuers: []string{"https://as"}, want: "--resource: is missing"},
		{intent: "no issuer", resource: "https://mcp/mcp", want: "--issuer: names no issuer"},
		{intent: "a bad resource", resource: "mcp", issuers: []string{"https://as"}, want: "--resource: is not an absolute URL"},
		{intent: "a bad issuer", resource: "https://mcp/mcp", issuers: []string{"http://as"}, want: "--issuer: is not https"},
		{intent: "the same issuer twice", resource: "https://mcp/mcp", issuers: []string{"https://as", "https://as"}, want: `--issuer: is "https://as" a second time`},
		{intent: "a bad scope", resource: "https://mcp/mcp", issuers: []string{"https://as"}, scopes: []string{"a b"}, want: "--scope: "},
		{intent: "a policy that is not there", resource: "https://mcp/mcp", issuers: []string{"https://as"}, rego: []string{"nowhere"}, want: "--policy: is nowhere, which cannot be read"},
		{intent: "a URL for a host", resource: "https://mcp/mcp", issuers: []string{"https://as"}, hosts: []string{"http://as"}, want: "--insecure-http-host: "},
		{intent: "a bad gRPC address", resource: "https://mcp/mcp", issuers: []string{"https://as"}, grpc: "9191", want: "--grpc-addr: "},
		{intent: "a bad HTTP address", resource: "https://mcp/mcp", issuers: []string{"https://as"}, http: "9190", want: "--http-addr: "},
	} {
		t.Run(test.intent, func(t *testing.T) {
			c, problems := config.Flags{test.resource, test.issuers, test.scopes, test.rego, test.hosts, test.grpc, test.http}.Load(snapshot.New())
			if c != nil || len(problems) != 1 || !strings.HasPrefix(problems[0].String(), test.want) {
				t.Errorf("config %v, want one problem %q:\n%s", c, test.want, text(problems))
			}
			for _, key := range []string{"insecure_http_hosts", "policy.paths", "listen.grpc", "listen.http", "resources["} {
				if strings.Contains(text(problems), key) {
					t.Errorf("a key instead of its flag, %s, is in:\n%s", key, text(problems))
				}
			}
		})
	}
}

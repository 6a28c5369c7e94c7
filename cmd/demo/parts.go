package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/doorward/doorward/internal/testenv"
)

// The client of the curl commands. The secret protects nothing: the authorization
// server of the demo issues a token to every client.
const (
	curlClient = "curl"
	curlSecret = "not-a-secret"
)

// doorward as a client of the authorization server: it may exchange tokens.
const (
	exchangeClient = "doorward"
	exchangeSecret = "not-a-secret-either"
)

// The API as the MCP server names it, and as tokens for it do.
const (
	apiOrigin   = "http://" + testenv.APIHost
	apiAudience = "https://" + testenv.APIHost
	apiScope    = "api:read"
)

// Files of a run, in its folder, beside those of doorward's configuration.
const (
	logFile       = "doorward.log"
	socketFile    = "egress.sock" // where Envoy asks about what leaves the MCP server
	handleFile    = "handle.key"
	secretFile    = "client.secret"
	authorityFile = "api-ca.pem" // what Envoy trusts at the API
)

// teamPolicy is a rule of a team: it requires more than the built-in rules do,
// and cannot require less.
const teamPolicy = `package authz

# What lies under /mcp/admin needs one more scope.
scopes contains "mcp:write" if startswith(input.request.path, "/mcp/admin")
`

// configuration is doorward's, with a comment on each line that needs one.
func configuration(resource, issuer, socket string) string {
	var text strings.Builder
	for _, line := range [][2]string{
		{"# Envoy asks at grpc; health, metrics and metadata documents are at http."},
		{"issuers:"},
		{"- issuer: " + issuer, "its keys are discovered (RFC 8414)"},
		{"resources:"},
		{"- resource: " + resource, "tokens must be issued for exactly this"},
		{"  name: demo"},
		{"  scopes: [mcp:read]", "needed by every request"},
		{"  metadata: {scopes_supported: [mcp:read, mcp:write]}"},
		{"policy: {paths: [policy/]}", "rules of the team"},
		{"egress:", "what the MCP server sends out"},
		{"  listeners:"},
		{"  - {listen: '" + socket + "', resource: demo}"},
		{"  handle: {key_files: [" + handleFile + "]}", "seals the token into x-mcp-auth-handle"},
		{"  destinations:", "every other one is refused"},
		{"  - host: " + testenv.APIHost},
		{"    token: exchange"},
		{"    exchange:"},
		{"    - issuer: " + issuer, "asked about its own tokens alone (RFC 8693)"},
		{"      resource: " + apiAudience, "what the new token is for"},
		{"      scope: [" + apiScope + "]"},
		{"      client_id: " + exchangeClient, "doorward is a client that may exchange"},
		{"      client_secret_file: " + secretFile},
		{"insecure_http_hosts: [loopback]", "http:// is for this machine alone"},
		{"drain: 0s", "no other replica waits to take over"},
	} {
		if line[1] != "" {
			line[0] = fmt.Sprintf("%-40s # %s", line[0], line[1])
		}
		text.WriteString(line[0] + "\n")
	}
	return text.String()
}

// parts is everything that runs. What has not started is nil.
type parts struct {
	resource string // canonical URI of the one resource, as the client knows it
	folder   string // what was written for this run; gone at the end
	egress   string // host:port where requests of the MCP server go out

	auth     *testenv.AuthServer
	mcp      *testenv.MCPServer
	api      *testenv.API
	doorward *testenv.Doorward
	envoy    *testenv.Envoy
	about    envoyInfo
}

// start starts the parts, each before those that need it. Whatever the error,
// the caller stops what is returned.
func start(ctx context.Context, o options, page *page) (*parts, error) {
	p := &parts{}
	page.println("Starting")
	program, err := o.program()
	if err != nil {
		return p, err
	}
	addresses, err := o.addresses()
	if err != nil {
		return p, err
	}
	if p.folder, err = os.MkdirTemp("", "doorward-demo-"); err != nil {
		return p, err
	}
	p.resource, p.egress = "http://"+addresses[envoyPort]+"/mcp", addresses[egressPort]
	for _, part := range []struct {
		name  string
		begin func() (where string, err error)
	}{
		{"authorization server", func() (string, error) { return p.startAuth(addresses) }},
		{"MCP server", func() (string, error) { return p.startMCP(addresses) }},
		{"API", func() (string, error) { return p.startAPI(addresses) }},
		{"doorward", func() (string, error) { return p.startDoorward(ctx, program, addresses) }},
		{"Envoy", func() (string, error) { return p.startEnvoy(ctx, addresses) }},
	} {
		if err := page.starting(part.name, part.begin); err != nil {
			return p, fmt.Errorf("%s could not be started: %w", part.name, err)
		}
	}
	p.showConfiguration(page)
	return p, nil
}

func (p *parts) startAuth(addresses [portCount]string) (where string, err error) {
	p.auth, err = testenv.StartAuthServer(testenv.AuthServerOptions{
		Listen: addresses[authPort],
		Scopes: []string{"mcp:read", "mcp:write", apiScope},
	})
	if err != nil {
		return "", err
	}
	p.auth.AddClient(curlClient, curlSecret)
	p.auth.AddExchanger(exchangeClient, exchangeSecret)
	return p.auth.Issuer(), nil
}

func (p *parts) startMCP(addresses [portCount]string) (where string, err error) {
	p.mcp, err = testenv.StartMCPServer(testenv.MCPServerOptions{
		Listen: addresses[mcpPort], API: apiOrigin, Egress: p.egress,
	})
	if err != nil {
		return "", err
	}
	return "http://" + p.mcp.Address(), nil
}

func (p *parts) startAPI(addresses [portCount]string) (where string, err error) {
	p.api, err = testenv.StartAPI(testenv.APIOptions{
		Listen: addresses[apiPort], Name: testenv.APIHost, Audience: apiAudience, Verify: p.auth.Verify,
	})
	if err != nil {
		return "", err
	}
	return "https://" + p.api.Address() + ", as " + testenv.APIHost, nil
}

func (p *parts) startDoorward(
	ctx context.Context, program string, addresses [portCount]string,
) (where string, err error) {
	for name, content := range map[string][]byte{
		handleFile: random(32), secretFile: []byte(exchangeSecret), authorityFile: p.api.Authority(),
	} {
		if err := os.WriteFile(p.file(name), content, 0o600); err != nil {
			return "", err
		}
	}
	p.doorward, err = testenv.StartDoorward(ctx, testenv.DoorwardOptions{
		Program: program, Dir: p.folder, GRPC: addresses[grpcPort], HTTP: addresses[httpPort],
		Config: configuration(p.resource, p.auth.Issuer(), "unix://"+p.file(socketFile)), Policy: teamPolicy,
		LogFile: p.file(logFile),
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s (gRPC), http://%s", p.doorward.GRPC, p.doorward.HTTP), nil
}

// file is where a file of this run is.
func (p *parts) file(name string) string { return filepath.Join(p.folder, name) }

func random(size int) []byte {
	bytes := make([]byte, size)
	_, _ = rand.Read(bytes) // never fails (Go 1.24 and later)
	return bytes
}

func (p *parts) startEnvoy(ctx context.Context, addresses [portCount]string) (where string, err error) {
	p.envoy, err = testenv.StartEnvoy(ctx, testenv.EnvoyOptions{
		Listen:   addresses[envoyPort],
		Admin:    addresses[adminPort],
		Doorward: addresses[grpcPort],
		Upstream: addresses[mcpPort],
		Egress: &testenv.EgressOptions{
			Listen: p.egress, Socket: p.file(socketFile),
			API: p.api.Address(), AuthorityIn: p.file(authorityFile),
		},
	})
	if err != nil {
		return "", err
	}
	if p.about, err = askEnvoy(ctx, p.envoy.AdminURL()); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s (version %s)", p.envoy.URL(), p.about.version()), nil
}

// envoyInfo is what Envoy says of itself.
type envoyInfo struct {
	Version string `json:"version"` // commit/1.40.0/...
	Options struct {
		Config string `json:"config_path"`
	} `json:"command_line_options"`
}

func (i envoyInfo) version() string {
	_, rest, _ := strings.Cut(i.Version, "/")
	number, _, _ := strings.Cut(rest, "/")
	return number
}

func askEnvoy(ctx context.Context, admin string) (info envoyInfo, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, admin+"/server_info", nil)
	if err != nil {
		return info, err
	}
	request.Close = true // an open connection would hold up Envoy's end
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return info, fmt.Errorf("envoy's admin interface: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if err := json.NewDecoder(response.Body).Decode(&info); err != nil {
		return info, fmt.Errorf("envoy's admin interface: %w", err)
	}
	return info, nil
}

func (p *parts) showConfiguration(page *page) {
	page.println("The whole configuration of doorward")
	page.text(p.file(testenv.ConfigFile) + ":")
	for line := range strings.Lines(p.doorward.Config) {
		page.text(indent + strings.TrimRight(line, "\n"))
	}
	page.text(p.file(testenv.PolicyFile) + ":")
	for line := range strings.Lines(teamPolicy) {
		page.text(strings.TrimRight(indent+line, "\n "))
	}
}

// stop ends the clients before the servers that they use.
func (p *parts) stop(page *page) error {
	var problems []error
	end := func(name string, running bool, stop func() error) {
		if !running {
			return
		}
		if err := stop(); err != nil {
			problems = append(problems, fmt.Errorf("stopping %s: %w", name, err))
		}
	}
	end("Envoy", p.envoy != nil, func() error { return p.envoy.Stop() })
	end("doorward", p.doorward != nil, func() error { return p.doorward.Stop() })
	end("the MCP server", p.mcp != nil, func() error { return p.mcp.Close() })
	end("the API", p.api != nil, func() error { return p.api.Close() })
	end("the authorization server", p.auth != nil, func() error { return p.auth.Close() })
	end("", p.folder != "", func() error { return os.RemoveAll(p.folder) })
	if len(problems) == 0 && p.envoy != nil {
		page.text("", "Everything that was started has been stopped.")
	}
	return errors.Join(problems...)
}

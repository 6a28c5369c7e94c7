package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/testenv"
)

// watchEvery is how often the access log is looked at.
const watchEvery = 100 * time.Millisecond

// describe says what is running, where, and how to try it.
func (p *parts) describe(page *page) {
	page.println("Running until Ctrl-C")
	for _, line := range [][2]string{
		{"MCP endpoint", p.resource},
		{"Envoy " + p.about.version(), "admin interface " + p.envoy.AdminURL()},
		{"", p.about.Options.Config},
		{"doorward", fmt.Sprintf("pid %d, http://%s/readyz and /metrics", p.doorward.PID, p.doorward.HTTP)},
		{"", filepath.Join(p.folder, testenv.ConfigFile) + " (a change takes effect within 5 s)"},
		{"", filepath.Join(p.folder, logFile)},
		{"MCP server", "http://" + p.mcp.Address() + ", inside this process: it trusts every client"},
		{"", "its own requests go to http://" + p.egress + ", at Envoy"},
		{"API", "https://" + p.api.Address() + ", inside this process: it accepts its own tokens"},
		{"authorization server", p.auth.Issuer() + ", inside this process: every client gets a token"},
	} {
		page.printf("%s%-22s %s\n", indent, line[0], line[1])
	}
	page.println("Try it in another terminal")
	page.printf("%s\n", p.commands())
	page.println("Requests (from Envoy's access log)")
}

// commands can be pasted into a shell as they are.
func (p *parts) commands() string {
	return strings.NewReplacer("RESOURCE", p.resource, "ISSUER", p.auth.Issuer(), "METADATA", p.metadataURL(),
		"CLIENT", curlClient+":"+curlSecret, "WHOAMI", whoami, "FORWARD", forward).Replace(
		`# No token: a challenge
curl -i -X POST RESOURCE; echo

# The metadata document
curl METADATA; echo

# A token for this resource, good for ten minutes
TOKEN=$(curl -s -u CLIENT ISSUER/token \
  -d grant_type=client_credentials -d scope=mcp:read -d resource=RESOURCE \
  | sed 's/.*"access_token":"\([^"]*\)".*/\1/')

# With it, a tool call
curl -i RESOURCE -H "Authorization: Bearer $TOKEN" \
  -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
  -d 'WHOAMI'

# The server passes the token on: refused at its way out
curl -i RESOURCE -H "Authorization: Bearer $TOKEN" \
  -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
  -d 'FORWARD'`)
}

// forward is a call of forward_token; the shell puts the token in.
const forward = `{"jsonrpc":"2.0","id":1,"method":"tools/call",
      "params":{"name":"forward_token","arguments":{"token":"'"$TOKEN"'"}}}`

// watch prints a line for each further request, until ctx ends or doorward
// does.
func (p *parts) watch(ctx context.Context, page *page) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	read := len(p.envoy.AccessLog.String())
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.doorward.Ended():
			return fmt.Errorf("doorward: %w", p.doorward.Failure())
		case <-tick.C:
		}
		fresh := p.envoy.AccessLog.String()[read:]
		whole := strings.LastIndexByte(fresh, '\n') + 1
		for line := range strings.Lines(fresh[:whole]) {
			page.arrival(line)
		}
		read += whole
	}
}

// arrival is one line of Envoy's access log, for a person.
func (p *page) arrival(line string) {
	var l accessLine
	if json.Unmarshal([]byte(line), &l) != nil {
		return
	}
	mark := p.paint(red, "✗")
	if l.Status < 400 {
		mark = p.paint(green, "✓")
	}
	why := l.Reason
	if why == "" {
		why = l.Details
	}
	from := l.Client
	if l.Direction == egress {
		from = "from the MCP server"
	}
	p.printf("%s %s %d %-22s %s %s %s\n", indent, mark, l.Status, why, l.Method, l.Path, from)
}

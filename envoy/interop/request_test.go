package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// whoami is the tool call that every request makes.
const whoami = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","arguments":{}}}`

// logged is how long a line of Envoy's access log may take to appear.
const logged = 5 * time.Second

// send makes the tool call with a token and says what came of it: the status,
// and doorward's reason as Envoy's access log has it. Each path is another one
// below the resource, so that its line is found.
func (d *service) send(ctx context.Context, token string) (outcome, error) {
	d.requests++
	path := fmt.Sprintf("/mcp/%d", d.requests)
	began := time.Now()
	status, err := d.call(ctx, path, token)
	if err != nil {
		return outcome{}, err
	}
	took := time.Since(began)
	ctx, cancel := context.WithTimeout(ctx, logged)
	defer cancel()
	text, err := d.envoy.AccessLog.Wait(ctx, fmt.Sprintf("%q:%q", "path", path))
	if err != nil {
		return outcome{}, fmt.Errorf("envoy's access log: %w", err)
	}
	var line struct {
		Reason  string `json:"reason"`
		Details string `json:"details"`
	}
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		return outcome{}, fmt.Errorf("envoy's access log: %w", err)
	}
	if line.Reason == "" {
		line.Reason = line.Details
	}
	return outcome{got: fmt.Sprintf("%d %s", status, line.Reason), note: fmt.Sprintf("%d ms", took.Milliseconds())}, nil
}

// call makes the tool call at a path and reads the answer to its end.
func (d *service) call(ctx context.Context, path, token string) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+d.listen+path, strings.NewReader(whoami))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json, text/event-stream")
	response, err := d.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

// leaks looks at every request that reached the MCP server: none may have a
// credential, and each says who the door let in.
func (d *service) leaks(context.Context) (outcome, error) {
	seen := d.mcp.Requests()
	leaked, nameless := 0, 0
	for _, request := range seen {
		if request.Header.Get("Authorization") != "" {
			leaked++
		}
		if request.Header.Get("X-Mcp-Auth-Issuer") != d.issuer || request.Header.Get("X-Mcp-Auth-Subject") == "" {
			nameless++
		}
	}
	return outcome{
		got:  fmt.Sprintf("%d with a token, %d without a name", leaked, nameless),
		note: fmt.Sprintf("%d requests", len(seen)),
	}, nil
}

package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// user gets a token for the MCP server.
type user func(context.Context, *middle) (string, error)

func alice(ctx context.Context, m *middle) (string, error) {
	got, err := login{
		authorize: m.service.issuer + "/auth", token: m.service.issuer + "/oauth/token", client: "app",
		scope: "openid " + projectScope, resource: m.service.resource,
	}.run(ctx)
	return got.Access, err
}

func machine(ctx context.Context, m *middle) (string, error) { return m.machine(ctx, projectScope) }

func (m *middle) machine(ctx context.Context, scope string) (string, error) {
	got, err := ask(ctx, m.service.issuer+"/oauth/token", "svc", "grant_type", "client_credentials", "scope", scope)
	return got.Access, err
}

// wordy is a user with a token for many projects.
func wordy(ctx context.Context, m *middle) (string, error) {
	scope := projectScope
	for i := range 200 {
		scope += fmt.Sprintf(" urn:zitadel:iam:org:project:id:%018d:aud", i)
	}
	return m.machine(ctx, scope)
}

// callTool calls a tool of the MCP server through Envoy, and returns its text.
func (m *middle) callTool(
	ctx context.Context, at, token string, header http.Header, tool string, arguments map[string]any,
) (string, error) {
	answer, _, err := m.post(ctx, at, token, header, map[string]any{
		"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": map[string]any{"name": tool, "arguments": arguments},
	})
	if err != nil {
		return "", err
	}
	var result struct {
		Result struct {
			Content []struct {
				Text string `json:"text"`
			} `json:"content"`
			IsError bool `json:"isError"`
		} `json:"result"`
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		return "", fmt.Errorf("%s: %w", answer, err)
	}
	if len(result.Result.Content) == 0 || result.Result.IsError {
		return "", fmt.Errorf("the tool %s: %s", tool, answer)
	}
	return result.Result.Content[0].Text, nil
}

// session opens one, as a user.
func (m *middle) session(ctx context.Context, opens user) (string, error) {
	token, err := opens(ctx, m)
	if err != nil {
		return "", err
	}
	_, session, err := m.post(ctx, m.service.resource, token, nil, map[string]any{
		"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": map[string]any{
			"protocolVersion": "2025-11-25", "capabilities": map[string]any{},
			"clientInfo": map[string]any{"name": "interop", "version": "1"},
		},
	})
	if err == nil && session == "" {
		err = errors.New("the server opened no session")
	}
	if err != nil {
		return "", err
	}
	_, _, err = m.post(ctx, m.service.resource, token, http.Header{"Mcp-Session-Id": {session}}, map[string]any{
		"jsonrpc": "2.0", "method": "notifications/initialized",
	})
	return session, err
}

func (m *middle) post(
	ctx context.Context, at, token string, header http.Header, message map[string]any,
) (answer []byte, session string, err error) {
	text, err := json.Marshal(message)
	if err != nil {
		return nil, "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, at, strings.NewReader(string(text)))
	if err != nil {
		return nil, "", err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json, text/event-stream")
	response, err := m.service.client.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err = io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("%s: %.300s", response.Status, answer)
	}
	return answer, response.Header.Get("Mcp-Session-Id"), err
}

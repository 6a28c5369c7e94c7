package main

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type city struct {
	Name string `json:"city"`
}

func forecast(ctx context.Context, call *mcp.CallToolRequest, in city) (*mcp.CallToolResult, any, error) {
	address := "http://api.example.com/v1/forecast?city=" + url.QueryEscape(in.Name)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("x-mcp-auth-handle", call.Extra.Header.Get("x-mcp-auth-handle"))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: string(body)}}}, nil, err
}

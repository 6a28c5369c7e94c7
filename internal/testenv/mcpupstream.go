package testenv

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// The paths of the API that the two tools call.
const (
	AlertsPath   = "/v1/alerts"   // forward_token
	ForecastPath = "/v1/forecast" // forward_handle
)

// handleHeader is what a server copies, so that its request is made for the user of the
// request that it serves.
const handleHeader = "X-Mcp-Auth-Handle"

// APIAnswer is the answer of forward_token and forward_handle: what the server got.
type APIAnswer struct {
	Status int    `json:"status"`
	Body   string `json:"body"`
}

type secret struct {
	Token string `json:"token" jsonschema:"a token, to be passed on"`
}

// caller calls an API through a proxy.
type caller struct {
	origin string
	client *http.Client
}

// addAPITools adds a tool that passes a token on, as no server may, and one that does it
// right.
func addAPITools(s *mcp.Server, o MCPServerOptions) {
	proxy := http.ProxyURL(&url.URL{Scheme: "http", Host: o.Egress})
	// No connection is kept: an open one would delay the end of Envoy.
	c := caller{o.API, &http.Client{Transport: &http.Transport{Proxy: proxy, DisableKeepAlives: true}}}
	mcp.AddTool(s, &mcp.Tool{Name: "forward_token", Description: "Calls the API with a token of its caller"},
		func(ctx context.Context, _ *mcp.CallToolRequest, in secret) (*mcp.CallToolResult, APIAnswer, error) {
			return c.call(ctx, AlertsPath, "Authorization", "Bearer "+in.Token)
		})
	mcp.AddTool(s, &mcp.Tool{Name: "forward_handle", Description: "Calls the API for its caller"},
		func(ctx context.Context, r *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, APIAnswer, error) {
			return c.call(ctx, ForecastPath, handleHeader, r.Extra.Header.Get(handleHeader))
		})
}

func (c caller) call(ctx context.Context, path, name, value string) (*mcp.CallToolResult, APIAnswer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.origin+path, nil)
	if err != nil {
		return nil, APIAnswer{}, err
	}
	request.Header.Set(name, value)
	response, err := c.client.Do(request)
	if err != nil {
		return nil, APIAnswer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	return nil, APIAnswer{response.StatusCode, string(body)}, err
}

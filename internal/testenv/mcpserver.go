package testenv

import (
	"context"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// MCPServerOptions are the choices of an [MCPServer].
type MCPServerOptions struct {
	Listen   string // host:port; "" is a free port on 127.0.0.1
	Sessions bool   // the wire before 2026-07-28: sessions, and GET opens an event stream

	// API is the origin of an API that two more tools call: forward_token, as no server
	// may, and forward_handle. Egress is the host:port of the proxy for their requests.
	// "" leaves these tools out.
	API, Egress string
}

// MCPServer is an MCP server (Streamable HTTP, at every path) that trusts
// every client, as servers behind doorward do. It keeps each request, so that a
// test can see what arrived. Its tools: whoami, echo, forecast, and with an API
// forward_token and forward_handle.
type MCPServer struct {
	seenRequests

	server *httpServer
}

// StartMCPServer serves on loopback until Close.
func StartMCPServer(o MCPServerOptions) (*MCPServer, error) {
	tools := newTools()
	if o.API != "" {
		addAPITools(tools, o)
	}
	handler := mcp.NewStreamableHTTPHandler(
		func(*http.Request) *mcp.Server { return tools },
		&mcp.StreamableHTTPOptions{
			Stateless: !o.Sessions,
			// Envoy keeps the public Host on a connection from loopback, which is the very thing
			// this protection refuses.
			DisableLocalhostProtection: true,
		})
	s := &MCPServer{}
	server, err := serve(o.Listen, s.remember(handler))
	if err != nil {
		return nil, err
	}
	s.server = server
	return s, nil
}

// Address is the host:port that Envoy forwards to.
func (s *MCPServer) Address() string { return s.server.address }

// Close ends the server and its connections.
func (s *MCPServer) Close() error { return s.server.close() }

// Identity is the answer of the tool whoami: the caller, as the headers from
// doorward name it.
type Identity struct {
	Issuer  string `json:"issuer,omitempty"`
	Subject string `json:"subject,omitempty"`
	Client  string `json:"client,omitempty"`
	Scope   string `json:"scope,omitempty"`
}

type (
	nothing struct{}
	message struct {
		Message string `json:"message" jsonschema:"what to say back"`
	}
	place struct {
		City string `json:"city" jsonschema:"a city"`
	}
	forecast struct {
		City    string `json:"city"`
		Weather string `json:"weather"`
	}
)

func newTools() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "doorward-testenv", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "whoami", Description: "Returns the identity headers of the request"}, whoami)
	mcp.AddTool(s, &mcp.Tool{Name: "echo", Description: "Says it back"}, echo)
	mcp.AddTool(s, &mcp.Tool{Name: "forecast", Description: "Tomorrow's weather"}, tomorrow)
	return s
}

func whoami(_ context.Context, r *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, Identity, error) {
	header := r.Extra.Header
	return nil, Identity{
		Issuer:  header.Get("X-Mcp-Auth-Issuer"),
		Subject: header.Get("X-Mcp-Auth-Subject"),
		Client:  header.Get("X-Mcp-Auth-Client"),
		Scope:   header.Get("X-Mcp-Auth-Scope"),
	}, nil
}

func echo(_ context.Context, _ *mcp.CallToolRequest, in message) (*mcp.CallToolResult, message, error) {
	return nil, in, nil
}

// tomorrow knows the weather by the length of the city's name.
func tomorrow(_ context.Context, _ *mcp.CallToolRequest, in place) (*mcp.CallToolResult, forecast, error) {
	skies := []string{"sunny", "cloudy", "rain", "wind from the west"}
	city := strings.TrimSpace(in.City)
	return nil, forecast{City: city, Weather: skies[len(city)%len(skies)]}, nil
}

// The program upstream is an MCP server of the Go SDK that calls an API for its clients, for the interop tests:
//
//	upstream PORT [sessions]
//
// Its tool forecast is that of docs/upstream.md. The others have no code for the handle, or do what no server should.
// It is a module of its own, so that doorward requires nothing of OpenTelemetry for it.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
)

const api = "http://api.example.com/v1/forecast"

func main() {
	if len(os.Args) < 2 {
		log.Fatal("usage: upstream PORT [sessions]")
	}
	server := mcp.NewServer(&mcp.Implementation{Name: "weather", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "forecast"}, forecast)
	mcp.AddTool(server, &mcp.Tool{Name: "traced"}, traced)
	mcp.AddTool(server, &mcp.Tool{Name: "forward"}, forward)
	mcp.AddTool(server, &mcp.Tool{Name: "received"}, received)
	otel.SetTextMapPropagator(propagation.Baggage{})
	options := &mcp.StreamableHTTPOptions{Stateless: len(os.Args) == 2, JSONResponse: true}
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, options)
	mux := http.NewServeMux()
	mux.Handle("/mcp", otelhttp.NewHandler(handler, "mcp"))
	listen := "127.0.0.1:" + os.Args[1]
	log.Fatal(http.ListenAndServe(listen, mux)) //nolint:gosec // a server on loopback that lives for minutes
}

// instrumented is a client that sends the baggage of the context.
var instrumented = &http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport)}

// traced leaves the handle to OpenTelemetry.
func traced(ctx context.Context, _ *mcp.CallToolRequest, _ city) (*mcp.CallToolResult, any, error) {
	return get(ctx, instrumented, nil)
}

type headers struct {
	Headers map[string]string `json:"headers"`
}

// forward sends what the client wrote.
func forward(ctx context.Context, _ *mcp.CallToolRequest, in headers) (*mcp.CallToolResult, any, error) {
	return get(ctx, instrumented, in.Headers)
}

type name struct {
	Name string `json:"name"`
}

// received returns a header of the request.
func received(_ context.Context, call *mcp.CallToolRequest, in name) (*mcp.CallToolResult, any, error) {
	return text(call.Extra.Header.Get(in.Name)), nil, nil
}

func get(ctx context.Context, client *http.Client, headers map[string]string) (*mcp.CallToolResult, any, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, api, nil)
	if err != nil {
		return nil, nil, err
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return text(fmt.Sprintf("%d %s", answer.StatusCode, body)), nil, err
}

func text(s string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: s}}}
}

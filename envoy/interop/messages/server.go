package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// serve runs a server of the SDK that appends the mark of each call to a file. It
// prints its address.
func serve(file string, out io.Writer) error {
	server := mcp.NewServer(&mcp.Implementation{Name: "marks", Version: "1"}, nil)
	type arguments struct {
		Mark string `json:"mark"`
	}
	var mu sync.Mutex
	for _, name := range []string{"a", "b"} {
		mcp.AddTool(server, &mcp.Tool{Name: name},
			func(_ context.Context, _ *mcp.CallToolRequest, in arguments) (*mcp.CallToolResult, any, error) {
				mu.Lock()
				defer mu.Unlock()
				return &mcp.CallToolResult{}, nil, appendTo(file, in.Mark+"\n")
			})
	}
	server.AddResource(&mcp.Resource{Name: "r", URI: "memo:a"},
		func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
			return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: "memo:a", Text: "r"}}}, nil
		})
	server.AddPrompt(&mcp.Prompt{Name: "p"},
		func(context.Context, *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			return &mcp.GetPromptResult{}, nil
		})
	handler := mcp.NewStreamableHTTPHandler(
		func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: true})
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, listener.Addr()); err != nil {
		return err
	}
	return (&http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}).Serve(listener)
}

func appendTo(file, text string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // the caller's own
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

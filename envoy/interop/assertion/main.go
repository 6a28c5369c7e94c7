// The program assertion is an MCP server of the Go SDK that takes assertions of doorward, for the interop tests:
//
//	assertion PORT KEYS
//
// KEYS is the URL of doorward's keys. What verifies is the code of docs/assertion.md. It is a module of its own, so
// that doorward does not require the SDK for it.
package main

import (
	"context"
	"log"
	"net/http"
	"os"

	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: assertion PORT KEYS")
	}
	cache := jwk.NewCache(context.Background())
	if err := cache.Register(os.Args[2]); err != nil {
		log.Fatal(err)
	}
	server := mcp.NewServer(&mcp.Implementation{Name: "weather", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "who"}, who)
	http.Handle("/mcp", handlerOf(server, jwk.NewCachedSet(cache, os.Args[2])))
	listen := "127.0.0.1:" + os.Args[1]
	log.Fatal(http.ListenAndServe(listen, nil)) //nolint:gosec // a server on loopback that lives for minutes
}

// who is reached with an assertion alone.
func who(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "accepted"}}}, nil, nil
}

// Command messages reads documents, one a line in base64, with the parser of
// messages of the Go SDK, and writes what it read, one line each: "text" where the
// bytes are no JSON, "message" where they are no message to the SDK, or the
// operations. Names are those that a handler of the SDK's server gets.
//
// With the name of a file it is a server; see serve.
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type operation struct {
	Method   string `json:"method,omitempty"`
	Name     string `json:"name,omitempty"`
	Response bool   `json:"response,omitempty"`
}

func main() {
	do := func() error { return run(os.Stdin, os.Stdout) }
	if len(os.Args) > 1 {
		do = func() error { return serve(os.Args[1], os.Stdout) }
	}
	if err := do(); err != nil {
		fmt.Fprintln(os.Stderr, "messages:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	r, err := newReader(context.Background())
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		document, err := base64.StdEncoding.DecodeString(lines.Text())
		if err != nil {
			return err
		}
		line, err := json.Marshal(r.read(document))
		if err != nil {
			return err
		}
		if _, err := out.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return lines.Err()
}

// reader is a server of the SDK that runs nothing, with a client that has
// initialized it.
type reader struct {
	connection *connection
	name       string // that the last request had
}

func newReader(ctx context.Context) (*reader, error) {
	r := &reader{connection: &connection{in: make(chan jsonrpc.Message), out: make(chan jsonrpc.Message)}}
	quiet := &mcp.ServerOptions{Logger: slog.New(slog.DiscardHandler)}
	server := mcp.NewServer(&mcp.Implementation{Name: "reader", Version: "1"}, quiet)
	server.AddReceivingMiddleware(func(mcp.MethodHandler) mcp.MethodHandler {
		return func(_ context.Context, _ string, request mcp.Request) (mcp.Result, error) {
			r.name = nameIn(request.GetParams())
			return nil, errors.New("nothing is run here")
		}
	})
	state := &mcp.ServerSessionState{
		InitializeParams: &mcp.InitializeParams{
			ProtocolVersion: "2025-11-25", Capabilities: &mcp.ClientCapabilities{},
			ClientInfo: &mcp.Implementation{Name: "c", Version: "1"},
		},
		InitializedParams: &mcp.InitializedParams{},
	}
	_, err := server.Connect(ctx, r.connection, &mcp.ServerSessionOptions{State: state})
	return r, err
}

// read returns a word or a list of operations.
func (r *reader) read(document []byte) any {
	var elements []json.RawMessage
	if json.Unmarshal(document, &elements) != nil {
		elements = []json.RawMessage{document}
	}
	operations := []operation{}
	for _, element := range elements {
		message, err := jsonrpc.DecodeMessage(element)
		switch {
		case err != nil && !json.Valid(document):
			return "text"
		case err != nil:
			return "message"
		}
		operations = append(operations, r.operation(message))
	}
	return operations
}

func (r *reader) operation(message jsonrpc.Message) operation {
	request, isRequest := message.(*jsonrpc.Request)
	if !isRequest {
		return operation{Response: true}
	}
	// The server answers to requests with an id alone.
	id, _ := jsonrpc.MakeID("x")
	r.name = ""
	r.connection.in <- &jsonrpc.Request{ID: id, Method: request.Method, Params: request.Params}
	<-r.connection.out
	if r.name == "" {
		r.name = untyped(request)
	}
	return operation{Method: request.Method, Name: r.name}
}

// nameIn is the name in the params that a handler gets.
func nameIn(params mcp.Params) string {
	switch p := params.(type) {
	case *mcp.CallToolParamsRaw:
		return p.Name
	case *mcp.GetPromptParams:
		return p.Name
	case *mcp.ReadResourceParams:
		return p.URI
	case *mcp.SubscribeParams:
		return p.URI
	case *mcp.UnsubscribeParams:
		return p.URI
	case *mcp.CompleteParams:
		if p.Ref != nil && p.Ref.Type == "ref/prompt" {
			return p.Ref.Name
		}
		if p.Ref != nil {
			return p.Ref.URI
		}
	}
	return ""
}

// untyped is the name in params that the SDK's types refuse.
func untyped(request *jsonrpc.Request) string {
	var params, ref map[string]any
	_ = json.Unmarshal(request.Params, &params)
	ref, _ = params["ref"].(map[string]any)
	at := map[string]any{
		"tools/call": params["name"], "prompts/get": params["name"], "resources/read": params["uri"],
		"resources/subscribe": params["uri"], "resources/unsubscribe": params["uri"], "completion/complete": ref["uri"],
	}
	if ref["type"] == "ref/prompt" {
		at["completion/complete"] = ref["name"]
	}
	name, _ := at[request.Method].(string)
	return name
}

// connection passes messages to the server and its answers back.
type connection struct{ in, out chan jsonrpc.Message }

func (c *connection) Connect(context.Context) (mcp.Connection, error) { return c, nil }

func (c *connection) Read(ctx context.Context) (jsonrpc.Message, error) {
	select {
	case message := <-c.in:
		return message, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *connection) Write(_ context.Context, message jsonrpc.Message) error {
	if _, isResponse := message.(*jsonrpc.Response); isResponse {
		c.out <- message
	}
	return nil
}

func (c *connection) Close() error      { return nil }
func (c *connection) SessionID() string { return "" }

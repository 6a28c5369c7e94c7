package traffic

import (
	"context"
	"fmt"
	"sync"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// Connections is the number of connections of a client. Envoy has one for each worker.
const Connections = 2

// Answers of a service that has no reasons of its own.
const (
	Allowed  = "allowed"
	Denied   = "denied"
	NoAnswer = "no answer"
)

// method is the gRPC method that Envoy calls.
const method = "/envoy.service.auth.v3.Authorization/Check"

// Client calls an ext_authz service as Envoy does.
type Client struct {
	connections []*grpc.ClientConn

	mu    sync.Mutex
	known map[string]string // answers by their bytes; most are repeated
}

// mostKnown bounds the answers that are remembered, since distinct tokens have
// distinct answers.
const mostKnown = 4096

// Dial connects before it returns, so that no request waits for a connection. It
// waits for a service that does not listen yet, until ctx ends.
func Dial(ctx context.Context, address string) (*Client, error) {
	c := &Client{known: map[string]string{}}
	for range Connections {
		connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.ForceCodecV2(bytesCodec{})))
		if err != nil {
			c.Close()
			return nil, err
		}
		c.connections = append(c.connections, connection)
		// A request without a token is answered in any state.
		if _, err := c.exchange(ctx, connection, Encode("", Raw, 0), grpc.WaitForReady(true)); err != nil {
			c.Close()
			return nil, fmt.Errorf("%s does not answer: %w", address, err)
		}
	}
	return c, nil
}

// Close breaks the connections.
func (c *Client) Close() {
	for _, connection := range c.connections {
		_ = connection.Close() // nothing is under way
	}
}

// Check sends one encoded CheckRequest on the connection of its number and
// returns how it was answered.
func (c *Client) Check(ctx context.Context, n int, encoded []byte) (reason string) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	answer, err := c.exchange(ctx, c.connections[n%len(c.connections)], encoded)
	if err != nil {
		return NoAnswer
	}
	return c.reason(answer)
}

// Cycle is a [Call] that sends these requests again and again.
func (c *Client) Cycle(encoded [][]byte) Call {
	return func(ctx context.Context, n int) string { return c.Check(ctx, n, encoded[n%len(encoded)]) }
}

func (c *Client) exchange(
	ctx context.Context, connection *grpc.ClientConn, encoded []byte, options ...grpc.CallOption,
) ([]byte, error) {
	var answer []byte
	err := connection.Invoke(ctx, method, encoded, &answer, options...)
	return answer, err
}

// reason returns the reason in doorward's dynamic metadata. Another service has
// none: it is [Allowed] or [Denied].
func (c *Client) reason(answer []byte) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if reason, known := c.known[string(answer)]; known {
		return reason
	}
	reason := decodeReason(answer)
	if len(c.known) < mostKnown {
		c.known[string(answer)] = reason
	}
	return reason
}

func decodeReason(answer []byte) string {
	var response authv3.CheckResponse
	if proto.Unmarshal(answer, &response) != nil {
		return NoAnswer
	}
	if reason := response.GetDynamicMetadata().GetFields()["reason"].GetStringValue(); reason != "" {
		return reason
	}
	if response.GetStatus().GetCode() != 0 {
		return Denied
	}
	return Allowed
}

// bytesCodec sends encoded messages and returns encoded answers.
type bytesCodec struct{}

func (bytesCodec) Name() string { return "proto" }

func (bytesCodec) Marshal(v any) (mem.BufferSlice, error) {
	encoded, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("traffic: a %T is not encoded", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(encoded)}, nil
}

func (bytesCodec) Unmarshal(data mem.BufferSlice, v any) error {
	into, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("traffic: a %T cannot hold bytes", v)
	}
	*into = data.Materialize()
	return nil
}

package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	connections = 2    // each sender's own, as Envoy has one per worker
	inFlight    = 4096 // requests of a sender; more wait, and their clock runs
	allowed     = "allowed"
)

// schedule is when to send, from 0 on: rate times a second until span is over.
// Without random numbers the gaps are even; with them they are those of
// clients that know nothing of each other (exponential). However they fall,
// there are at most twice as many as rate says, and one.
func schedule(rate float64, span time.Duration, random *rand.Rand) []time.Duration {
	if rate <= 0 {
		return nil
	}
	times := make([]time.Duration, 0, 2*int(rate*span.Seconds())+1)
	gap := float64(time.Second) / rate
	for at := 0.0; at < float64(span) && len(times) < cap(times); {
		times = append(times, time.Duration(at))
		if random == nil {
			at = gap * float64(len(times))
		} else {
			at += gap * random.ExpFloat64()
		}
	}
	return times
}

// sample is one request. Times are from the start of the disturbance.
type sample struct {
	due, sent, done time.Duration
	reason          string // doorward's, or "no answer"
}

// latency is measured from when the request was due: what a slow answer holds
// up counts too (coordinated omission).
func (s sample) latency() time.Duration { return s.done - s.due }

// sender sends at fixed times, whether answers come or not (open loop).
type sender struct {
	connections []*grpc.ClientConn
	due         []time.Duration // from the start of the disturbance
	tokens      []string
	samples     []sample
	answered    atomic.Int64
	refused     atomic.Int64
}

// newSender connects before it returns, so that no request pays for that.
func newSender(ctx context.Context, address string, due []time.Duration, tokens []string) (*sender, error) {
	s := &sender{due: due, tokens: tokens, samples: make([]sample, len(due))}
	for range connections {
		connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			s.close()
			return nil, err
		}
		s.connections = append(s.connections, connection)
		// Not a token of ours: a request without one is answered in any state.
		if _, err := authv3.NewAuthorizationClient(connection).Check(ctx, check(""), grpc.WaitForReady(true)); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

func (s *sender) close() {
	for _, connection := range s.connections {
		_ = connection.Close() // nothing is under way
	}
}

// run sends everything and waits for the last answer, or for ctx.
func (s *sender) run(ctx context.Context, zero time.Time) {
	var wait sync.WaitGroup
	slots := make(chan struct{}, inFlight)
	clients := make([]authv3.AuthorizationClient, len(s.connections))
	for i, connection := range s.connections {
		clients[i] = authv3.NewAuthorizationClient(connection)
	}
	for i, due := range s.due {
		for left := due - time.Since(zero); left > 0 && ctx.Err() == nil; left = due - time.Since(zero) {
			pause(min(left, time.Second))
		}
		if ctx.Err() != nil {
			break
		}
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			s.samples[i] = s.send(ctx, clients[i%len(clients)], zero, due, s.tokens[i])
		})
	}
	wait.Wait()
}

func (s *sender) send(ctx context.Context, client authv3.AuthorizationClient, zero time.Time, due time.Duration, token string) sample {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	sent := time.Since(zero)
	response, err := client.Check(ctx, check(token))
	got := sample{due: due, sent: sent, done: time.Since(zero), reason: "no answer"}
	if err == nil {
		got.reason = response.GetDynamicMetadata().GetFields()["reason"].GetStringValue()
	}
	s.answered.Add(1)
	if got.reason != allowed {
		s.refused.Add(1)
	}
	return got
}

// check is a request of an MCP client as Envoy describes it, with a token or,
// for "", without.
func check(token string) *authv3.CheckRequest {
	headers := map[string]string{
		":authority": "mcp.example.com", ":method": "POST", ":path": "/mcp", ":scheme": "https",
		"accept": "application/json, text/event-stream", "content-type": "application/json", "content-length": "183",
		"mcp-protocol-version": "2025-11-25", "mcp-session-id": "5f0c2a52-7d0b-4a5e-9f6a-0c3c7a8f1f11", "user-agent": "benchmark",
		"x-forwarded-proto": "https", "x-request-id": "2d1f5b0e-93d5-4f8a-8f7e-b2f1f1f3a111",
	}
	if token != "" {
		headers["authorization"] = "Bearer " + token
	}
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source: &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
			SocketAddress: &corev3.SocketAddress{Address: "10.0.0.7", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 41234}},
		}}},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Id: "4711", Method: "POST", Scheme: "https", Host: "mcp.example.com", Path: "/mcp", Protocol: "HTTP/2", Size: 183, Headers: headers,
		}},
	}}
}

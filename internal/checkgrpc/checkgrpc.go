// Package checkgrpc serves Envoy's ext_authz v3 over gRPC: it hands the bytes of each Check
// to a function and sends the bytes that the function returns.
//
//	server := checkgrpc.NewServer(answer, 0)
//	err := server.Serve(listener)
//
// A Check never ends in a gRPC error, which Envoy takes for an allow under
// failure_mode_allow.
package checkgrpc

import (
	"context"
	"math"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec that ours falls back to
	"google.golang.org/grpc/keepalive"
)

// ServiceName is the gRPC service that Envoy calls, and the name for its health
// service.
const ServiceName = "envoy.service.auth.v3.Authorization"

// DefaultReceiveBytes is the largest Check that [NewServer] accepts by default.
const DefaultReceiveBytes = 16 << 20

// Incoming is one Check before it is decoded: its bytes, which never change; or why there
// are none.
type Incoming struct {
	Wire  []byte
	Fault string
}

// Answer returns the bytes of a CheckResponse, whatever is incoming. They may not be changed
// afterwards.
type Answer func(ctx context.Context, in Incoming) []byte

// NewServer makes a gRPC server that answers Checks. A Check of more than receiveBytes is
// an Incoming with a Fault; 0 means [DefaultReceiveBytes]. The options are the caller's, such as
// grpc.Creds; the codec and the message limits are set after them, and interceptors do
// not see Checks: with the stock ones a Check could end in a gRPC error.
func NewServer(answer Answer, receiveBytes int, options ...grpc.ServerOption) *grpc.Server {
	if receiveBytes <= 0 {
		receiveBytes = DefaultReceiveBytes
	}
	usual := []grpc.ServerOption{
		// A new goroutine begins with a small stack and copies it twice on the
		// way down a Check; one that answers many has it already. Worth a tenth
		// of a hot Check.
		grpc.NumStreamWorkers(64),
		// Envoy keeps one connection per worker; ending them now and then is
		// what brings traffic to new replicas.
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge:      5 * time.Minute,
			MaxConnectionAgeGrace: 30 * time.Second,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{
			MinTime:             5 * time.Second,
			PermitWithoutStream: true,
		}),
	}
	required := []grpc.ServerOption{
		grpc.ForceServerCodecV2(codec{encoding.GetCodecV2("proto"), receiveBytes}),
		// The codec refuses what is too large: the limit of grpc-go is a gRPC error.
		grpc.MaxRecvMsgSize(math.MaxInt32),
		grpc.MaxSendMsgSize(math.MaxInt32),
	}
	server := grpc.NewServer(slices.Concat(usual, options, required)...)
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: ServiceName,
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Check", Handler: answer.handler}},
		Metadata:    "envoy/service/auth/v3/external_auth.proto",
	}, nil)
	return server
}

// handler implements grpc.MethodDesc.Handler. It never returns an error.
//
//nolint:revive // grpc-go puts ctx second
func (answer Answer) handler(
	_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor,
) (any, error) {
	in := new(Incoming)
	if decode(in) != nil {
		in.Fault = "the Check could not be received"
	}
	return encodedResponse(answer(ctx, *in)), nil
}

// Deadline returns when a Check that began at start must be answered, within timeout. It
// is before the caller's own deadline: Envoy takes a later answer for an error of the
// call, and under failure_mode_allow for an allow.
func Deadline(ctx context.Context, start time.Time, timeout time.Duration) time.Time {
	if deadline, has := ctx.Deadline(); has {
		callers := deadline.Sub(start)
		timeout = min(callers-callers/10, timeout)
	}
	return start.Add(timeout)
}
